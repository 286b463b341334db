#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"
#include "reconcile/vpc_rows.h"

namespace berth::reconcile {
namespace {

using api::JsonArray;
using api::JsonObject;
using api::Kind;
using std::chrono::seconds;

class VpcTest : public testing::Test {
 protected:
  VpcTest() {
    cluster.ns("shop");
    vpc({});
    cluster.subnet("web", {{"vpc", "blue"}, {"cidrBlock", "10.66.0.0/24"}, {"namespaces", JsonArray{"shop"}}});
    rest();
  }
  void vpc(JsonObject spec, const std::string& name = "blue") {
    if (cluster.find(Kind::vpc, "", name) == nullptr) {
      cluster.put(Kind::vpc, "", name, {{"spec", std::move(spec)}});
    } else {
      cluster.edit(Kind::vpc, "", name, {{"spec", std::move(spec)}});
    }
    rest();
  }
  void rest() {
    cluster.settle();
    cluster.pass(seconds(10));
    cluster.settle();
  }
  const world::LogicalRouter& router() const { return cluster.world.routers().at("blue"); }
  std::string condition(const std::string& type) const { return cluster.condition(Kind::vpc, "", "blue", type); }
  std::string subnet(const std::string& name) const { return cluster.condition(Kind::subnet, "", name, "Ready"); }

  TestCluster cluster;
};

TEST_F(VpcTest, ASubnetHasItsPolicyAndItsRoute) {
  const world::Ids ids{{"subnet", "web"}};
  EXPECT_EQ(router().policies, (std::set<world::RouterPolicy>{{31000, "ip4.dst == 10.66.0.0/24", "allow", {}, ids}}));
  EXPECT_EQ(router().routes, (std::set<world::StaticRoute>{{"10.66.0.0/24", "10.66.0.1", true, "", ids}}));
  EXPECT_TRUE(condition("Ready").starts_with("True"));
  const JsonObject& status = cluster.find(Kind::vpc, "", "blue")->at("status").get_object();
  EXPECT_EQ(status.at("standby"), true);
  EXPECT_EQ(status.at("default"), false);
  EXPECT_EQ(status.at("router"), "blue");
  EXPECT_EQ(status.at("subnets"), (JsonArray{"web"}));
  EXPECT_EQ(status.at("enableExternal"), false);
}

TEST_F(VpcTest, ASubnetWithAddressesInUseStaysInItsVpc) {
  vpc({}, "red");
  cluster.pod("shop", "a");
  rest();
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"vpc", "red"}}}});
  rest();
  EXPECT_EQ(subnet("web"),
            "False ValidateLogicalSwitchFailed: Subnet web: spec.vpc \"red\": it is in Vpc blue, where 1 IP objects "
            "(first: a.shop) hold addresses of it; delete those, or set spec.vpc back to \"blue\" (10.66.0.0/24 stays "
            "in force)");
  EXPECT_EQ(cluster.world.switches().at("web").router, "blue");
  EXPECT_EQ(router().policies.size(), 1U);
  EXPECT_EQ(cluster.world.routers().at("red").policies.size(), 0U);
  EXPECT_EQ(cluster.find(Kind::vpc, "", "blue")->at("status").get_object().at("subnets"), (JsonArray{"web"}));
  cluster.pod("shop", "b");
  rest();
  EXPECT_EQ(cluster.address("shop", "b"), "10.66.0.3") << "what is in force goes on serving";
  EXPECT_EQ(cluster.text(Kind::pod, "shop", "b", {"metadata", "annotations", "ovn.kubernetes.io/logical_router"}),
            "blue");

  cluster.remove(Kind::pod, "shop", "a");
  cluster.remove(Kind::pod, "shop", "b");
  rest();
  EXPECT_TRUE(subnet("web").starts_with("True ")) << subnet("web");
  EXPECT_EQ(cluster.world.switches().at("web").router, "red");
  EXPECT_EQ(router().policies.size(), 0U);
  EXPECT_EQ(router().routes.size(), 0U);
  EXPECT_EQ(cluster.world.routers().at("red").policies.size(), 1U);
  EXPECT_EQ(cluster.find(Kind::vpc, "", "red")->at("status").get_object().at("subnets"), (JsonArray{"web"}));
  cluster.pod("shop", "c");
  rest();
  EXPECT_EQ(cluster.text(Kind::pod, "shop", "c", {"metadata", "annotations", "ovn.kubernetes.io/logical_router"}),
            "red");
}

