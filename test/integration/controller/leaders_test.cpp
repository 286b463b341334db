// Several controllers, and epochs that come from elsewhere: whoever is overtaken writes nothing into OVN any more.

#include <fmt/core.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "integration/controller/fixture.h"
#include "integration/ovsdb/loop_thread.h"
#include "ovn/northbound.h"
#include "ovsdb/client.h"

namespace berth::test {
namespace {

// Notes, in the order of OVN's transactions, under which epoch each port appeared.
class PortWatcher {
 public:
  PortWatcher(LoopThread& loop, const std::string& remotes) : loop_(loop) {
    loop_.run([&] {
      auto client = ovsdb::Client::create(
          loop_.loop(), {.remotes = remotes, .database = "OVN_Northbound", .monitored = ovn::monitored_columns()});
      ASSERT_TRUE(client) << client.error().message;
      client_ = std::move(*client);
      northbound_ = std::make_unique<ovn::Northbound>(loop_.loop(), *client_);
      ovn::Northbound::Observer observer;
      observer.on_port = [this](const std::string& name, const std::optional<world::LogicalPort>& port) {
        if (port) epochs_.try_emplace(name, northbound_->stored_epoch());
      };
      observer.on_synced = [this] { synced_ = true; };
      northbound_->start(std::move(observer));
    });
    EXPECT_TRUE(loop_.eventually([this] { return synced_; }));
  }
  ~PortWatcher() {
    loop_.run([this] {
      northbound_.reset();
      client_.reset();
    });
  }

  // 0: it never was there.
  std::uint64_t epoch_of(const std::string& port) {
    std::uint64_t out = 0;
    loop_.run([&] {
      if (const auto it = epochs_.find(port); it != epochs_.end()) out = it->second;
    });
    return out;
  }
  bool appears(const std::string& port) {
    return loop_.eventually([&] { return epochs_.contains(port); });
  }

  // As another leader would.
  void raise_epoch(std::uint64_t epoch) {
    std::promise<Status> done;
    loop_.run([&] { northbound_->raise_epoch(epoch, [&](Status status) { done.set_value(std::move(status)); }); });
    const auto status = done.get_future().get();
    ASSERT_TRUE(status) << status.error().message;
  }

 private:
  LoopThread& loop_;
  std::unique_ptr<ovsdb::Client> client_;
  std::unique_ptr<ovn::Northbound> northbound_;
  bool synced_ = false;
  std::map<std::string, std::uint64_t> epochs_;
};

class LeadersTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    if (IsSkipped()) return;
    other_.emplace(supervisor_, folder_, "other");
    api_->open();
  }

  void use_raft() {
    cluster_.start(folder_);
    remotes_ = cluster_.remotes();
  }

  Cluster cluster_;
  std::optional<Program> other_;
  LoopThread loop_;
};

const std::string kDecides = "in sync with the API server and OVN; deciding";

TEST_F(LeadersTest, OneLeadsTheOtherStandsByAndTakesOverWhenTheLeaseExpires) {
  start_northbound();
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return controller_->logged(kDecides); })) << controller_->log();
  other_->start(flags("b"));
  ASSERT_TRUE(eventually([&] { return other_->logged("standing by leader=a"); })) << other_->log();
  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "first");
  const std::string first = await_bound("web", "first");

  controller_->signal(SIGKILL);
  make_pod("web", "second");
  ASSERT_TRUE(eventually([&] { return other_->logged(kDecides); })) << other_->log();
  EXPECT_NE(await_bound("web", "second"), first);
  EXPECT_EQ(bound_address("web", "first"), first);
  EXPECT_EQ(stored_epoch(), "\"2\"");
}

