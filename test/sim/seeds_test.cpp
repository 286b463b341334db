// The simulator over many seeds. BERTH_SIM_SEEDS says how many (default 200); BERTH_SIM_FIRST where to begin.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "base/log.h"
#include "sim/simulation.h"

namespace berth::sim_test {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// Faults are what these tests are about: their warnings are no news.
const bool kQuiet = [] {
  log::init({log::Format::text, log::Level::error, ""});
  return true;
}();

// Situations that a campaign of 200 seeds must have come through, or it proves less than it claims.
constexpr const char* kCommon[] = {
    "API request lost",
    "API reply lost",
    "API conflict",
    "watch dropped",
    "watch event repeated",
    "watch history forgotten",
    "OVN commit refused",
    "OVN dropped before commit",
    "OVN dropped after commit",
    "OVN connection lost",
    "API outage",
    "very slow message",
    "leader taken over",
    "controller killed while everything is deleted",
    "OVN row deleted by hand",
    "IP object deleted by hand",
    "pod rebound before wiring",
    "pod wired on its subnet",
    "pod wired on the default",
    "pod still waiting in the end",
    "crash before create IP",
    "crash after create IP",
    "crash before patch Pod",
    "crash after patch Pod",
    "crash before patch Subnet",
    "crash before patch Subnet/status",
    "crash after patch Subnet/status",
    "crash before patch Namespace",
    "crash after patch Namespace",
    "watch stalled",
    "crash before OVN commit",
    "crash after OVN commit",
    "pod wired from an IPPool",
    "pod wired with a Vip's address",
};

// The same of a campaign of 2000 seeds: these are too rare to be met in every 200.
constexpr const char* kRare[] = {
    "list lacked a pod",
    "crash before patch IP",
    "crash after patch IP",
    "crash before delete IP",
    "crash after delete IP",
    "crash after patch Subnet",
    "crash before patch Vpc",
    "crash after patch Vpc",
    "crash before patch Vpc/status",
    "crash after patch Vpc/status",
    "crash before create Vpc",
    "crash after create Vpc",
    "crash before create Subnet",
    "crash after create Subnet",
    "crash before patch Node",
    "crash after patch Node",
    "address quarantined",
    "agent lost the race for an IP object",
    "agent refused: no IP object",
    "crash before patch IPPool",
    "crash after patch IPPool",
    "crash before patch IPPool/status",
    "crash after patch IPPool/status",
    "crash before patch Vip",
    "crash after patch Vip",
    "crash before patch Pod/status",
    "crash after patch Pod/status",
};

TEST(Simulation, HoldsItsInvariantsOverManySeeds) {
  const std::uint64_t first = from_environment("BERTH_SIM_FIRST", 1);
  const std::uint64_t count = from_environment("BERTH_SIM_SEEDS", 200);
  std::map<std::string, std::uint64_t> occurred;
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    sim::RunOptions options;
    options.seed = seed;
    const sim::RunResult result = sim::run(options);
    for (const auto& [name, times] : result.occurred) occurred[name] += times;
    if (result.violations.empty()) continue;
    ++failed;
    std::string all;
    for (const std::string& violation : result.violations) all += "\n  " + violation;
    ADD_FAILURE() << "seed " << seed << ":" << all << "\n  replay: build/bin/berth-sim --seed " << seed << " --trace";
  }
  for (const auto& [name, times] : occurred)
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(times), name.c_str());
  if (failed > 0) return;
  const auto demand = [&](const char* name) {
    EXPECT_GT(occurred[name], 0u) << "never happened in " << count << " seeds: " << name;
  };
  if (count >= 200) std::ranges::for_each(kCommon, demand);
  if (count >= 2000) std::ranges::for_each(kRare, demand);
}

TEST(Simulation, GivesTheSameDecisionsForTheSameSeed) {
  for (const std::uint64_t seed : {3u, 17u, 29u}) {
    sim::RunOptions options;
    options.seed = seed;
    const sim::RunResult once = sim::run(options);
    const sim::RunResult again = sim::run(options);
    EXPECT_EQ(once.fingerprint, again.fingerprint) << "seed " << seed;
    EXPECT_EQ(once.steps, again.steps) << "seed " << seed;
    EXPECT_GT(once.steps, 100u);
  }
}

}  // namespace
}  // namespace berth::sim_test
