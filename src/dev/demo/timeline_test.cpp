#include "dev/demo/timeline.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "dev/demo/table.h"

namespace berth::dev {
namespace {

using namespace std::chrono_literals;
using Lines = Timeline::Lines;

boost::json::object object(std::string_view text) { return boost::json::parse(text).as_object(); }

boost::json::object a_pod(std::string_view annotations = "{}", std::string_view status = "{}") {
  return object(fmt::format(R"({{"metadata": {{"namespace": "a", "name": "p", "uid": "u1", "annotations": {}}},
                                 "spec": {{"nodeName": "node-1"}}, "status": {}}})",
                            annotations, status));
}

boost::json::object waiting(std::string_view message) {
  return object(fmt::format(R"({{"reason": "WaitingForSubnet", "type": "Normal", "message": "{}",
                                 "involvedObject": {{"kind": "Pod", "namespace": "a", "name": "p", "uid": "u1"}}}})",
                            message));
}

boost::json::object a_subnet(std::string_view ready) {
  return object(fmt::format(
      R"({{"metadata": {{"name": "s"}}, "status": {{"conditions": [{{"type": "Ready", "status": "{}"}}]}}}})", ready));
}

constexpr std::string_view kBound =
    R"({"ovn.kubernetes.io/allocated": "true", "ovn.kubernetes.io/ip_address": "10.1.0.2",
  "ovn.kubernetes.io/logical_switch": "s", "berth.io/binding": "{\"networks\": {\"ovn\": {\"rule\": \"claimed\"}}}"})";

constexpr std::string_view kRunning = R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})";

TEST(DemoTimeline, APodThatWaitsAndIsWoken) {
  Timeline timeline;
  EXPECT_EQ(timeline.pod(a_pod(), false, 100ms), Lines{"+ 0.1 s  pod a/p is there"});
  EXPECT_EQ(timeline.pending(400ms), Lines{"a/p  has no address yet, 0.3 s"});
  EXPECT_EQ(timeline.event(waiting("waiting for Subnet s (0 s so far)"), 200ms),
            Lines{"+ 0.2 s  pod a/p waits for Subnet s"});
  EXPECT_EQ(timeline.event(waiting("waiting for Subnet s (2 min 3 s so far)"), 300ms), Lines{});  // said already
  EXPECT_EQ(timeline.pending(1100ms), Lines{"a/p  waits 1.0 s for Subnet s"});
  EXPECT_EQ(timeline.subnet(a_subnet("False"), false, 2s), Lines{"+ 2.0 s  Subnet s is there, not ready yet"});
  EXPECT_EQ(timeline.subnet(a_subnet("True"), false, 3s), Lines{"+ 3.0 s  Subnet s is ready"});
  EXPECT_EQ(timeline.subnet(a_subnet("True"), false, 3s), Lines{});
  EXPECT_EQ(
      timeline.pod(a_pod(kBound), false, 3100ms),
      Lines{"+ 3.1 s  pod a/p gets 10.1.0.2 of Subnet s (claimed) after 3.0 s, woken by Subnet s, ready 0.1 s ago"});
  EXPECT_EQ(timeline.pending(3200ms), Lines{"a/p  has 10.1.0.2 and starts on node-1"});
  EXPECT_EQ(timeline.pod(a_pod(kBound, kRunning), false, 4s), Lines{"+ 4.0 s  pod a/p runs on node-1"});
  EXPECT_EQ(timeline.pod(a_pod(kBound, kRunning), false, 5s), Lines{});
  EXPECT_EQ(timeline.pending(5s), Lines{});
  EXPECT_EQ(timeline.pods().at("u1").waited(9s), 3s);
  EXPECT_EQ(timeline.pods().at("u1").rule, "claimed");
}

TEST(DemoTimeline, OnlyTheGistOfALongMessageIsShown) {
  Timeline timeline;
  (void)timeline.pod(a_pod(), false, 0ms);
  EXPECT_EQ(timeline.event(
                waiting("waiting for Subnet s, which is not ready: Subnet s: that Vpc does not exist; create it, or "
                        "correct the name; or Subnet t, which is not ready: Subnet t: no (3 s so far)"),
                0ms),
            Lines{"+ 0.0 s  pod a/p waits for Subnet s, which is not ready: that Vpc does not exist"});
}

