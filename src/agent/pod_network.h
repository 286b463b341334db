#pragma once

// What a pod and its annotations say about one of its networks. Pure.

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "agent/hold.h"
#include "agent/wiring.h"
#include "api/workload.h"

namespace berth::agent {

// Which pod a runtime asks for: K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID of CNI_ARGS.
struct PodRef {
  std::string ns;
  std::string name;
  std::string uid;
  [[nodiscard]] std::string key() const { return ns + "/" + name; }
};

// Error: invalid, names the argument that is missing. Arguments of other names are passed over.
[[nodiscard]] Result<PodRef> parse_cni_args(std::string_view args);

// Whether this pod object is the one that the runtime means. A static pod is known to the kubelet by a UID of its own,
// which its mirror carries as an annotation.
[[nodiscard]] bool is_pod(const api::Pod& pod, std::string_view uid);

struct PodNetwork {
  std::string port;  // "<pod>.<ns>[.<provider>]": name of the IP object and of the logical port
  std::string subnet;
  std::string subnet_uid;  // empty if the binding record was not asked for
  net::Mac mac;
  std::vector<InterfaceAddress> addresses;  // IPv4 first
  std::vector<net::Address> gateways;
  bool default_route = true;
  std::vector<Route> routes;  // of the annotation "routes", without default routes
  bool operator==(const PodNetwork&) const = default;

  // routes, and a default route by each gateway if default_route is set.
  [[nodiscard]] std::vector<Route> all_routes() const;
};

// Which network of the pod an interface is: the provider of the CNI configuration, with the interface's name behind it
// where the pod is attached to that network more than once.
[[nodiscard]] std::string provider_of_interface(const api::Pod& pod, const std::string& provider,
                                                std::string_view ifname);

// Error: not_bound while the controller has not finished; void_record or bad_annotation. with_record false leaves
// berth.io/binding out of account (only where confirmations are switched off).
[[nodiscard]] tl::expected<PodNetwork, Hold> read_pod_network(const api::Pod& pod, std::string_view provider,
                                                              std::string_view ifname, bool with_record);

}  // namespace berth::agent
