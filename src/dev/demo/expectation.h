#pragma once

// What must come of the chart, derived from the chart's objects alone: never from what the controller wrote.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "dev/demo/inet.h"

namespace berth::dev {

// A Subnet of the chart.
struct MeantSubnet {
  std::string name;
  std::vector<Prefix> prefixes;
  std::vector<std::string> gateways;
};

// A route that a postStart hook adds.
struct MeantRoute {
  std::string destination;  // "192.0.2.0/24"
  std::string gateway;
};

// The pods of one workload of the chart, and where they belong.
struct MeantPods {
  std::string ns;
  std::string workload;                       // "Deployment/web", "Pod/fixed"
  std::string pod_name;                       // of a bare Pod; otherwise empty, and labels tell
  std::map<std::string, std::string> labels;  // of its pods
  std::size_t count = 1;
  MeantSubnet subnet;
  std::optional<std::string> address;  // the one that the pod asks for
  bool hook = false;                   // has a postStart hook
  std::optional<MeantRoute> route;
};

struct Expectation {
  std::vector<MeantPods> pods;
  std::vector<std::string> namespaces;
};

// `objects` are those of the whole chart, Subnets included, in any order. Errors, all invalid: a workload whose
// Namespace no Subnet claims, or that more than one Subnet with room claims (the chart would leave open where its pods
// belong).
[[nodiscard]] Result<Expectation> expectation_of(const std::vector<boost::json::value>& objects);

}  // namespace berth::dev
