#include "dev/demo/report.h"

#include <gtest/gtest.h>

#include "api/json.h"

namespace berth::dev {
namespace {

using namespace std::chrono_literals;

Verdict of(std::vector<Check> checks) {
  Verdict verdict;
  verdict.checks = std::move(checks);
  return verdict;
}

PlayReport good_play() {
  PlayReport play;
  play.title = "one";
  play.up = of({{"address", "a/p", true, ""}, {"hook", "a/p", true, ""}, {"ping", "x", true, ""}});
  play.gone = of({{"left behind", "9 things looked at", true, ""}});
  return play;
}

TEST(DemoReport, HoldsOnlyIfEveryPlayWasPlayedAndHolds) {
  DemoReport report;
  EXPECT_FALSE(report.holds());
  report.plays_meant = 2;
  report.plays = {good_play()};
  EXPECT_FALSE(report.holds());
  report.plays.push_back(good_play());
  EXPECT_TRUE(report.holds());
  report.error = "stopped";
  EXPECT_FALSE(report.holds());
  report.error.clear();
  report.plays[1].error = "no pods";
  EXPECT_FALSE(report.holds());
  report.plays[1] = good_play();
  report.plays[1].late = true;
  EXPECT_FALSE(report.holds());
  report.plays[1] = good_play();
  report.plays[1].gone = Verdict{};
  EXPECT_FALSE(report.holds());
  report.plays[1] = good_play();
  report.plays[1].up.checks[0].holds = false;
  EXPECT_FALSE(report.holds());
}

TEST(DemoReport, TheSummarySaysWhatHoldsAndWhatDoesNot) {
  PlayReport play = good_play();
  EXPECT_EQ(summary_of(play),
            (std::vector<std::string>{
                "1 pods with an address of the Subnet meant for them, 1 hooks succeeded, 1 pings answered",
                "deleted at once, and nothing is left"}));
  play.up.checks.push_back({"address", "a/q", false, "10.16.0.2 is not in s"});
  play.gone = of({{"left behind", "Subnet s", false, "is still there"}});
  EXPECT_EQ(summary_of(play),
            (std::vector<std::string>{
                "1 of 2 pods with an address of the Subnet meant for them, 1 hooks succeeded, 1 pings answered",
                "address: a/q: 10.16.0.2 is not in s", "left behind: Subnet s: is still there"}));
}

TEST(DemoReport, RowsComeFromWhatWasSeen) {
  Expectation expectation;
  MeantPods& meant = expectation.pods.emplace_back();
  meant.ns = "a";
  meant.pod_name = "p";
  meant.hook = true;
  Observation seen;
  SeenPod pod;
  pod.ns = "a";
  pod.name = "q";
  pod.uid = "u2";
  seen.pods.push_back(pod);
  pod.name = "p";
  pod.uid = "u1";
  pod.node = "n1";
  pod.ready = true;
  pod.addresses = {"10.1.0.2"};
  seen.pods.push_back(pod);
  seen.ports = {{"p.a", "s", {"10.1.0.2"}}};
  PodStory story;
  story.created = 1s;
  story.bound = 3500ms;
  EXPECT_EQ(table_of(rows_of(expectation, seen, {{"u1", story}})),
            (std::vector<std::string>{"NAMESPACE  POD  NODE  SUBNET  ADDRESS   WAITED  HOOK",
                                      "a          p    n1    s       10.1.0.2  2.5 s   ok",
                                      "a          q    -     -       -         -       -"}));
  seen.datapath = false;
  EXPECT_EQ(rows_of(expectation, seen, {}).front().hook, "not run");
  seen.datapath = true;
  seen.pods[1].hook_failures = {"no"};
  EXPECT_EQ(rows_of(expectation, seen, {}).front().hook, "failed");
}

TEST(DemoReport, Json) {
  DemoReport report;
  report.helm = true;
  report.plays_meant = 1;
  report.plays = {good_play()};
  report.plays[0].up.checks[0] = {"address", "a/p", false, "wrong"};
  const auto json = to_json(report);
  EXPECT_FALSE(json.at("holds").as_bool());
  EXPECT_EQ(api::string_at(json, {"sender", "name"}), "helm");
  const auto& play = json.at("plays").as_array().at(0).as_object();
  EXPECT_EQ(api::string_at(play.at("failures").as_array().at(0).as_object(), {"subject"}), "a/p");
  EXPECT_TRUE(play.at("leftBehind").as_array().empty());
}

}  // namespace
}  // namespace berth::dev
