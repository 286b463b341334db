#include <gtest/gtest.h>

#include "reconcile/audit.h"
#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::Kind;
using std::chrono::seconds;

constexpr std::string_view kIp = "ovn.kubernetes.io/ip_address";
const std::string kAddressed = "berth.io/Addressed";

class PodTest : public testing::Test {
 protected:
  PodTest() {
    cluster.ns("shop");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/29"}, {"namespaces", {"shop"}}});
    cluster.settle();
    cluster.pass(seconds(10));
    cluster.settle();  // what is written at most once a second
    cluster.pass(seconds(10));
  }
  std::string condition(const std::string& pod) const { return cluster.condition(Kind::pod, "shop", pod, kAddressed); }
  // The one warning that says it, and the condition that says the same.
  void expect_refused(const std::string& pod, const std::string& reason, const std::string& part) {
    cluster.settle();
    cluster.settle();
    const auto said = cluster.events_of(pod, reason);
    ASSERT_EQ(said.size(), 1U) << pod;
    EXPECT_NE(said[0].find(part), std::string::npos) << said[0];
    EXPECT_EQ(condition(pod), "False " + reason + ": " + said[0]);
    EXPECT_EQ(cluster.find(Kind::ip, "", pod + ".shop"), nullptr) << "an address was given";
  }

  TestCluster cluster;
};

TEST_F(PodTest, AnOrdinaryPodCostsThreeWritesAndHasNoCondition) {
  const std::size_t before = cluster.writes;
  cluster.pod("shop", "p");
  cluster.settle();
  EXPECT_EQ(cluster.address("shop", "p"), "10.66.0.2");
  EXPECT_EQ(condition("p"), "");
  EXPECT_EQ(cluster.text(Kind::ip, "", "p.shop", {"spec", "ipAddress"}), "10.66.0.2");
  EXPECT_EQ(cluster.writes - before, 3U) << "the IP object, the pod, the counters";
}

TEST_F(PodTest, AnAnnotationThatCannotBeUnderstoodIsSaidOnceAndShownAsCondition) {
  struct Case {
    const char* key;
    const char* value;
    const char* said;
  } const cases[] = {{"ip_address", "10.66.0.zz", "10.66.0.zz"},
                     {"ip_address", "fd00::zz", "fd00::zz"},
                     {"ip_address", "10.66.0.3,10.66.0.4", "at most one address of each family"},
                     {"mac_address", "zz:00", "zz:00"},
                     {"mac_address", "01:00:5e:00:00:01", "unicast"},
                     {"ip_family", "ipx", "must be ipv4 or ipv6"},
                     {"logical_switch", ",,", "must be the name of one Subnet"},
                     {"ip_pool", "No Such", "must be the name of one IPPool"}};
  for (int i = 0; const Case& c : cases) {
    const std::string pod = "p" + std::to_string(i++);
    cluster.pod("shop", pod, {{std::string("ovn.kubernetes.io/") + c.key, c.value}});
    expect_refused(pod, "ValidatePodNetworkFailed", c.said);
    EXPECT_NE(condition(pod).find(c.key), std::string::npos) << condition(pod);
  }
}

TEST_F(PodTest, AnAddressThatCannotBeIsRefusedWithItsReason) {
  cluster.pod("shop", "outside", {{std::string(kIp), "10.67.0.3"}});
  expect_refused("outside", "AcquireAddressFailed", "AddressOutOfRange: Pod shop/outside: address 10.67.0.3");
  cluster.pod("shop", "gateway", {{std::string(kIp), "10.66.0.1"}});
  expect_refused("gateway", "AcquireAddressFailed", "AddressConflict");
  cluster.pod("shop", "six", {{"ovn.kubernetes.io/ip_family", "ipv6"}});
  expect_refused(
      "six", "AcquireAddressFailed",
      "annotation ovn.kubernetes.io/ip_family \"ipv6\": none of the subnets that rule claimed allows has that family");
}

TEST_F(PodTest, TheConditionTurnsTrueOnceTheAddressIsThere) {
  cluster.pod("shop", "p", {{std::string(kIp), "10.66.0.zz"}});
  cluster.settle();
  EXPECT_TRUE(condition("p").starts_with("False ")) << condition("p");
  cluster.edit(Kind::pod, "shop", "p", {{"metadata", {{"annotations", {{kIp, "10.66.0.4"}}}}}});
  cluster.settle();
  EXPECT_EQ(cluster.address("shop", "p"), "10.66.0.4");
  EXPECT_EQ(condition("p"), "True Bound: ");
}

TEST_F(PodTest, ConditionsOfOthersStay) {
  cluster.pod("shop", "p", {{std::string(kIp), "10.66.0.zz"}});
  cluster.edit(
      Kind::pod, "shop", "p",
      {{"status", {{"conditions", api::JsonArray{api::JsonObject{{"type", "PodScheduled"}, {"status", "True"}}}}}}});
  cluster.settle();
  EXPECT_EQ(cluster.condition(Kind::pod, "shop", "p", "PodScheduled"), "True : ");
  EXPECT_TRUE(condition("p").starts_with("False ")) << condition("p");
}

