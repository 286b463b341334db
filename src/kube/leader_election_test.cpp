#include "kube/leader_election.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "api/json.h"
#include "base/manual_scheduler.h"

namespace berth::kube {
namespace {

using Loss = LeaderElector::Loss;
using State = LeaderElector::State;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// The API server, as far as one Lease goes: compare-and-swap on resourceVersion.
struct LeaseStore {
  boost::json::value lease;  // null: there is none
  int version = 0;

  Result<boost::json::value> apply(const api::Request& request) {
    const auto version_of = [](const boost::json::value& v) {
      return api::string_at(v.as_object(), {"metadata", "resourceVersion"});
    };
    switch (request.verb) {
      case api::Verb::get:
        if (lease.is_null()) return fail(ErrorCode::not_found, "no lease");
        return lease;
      case api::Verb::create:
        if (!lease.is_null()) return fail(ErrorCode::already_exists, "lease exists");
        break;
      case api::Verb::update:
        if (lease.is_null()) return fail(ErrorCode::not_found, "no lease");
        if (version_of(request.body) != version_of(lease)) return fail(ErrorCode::conflict, "changed");
        break;
      default:
        return fail(ErrorCode::invalid, "not expected of an elector");
    }
    lease = request.body;
    lease.as_object()["metadata"].as_object()["resourceVersion"] = std::to_string(++version);
    return lease;
  }

  [[nodiscard]] std::string holder() const { return api::string_at(lease.as_object(), {"spec", "holderIdentity"}); }
  [[nodiscard]] std::int64_t transitions() const {
    return api::int_at(lease.as_object(), {"spec", "leaseTransitions"});
  }
  void edit(std::string_view key, boost::json::value to) {
    lease.as_object()["spec"].as_object()[key] = std::move(to);
    lease.as_object()["metadata"].as_object()["resourceVersion"] = std::to_string(++version);
  }
};

// One process' way to the store: delays, losses, hangs.
class Line final : public Transport {
 public:
  Line(ManualScheduler& clock, LeaseStore& store, Random& random) : clock_(clock), store_(store), random_(random) {}

  enum class Fault { none, unreachable, reply_lost, hangs };
  Fault fault = Fault::none;
  double fault_rate = 0;             // of a random one, for each request
  Duration delay = milliseconds(1);  // at most, each way
  int sent = 0;

  void send(api::Request request, Reply done) override {
    ++sent;
    EXPECT_EQ(request.kind, api::Kind::lease);
    Fault now = fault;
    if (std::uniform_real_distribution<>(0, 1)(random_) < fault_rate) now = static_cast<Fault>(random_() % 4);
    if (now == Fault::unreachable) {
      clock_.after(way(), [done] { done(fail(ErrorCode::unavailable, "unreachable")); });
      return;
    }
    clock_.after(way(), [this, now, request = std::move(request), done] {
      auto result = store_.apply(request);
      if (now == Fault::hangs) return;
      if (now == Fault::reply_lost) result = fail(ErrorCode::unavailable, "connection reset");
      clock_.after(way(), [done, result] { done(result); });
    });
  }
  WatchId watch(WatchRequest, WatchHandler) override { std::abort(); }
  void stop_watch(WatchId) override {}

 private:
  Duration way() {
    return Duration(1 + static_cast<Duration::rep>(random_() % static_cast<std::uint64_t>(delay.count())));
  }
  ManualScheduler& clock_;
  LeaseStore& store_;
  Random& random_;
};

// A process' own clock: it may run fast or slow, and stands somewhere else.
class OwnClock final : public Scheduler {
 public:
  OwnClock(ManualScheduler& base, double rate, Duration offset) : base_(base), rate_(rate), offset_(offset) {}
  TimePoint now() const override { return TimePoint(scaled(base_.now().time_since_epoch(), rate_) + offset_); }
  WallTime wall_now() const override { return base_.wall_now() + std::chrono::floor<WallTime::duration>(offset_); }
  TimerId after(Duration delay, std::function<void()> fn) override {
    return base_.after(scaled(delay, 1 / rate_) + Duration(2), std::move(fn));
  }
  void cancel(TimerId id) override { base_.cancel(id); }
  void post(std::function<void()> fn) override { base_.post(std::move(fn)); }

