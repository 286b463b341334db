#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/api_store.h"

namespace berth::sim {

struct Step {
  Duration at{};
  std::string what;  // for the trace
  std::function<void(ApiStore&)> act;
};

struct Scenario {
  std::vector<Step> steps;
  Duration length{};
  std::set<std::string> must_be_wired;  // pods ("ns/name") that nothing can keep from being bound in the end
};

// Namespaces, Subnets, Vpcs, pods and what people do to them, in an order and at times that only the dice know: one
// release all at once, or Subnets long after the pods; edits, overlaps, full subnets, deletions and re-creations under
// the same name.
[[nodiscard]] Scenario make_scenario(Random& random);

}  // namespace berth::sim
