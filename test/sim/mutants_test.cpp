#include "mutants.h"

#include <gtest/gtest.h>

#include "sim/simulation.h"

namespace berth::sim_test {
namespace {

constexpr std::uint64_t kSeeds = 200;

class EveryMutant : public testing::TestWithParam<Mutant> {};

TEST_P(EveryMutant, IsCaught) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    sim::RunOptions options;
    options.seed = seed;
    options.safeguards.*GetParam().safeguard = false;
    const sim::RunResult result = sim::run(options);
    if (result.violations.empty()) continue;
    std::printf("%s: caught at seed %llu: %s\n", GetParam().name.c_str(), static_cast<unsigned long long>(seed),
                result.violations.front().c_str());
    return;
  }
  FAIL() << "no violation in " << kSeeds << " seeds: the simulator would not notice that this safeguard is missing";
}

std::string test_name(const testing::TestParamInfo<Mutant>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Simulator, EveryMutant, testing::ValuesIn(mutants()), test_name);

}  // namespace
}  // namespace berth::sim_test
