// berth-sim: runs simulated lives of a tenant, seed by seed. The tests print how to call it for the seed that failed.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"
#include "mutants.h"
#include "sim/simulation.h"

int main(int argc, char** argv) {
  berth::sim::RunOptions options;
  std::uint64_t first = 1, count = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (arg == "--seed") {
      first = std::strtoull(value().c_str(), nullptr, 10);
    } else if (arg == "--count") {
      count = std::strtoull(value().c_str(), nullptr, 10);
    } else if (arg == "--trace") {
      options.trace = true;
    } else if (arg == "--mutant") {
      const std::string name = value();
      bool found = false;
      for (const auto& mutant : berth::sim_test::mutants()) {
        if (mutant.name == name) options.safeguards.*mutant.safeguard = false, found = true;
      }
      if (!found) {
        std::fprintf(stderr, "berth-sim: --mutant %s: no such mutant; known:", name.c_str());
        for (const auto& mutant : berth::sim_test::mutants()) std::fprintf(stderr, " %s", mutant.name.c_str());
        std::fprintf(stderr, "\n");
        return 2;
      }
    } else {
      std::fprintf(stderr, "usage: berth-sim [--seed N] [--count N] [--trace] [--mutant NAME]\n");
      return 2;
    }
  }
  berth::log::init({berth::log::Format::text, options.trace ? berth::log::Level::info : berth::log::Level::error, ""});
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    options.seed = seed;
    const auto result = berth::sim::run(options);
    std::printf("seed %llu: %llu steps, fingerprint %016llx, %zu violations\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(result.steps), static_cast<unsigned long long>(result.fingerprint),
                result.violations.size());
    for (const std::string& v : result.violations) std::printf("  %s\n", v.c_str());
    failed += result.violations.empty() ? 0 : 1;
    if (count == 1) {
      for (const auto& [name, times] : result.occurred)
        std::printf("  %6llu %s\n", static_cast<unsigned long long>(times), name.c_str());
    }
  }
  if (count > 1) std::printf("%d of %llu seeds failed\n", failed, static_cast<unsigned long long>(count));
  return failed == 0 ? 0 : 1;
}