 private:
  static Duration scaled(Duration d, double by) {
    return Duration(static_cast<Duration::rep>(static_cast<double>(d.count()) * by));
  }
  ManualScheduler& base_;
  double rate_;
  Duration offset_;
};

struct Process {
  Process(ManualScheduler& base, LeaseStore& store, Random& random, std::string name, double rate = 1,
          Duration offset = {})
      : clock(base, rate, offset), line(base, store, random), identity(std::move(name)), random_(random) {}

  void start(bool elect = true) {
    LeaderElector::Options options;
    options.identity = identity;
    options.elect = elect;
    options.healthy = [this] { return healthy; };
    elector = std::make_unique<LeaderElector>(
        line, clock, random_, options,
        LeaderElector::Callbacks{.on_started =
                                     [this](std::int64_t epoch) {
                                       EXPECT_EQ(elector->epoch(), epoch);
                                       epochs.push_back(epoch);
                                       if (on_started) on_started(epoch);
                                     },
                                 .on_stopped =
                                     [this](Loss why) {
                                       EXPECT_FALSE(leads());
                                       losses.push_back(why);
                                     },
                                 .on_new_holder = [this](const std::string& holder) { holders.push_back(holder); },
                                 .on_error = [this](const Error& error) { errors.push_back(error.message); }});
    elector->start();
  }
  [[nodiscard]] bool leads() const { return elector && clock.now() < elector->deadline(); }

  OwnClock clock;
  Line line;
  std::string identity;
  bool healthy = true;
  std::function<void(std::int64_t)> on_started;
  std::vector<std::int64_t> epochs;
  std::vector<Loss> losses;
  std::vector<std::string> holders;
  std::vector<std::string> errors;
  std::unique_ptr<LeaderElector> elector;

 private:
  Random& random_;
};

struct LeaderElectionTest : ::testing::Test {
  ManualScheduler clock;
  Random random{3};
  LeaseStore store;
  Process a{clock, store, random, "a"};
  Process b{clock, store, random, "b"};

  bool until(const std::function<bool()>& condition, Duration within) { return clock.run_until(condition, within); }
};

TEST_F(LeaderElectionTest, TheFirstCreatesTheLeaseAsKubectlShowsIt) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  EXPECT_EQ(a.epochs, (std::vector<std::int64_t>{1}));
  const auto& lease = store.lease.as_object();
  EXPECT_EQ(lease.at("apiVersion"), "coordination.k8s.io/v1");
  EXPECT_EQ(lease.at("kind"), "Lease");
  EXPECT_EQ(api::string_at(lease, {"metadata", "name"}), "berth-controller");
  EXPECT_EQ(api::string_at(lease, {"metadata", "namespace"}), "kube-system");
  EXPECT_EQ(api::string_at(lease, {"spec", "holderIdentity"}), "a");
  EXPECT_EQ(api::int_at(lease, {"spec", "leaseDurationSeconds"}), 15);
  EXPECT_EQ(api::int_at(lease, {"spec", "leaseTransitions"}), 1);
  EXPECT_EQ(api::string_at(lease, {"spec", "acquireTime"}).substr(0, 20), "2024-01-01T00:00:00.");
}

TEST_F(LeaderElectionTest, RenewsEveryRetryPeriodAndKeepsWhatOthersWroteIntoTheLease) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  store.lease.as_object()["metadata"].as_object()["labels"] = boost::json::object{{"team", "net"}};
  store.edit("strategy", "x");  // meets the next renewal as a conflict
  const auto acquired = api::string_at(store.lease.as_object(), {"spec", "acquireTime"});
  const int before = a.line.sent;
  clock.advance(minutes(10));
  EXPECT_TRUE(a.leads());
  EXPECT_NEAR(a.line.sent - before, 300, 5);
  EXPECT_EQ(a.epochs.size(), 1U);
  EXPECT_TRUE(a.losses.empty());
  EXPECT_EQ(api::string_at(store.lease.as_object(), {"metadata", "labels", "team"}), "net");
  EXPECT_EQ(api::string_at(store.lease.as_object(), {"spec", "strategy"}), "x");
  EXPECT_EQ(api::string_at(store.lease.as_object(), {"spec", "acquireTime"}), acquired);
  EXPECT_EQ(api::string_at(store.lease.as_object(), {"spec", "renewTime"}).substr(0, 18), "2024-01-01T00:09:5");
}

