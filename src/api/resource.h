#pragma once

// The kinds that Berth itself reads and writes, and where the Kubernetes API serves them.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace berth::api {

enum class Kind {
  pod,
  namespace_,
  node,
  secret,
  event,
  lease,
  stateful_set,
  network_attachment_definition,
  subnet,
  ip,
  ip_pool,
  vpc,
  vip,
  deployment,  // these two only berth-dev handles
  replica_set,
  validating_webhook_configuration,
};

struct Resource {
  Kind kind;
  std::string_view group;  // "" is the core group
  std::string_view version;
  std::string_view plural;
  std::string_view name;  // "Pod": the manifest's kind
  bool namespaced;
  bool status_subresource;  // false: status, if any, is written with the object itself (IP, Vip)
};

inline constexpr std::array kResources = {
    Resource{Kind::pod, "", "v1", "pods", "Pod", true, true},
    Resource{Kind::namespace_, "", "v1", "namespaces", "Namespace", false, true},
    Resource{Kind::node, "", "v1", "nodes", "Node", false, true},
    Resource{Kind::secret, "", "v1", "secrets", "Secret", true, false},
    Resource{Kind::event, "", "v1", "events", "Event", true, false},
    Resource{Kind::lease, "coordination.k8s.io", "v1", "leases", "Lease", true, false},
    Resource{Kind::stateful_set, "apps", "v1", "statefulsets", "StatefulSet", true, true},
    Resource{Kind::network_attachment_definition, "k8s.cni.cncf.io", "v1", "network-attachment-definitions",
             "NetworkAttachmentDefinition", true, false},
    Resource{Kind::subnet, "kubeovn.io", "v1", "subnets", "Subnet", false, true},
    Resource{Kind::ip, "kubeovn.io", "v1", "ips", "IP", false, false},
    Resource{Kind::ip_pool, "kubeovn.io", "v1", "ippools", "IPPool", false, true},
    Resource{Kind::vpc, "kubeovn.io", "v1", "vpcs", "Vpc", false, true},
    Resource{Kind::vip, "kubeovn.io", "v1", "vips", "Vip", false, false},
    Resource{Kind::deployment, "apps", "v1", "deployments", "Deployment", true, true},
    Resource{Kind::replica_set, "apps", "v1", "replicasets", "ReplicaSet", true, true},
    Resource{Kind::validating_webhook_configuration, "admissionregistration.k8s.io", "v1",
             "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false, false},
};

[[nodiscard]] constexpr const Resource& resource_of(Kind kind) { return kResources[static_cast<std::size_t>(kind)]; }

// "v1" or "kubeovn.io/v1", as apiVersion writes it.
[[nodiscard]] std::string api_version_of(Kind kind);

// The kind of an object by its apiVersion and kind; none if Berth does not handle it.
[[nodiscard]] std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind);

// "/api/v1/namespaces/ns/pods/name/status" and the like; empty parts are left out. ns is ignored for cluster-scoped
// kinds.
[[nodiscard]] std::string path_of(Kind kind, std::string_view ns, std::string_view name = {},
                                  std::string_view subresource = {});

}  // namespace berth::api
