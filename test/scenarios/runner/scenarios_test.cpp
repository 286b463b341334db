// Plays all scenarios: on a cluster with berth-controller, where each must pass, and on one without, where each must
// fail for something that is not seen.
//
// BERTH_SCENARIOS_KUBECONFIG, BERTH_SCENARIOS_OVN_NB and BERTH_SCENARIOS_METRICS name a cluster that runs already.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <thread>

#include "base/log.h"
#include "scenarios/runner/player.h"

namespace berth::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr int kAtOnce = 8;
constexpr auto kImpatience = 300ms;  // without a controller: nothing will come

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

const Result<std::vector<Scenario>>& all_scenarios() {
  static const auto scenarios = [] {
    const std::string root = setting("BERTH_SOURCE_DIR");
    return load_scenarios((root.empty() ? "." : root) + "/test/scenarios");
  }();
  return scenarios;
}

// What the scenario's test is called: in a filter, '-' has a meaning of its own.
std::string test_name(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

// One play of all scenarios that the command line selects; made when the first result is asked for.
class Performance {
 public:
  Performance(std::string suite, bool with_controller) : suite_(std::move(suite)), with_controller_(with_controller) {}

  const Outcome& of(const std::string& scenario) {
    if (!played_) play_all();
    played_ = true;
    return outcomes_[scenario];
  }

 private:
  [[nodiscard]] bool selected(const std::string& scenario) const {
    const auto* test = testing::UnitTest::GetInstance();
    for (int i = 0; i < test->total_test_suite_count(); ++i) {
      const auto* suite = test->GetTestSuite(i);
      if (suite->name() != suite_) continue;
      for (int j = 0; j < suite->total_test_count(); ++j) {
        if (suite->GetTestInfo(j)->name() == test_name(scenario)) return suite->GetTestInfo(j)->should_run();
      }
    }
    return false;
  }

  [[nodiscard]] Result<std::unique_ptr<Place>> open() const {
    if (const auto kubeconfig = setting("BERTH_SCENARIOS_KUBECONFIG"); !kubeconfig.empty())
      return Place::remote(kubeconfig, setting("BERTH_SCENARIOS_OVN_NB"), setting("BERTH_SCENARIOS_METRICS"));
    return Place::embedded(with_controller_);
  }

  void play_all() {
    std::vector<std::size_t> together, apart;
    const auto& scenarios = *all_scenarios();
    for (std::size_t i = 0; i < scenarios.size(); ++i) {
      outcomes_[scenarios[i].name] = {Outcome::Kind::broken, "was not played", {}};
      if (selected(scenarios[i].name)) (scenarios[i].alone ? apart : together).push_back(i);
    }
    auto place = open();
    if (!place) {
      for (auto& [name, outcome] : outcomes_) outcome.what = place.error().message;
      return;
    }
    const auto begun = std::chrono::steady_clock::now();
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kAtOnce; ++i) {
      threads.emplace_back([&] {
        for (std::size_t mine = next++; mine < together.size(); mine = next++) play_one(**place, together[mine]);
      });
    }
    for (auto& thread : threads) thread.join();
    for (const std::size_t i : apart) {
      if ((*place)->owns_controller()) play_one(**place, i);
    }
    const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    fmt::print("{}: {} scenarios in {:.1f} s; the longest:", suite_, together.size() + apart.size(), took);
    std::vector<std::pair<std::chrono::milliseconds, std::string>> times;
    for (const auto& [name, outcome] : outcomes_) times.emplace_back(outcome.took, name);
    std::ranges::sort(times, std::greater<>());
    for (std::size_t i = 0; i < std::min<std::size_t>(5, times.size()); ++i)
      fmt::print("{} {} {} ms", i == 0 ? "" : ",", times[i].second, times[i].first.count());
    fmt::print("\n");
    std::fflush(stdout);
  }

  void play_one(Place& place, std::size_t index) {
    PlayOptions options;
    options.number = static_cast<int>(index) + 1;
    options.clean_up = with_controller_;
    if (!with_controller_) options.patience = kImpatience;
    const Scenario& scenario = (*all_scenarios())[index];
    if (!with_controller_) {
      outcomes_.at(scenario.name) = play(place, without_controller(scenario), options);
    } else {
      outcomes_.at(scenario.name) = play(place, scenario, options);
    }
  }

  static Scenario without_controller(Scenario scenario) {
    std::erase_if(scenario.steps, [](const boost::json::object& step) { return step.contains("controller"); });
    return scenario;
  }

  const std::string suite_;
  const bool with_controller_;
  bool played_ = false;
  std::map<std::string, Outcome> outcomes_;  // has all keys before threads write to their own
};

Performance& with_controller() {
  static Performance performance("Scenario", true);
  return performance;
}
Performance& without_controller() {
  static Performance performance("ScenarioWithoutController", false);
  return performance;
}

class MustPass : public testing::Test {
 public:
  explicit MustPass(const Scenario& scenario) : scenario_(scenario) {}
  void TestBody() override {
    if (scenario_.alone && !setting("BERTH_SCENARIOS_KUBECONFIG").empty())
      GTEST_SKIP() << "it stops the controller, which is not ours";
    const Outcome& outcome = with_controller().of(scenario_.name);
    EXPECT_EQ(outcome.kind, Outcome::Kind::passed) << outcome.what;
  }

 private:
  const Scenario& scenario_;
};

class MustFail : public testing::Test {
 public:
  explicit MustFail(const Scenario& scenario) : scenario_(scenario) {}
  void TestBody() override {
    const Outcome& outcome = without_controller().of(scenario_.name);
    EXPECT_NE(outcome.kind, Outcome::Kind::passed)
        << scenario_.name << " (" << scenario_.file << ") passes without a controller, so it proves nothing";
    EXPECT_NE(outcome.kind, Outcome::Kind::broken) << outcome.what;
  }

 private:
  const Scenario& scenario_;
};

TEST(ScenarioFiles, CanBeRead) { EXPECT_TRUE(all_scenarios()) << all_scenarios().error().message; }

const bool kRegistered = [] {
  if (!all_scenarios()) return false;
  const bool remote = !setting("BERTH_SCENARIOS_KUBECONFIG").empty();
  for (const Scenario& scenario : *all_scenarios()) {
    testing::RegisterTest("Scenario", test_name(scenario.name).c_str(), nullptr, nullptr, scenario.file.c_str(), 1,
                          [&scenario]() -> testing::Test* { return new MustPass(scenario); });
    if (remote) continue;
    testing::RegisterTest("ScenarioWithoutController", test_name(scenario.name).c_str(), nullptr, nullptr,
                          scenario.file.c_str(), 1, [&scenario]() -> testing::Test* { return new MustFail(scenario); });
  }
  return true;
}();

}  // namespace
}  // namespace berth::scenarios
