#include "kube/events.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "api/json.h"
#include "base/manual_scheduler.h"
#include "base/random.h"
#include "kube/testing/fake_transport.h"

namespace berth::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

EventNote note(std::string message, std::string name = "a-1", std::string reason = "WaitingForSubnet") {
  EventNote n;
  n.ns = "web";
  n.name = std::move(name);
  n.uid = "u1";
  n.reason = std::move(reason);
  n.message = std::move(message);
  return n;
}

struct EventsTest : ::testing::Test {
  ManualScheduler scheduler;
  testing::FakeTransport transport{scheduler};
  std::map<std::string, boost::json::object> stored;  // Events by "ns/name"
  std::vector<api::Request> requests;
  std::vector<TimePoint> times;
  std::optional<Error> refuse;  // instead of storing
  bool lose_reply = false;      // store, and say unavailable
  EventRecorder::Options options;
  std::unique_ptr<EventRecorder> recorder;

  void SetUp() override {
    options.instance = "berth-controller-0";
    transport.responder = [this](const api::Request& request) -> Result<boost::json::value> {
      EXPECT_EQ(request.kind, api::Kind::event);
      requests.push_back(request);
      times.push_back(scheduler.now());
      if (refuse) return fail(*refuse);
      if (auto status = store(request); !status) return fail(status.error());
      if (lose_reply) return fail(ErrorCode::unavailable, "connection reset");
      return boost::json::value(boost::json::object());
    };
  }
  Status store(const api::Request& request) {
    if (request.verb == api::Verb::create) {
      const auto key = request.ns + "/" + api::string_at(request.body.as_object(), {"metadata", "name"});
      if (!stored.emplace(key, request.body.as_object()).second) return fail(ErrorCode::already_exists, key);
      return {};
    }
    EXPECT_EQ(request.verb, api::Verb::merge_patch);
    const auto it = stored.find(request.ns + "/" + request.name);
    if (it == stored.end()) return fail(ErrorCode::not_found, request.name);
    for (const auto& [key, value] : request.body.as_object()) it->second[key] = value;
    return {};
  }
  void record(EventNote n) {
    if (!recorder) recorder = std::make_unique<EventRecorder>(transport, scheduler, options);
    recorder->record(std::move(n));
  }
  [[nodiscard]] const boost::json::object& only() const {
    EXPECT_EQ(stored.size(), 1U);
    return stored.begin()->second;
  }
  [[nodiscard]] std::int64_t total() const {
    std::int64_t sum = 0;
    for (const auto& [key, event] : stored) sum += api::int_at(event, {"count"});
    return sum;
  }
};