TEST(DemoTimeline, AnEventMayOvertakeItsPod) {
  Timeline timeline;
  EXPECT_EQ(timeline.event(waiting("s"), 0ms), Lines{});
  EXPECT_EQ(timeline.pod(a_pod(), false, 0ms), (Lines{"+ 0.0 s  pod a/p is there", "+ 0.0 s  pod a/p waits for s"}));
}

TEST(DemoTimeline, APodThatNeverWaitedWasNotWoken) {
  Timeline timeline;
  (void)timeline.subnet(a_subnet("True"), false, 0ms);
  EXPECT_EQ(timeline.pod(a_pod(kBound), false, 0ms),
            (Lines{"+ 0.0 s  pod a/p is there", "+ 0.0 s  pod a/p gets 10.1.0.2 of Subnet s (claimed) after 0.0 s"}));
}

TEST(DemoTimeline, AnAddressThatChanges) {
  Timeline timeline;
  (void)timeline.pod(a_pod(kBound), false, 0ms);
  std::string other(kBound);
  other.replace(other.find("10.1.0.2"), 8, "10.1.0.9");
  EXPECT_EQ(timeline.pod(a_pod(other), false, 1s),
            Lines{"+ 1.0 s  pod a/p now has 10.1.0.9 of Subnet s (claimed) after 1.0 s"});
}

TEST(DemoTimeline, WarningsOfPodsAreShownOthersNot) {
  Timeline timeline;
  boost::json::object warning = waiting("no room");
  warning["type"] = "Warning";
  warning["reason"] = "AcquireAddressFailed";
  EXPECT_EQ(timeline.event(warning, 1s), Lines{"+ 1.0 s  pod a/p: AcquireAddressFailed: no room"});
  warning["type"] = "Normal";
  EXPECT_EQ(timeline.event(warning, 1s), Lines{});
}

TEST(DemoTimeline, DeletedPodsAndSubnetsAreForgotten) {
  Timeline timeline;
  (void)timeline.pod(a_pod(), false, 0ms);
  (void)timeline.subnet(a_subnet("True"), false, 0ms);
  boost::json::object leaving = a_pod();
  leaving["metadata"].as_object()["deletionTimestamp"] = "2024-01-01T00:00:00Z";
  EXPECT_EQ(timeline.pod(leaving, false, 1s), Lines{});
  EXPECT_EQ(timeline.pending(1s), Lines{"a/p  is being deleted"});
  EXPECT_EQ(timeline.pod(leaving, true, 2s), Lines{});
  EXPECT_TRUE(timeline.pods().empty());
  EXPECT_EQ(timeline.subnet(a_subnet("True"), true, 2s), Lines{"+ 2.0 s  Subnet s is gone"});
}

TEST(DemoTimeline, AVpcIsReadyOnceItsRouterStands) {
  Timeline timeline;
  EXPECT_EQ(timeline.vpc(object(R"({"metadata": {"name": "v"}})"), false, 0ms),
            Lines{"+ 0.0 s  Vpc v is there, not ready yet"});
  EXPECT_EQ(timeline.vpc(object(R"({"metadata": {"name": "v"}, "status": {"standby": true}})"), false, 1s),
            Lines{"+ 1.0 s  Vpc v is ready"});
}

TEST(DemoTable, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(format_table({"pod", "node"}, {{"web-0", "n1"}, {"x"}, {"ä", "n2", "more"}}),
            (Lines{"POD    NODE", "web-0  n1", "x", "ä      n2    more"}));
}

TEST(DemoTable, Durations) {
  EXPECT_EQ(format_duration(0ms), "0.0 s");
  EXPECT_EQ(format_duration(12'340ms), "12.3 s");
  EXPECT_EQ(format_duration(123s), "2 min 3 s");
}

}  // namespace
}  // namespace berth::dev
