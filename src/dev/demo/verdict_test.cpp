#include "dev/demo/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace berth::dev {
namespace {

Expectation tenant() {
  const MeantSubnet web{"tenant-web", parse_prefixes("10.90.1.0/24"), {"10.90.1.1"}};
  const MeantSubnet fixed{"tenant-web-static", parse_prefixes("10.90.2.0/24"), {"10.90.2.1"}};
  const MeantSubnet data{"tenant-data", parse_prefixes("10.90.3.0/24"), {"10.90.3.1"}};
  Expectation expectation;
  MeantPods& webs = expectation.pods.emplace_back();
  webs.ns = "tenant-web";
  webs.workload = "Deployment/web";
  webs.labels = {{"app", "web"}};
  webs.count = 2;
  webs.subnet = web;
  MeantPods& static_pod = expectation.pods.emplace_back();
  static_pod.ns = "tenant-web";
  static_pod.workload = "Pod/fixed";
  static_pod.pod_name = "fixed";
  static_pod.subnet = fixed;
  static_pod.address = "10.90.2.10";
  MeantPods& routed = expectation.pods.emplace_back();
  routed.ns = "tenant-data";
  routed.workload = "Pod/routed";
  routed.pod_name = "routed";
  routed.subnet = data;
  routed.hook = true;
  routed.route = MeantRoute{"192.0.2.0/24", "10.90.3.1"};
  return expectation;
}

SeenPod pod(std::string ns, std::string name, std::string node, std::string address) {
  SeenPod seen;
  seen.ns = std::move(ns);
  seen.name = std::move(name);
  seen.uid = seen.ns + seen.name;
  seen.node = std::move(node);
  seen.phase = "Running";
  seen.ready = true;
  seen.labels = {{"app", seen.name.substr(0, seen.name.find('-'))}};
  seen.addresses = {address};
  seen.inside = SeenNamespace{{address}, {{"default", "10.90.1.1"}}};
  return seen;
}

// A world in which everything is as meant.
Observation right_world() {
  Observation seen;
  seen.pods = {pod("tenant-web", "web-a", "n1", "10.90.1.2"), pod("tenant-web", "web-b", "n2", "10.90.1.3"),
               pod("tenant-web", "fixed", "n1", "10.90.2.10"), pod("tenant-data", "routed", "n2", "10.90.3.2")};
  seen.pods[3].inside->routes.push_back({"192.0.2.0/24", "10.90.3.1"});
  seen.ports = {{"web-a.tenant-web", "tenant-web", {"10.90.1.2"}},
                {"web-b.tenant-web", "tenant-web", {"10.90.1.3"}},
                {"fixed.tenant-web", "tenant-web-static", {"10.90.2.10"}},
                {"routed.tenant-data", "tenant-data", {"10.90.3.2"}}};
  seen.pings = {{"tenant-web/web-a", "tenant-web/web-b", true, false, true},
                {"tenant-web/web-a", "tenant-data/routed", true, true, true}};
  return seen;
}

// The kinds of checks that fail once `change` has been made to the right world.
std::vector<std::string> failing(const std::function<void(Observation&)>& change) {
  Observation seen = right_world();
  change(seen);
  std::vector<std::string> kinds;
  for (const Check& check : judge(tenant(), seen).failures()) {
    EXPECT_FALSE(check.detail.empty());
    if (std::ranges::find(kinds, check.what) == kinds.end()) kinds.push_back(check.what);
  }
  std::ranges::sort(kinds);
  return kinds;
}

using Kinds = std::vector<std::string>;

TEST(DemoVerdict, TheRightWorldHolds) {
  const Verdict verdict = judge(tenant(), right_world());
  EXPECT_TRUE(verdict.holds());
  EXPECT_EQ(verdict.count("address"), 4U);
  EXPECT_EQ(verdict.count("interface"), 4U);
  EXPECT_EQ(verdict.count("port"), 4U);
  EXPECT_EQ(verdict.count("hook"), 1U);
  EXPECT_EQ(verdict.count("route"), 1U);
  EXPECT_EQ(verdict.count("static address"), 1U);
}

TEST(DemoVerdict, NothingSeenDoesNotHold) {
  EXPECT_FALSE(judge(tenant(), Observation{}).holds());
  EXPECT_FALSE(Verdict{}.holds());
}

TEST(DemoVerdict, AnAddressOfTheDefaultSubnet) {
  EXPECT_EQ(failing([](Observation& seen) {
              seen.pods[0].addresses = {"10.16.0.5"};
              seen.pods[0].inside->addresses = {"10.16.0.5"};
              seen.ports[0] = {"web-a.tenant-web", "ovn-default", {"10.16.0.5"}};
            }),
            (Kinds{"address", "port"}));
}

TEST(DemoVerdict, AnAddressOfAnotherSubnetOfTheTenant) {
  EXPECT_EQ(failing([](Observation& seen) {
              seen.pods[1].addresses = {"10.90.3.9"};
              seen.pods[1].inside->addresses = {"10.90.3.9"};
              seen.ports[1] = {"web-b.tenant-web", "tenant-data", {"10.90.3.9"}};
            }),
            (Kinds{"address", "port"}));
}

TEST(DemoVerdict, NoAddress) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].addresses.clear(); }),
            (Kinds{"address", "interface", "port"}));
}