TEST_F(EventsTest, WritesAnEventAsKubectlShowsIt) {
  record(note("waits for subnet blue"));
  scheduler.run_until_idle();
  const auto& event = only();
  EXPECT_TRUE(stored.begin()->first.starts_with("web/a-1."));
  EXPECT_EQ(event.at("involvedObject"),
            (boost::json::value{
                {"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "a-1"}, {"namespace", "web"}, {"uid", "u1"}}));
  EXPECT_EQ(event.at("reason"), "WaitingForSubnet");
  EXPECT_EQ(event.at("message"), "waits for subnet blue");
  EXPECT_EQ(event.at("type"), "Normal");
  EXPECT_EQ(event.at("source"),
            (boost::json::value{{"component", "berth-controller"}, {"host", "berth-controller-0"}}));
  EXPECT_EQ(event.at("reportingComponent"), "berth-controller");
  EXPECT_EQ(event.at("reportingInstance"), "berth-controller-0");
  EXPECT_EQ(event.at("firstTimestamp"), "2024-01-01T00:00:00Z");
  EXPECT_EQ(event.at("lastTimestamp"), "2024-01-01T00:00:00Z");
  EXPECT_EQ(event.at("count"), 1);
  EXPECT_EQ(recorder->written(), 1U);
}

TEST_F(EventsTest, AClusterScopedObjectsEventLiesInDefault) {
  EventNote n = note("bad", "blue", "ValidateLogicalSwitchFailed");
  n.kind = api::Kind::subnet;
  n.ns.clear();
  n.warning = true;
  record(n);
  scheduler.run_until_idle();
  EXPECT_TRUE(stored.begin()->first.starts_with("default/blue."));
  EXPECT_EQ(only().at("type"), "Warning");
  EXPECT_EQ(only().at("involvedObject"),
            (boost::json::value{{"apiVersion", "kubeovn.io/v1"}, {"kind", "Subnet"}, {"name", "blue"}, {"uid", "u1"}}));
}

TEST_F(EventsTest, EqualNotesAreOneEventWrittenAtMostOnceASecond) {
  for (int i = 0; i < 100; ++i) {
    record(note("waits"));
    scheduler.advance(milliseconds(100));
  }
  scheduler.advance(seconds(2));
  EXPECT_EQ(only().at("count"), 100);
  EXPECT_EQ(only().at("firstTimestamp"), "2024-01-01T00:00:00Z");
  EXPECT_EQ(only().at("lastTimestamp"), "2024-01-01T00:00:09Z");
  EXPECT_LE(requests.size(), 12U);
  EXPECT_GE(requests.size(), 10U);
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], seconds(1));
}

TEST_F(EventsTest, MessagesOfOneReasonShareTheRateAndOtherReasonsDoNot) {
  record(note("first"));
  record(note("second"));
  record(note("other", "a-1", "Failed"));
  record(note("other", "b-1"));
  scheduler.run_until_idle();
  EXPECT_EQ(stored.size(), 3U);
  scheduler.advance(seconds(1));
  EXPECT_EQ(stored.size(), 4U);
  EXPECT_EQ(requests.back().body.at("message"), "second");
}

TEST_F(EventsTest, AfterALongPauseANewEventBegins) {
  record(note("waits"));
  scheduler.advance(minutes(9));
  record(note("waits"));
  scheduler.advance(minutes(11));
  EXPECT_EQ(only().at("count"), 2);
  record(note("waits"));
  scheduler.advance(seconds(1));
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_EQ(requests.back().body.at("count"), 1);
  EXPECT_EQ(requests.back().body.at("firstTimestamp"), "2024-01-01T00:20:00Z");
}

TEST_F(EventsTest, AnExpiredEventIsWrittenAnew) {
  record(note("waits"));
  scheduler.advance(seconds(2));
  stored.clear();
  record(note("waits"));
  scheduler.advance(seconds(3));
  EXPECT_EQ(only().at("count"), 1);
  EXPECT_EQ(recorder->dropped(), 0U);
}

TEST_F(EventsTest, TriesAgainWhileTheServerIsAwayButNotForEver) {
  refuse = Error{ErrorCode::unavailable, "down"};
  record(note("waits"));
  scheduler.advance(minutes(10));
  EXPECT_EQ(requests.size(), 4U);
  EXPECT_EQ(times[1] - times[0], seconds(2));
  EXPECT_EQ(times[3] - times[2], seconds(8));
  EXPECT_EQ(recorder->dropped(), 1U);
  EXPECT_EQ(scheduler.pending(), 0U);

  record(note("waits"));
  scheduler.advance(seconds(1));
  refuse.reset();
  scheduler.advance(seconds(3));
  EXPECT_EQ(total(), 1 + 1);  // the dropped one is told of by the next
  EXPECT_EQ(stored.size(), 1U);
}

TEST_F(EventsTest, WhatIsRefusedForGoodIsDroppedAtOnce) {
  for (const auto code : {ErrorCode::forbidden, ErrorCode::invalid, ErrorCode::not_found, ErrorCode::fenced}) {
    requests.clear();
    refuse = Error{code, "no"};
    record(note(fmt::format("{}", static_cast<int>(code))));
    scheduler.advance(minutes(1));
    EXPECT_EQ(requests.size(), 1U);
  }
  EXPECT_EQ(recorder->dropped(), 4U);
}

TEST_F(EventsTest, ALostAnswerMakesNoSecondEvent) {
  lose_reply = true;
  record(note("waits"));
  scheduler.run_until_idle();
  lose_reply = false;
  record(note("waits"));
  record(note("waits"));
  scheduler.advance(seconds(10));
  EXPECT_EQ(only().at("count"), 3);
}

TEST_F(EventsTest, ANameThatIsTakenIsReplaced) {
  record(note("waits"));
  scheduler.run_until_idle();
  const auto taken = stored;
  recorder = std::make_unique<EventRecorder>(transport, scheduler, options);  // another process in the same microsecond
  record(note("waits"));
  scheduler.advance(seconds(2));
  EXPECT_EQ(stored.size(), 2U);
  EXPECT_EQ(recorder->dropped(), 0U);
}

TEST_F(EventsTest, LongWordsAreCut) {
  std::string umlauts;
  for (int i = 0; i < 2000; ++i) umlauts += "ü";
  record(note("x" + umlauts, std::string(253, 'n'), std::string(300, 'r')));
  scheduler.run_until_idle();
  const auto message = api::string_at(only(), {"message"});
  EXPECT_EQ(message.size(), 1023U);
  EXPECT_EQ(message.substr(message.size() - 2), "ü");
  EXPECT_EQ(api::string_at(only(), {"metadata", "name"}).size(), 253U);
  EXPECT_EQ(api::string_at(only(), {"reason"}).size(), 128U);
}

TEST_F(EventsTest, MemoryAndWritesInFlightAreBounded) {
  options.objects = 50;
  options.messages = 3;
  options.in_flight = 10;
  transport.responder = {};
  for (int i = 0; i < 200; ++i) record(note("waits", fmt::format("p{}", i)));
  EXPECT_EQ(transport.calls.size(), 10U);
  EXPECT_EQ(recorder->dropped(), 150U);
  for (int i = 0; i < 20; ++i) record(note(fmt::format("message {}", i), "p49"));
  EXPECT_EQ(recorder->dropped(), 150U + 18U);
  int answered = 0;
  const TimePoint limit = scheduler.now() + minutes(1);
  while (scheduler.now() < limit) {
    ASSERT_LE(transport.calls.size(), 10U);
    for (; !transport.calls.empty(); ++answered) (void)transport.answer(boost::json::value());
    scheduler.advance(milliseconds(100));
  }
  EXPECT_EQ(answered, 50 + 2);
  record(note("waits", "new"));  // takes the place of one that is written
  EXPECT_EQ(transport.calls.size(), 1U);
  EXPECT_EQ(recorder->dropped(), 168U);
}

TEST_F(EventsTest, DestructionLeavesNothingBehind) {
  transport.responder = {};
  record(note("first"));
  auto call = transport.take();
  recorder->record(note("second", "a-1"));
  recorder.reset();
  transport.deliver(std::move(call.reply), boost::json::value());
  scheduler.run_until_idle();
  EXPECT_EQ(scheduler.pending(), 0U);
  EXPECT_TRUE(transport.calls.empty());
}

// Any notes on a server that fails at random: no more writes than the rate allows, every note is told of or counted as
// dropped, and nothing is left waiting.
TEST_F(EventsTest, EveryNoteIsWrittenOrCountedWhateverFails) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    stored.clear();
    options.objects = 20;
    options.messages = 4;
    options.series = minutes(60);
    recorder = std::make_unique<EventRecorder>(transport, scheduler, options);
    transport.responder = [&](const api::Request& request) -> Result<boost::json::value> {
      if (random() % 4 == 0) return fail(ErrorCode::unavailable, "down");
      if (auto status = store(request); !status) return fail(status.error());
      return boost::json::value();
    };
    constexpr int kNotes = 500;
    for (int i = 0; i < kNotes; ++i) {
      record(note(fmt::format("m{}", random() % 6), fmt::format("p{}", random() % 10)));
      scheduler.advance(milliseconds(random() % 200));
    }
    scheduler.advance(minutes(5));
    EXPECT_EQ(scheduler.pending(), 0U);
    EXPECT_GE(total() + static_cast<std::int64_t>(recorder->dropped()), kNotes);
    EXPECT_LE(total(), kNotes);
    EXPECT_LT(recorder->dropped(), 150U);
  }
}

}  // namespace
}  // namespace berth::kube
