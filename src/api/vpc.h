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
  };
  ObjectMeta meta;
  std::string default_subnet;
  std::vector<std::string> namespaces;
  std::vector<StaticRoute> static_routes;
  std::vector<Condition> conditions;
  JsonObject status;

  [[nodiscard]] static Vpc parse(const JsonObject& object);
};

}  // namespace berth::api
