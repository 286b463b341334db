#include "kube/reflector.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/manual_scheduler.h"
#include "kube/testing/fake_transport.h"

namespace berth::kube {
namespace {

using State = Reflector::State;
using Type = WatchEvent::Type;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

boost::json::value object(std::string_view name, std::string_view version) {
  return {{"metadata", {{"name", name}, {"resourceVersion", version}}}};
}

boost::json::value list_of(std::string_view version, boost::json::array items) {
  return {{"metadata", {{"resourceVersion", version}}}, {"items", std::move(items)}};
}

std::string describe(const ReflectorEvent& event) {
  const auto name = [](const boost::json::value& v) { return std::string(v.at_pointer("/metadata/name").as_string()); };
  if (const auto* upsert = std::get_if<Upsert>(&event)) return "+" + name(upsert->object);
  if (const auto* gone = std::get_if<Delete>(&event)) return "-" + name(gone->object);
  const auto& replace = std::get<Replace>(event);
  std::string text = replace.resource_version + "[";
  for (const auto& item : replace.items) text += name(item);
  return text + "]";
}

struct ReflectorTest : ::testing::Test {
  ManualScheduler scheduler;
  Random random{7};
  testing::FakeTransport transport{scheduler};
  std::vector<std::string> seen;
  std::vector<std::string> errors;
  int recovered = 0;
  std::function<void()> on_each;  // runs after each event
  std::unique_ptr<Reflector> reflector;

  void start(Reflector::Options options = {}) {
    reflector = std::make_unique<Reflector>(
        transport, scheduler, random, std::move(options),
        Reflector::Sink{.on_event =
                            [this](const ReflectorEvent& event) {
                              seen.push_back(describe(event));
                              if (on_each) on_each();
                            },
                        .on_error = [this](const Error& error) { errors.push_back(error.message); },
                        .on_recovered = [this] { ++recovered; }});
    reflector->start();
  }