TEST(DemoVerdict, TheStatusSaysOneAddressAndTheInterfaceHasAnother) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].inside->addresses = {"10.90.1.77"}; }), (Kinds{"interface"}));
}

TEST(DemoVerdict, ANamespaceThatCannotBeEntered) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].inside.reset(); }), (Kinds{"interface"}));
}

TEST(DemoVerdict, AnAddressTwice) {
  EXPECT_EQ(failing([](Observation& seen) {
              seen.pods[1].addresses = {"10.90.1.2"};
              seen.pods[1].inside->addresses = {"10.90.1.2"};
              seen.ports[1].addresses = {"10.90.1.2"};
            }),
            (Kinds{"duplicate"}));
}

TEST(DemoVerdict, AnAddressTwiceInOvnOnly) {
  EXPECT_EQ(failing([](Observation& seen) { seen.ports.push_back({"ghost", "tenant-web", {"10.90.1.2"}}); }),
            (Kinds{"duplicate"}));
}

TEST(DemoVerdict, AStaticAddressThatIsNotTheOneAskedFor) {
  EXPECT_EQ(failing([](Observation& seen) {
              seen.pods[2].addresses = {"10.90.2.11"};
              seen.pods[2].inside->addresses = {"10.90.2.11"};
              seen.ports[2].addresses = {"10.90.2.11"};
            }),
            (Kinds{"static address"}));
}

TEST(DemoVerdict, AHookThatFailedEvenIfALaterStartWentWell) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[3].hook_failures = {"address is not in 10.90.3.0/24"}; }),
            (Kinds{"hook"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[3].restarts = 1; }), (Kinds{"hook"}));
}

TEST(DemoVerdict, AHookThatLeftNoRoute) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[3].inside->routes.pop_back(); }), (Kinds{"route"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[3].inside->routes.back().gateway = "10.16.0.1"; }),
            (Kinds{"route"}));
}

TEST(DemoVerdict, APodThatIsMissingOrNotReadyOrTooMuch) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods.erase(seen.pods.begin()); }), (Kinds{"count"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].ready = false; }), (Kinds{"running"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].phase = "Pending"; }), (Kinds{"running"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pods.push_back(pod("tenant-web", "other", "n1", "10.90.1.9")); }),
            (Kinds{"belongs"}));
}

TEST(DemoVerdict, PodsThatAreBeingDeletedDoNotCount) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pods[0].leaving = true; }), (Kinds{"count", "running"}));
}

TEST(DemoVerdict, AMissingPort) {
  EXPECT_EQ(failing([](Observation& seen) { seen.ports.pop_back(); }), (Kinds{"port"}));
}

TEST(DemoVerdict, PingsMustBeAnsweredAndMustHaveBeenTried) {
  EXPECT_EQ(failing([](Observation& seen) { seen.pings[0].answered = false; }), (Kinds{"ping"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pings.clear(); }), (Kinds{"ping"}));
  EXPECT_EQ(failing([](Observation& seen) { seen.pings.pop_back(); }), (Kinds{"ping"}));  // none through the router
}

TEST(DemoVerdict, WithoutADataPathOnlyTheApiAndOvnCount) {
  EXPECT_EQ(failing([](Observation& seen) {
              seen.datapath = false;
              seen.pings.clear();
              for (SeenPod& pod : seen.pods) pod.inside.reset();
            }),
            Kinds{});
}

TEST(DemoVerdict, GoneMeansNothingNew) {
  const Inventory before{"Subnet ovn-default", "ACL x", "ACL x"};
  EXPECT_TRUE(judge_gone(before, before).holds());
  EXPECT_TRUE(judge_gone(before, {"Subnet ovn-default"}).holds());
  const Verdict left = judge_gone(before, {"Subnet ovn-default", "Subnet tenant-web", "ACL x", "ACL x", "ACL x"});
  ASSERT_EQ(left.failures().size(), 2U);
  EXPECT_EQ(left.failures()[0].subject, "ACL x");
  EXPECT_EQ(left.failures()[1].subject, "Subnet tenant-web");
}

}  // namespace
}  // namespace berth::dev
