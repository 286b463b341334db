#pragma once

// Compares what was seen with what was meant. Pure, so that a test can show it a wrong world.

#include <cstddef>
#include <string>
#include <vector>

#include "dev/demo/expectation.h"
#include "dev/demo/observation.h"

namespace berth::dev {

// One thing that was looked at. Those that hold are kept as well: a check that was never made is no success.
struct Check {
  std::string what;     // "address", "static address", "count", "hook", "route", "port", "duplicate", "ping", …
  std::string subject;  // "tenant-web/web-0", "Deployment/web in tenant-web"
  bool holds = false;
  std::string detail;  // what is wrong; empty if it holds
};

struct Verdict {
  std::vector<Check> checks;

  [[nodiscard]] bool holds() const;  // all of them, and there is at least one
  [[nodiscard]] std::vector<Check> failures() const;
  [[nodiscard]] std::size_t count(const std::string& what) const;
  void add(Verdict other);
};

// Which workload of the chart a pod belongs to; none if it belongs to no one.
[[nodiscard]] const MeantPods* meant_for(const Expectation& expectation, const SeenPod& pod);

// The pods are there, each runs with an address of the Subnet meant for it (in its status, in its namespace, on its OVN
// port, the same in all three), hooks succeeded, no address stands twice, pings were answered.
[[nodiscard]] Verdict judge(const Expectation& expectation, const Observation& seen);

// Nothing is there that was not there before.
[[nodiscard]] Verdict judge_gone(const Inventory& before, const Inventory& after);

}  // namespace berth::dev
