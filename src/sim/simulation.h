#pragma once

// One simulated run: a tenant's life in a seeded order, under seeded faults, on the production engine.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "binding/safeguards.h"

namespace berth::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  binding::Safeguards safeguards;  // all on, but for mutants
  bool trace = false;              // writes what happens to standard error
};

struct RunResult {
  std::vector<std::string> violations;            // empty: all invariants held
  std::map<std::string, std::uint64_t> occurred;  // how often each fault, crash point and situation came up
  std::uint64_t steps = 0;
  std::uint64_t fingerprint = 0;  // of all API and OVN writes in order: equal for equal seeds
};

[[nodiscard]] RunResult run(const RunOptions& options);

}  // namespace berth::sim