  void answer(Result<boost::json::value> result) {
    (void)transport.answer(std::move(result));
    scheduler.run_until_idle();
  }
  void emit(Type type, boost::json::value value) {
    transport.emit(type, std::move(value));
    scheduler.run_until_idle();
  }
  void end(ErrorCode code, std::string message = "end of stream") {
    transport.end({code, std::move(message)});
    scheduler.run_until_idle();
  }
};

TEST_F(ReflectorTest, ListsThenWatchesBehindTheList) {
  Reflector::Options options;
  options.kind = api::Kind::ip;
  options.field_selector = "spec.nodeName=n1";
  options.label_selector = "a=b";
  start(options);
  ASSERT_EQ(transport.calls.size(), 1U);
  EXPECT_EQ(transport.calls.front().request.verb, api::Verb::list);
  EXPECT_EQ(transport.calls.front().request.kind, api::Kind::ip);
  EXPECT_EQ(transport.calls.front().request.field_selector, "spec.nodeName=n1");
  EXPECT_EQ(transport.calls.front().request.label_selector, "a=b");
  EXPECT_FALSE(reflector->synced());
  answer(list_of("10", {object("a", "3"), object("b", "9")}));
  EXPECT_TRUE(reflector->synced());
  EXPECT_EQ(reflector->state(), State::watching);
  ASSERT_EQ(transport.all_watches.size(), 1U);
  EXPECT_EQ(transport.all_watches[0].resource_version, "10");
  EXPECT_EQ(transport.all_watches[0].field_selector, "spec.nodeName=n1");
  EXPECT_EQ(transport.all_watches[0].label_selector, "a=b");
  emit(Type::added, object("c", "11"));
  emit(Type::modified, object("a", "12"));
  emit(Type::deleted, object("b", "13"));
  emit(Type::bookmark, object("", "99"));
  EXPECT_EQ(seen, (std::vector<std::string>{"10[ab]", "+c", "+a", "-b"}));
  EXPECT_EQ(reflector->resource_version(), "99");
}

TEST_F(ReflectorTest, PassesOnRepeatsAndOldVersionsAsTheyCome) {
  start();
  answer(list_of("10", {object("a", "3")}));
  emit(Type::added, object("a", "3"));
  emit(Type::added, object("a", "3"));
  emit(Type::deleted, object("never-seen", "4"));
  EXPECT_EQ(seen, (std::vector<std::string>{"10[a]", "+a", "+a", "-never-seen"}));
}

TEST_F(ReflectorTest, ResumesAHealthyWatchAtOnceWhereItEnded) {
  start();
  answer(list_of("10", {}));
  emit(Type::added, object("a", "11"));
  end(ErrorCode::unavailable);
  EXPECT_EQ(reflector->state(), State::watching);
  ASSERT_EQ(transport.all_watches.size(), 2U);
  EXPECT_EQ(transport.all_watches[1].resource_version, "11");
  scheduler.advance(seconds(16));  // silent, but open for long enough
  end(ErrorCode::unavailable);
  EXPECT_EQ(transport.all_watches.size(), 3U);
  EXPECT_TRUE(errors.empty());
}

TEST_F(ReflectorTest, ListsAgainWhenTheVersionIsGone) {
  start();
  answer(list_of("10", {object("a", "3")}));
  emit(Type::bookmark, object("", "12"));
  end(ErrorCode::gone);
  EXPECT_EQ(reflector->state(), State::listing);
  EXPECT_TRUE(reflector->synced());
  answer(list_of("50", {object("b", "40")}));
  EXPECT_EQ(seen, (std::vector<std::string>{"10[a]", "50[b]"}));
  EXPECT_EQ(transport.all_watches.back().resource_version, "50");
}

TEST_F(ReflectorTest, AServerThatAlwaysSaysGoneIsNotHammered) {
  transport.responder = [](const api::Request&) { return list_of("10", {}); };
  start();
  scheduler.run_until_idle();
  int ends = 0;
  const TimePoint start_time = scheduler.now();
  while (scheduler.now() - start_time < minutes(10)) {
    ++ends;
    end(ErrorCode::gone, "too old");
    ASSERT_EQ(reflector->state(), State::list_backoff);
    ASSERT_TRUE(scheduler.run_until([&] { return reflector->state() == State::watching; }, seconds(31)));
  }
  EXPECT_GT(ends, 20);
  EXPECT_LT(ends, 50);
  EXPECT_EQ(errors, (std::vector<std::string>{"too old"}));
}

TEST_F(ReflectorTest, BacksOffFromFailingListsForEverAndReportsEachMessageOnce) {
  start();
  Duration longest{};
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(transport.calls.size(), 1U);
    answer(fail(ErrorCode::unavailable, i % 2 == 0 ? "refused" : "no route"));
    ASSERT_EQ(reflector->state(), State::list_backoff);
    const Duration step = std::min<Duration>(milliseconds(800) * (1LL << std::min(i, 10)), seconds(30));
    const TimePoint before = scheduler.now();
    ASSERT_TRUE(scheduler.run_until([&] { return reflector->state() == State::listing; }, seconds(31)));
    EXPECT_GE(scheduler.now() - before, step / 2);
    EXPECT_LE(scheduler.now() - before, step);
    longest = std::max(longest, scheduler.now() - before);
  }
  EXPECT_GT(longest, seconds(25));
  EXPECT_EQ(errors, (std::vector<std::string>{"refused", "no route"}));
  EXPECT_TRUE(reflector->degraded());
  EXPECT_EQ(recovered, 0);