TEST_F(VpcTest, ASubnetOfTheDefaultVpcThatMayNotMoveKeepsTheGatewaysOfItsPods) {
  cluster.ns("here");
  cluster.subnet("near", {{"cidrBlock", "10.70.0.0/24"}, {"namespaces", JsonArray{"here"}}});
  cluster.pod("here", "a");
  rest();
  const auto groups = cluster.world.ports().at("a.here").groups;
  EXPECT_EQ(groups.size(), 1U);
  cluster.edit(Kind::subnet, "", "near", {{"spec", {{"vpc", "blue"}}}});
  rest();
  EXPECT_TRUE(subnet("near").starts_with("False ")) << subnet("near");
  EXPECT_EQ(cluster.world.ports().at("a.here").groups, groups);
}

TEST_F(VpcTest, ASubnetMayNotMoveOntoTheRangeOfAnother) {
  vpc({}, "red");
  cluster.subnet("there", {{"vpc", "red"}, {"cidrBlock", "10.66.0.0/24"}});
  rest();
  EXPECT_TRUE(subnet("there").starts_with("True ")) << subnet("there");
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"vpc", "red"}}}});
  rest();
  EXPECT_NE(subnet("web").find("overlaps Subnet there (10.66.0.0/24) in Vpc red"), std::string::npos) << subnet("web");
  EXPECT_EQ(cluster.world.switches().at("web").router, "blue");
  cluster.pod("shop", "a");
  rest();
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.2");

  // Who still holds its range in the old Vpc keeps others out there, and nobody in the new one.
  cluster.subnet("late", {{"vpc", "blue"}, {"cidrBlock", "10.66.0.0/25"}});
  cluster.remove(Kind::subnet, "", "there");
  rest();
  EXPECT_NE(subnet("late").find("overlaps Subnet web"), std::string::npos) << subnet("late");
  cluster.subnet("later", {{"vpc", "red"}, {"cidrBlock", "10.66.0.0/25"}});
  rest();
  EXPECT_TRUE(subnet("later").starts_with("True ")) << subnet("later");
  cluster.remove(Kind::pod, "shop", "a");
  rest();
  EXPECT_NE(subnet("web").find("overlaps Subnet later"), std::string::npos) << subnet("web");
  cluster.remove(Kind::subnet, "", "later");
  rest();
  EXPECT_EQ(cluster.world.switches().at("web").router, "red");
  EXPECT_TRUE(subnet("late").starts_with("True ")) << subnet("late");
}

TEST_F(VpcTest, ASubnetWhoseNewVpcIsMissingStaysWhereItIs) {
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"vpc", "red"}}}});
  rest();
  EXPECT_TRUE(subnet("web").starts_with("False VpcNotReady")) << subnet("web");
  cluster.pod("shop", "a");
  rest();
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.2");
  cluster.remove(Kind::pod, "shop", "a");
  rest();
  vpc({}, "red");
  EXPECT_TRUE(subnet("web").starts_with("True ")) << subnet("web");
  EXPECT_EQ(cluster.world.switches().at("web").router, "red");
}