TEST_F(LeaderElectionTest, ASecondWaitsUntilTheFirstIsSilentForTheLeaseDuration) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  b.start();
  clock.advance(minutes(1));
  EXPECT_FALSE(b.leads());
  EXPECT_EQ(b.holders, (std::vector<std::string>{"a"}));
  a.line.fault = Line::Fault::unreachable;
  const TimePoint cut = clock.now();
  ASSERT_TRUE(until([&] { return !a.leads(); }, seconds(20)));
  EXPECT_LE(clock.now() - cut, seconds(10));
  EXPECT_GE(clock.now() - cut, seconds(8));
  ASSERT_TRUE(until([&] { return b.leads(); }, seconds(20)));
  EXPECT_LE(clock.now() - cut, seconds(16));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::renewal_failed}));
  EXPECT_EQ(b.epochs, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(a.errors, (std::vector<std::string>{"unreachable"}));
  a.line.fault = Line::Fault::none;
  clock.advance(minutes(1));
  EXPECT_TRUE(b.leads());
  EXPECT_FALSE(a.leads());
  EXPECT_EQ(a.holders, (std::vector<std::string>{"b"}));
}

TEST_F(LeaderElectionTest, GivesUpWhenRenewalsHangAndGoesOnWhenTheyDoNot) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  clock.advance(seconds(1));
  a.line.fault = Line::Fault::hangs;
  clock.advance(seconds(4));  // one hangs; the next is sent before the deadline
  a.line.fault = Line::Fault::none;
  clock.advance(minutes(1));
  EXPECT_TRUE(a.leads());
  EXPECT_TRUE(a.losses.empty());
  a.line.fault = Line::Fault::hangs;
  clock.advance(seconds(13));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::renewal_failed}));
  EXPECT_EQ(a.elector->deadline(), TimePoint::min());
}

TEST_F(LeaderElectionTest, TheEpochRisesWhenTheSameIdentityStartsAgainAtOnce) {
  for (std::int64_t epoch = 1; epoch <= 5; ++epoch) {
    a.start();  // destroys the one before, as a crash does
    ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
    EXPECT_EQ(a.epochs.back(), epoch);
    EXPECT_EQ(store.transitions(), epoch);
  }
}

TEST_F(LeaderElectionTest, ReleasesSoThatTheNextNeedNotWait) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  b.start();
  clock.advance(seconds(20));
  bool done = false;
  a.elector->stop([&] { done = true; });
  EXPECT_FALSE(a.leads());
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::released}));
  ASSERT_TRUE(until([&] { return done; }, seconds(1)));
  EXPECT_EQ(a.elector->state(), State::idle);
  EXPECT_EQ(store.holder(), "");
  ASSERT_TRUE(until([&] { return b.leads(); }, milliseconds(2500)));
  EXPECT_EQ(b.epochs, (std::vector<std::int64_t>{2}));
}

TEST_F(LeaderElectionTest, ReleasesAlsoWhileARenewalIsUnderWay) {
  a.line.delay = milliseconds(20);
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  const int sent = a.line.sent;
  ASSERT_TRUE(until([&] { return a.line.sent > sent; }, seconds(3)));
  bool done = false;
  a.elector->stop([&] { done = true; });
  ASSERT_TRUE(until([&] { return done; }, seconds(3)));
  clock.advance(seconds(1));
  EXPECT_EQ(store.holder(), "");
}

TEST_F(LeaderElectionTest, StopEndsInEveryState) {
  for (int steps = 0; steps < 12; ++steps) {
    for (const auto fault :
         {Line::Fault::none, Line::Fault::unreachable, Line::Fault::hangs, Line::Fault::reply_lost}) {
      Process p(clock, store, random, "p");
      p.line.delay = milliseconds(300);
      p.start();
      for (int i = 0; i < steps; ++i) clock.run_one();
      p.line.fault = fault;
      int done = 0;
      p.elector->stop([&] { ++done; });
      p.elector->stop([&] { ++done; });
      ASSERT_TRUE(until([&] { return done == 2; }, seconds(12))) << steps;
      EXPECT_EQ(p.elector->state(), State::idle);
      EXPECT_FALSE(p.leads());
      EXPECT_EQ(p.epochs.size(), p.losses.size());
      const int sent = p.line.sent;
      clock.advance(minutes(1));
      EXPECT_EQ(p.line.sent, sent);
      if (fault == Line::Fault::none && !store.lease.is_null()) {
        EXPECT_EQ(store.holder(), "");
      }
    }
  }
}