TEST_F(PodTest, AFullSubnetIsSaidAndAReturnedAddressGoesToWhoWaits) {
  for (int i = 0; i < 5; ++i) cluster.pod("shop", "p" + std::to_string(i));
  cluster.settle();
  cluster.pod("shop", "late");
  cluster.settle();
  EXPECT_EQ(cluster.address("shop", "late"), "");
  EXPECT_TRUE(condition("late").starts_with("False AcquireAddressFailed: NoAvailableAddress")) << condition("late");
  const std::string freed = cluster.address("shop", "p3");
  cluster.remove(Kind::pod, "shop", "p3");
  cluster.settle();
  EXPECT_EQ(cluster.proofs, 0U) << "its deletion was seen";
  EXPECT_EQ(cluster.address("shop", "late"), freed);
  EXPECT_EQ(condition("late"), "True Bound: ");
}

TEST_F(PodTest, WhatIsNamedAndMissingIsWaitedForWithFieldAndRemedy) {
  cluster.pod("shop", "p", {{"ovn.kubernetes.io/logical_switch", "nothere"}});
  cluster.settle();
  const auto said = cluster.events_of("p", "WaitingForSubnet");
  ASSERT_FALSE(said.empty());
  EXPECT_NE(said[0].find("Subnet nothere, which does not exist yet (annotation ovn.kubernetes.io/logical_switch of the "
                         "pod; create it, or name another Subnet)"),
            std::string::npos)
      << said[0];
}

// The confirmations are what keeps a binding that was overtaken from being used; without them the auditor must see it.
TEST(AuditorTest, CountsWhatMissingConfirmationsLetThrough) {
  for (const bool confirm : {true, false}) {
    binding::Safeguards safeguards;
    safeguards.confirm = confirm;
    TestCluster cluster(safeguards);
    cluster.ns("shop");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/24"}, {"namespaces", {"shop"}}});
    cluster.settle();
    cluster.pass(seconds(10));
    cluster.pod("shop", "p");
    cluster.settle();
    EXPECT_EQ(cluster.address("shop", "p"), "10.66.0.2");

    // Deleted and made again elsewhere while the pod starts; then the agent claims what the pod was told.
    cluster.remove(Kind::subnet, "", "web");
    cluster.settle();
    if (confirm) {
      EXPECT_EQ(cluster.find(Kind::ip, "", "p.shop"), nullptr) << "a binding to a Subnet that goes was kept";
      continue;
    }
    ASSERT_NE(cluster.find(Kind::ip, "", "p.shop"), nullptr);
    cluster.world.remove(Kind::subnet, cluster.objects.at({Kind::subnet, "", "web"}));
    cluster.objects.erase({Kind::subnet, "", "web"});
    cluster.subnet("web", {{"cidrBlock", "10.99.128.0/24"}, {"namespaces", {"shop"}}});
    cluster.edit(Kind::ip, "", "p.shop", {{"spec", {{"containerID", "sandbox"}}}});
    const auto to_audit = cluster.world.take_to_audit();
    ASSERT_TRUE(to_audit.contains("p.shop"));
    const auto finding = audit(cluster.world, "p.shop");
    ASSERT_TRUE(finding);
    EXPECT_NE(finding->find("another Subnet web"), std::string::npos) << *finding;
  }
}

TEST(AuditorTest, AClaimThatCameAfterThePodIsNoReproach) {
  TestCluster cluster;
  cluster.ns("shop");
  cluster.subnet("web", {{"cidrBlock", "10.66.0.0/24"}, {"namespaces", api::JsonArray{}}});
  cluster.settle();
  cluster.pass(seconds(10));
  cluster.pod("shop", "early");
  cluster.settle();
  ASSERT_EQ(cluster.text(Kind::ip, "", "early.shop", {"spec", "subnet"}), "ovn-default");
  cluster.edit(Kind::ip, "", "early.shop", {{"spec", {{"containerID", "sandbox"}}}});
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"namespaces", api::JsonArray{"shop"}}}}});
  cluster.settle();
  EXPECT_EQ(audit(cluster.world, "early.shop"), std::nullopt);

  // The same record for a pod that came long after the claim.
  cluster.pass(seconds(10));
  cluster.remove(Kind::pod, "shop", "early");
  cluster.settle();
  cluster.pod("shop", "late");
  cluster.settle();
  ASSERT_EQ(cluster.text(Kind::ip, "", "late.shop", {"spec", "subnet"}), "web");
  const auto other = cluster.objects.at({Kind::subnet, "", "ovn-default"});
  cluster.edit(
      Kind::ip, "", "late.shop",
      {{"metadata",
        {{"annotations", {{"berth.io/rule", "default"}, {"berth.io/subnet-uid", other.at("metadata").at("uid")}}}}},
       {"spec", {{"containerID", "sandbox"}, {"subnet", "ovn-default"}, {"v4IpAddress", "10.16.0.9"}}}});
  const auto finding = audit(cluster.world, "late.shop");
  ASSERT_TRUE(finding);
  EXPECT_NE(finding->find("Subnet web claimed the namespace before the pod was created"), std::string::npos)
      << *finding;
}

}  // namespace
}  // namespace berth::reconcile
