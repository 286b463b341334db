#pragma once

#include <string>
#include <vector>

#include "api/condition.h"
#include "api/metadata.h"

namespace berth::api {

// Vpc (kubeovn.io/v1): one logical router, and the namespaces whose default network it is.
struct Vpc {
  struct StaticRoute {
    std::string policy;  // "policyDst" (default) or "policySrc"
    std::string cidr;
    std::string next_hop;
    std::string table{};
  };
  struct PolicyRoute {
    std::int64_t priority = 0;
    std::string match;
    std::string action;                  // "allow", "drop", "reroute"
    std::vector<std::string> next_hops;  // only with reroute
  };
  struct Peering {
    std::string remote;
    std::string connect;  // "169.254.0.1/30", or one for each family with a comma between them
  };
  ObjectMeta meta;
  std::string default_subnet;
  std::vector<std::string> namespaces;
  std::vector<StaticRoute> static_routes;
  std::vector<PolicyRoute> policy_routes;
  std::vector<Peering> peerings;
  std::vector<std::string> unsupported;  // fields that are set and that Berth does nothing about, sorted
  std::vector<Condition> conditions;
  JsonObject status;

  [[nodiscard]] static Vpc parse(const JsonObject& object);
};

// Kube-OVN's rules for a Vpc by itself. The error names field, value and remedy.
[[nodiscard]] Status check_vpc(const Vpc& vpc);

}  // namespace berth::api