TEST_F(VpcTest, RoutesAndPoliciesOfTheSpecAreAddedAndRemoved) {
  vpc({{"staticRoutes",
        JsonArray{
            JsonObject{{"cidr", "0.0.0.0/0"}, {"nextHopIP", "10.66.0.254"}},
            JsonObject{
                {"policy", "policySrc"}, {"cidr", "10.1.0.0/16"}, {"nextHopIP", "10.66.0.253"}, {"routeTable", "t"}}}},
       {"policyRoutes", JsonArray{JsonObject{{"priority", 12},
                                             {"match", "ip4.src == 10.66.0.9"},
                                             {"action", "reroute"},
                                             {"nextHopIP", "10.66.0.7,10.66.0.8"}}}}});
  EXPECT_TRUE(router().routes.contains({"0.0.0.0/0", "10.66.0.254", false, "", {}}));
  EXPECT_TRUE(router().routes.contains({"10.1.0.0/16", "10.66.0.253", true, "t", {}}));
  EXPECT_TRUE(router().policies.contains({12, "ip4.src == 10.66.0.9", "reroute", {"10.66.0.7", "10.66.0.8"}, {}}));
  vpc({{"staticRoutes", nullptr}, {"policyRoutes", nullptr}});
  EXPECT_EQ(router().routes.size(), 1U);
  EXPECT_EQ(router().policies.size(), 1U);
}

TEST_F(VpcTest, AnInvalidSpecLeavesInForceWhatWas) {
  const JsonArray good{JsonObject{{"cidr", "0.0.0.0/0"}, {"nextHopIP", "10.66.0.254"}}};
  vpc({{"staticRoutes", good}});
  const std::size_t routes = router().routes.size();
  vpc({{"staticRoutes", JsonArray{JsonObject{{"cidr", "0.0.0.0/0"}, {"nextHopIP", "fd00::1"}}}}});
  EXPECT_EQ(condition("Accepted"),
            "False ValidateVpcFailed: Vpc blue: spec.staticRoutes[0].nextHopIP \"fd00::1\": must be of the same family "
            "as cidr 0.0.0.0/0");
  EXPECT_TRUE(condition("Healthy").starts_with("False"));
  EXPECT_EQ(router().routes.size(), routes);
  cluster.subnet("db", {{"vpc", "blue"}, {"cidrBlock", "10.67.0.0/24"}});
  rest();
  EXPECT_TRUE(subnet("db").starts_with("True")) << "its Subnets go on: " << subnet("db");
  EXPECT_EQ(router().routes.size(), routes + 1);
  vpc({{"staticRoutes", nullptr}});
  EXPECT_TRUE(condition("Accepted").starts_with("True"));
  EXPECT_TRUE(condition("Error").starts_with("False"));
  EXPECT_EQ(router().routes.size(), 2U);
}

TEST_F(VpcTest, EachRuleHasItsMessage) {
  const auto with = [&](const char* field, JsonObject item) {
    vpc({{"staticRoutes", nullptr}, {"policyRoutes", nullptr}, {"vpcPeerings", nullptr}});
    vpc({{field, JsonArray{std::move(item)}}});
    return condition("Accepted");
  };
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(with("staticRoutes", {{"policy", "x"}, {"cidr", "10.0.0.0/8"}, {"nextHopIP", "10.0.0.1"}}),
                  "must be policyDst or policySrc"));
  EXPECT_TRUE(has(with("staticRoutes", {{"cidr", "x"}, {"nextHopIP", "10.0.0.1"}}), "must be an address or a CIDR"));
  EXPECT_TRUE(has(with("policyRoutes", {{"priority", 1}, {"match", "ip"}, {"action", "pass"}}),
                  "must be allow, drop or reroute"));
  EXPECT_TRUE(
      has(with("policyRoutes", {{"priority", 1}, {"match", "ip"}, {"action", "reroute"}}), "reroute needs an address"));
  EXPECT_TRUE(has(with("policyRoutes", {{"priority", 99999}, {"match", "ip"}, {"action", "drop"}}),
                  "must be between 0 and 32767"));
  EXPECT_TRUE(
      has(with("vpcPeerings", {{"remoteVpc", "blue"}, {"localConnectIP", "169.254.0.1/30"}}), "must name another Vpc"));
  EXPECT_TRUE(
      has(with("vpcPeerings", {{"remoteVpc", "red"}, {"localConnectIP", "169.254.0.1"}}), "with a prefix length"));
}

