#pragma once

// Kubernetes' own kinds, as far as Berth reads them.

#include <optional>
#include <string>
#include <vector>

#include "api/metadata.h"

namespace berth::api {

struct Pod {
  ObjectMeta meta;
  std::string node_name;  // empty: not scheduled
  bool host_network = false;
  std::string phase;
  std::string restart_policy;
  std::string reason;  // status.reason: "Evicted"
  std::vector<std::string> pod_ips;
  bool container_started = false;  // some container runs, or ran
  JsonArray conditions;            // status.conditions as it is: most of it belongs to others

  [[nodiscard]] static Pod parse(const JsonObject& object);

  // Succeeded or Failed: it will never run again and owns nothing.
  [[nodiscard]] bool finished() const { return phase == "Succeeded" || phase == "Failed"; }
};

struct Namespace {
  ObjectMeta meta;
  bool terminating = false;
  [[nodiscard]] static Namespace parse(const JsonObject& object);
};

struct Node {
  ObjectMeta meta;
  std::vector<std::string> internal_ips;
  bool ready = true;  // unless its Ready condition says otherwise
  [[nodiscard]] static Node parse(const JsonObject& object);
};

struct StatefulSet {
  ObjectMeta meta;
  std::int64_t replicas = 1;
  std::int64_t start = 0;  // spec.ordinals.start
  [[nodiscard]] static StatefulSet parse(const JsonObject& object);
};

struct NetworkAttachmentDefinition {
  ObjectMeta meta;
  // The provider that Subnets of this network carry: "<name>.<ns>.ovn" if the CNI type is kube-ovn or berth-cni,
  // "<name>.<ns>" if only its IPAM is; empty if the network is none of Berth's.
  std::string provider;
  [[nodiscard]] static NetworkAttachmentDefinition parse(const JsonObject& object);
};

// One element of k8s.v1.cni.cncf.io/networks.
struct NetworkSelection {
  std::string ns;
  std::string name;
  std::string interface;
  std::vector<std::string> ips;
  std::string mac;
};

// Both forms: "a, ns/b@eth1" and the JSON list. default_ns is the pod's.
[[nodiscard]] Result<std::vector<NetworkSelection>> parse_network_selections(std::string_view text,
                                                                             std::string_view default_ns);

}  // namespace berth::api