  answer(list_of("10", {}));
  EXPECT_TRUE(reflector->degraded());
  scheduler.advance(seconds(15));
  EXPECT_FALSE(reflector->degraded());
  EXPECT_EQ(recovered, 1);
  end(ErrorCode::unavailable, "refused");  // the watch was healthy
  end(ErrorCode::unavailable, "refused");  // this one was not: a new outage, and the first step of the back-off
  EXPECT_EQ(reflector->state(), State::watch_backoff);
  EXPECT_EQ(errors.size(), 3U);
  EXPECT_LE(*scheduler.next_due() - scheduler.now(), milliseconds(800));
}

TEST_F(ReflectorTest, KeepsItsPlaceWhileWatchesFail) {
  start();
  answer(list_of("10", {}));
  for (const auto code : {ErrorCode::unavailable, ErrorCode::timeout, ErrorCode::forbidden}) {
    end(code);
    EXPECT_EQ(reflector->state(), State::watch_backoff);
    scheduler.run_until([&] { return reflector->state() == State::watching; }, seconds(31));
    EXPECT_EQ(transport.all_watches.back().resource_version, "10");
  }
  EXPECT_TRUE(transport.calls.empty());
}

TEST_F(ReflectorTest, ListsAgainWhenTheStreamBrokeInsideAnEvent) {
  for (const auto code : {ErrorCode::internal, ErrorCode::invalid, ErrorCode::not_found}) {
    start();
    answer(list_of("10", {}));
    end(code);
    EXPECT_EQ(reflector->state(), State::list_backoff);
    reflector.reset();
  }
}

TEST_F(ReflectorTest, RefusesAListWithoutAVersionOrItems) {
  start();
  for (boost::json::value reply : {boost::json::value(nullptr), boost::json::value{{"items", boost::json::array()}},
                                   list_of("", {}), boost::json::value{{"metadata", {{"resourceVersion", "1"}}}},
                                   boost::json::value{{"metadata", {{"resourceVersion", "1"}}}, {"items", 3}}}) {
    answer(std::move(reply));
    EXPECT_EQ(reflector->state(), State::list_backoff);
    scheduler.run_until([&] { return reflector->state() == State::listing; }, seconds(31));
  }
  EXPECT_TRUE(seen.empty());
  answer(boost::json::value{{"metadata", {{"resourceVersion", "1"}}}, {"items", nullptr}});
  EXPECT_EQ(seen, (std::vector<std::string>{"1[]"}));
}

TEST_F(ReflectorTest, StopsInEveryStateAndIgnoresWhatComesLate) {
  start();
  reflector->stop();
  answer(list_of("10", {object("a", "1")}));  // of the list that was under way
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(reflector->state(), State::idle);

  reflector->start();
  answer(list_of("11", {}));
  transport.emit(Type::added, object("late", "12"));
  reflector->stop();
  scheduler.run_until_idle();
  EXPECT_TRUE(transport.watches.empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"11[]"}));
  EXPECT_FALSE(reflector->synced());

  reflector->start();
  answer(fail(ErrorCode::unavailable, "refused"));
  reflector->stop();
  scheduler.advance(minutes(5));
  EXPECT_TRUE(transport.calls.empty());
  EXPECT_EQ(scheduler.pending(), 0U);
}

TEST_F(ReflectorTest, TheSinkMayStopIt) {
  on_each = [this] { reflector->stop(); };
  start();
  answer(list_of("10", {}));
  EXPECT_EQ(reflector->state(), State::idle);
  EXPECT_TRUE(transport.all_watches.empty());
  EXPECT_EQ(scheduler.pending(), 0U);
}

TEST_F(ReflectorTest, DestructionLeavesNothingBehind) {
  start();
  auto call = transport.take();
  reflector.reset();
  transport.deliver(std::move(call.reply), list_of("10", {}));
  scheduler.run_until_idle();
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(scheduler.pending(), 0U);
}

TEST_F(ReflectorTest, TheSameSeedGivesTheSameWaits) {
  const auto waits = [] {
    ManualScheduler clock;
    Random seed{42};
    testing::FakeTransport down{clock};
    down.responder = [](const api::Request&) { return fail(ErrorCode::unavailable, "down"); };
    Reflector r(down, clock, seed, {}, {.on_event = [](const ReflectorEvent&) {}, .on_error = {}, .on_recovered = {}});
    r.start();
    std::vector<Duration> times;
    for (int i = 0; i < 40; ++i) {
      if (!clock.run_one()) break;
      times.push_back(clock.now().time_since_epoch());
    }
    return times;
  };
  EXPECT_EQ(waits(), waits());
  EXPECT_EQ(waits().size(), 40U);
}

}  // namespace
}  // namespace berth::kube