TEST_F(LeaderElectionTest, StartsAgainAfterAStop) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  a.elector->stop();
  clock.advance(seconds(1));
  a.elector->start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  EXPECT_EQ(a.epochs, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(LeaderElectionTest, StepsDownWhenTheLeaseNamesAnother) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  store.edit("holderIdentity", "somebody");
  clock.advance(seconds(3));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::taken_over}));
  EXPECT_FALSE(a.leads());
}

TEST_F(LeaderElectionTest, WritesADeletedLeaseAnewWithItsEpoch) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  b.start();
  clock.advance(seconds(5));
  store.edit("leaseTransitions", 7);
  clock.advance(seconds(30));  // a steps down and takes it again above 7
  const auto epoch = store.transitions();
  EXPECT_GT(epoch, 7);
  store.lease = nullptr;
  clock.advance(seconds(5));
  EXPECT_EQ(store.transitions(), epoch);
  EXPECT_EQ(a.leads() + b.leads(), 1);
}

TEST_F(LeaderElectionTest, ARecreatedLeaseIsLiftedAboveTheEpochsThatAreKnownElsewhere) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  EXPECT_EQ(a.elector->epoch(), 1);
  a.elector->raise_epoch_floor(0);
  EXPECT_TRUE(a.leads());
  a.elector->raise_epoch_floor(41);
  EXPECT_FALSE(a.leads());
  ASSERT_TRUE(until([&] { return a.leads(); }, milliseconds(100)));
  EXPECT_EQ(a.epochs, (std::vector<std::int64_t>{1, 42}));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::epoch_overtaken}));
  EXPECT_EQ(store.transitions(), 42);
  a.elector->raise_epoch_floor(41);
  EXPECT_TRUE(a.leads());
}

TEST_F(LeaderElectionTest, AnUnhealthyProcessNeitherKeepsNorTakesTheLease) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  b.healthy = false;
  b.start();
  clock.advance(seconds(10));
  a.healthy = false;
  clock.advance(seconds(3));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::unhealthy}));
  clock.advance(minutes(1));
  EXPECT_FALSE(a.leads() || b.leads());
  b.healthy = true;
  ASSERT_TRUE(until([&] { return b.leads(); }, seconds(3)));
  EXPECT_EQ(store.transitions(), 2);
}

