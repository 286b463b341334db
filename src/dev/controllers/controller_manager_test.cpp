#include "dev/controllers/controller_manager.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <thread>

#include "base/event_loop.h"
#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

class ManagerTest : public ClusterTest {
 protected:
  static json::object named_set(const std::string& name, int replicas) {
    const json::object labels{{"app", name}};
    return {
        {"metadata", {{"name", name}}},
        {"spec",
         {{"replicas", replicas},
          {"selector", {{"matchLabels", labels}}},
          {"template",
           {{"metadata", {{"labels", labels}}}, {"spec", parse(R"({"containers":[{"name":"c","image":"i"}]})")}}}}}};
  }
  static json::object set_of(int replicas) { return named_set("web", replicas); }
};

TEST_F(ManagerTest, FindsWhatWasThereBeforeIt) {
  ManualScheduler clock;
  sim::ApiStore old([&] { return clock.wall_now(); }, random);
  ASSERT_TRUE(old.create(*type("replicasets.apps"), "default", set_of(2)));
  const ControllerManager late(old, clock);
  clock.run_until_idle();
  EXPECT_EQ(old.list(*type("pods"), "default")->items.size(), 2u);
}

TEST_F(ManagerTest, DoesNothingAfterItsEnd) {
  ManualScheduler clock;
  sim::ApiStore own([&] { return clock.wall_now(); }, random);
  auto short_lived = std::make_unique<ControllerManager>(own, clock);
  ASSERT_TRUE(own.create(*type("replicasets.apps"), "default", set_of(2)));
  short_lived.reset();
  const std::uint64_t before = own.version();
  clock.run_until_idle();
  EXPECT_EQ(own.version(), before);
}

TEST_F(ManagerTest, ComesToRestByItself) {
  add_node("n1");
  create("replicasets.apps", json::serialize(set_of(3)));
  settle();
  const std::uint64_t before = store.version();
  scheduler.advance(std::chrono::hours(1));
  EXPECT_EQ(store.version(), before);
  EXPECT_EQ(scheduler.pending(), 0u) << "no timer polls";
}

// Writers on other threads, as the API server has them: they hold the store's mutex, the controllers take it for each
// turn.
TEST_F(ManagerTest, SharesTheStoreWithOtherThreads) {
  EventLoop loop;
  Random own_random(3);
  sim::ApiStore own([] { return WallTime(std::chrono::seconds(1'700'000'000)); }, own_random);
  std::condition_variable_any changed;
  std::optional<ControllerManager> shared(std::in_place, own, loop);
  own.observe([&](const sim::ResourceType&, const sim::Change&) { changed.notify_all(); });
  std::thread turns([&] { loop.run(); });
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 5; ++i) {
        const json::object set = named_set(fmt::format("web-{}-{}", w, i), 2);
        const std::lock_guard lock(own.mutex());
        EXPECT_TRUE(own.create(*type("replicasets.apps"), "default", set));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  {
    std::unique_lock lock(own.mutex());
    const auto all_made = [&] { return own.list(*type("pods"), "default")->items.size() == 30; };
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), all_made));
  }
  loop.stop();
  turns.join();
  shared.reset();
}

}  // namespace
}  // namespace berth::dev