TEST_F(LeadersTest, OnRaftALeaderThatSleptThroughItsSuccessionWritesNothing) {
  use_raft();
  PortWatcher watcher(loop_, remotes_);
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return controller_->logged(kDecides); })) << controller_->log();
  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "early");
  ASSERT_FALSE(await_bound("web", "early").empty());

  controller_->signal(SIGSTOP);
  other_->start(
      flags("b", {"--leader-elect=false"}));  // takes the Lease at once: the sleeper's deadline has not passed
  ASSERT_TRUE(eventually([&] { return other_->logged(kDecides); })) << other_->log();
  ASSERT_EQ(stored_epoch(), "\"2\"");
  other_->signal(SIGSTOP);
  make_pod("web", "late");
  controller_->signal(SIGCONT);
  ASSERT_TRUE(eventually([&] {
    return controller_->logged("leadership has ended") || controller_->logged("a higher epoch is known");
  })) << controller_->log();
  ASSERT_TRUE(eventually([&] { return controller_->logged("standing by leader=b"); })) << controller_->log();
  EXPECT_EQ(watcher.epoch_of("late.web"), 0U) << "the overtaken leader wrote a port";

  other_->signal(SIGCONT);
  EXPECT_TRUE(watcher.appears("late.web")) << other_->log();
  EXPECT_EQ(watcher.epoch_of("early.web"), 1U);
  EXPECT_EQ(watcher.epoch_of("late.web"), 2U);
  EXPECT_FALSE(await_bound("web", "late").empty());
}

// Its Lease is good all the time: what stops it is OVN alone.
TEST_F(LeadersTest, OnRaftALeaderIsFencedByAHigherEpochAndBeginsAnewAboveIt) {
  use_raft();
  PortWatcher watcher(loop_, remotes_);
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return controller_->logged(kDecides); })) << controller_->log();
  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "early");
  ASSERT_FALSE(await_bound("web", "early").empty());

  watcher.raise_epoch(100);
  make_pod("web", "late");
  EXPECT_TRUE(watcher.appears("late.web")) << controller_->log();
  EXPECT_EQ(watcher.epoch_of("late.web"), 101U) << "a port was written under an epoch that was over";
  EXPECT_TRUE(controller_->logged("a leadership with a higher epoch is known")) << controller_->log();
  EXPECT_FALSE(await_bound("web", "late").empty());
  EXPECT_EQ(sim::int_at(api_->get("leases", "kube-system", "berth-controller"), {"spec", "leaseTransitions"}), 101);
}

// Only the deciding thread stands still; the one that renews the Lease would go on for ever.
TEST_F(LeadersTest, ADecidingThreadThatStandsStillCostsTheLease) {
  start_northbound();
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return controller_->logged(kDecides); })) << controller_->log();
  other_->start(flags("b"));
  ASSERT_TRUE(eventually([&] { return other_->logged("standing by leader=a"); })) << other_->log();

  const pid_t main_thread = controller_->pid();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, main_thread, nullptr, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, main_thread, nullptr, nullptr), 0) << std::strerror(errno);
  EXPECT_TRUE(eventually([&] { return other_->logged(kDecides); }, std::chrono::seconds(60))) << other_->log();
  EXPECT_EQ(::waitpid(main_thread, nullptr, __WALL), main_thread);
  ASSERT_EQ(::ptrace(PTRACE_DETACH, main_thread, nullptr, nullptr), 0) << std::strerror(errno);

  ASSERT_TRUE(eventually([&] { return controller_->logged("leadership has ended why=\"this process is unhealthy\""); }))
      << controller_->log();
  ASSERT_TRUE(eventually([&] { return controller_->logged("standing by leader=b"); })) << controller_->log();
  EXPECT_EQ(stored_epoch(), "\"2\"");
}

// The API server was set up anew, OVN was not.
TEST_F(LeadersTest, BeginsAboveTheEpochThatOvnHolds) {
  start_northbound();
  nbctl({"set", "NB_Global", ".", "external_ids:berth-epoch=50"});
  controller_->start(flags("a", {"--leader-elect=false"}));
  ASSERT_TRUE(eventually([&] { return subnet_is_ready("ovn-default"); })) << controller_->log();
  EXPECT_EQ(stored_epoch(), "\"51\"");
}

TEST_F(LeadersTest, WithoutElectionTheNewerOneStaysAndTheOlderOneEnds) {
  start_northbound();
  controller_->start(flags("a", {"--leader-elect=false"}));
  ASSERT_TRUE(eventually([&] { return controller_->logged(kDecides); })) << controller_->log();
  other_->start(flags("b", {"--leader-elect=false"}));
  EXPECT_EQ(controller_->exit_status(), 1) << controller_->log();
  EXPECT_TRUE(controller_->logged("--leader-elect is off")) << controller_->log();
  ASSERT_TRUE(eventually([&] { return other_->logged(kDecides); })) << other_->log();
  EXPECT_TRUE(other_->running());
}

}  // namespace
}  // namespace berth::test