TEST_F(LeaderElectionTest, WithoutElectionTheLeaseIsTakenFromItsHolderAndNeverGivenUpForSilence) {
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  b.start(false);
  ASSERT_TRUE(until([&] { return b.leads(); }, milliseconds(100)));
  EXPECT_EQ(b.epochs, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(b.elector->deadline(), TimePoint::max());
  clock.advance(seconds(3));
  EXPECT_EQ(a.losses, (std::vector<Loss>{Loss::taken_over}));
  a.elector.reset();
  b.line.fault = Line::Fault::unreachable;
  clock.advance(minutes(10));
  EXPECT_TRUE(b.leads());
  b.line.fault = Line::Fault::none;

  Process c(clock, store, random, "c");
  c.start(false);  // the newer of two such processes wins, and they do not fight
  clock.advance(minutes(1));
  EXPECT_TRUE(c.leads());
  EXPECT_EQ(b.losses, (std::vector<Loss>{Loss::taken_over}));
  EXPECT_EQ(b.elector->state(), State::idle);
  EXPECT_EQ(c.epochs, (std::vector<std::int64_t>{3}));
}

TEST_F(LeaderElectionTest, ADamagedLeaseIsTaken) {
  store.lease = {{"metadata", {{"resourceVersion", "0"}}}, {"spec", 5}};
  a.start();
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  EXPECT_EQ(store.holder(), "a");
}

TEST_F(LeaderElectionTest, WritesAreFencedByDeadlineAndEpoch) {
  a.start();
  EXPECT_EQ(a.elector->may_write(0, clock.now()).error().code, ErrorCode::fenced);
  ASSERT_TRUE(until([&] { return a.leads(); }, seconds(1)));
  const TimePoint deadline = a.elector->deadline();
  EXPECT_TRUE(a.elector->may_write(1, deadline - Duration(1)));
  EXPECT_EQ(a.elector->may_write(1, deadline).error().code, ErrorCode::fenced);
  EXPECT_EQ(a.elector->may_write(2, clock.now()).error().code, ErrorCode::fenced);
  a.elector->stop();
  EXPECT_EQ(a.elector->may_write(1, clock.now()).error().code, ErrorCode::fenced);
}

TEST(LeaderElectionOptions, AreChecked) {
  LeaderElector::Options options;
  EXPECT_EQ(LeaderElector::check(options).error().code, ErrorCode::invalid);  // no identity
  options.identity = "a";
  EXPECT_TRUE(LeaderElector::check(options));
  options.renew_deadline = options.lease_duration;
  EXPECT_NE(LeaderElector::check(options).error().message.find("lease duration of 15 s"), std::string::npos);
  options.renew_deadline = options.retry_period;
  EXPECT_NE(LeaderElector::check(options).error().message.find("retry period of 2 s"), std::string::npos);
  options.retry_period = Duration::zero();
  EXPECT_FALSE(LeaderElector::check(options));
}

// Three processes, each with a clock of its own that is up to 4 % fast or slow, on a bad network; they crash, restart,
// stop and are cut off. At every instant at most one may write, and every leadership has a higher epoch than all before
// it.
TEST(LeaderElectionProperty, NeverTwoLeadersAndTheEpochAlwaysRises) {
  int takeovers = 0;
  int losses = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    ManualScheduler clock;
    Random random(seed);
    LeaseStore store;
    std::vector<std::unique_ptr<Process>> processes;
    std::int64_t last_epoch = 0;
    for (int i = 0; i < 3; ++i) {
      const double rate = 0.96 + 0.01 * static_cast<double>(random() % 9);
      processes.push_back(std::make_unique<Process>(clock, store, random, fmt::format("p{}", i), rate,
                                                    seconds(static_cast<int>(random() % 10'000))));
      Process& p = *processes.back();
      p.line.fault_rate = 0.15;
      p.line.delay = milliseconds(1 + random() % 2000);
      p.on_started = [&](std::int64_t epoch) {
        EXPECT_GT(epoch, last_epoch);
        last_epoch = epoch;
        ++takeovers;
      };
      p.start();
    }
    const TimePoint end = clock.now() + minutes(10);
    const auto check = [&] {
      int leaders = 0;
      for (const auto& p : processes) leaders += p->leads() ? 1 : 0;
      return leaders <= 1;
    };
    while (clock.now() < end) {
      const TimePoint next_trouble = clock.now() + milliseconds(random() % 20'000);
      while (clock.next_due() && *clock.next_due() < next_trouble) {
        clock.run_one();
        ASSERT_TRUE(check());
      }
      clock.advance(std::max(next_trouble - clock.now(), Duration::zero()));
      Process& p = *processes[random() % 3];
      switch (random() % 5) {
        case 0:
          p.line.fault = Line::Fault::unreachable;
          break;
        case 1:
          p.line.fault = Line::Fault::hangs;
          break;
        case 2:
          p.line.fault = Line::Fault::none;
          break;
        case 3:
          p.start();
          break;  // crash and restart
        case 4:
          if (p.elector->state() == State::idle)
            p.elector->start();
          else
            p.elector->stop();
          break;
      }
      ASSERT_TRUE(check());
    }
    for (const auto& p : processes) {
      losses += static_cast<int>(p->losses.size());
      p->line.fault = Line::Fault::none;
      p->line.fault_rate = 0;
      p->line.delay = milliseconds(5);
    }
    ASSERT_TRUE(clock.run_until(
        [&] {
          return processes[0]->elector->state() == State::idle || processes[0]->elector->state() == State::leading ||
                 processes[0]->elector->state() == State::waiting;
        },
        seconds(30)));
    processes[0]->elector->start();
    EXPECT_TRUE(clock.run_until([&] { return processes[0]->leads() || processes[1]->leads() || processes[2]->leads(); },
                                minutes(1)));
    if (HasFailure()) return;
  }
  EXPECT_GT(takeovers, 1000);
  EXPECT_GT(losses, 500);
}

}  // namespace
}  // namespace berth::kube