TEST_F(VpcTest, PeersAreLinkedFromBothSides) {
  vpc({{"vpcPeerings", JsonArray{JsonObject{{"remoteVpc", "red"}, {"localConnectIP", "169.254.0.1/30"}}}}});
  EXPECT_EQ(router().peers.at("red").networks, std::set<std::string>{"169.254.0.1/30"});
  EXPECT_NE(condition("Healthy").find("Vpc red does not exist"), std::string::npos) << condition("Healthy");
  vpc({}, "red");
  EXPECT_NE(condition("Healthy").find("Vpc red does not name this one"), std::string::npos) << condition("Healthy");
  vpc({{"vpcPeerings", JsonArray{JsonObject{{"remoteVpc", "blue"}, {"localConnectIP", "169.254.0.2/30"}}}}}, "red");
  EXPECT_TRUE(condition("Healthy").starts_with("True")) << condition("Healthy");
  EXPECT_NE(router().peers.at("red").mac, cluster.world.routers().at("red").peers.at("blue").mac);
  vpc({{"vpcPeerings", nullptr}});
  EXPECT_TRUE(router().peers.empty());
}

TEST_F(VpcTest, ANamespaceOfOneVpcMayNotBeListedByASubnetOfAnother) {
  cluster.ns("bank");
  vpc({{"namespaces", JsonArray{"bank"}}}, "red");
  cluster.subnet("vault", {{"cidrBlock", "10.70.0.0/24"}, {"namespaces", JsonArray{"bank"}}});
  cluster.subnet("other", {{"vpc", "red"}, {"cidrBlock", "10.71.0.0/24"}, {"namespaces", JsonArray{"shop"}}});
  rest();
  EXPECT_NE(subnet("vault").find("spec.namespaces \"bank\": that namespace belongs to Vpc red"), std::string::npos)
      << subnet("vault");
  EXPECT_NE(subnet("other").find("spec.namespaces \"shop\": Vpc red is only for the namespaces bank"),
            std::string::npos)
      << subnet("other");
  vpc({{"namespaces", JsonArray{"shop"}}}, "red");
  EXPECT_TRUE(subnet("vault").starts_with("True")) << subnet("vault");
  EXPECT_TRUE(subnet("other").starts_with("True")) << subnet("other");
}

TEST_F(VpcTest, DeletionWaitsForItsSubnetsAndSaysSo) {
  cluster.remove(Kind::vpc, "", "blue");
  rest();
  EXPECT_EQ(condition("Ready"),
            "False WaitingForSubnets: Vpc blue: deleted as soon as its Subnets are gone: web; delete those");
  EXPECT_EQ(cluster.events_of("blue", "WaitingForSubnets").size(), 1U);
  cluster.remove(Kind::subnet, "", "web");
  rest();
  EXPECT_EQ(cluster.find(Kind::vpc, "", "blue"), nullptr);
  EXPECT_FALSE(cluster.world.routers().contains("blue"));
}

TEST_F(VpcTest, WhatBerthDoesNothingAboutIsNamed) {
  vpc({{"enableExternal", true}});
  EXPECT_NE(condition("Unsupported").find("spec.enableExternal"), std::string::npos);
  vpc({{"enableExternal", false}});
  EXPECT_EQ(condition("Unsupported"), "");
}

TEST(VpcRowsTest, LargeDifferencesAreTakenInSteps) {
  world::LogicalRouter wanted, is;
  for (int i = 0; i < 250; ++i) wanted.policies.insert({i, "ip", "allow", {}, {}});
  for (int i = 900; i < 930; ++i) is.policies.insert({i, "ip", "allow", {}, {}});
  int steps = 0;
  while (!(is == wanted)) {
    const world::LogicalRouter next = step_towards(wanted, is, 100);
    std::size_t changes = 0;
    for (const auto& p : next.policies) changes += is.policies.contains(p) ? 0 : 1;
    for (const auto& p : is.policies) changes += next.policies.contains(p) ? 0 : 1;
    ASSERT_GT(changes, 0U);
    ASSERT_LE(changes, 100U);
    is = next;
    ++steps;
  }
  EXPECT_EQ(steps, 3);
}

}  // namespace
}  // namespace berth::reconcile
