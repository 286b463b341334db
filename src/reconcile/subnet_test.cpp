#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::Kind;
using std::chrono::seconds;

class SubnetTest : public testing::Test {
 protected:
  SubnetTest() {
    cluster.ns("shop");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/24"}, {"namespaces", {"shop"}}});
    cluster.settle();
    cluster.pass(seconds(10));
  }
  void edit(api::JsonObject spec) {
    cluster.edit(Kind::subnet, "", "web", {{"spec", std::move(spec)}});
    cluster.settle();
    cluster.pass(seconds(2));
    cluster.settle();
  }
  void pod(const std::string& name, const std::string& address = "") {
    cluster.pod("shop", name,
                address.empty() ? std::map<std::string, std::string>{}
                                : std::map<std::string, std::string>{{"ovn.kubernetes.io/ip_address", address}});
    cluster.settle();
  }
  // A pod that runs: the agent has claimed its IP object, and the kubelet has told its address.
  void run(const std::string& name, const std::string& address = "") {
    pod(name, address);
    cluster.edit(Kind::ip, "", name + ".shop", {{"spec", {{"containerID", "sandbox"}}}});
    cluster.edit(Kind::pod, "shop", name,
                 {{"status", {{"podIPs", api::JsonArray{api::JsonObject{{"ip", cluster.address("shop", name)}}}}}}});
    cluster.settle();
  }
  std::string ready() const { return cluster.condition(Kind::subnet, "", "web", "Ready"); }
  std::string networks() const {
    std::string out;
    for (const std::string& network : cluster.world.switches().at("web").networks) out += network + " ";
    return out;
  }

  TestCluster cluster;
};

TEST_F(SubnetTest, AnEditThatMakesAGatewayOfAPodsAddressLoses) {
  pod("a", "10.66.0.50");
  edit({{"gateway", "10.66.0.50"}});
  EXPECT_EQ(networks(), "10.66.0.1/24 ");
  EXPECT_EQ(
      ready(),
      "False ValidateLogicalSwitchFailed: Subnet web: spec.gateway \"10.66.0.50\": 10.66.0.50 would be the gateway, "
      "but IP a.shop holds it; choose another, or delete that pod first (10.66.0.0/24 stays in force)");
  pod("b");
  EXPECT_EQ(cluster.address("shop", "b"), "10.66.0.2") << "what is in force goes on serving";
  pod("c", "10.66.0.1");
  EXPECT_EQ(cluster.find(Kind::ip, "", "c.shop"), nullptr) << "the gateway in force was given away";

  cluster.remove(Kind::pod, "shop", "a");
  cluster.settle();
  EXPECT_EQ(networks(), "10.66.0.50/24 ") << "taken up by itself once nothing stands in its way";
  EXPECT_TRUE(ready().starts_with("True ")) << ready();
}

TEST_F(SubnetTest, AnEditThatMakesABroadcastAddressOfAPodsAddressLoses) {
  edit({{"cidrBlock", "10.66.0.0/23"}});
  EXPECT_EQ(networks(), "10.66.0.1/23 ");
  pod("a", "10.66.0.255");
  edit({{"cidrBlock", "10.66.0.0/24"}});
  EXPECT_EQ(networks(), "10.66.0.1/23 ");
  EXPECT_NE(ready().find("10.66.0.255 would be the range's network or broadcast address, but IP a.shop holds it"),
            std::string::npos)
      << ready();
}

TEST_F(SubnetTest, AReplacedRangeStaysRoutedUntilItsLastPodGoes) {
  run("a");
  edit({{"cidrBlock", "10.77.0.0/24"}, {"gateway", "10.77.0.1"}, {"excludeIps", api::JsonArray{}}});
  EXPECT_EQ(networks(), "10.66.0.1/24 10.77.0.1/24 ");
  EXPECT_EQ(ready(),
            "True ResetLogicalSwitchAclSuccess: Subnet web: 10.66.0.0/24 stays programmed for 1 addresses outside "
            "10.77.0.0/24 (first: IP a.shop), until those pods are deleted");
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.2");
  EXPECT_EQ(cluster.text(Kind::pod, "shop", "a", {"metadata", "annotations", "ovn.kubernetes.io/gateway"}), "10.66.0.1")
      << "what the pod was wired with";
  EXPECT_EQ(cluster.events_of("a", "Outdated").size(), 1U);
  pod("b");
  EXPECT_EQ(cluster.address("shop", "b"), "10.77.0.2");

  // Nobody else may have the old range while a pod lives in it.
  cluster.subnet("other", {{"cidrBlock", "10.66.0.0/25"}});
  cluster.settle();
  EXPECT_NE(cluster.condition(Kind::subnet, "", "other", "Ready").find("overlaps Subnet web"), std::string::npos)
      << cluster.condition(Kind::subnet, "", "other", "Ready");

  cluster.remove(Kind::pod, "shop", "a");
  cluster.settle();
  EXPECT_EQ(networks(), "10.77.0.1/24 ");
  cluster.pass(seconds(1));
  cluster.settle();
  EXPECT_EQ(ready(), "True ResetLogicalSwitchAclSuccess: ");
  EXPECT_TRUE(cluster.condition(Kind::subnet, "", "other", "Ready").starts_with("True "));
}

TEST_F(SubnetTest, AShrunkRangeKeepsThePodsOutsideReachable) {
  pod("a", "10.66.0.50");
  edit({{"cidrBlock", "10.66.0.0/27"}});
  EXPECT_EQ(cluster.find(Kind::ip, "", "a.shop"), nullptr) << "not wired yet: it is refused what it asks for";
  EXPECT_EQ(networks(), "10.66.0.1/27 ");
  run("b", "10.66.0.30");
  edit({{"cidrBlock", "10.66.0.0/28"}});
  EXPECT_EQ(networks(), "10.66.0.1/27 10.66.0.1/28 ");
  EXPECT_NE(cluster.find(Kind::ip, "", "b.shop"), nullptr);
}

TEST_F(SubnetTest, AMovedGatewayAnswersOnThereAsLongAsPodsUseIt) {
  run("a");
  edit({{"gateway", "10.66.0.254"}});
  EXPECT_EQ(networks(), "10.66.0.1/24 10.66.0.254/24 ");
  run("b");
  EXPECT_EQ(cluster.text(Kind::pod, "shop", "b", {"metadata", "annotations", "ovn.kubernetes.io/gateway"}),
            "10.66.0.254");
  cluster.remove(Kind::pod, "shop", "a");
  cluster.settle();
  EXPECT_EQ(networks(), "10.66.0.254/24 ");
}

TEST_F(SubnetTest, ASubnetRemovedByForceLeavesItsPodsTheirPortsAndTheirRange) {
  run("a");
  const world::LogicalPort port = cluster.world.ports().at("a.shop");
  cluster.edit(Kind::subnet, "", "web", {{"metadata", {{"finalizers", api::JsonArray{}}}}});
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  ASSERT_TRUE(cluster.world.switches().contains("web"));
  EXPECT_EQ(cluster.world.ports().at("a.shop").addresses, port.addresses);
  EXPECT_NE(cluster.find(Kind::ip, "", "a.shop"), nullptr);
  cluster.subnet("other", {{"cidrBlock", "10.66.0.0/25"}});
  cluster.settle();
  EXPECT_NE(cluster.condition(Kind::subnet, "", "other", "Ready")
                .find("overlaps Subnet web (10.66.0.0/24), which was removed under its pods"),
            std::string::npos)
      << cluster.condition(Kind::subnet, "", "other", "Ready");

  cluster.subnet("web", {{"cidrBlock", "10.77.0.0/24"}, {"namespaces", {"shop"}}});
  cluster.settle();
  cluster.pass(seconds(2));
  cluster.settle();
  EXPECT_EQ(networks(), "10.66.0.1/24 10.77.0.1/24 ");
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.2");
  pod("b");
  EXPECT_EQ(cluster.address("shop", "b"), "10.77.0.2");
  cluster.remove(Kind::pod, "shop", "a");
  cluster.settle();
  EXPECT_EQ(networks(), "10.77.0.1/24 ");
  EXPECT_TRUE(cluster.condition(Kind::subnet, "", "other", "Ready").starts_with("True "));
}

TEST_F(SubnetTest, ASubnetRemovedByForceGoesFromOvnWithItsLastPod) {
  run("a");
  cluster.edit(Kind::subnet, "", "web", {{"metadata", {{"finalizers", api::JsonArray{}}}}});
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  cluster.remove(Kind::pod, "shop", "a");
  cluster.settle();
  EXPECT_FALSE(cluster.world.switches().contains("web"));
  EXPECT_EQ(cluster.world.allocator("web"), nullptr);
}

TEST_F(SubnetTest, AnIpObjectWithoutAddressesDoesNotHoldASubnet) {
  cluster.put(Kind::ip, "", "bad",
              {{"metadata", {{"finalizers", api::JsonArray{"other/one"}}}},
               {"spec", {{"subnet", "web"}, {"ipAddress", "nonsense"}}}});
  cluster.follow();
  EXPECT_EQ(cluster.world.allocator("web")->lease_count(), 0U);
  cluster.remove(Kind::subnet, "", "web");
  cluster.follow();
  cluster.edit(Kind::ip, "", "bad", {{"metadata", {{"finalizers", api::JsonArray{}}}}});
  if (cluster.find(Kind::ip, "", "bad") != nullptr) cluster.remove(Kind::ip, "", "bad");
  cluster.follow();
  EXPECT_EQ(cluster.find(Kind::subnet, "", "web"), nullptr) << ready();
}

// Broken in every way; `good` is the only one whose range is free.
class SubnetCrowdTest : public SubnetTest {
 protected:
  static constexpr int kEach = 200;

  void SetUp() override {
    SubnetTest::SetUp();
    for (int i = 0; i < kEach; ++i) {
      const std::string n = std::to_string(i);
      cluster.subnet("malformed-" + n, {{"cidrBlock", "10.70." + n + ".0/33"}});
      cluster.subnet("taken-" + n, {{"cidrBlock", "10.66.0.0/25"}});
      cluster.subnet("lost-" + n, {{"cidrBlock", "10.71." + n + ".0/24"}, {"vpc", "none"}});
      cluster.subnet("outside-" + n, {{"cidrBlock", "10.72." + n + ".0/24"}, {"gateway", "192.0.2.1"}});
      cluster.subnet("services-" + n, {{"cidrBlock", "10.96." + n + ".0/24"}});
    }
    cluster.follow();
    cluster.writes = 0;
    cluster.events.clear();
  }

  // Keys taken until there are none.
  int turns() {
    int out = 0;
    while (cluster.step()) ++out;
    return out;
  }
};

TEST_F(SubnetCrowdTest, BrokenOnesAreToldOnceAndThenLeftAlone) {
  cluster.settle();
  cluster.pass(std::chrono::hours(1));
  cluster.settle();
  EXPECT_EQ(cluster.writes, 0U);
  EXPECT_EQ(cluster.events.size(), 0U);
}

TEST_F(SubnetCrowdTest, AGoodOneIsReadyAfterAsManyStepsAsAlone) {
  const auto effort = [](TestCluster& in) {
    in.subnet("good", {{"cidrBlock", "10.67.0.0/24"}});
    int out = 0;
    while (!in.world.subnet_state("good").ready && in.step()) ++out;
    return out;
  };
  TestCluster empty;
  empty.follow();
  const int alone = effort(empty);
  EXPECT_EQ(effort(cluster), alone);
  EXPECT_LT(turns(), 20);
  cluster.edit(Kind::subnet, "", "good", {{"spec", {{"cidrBlock", "10.67.0.0/23"}}}});
  EXPECT_LT(turns(), 20);
  for (const EventNote& note : cluster.events) EXPECT_EQ(note.name, "good") << note.message;
}

TEST_F(SubnetCrowdTest, PodsOfAGoodOneCostNoWorkOnBrokenOnes) {
  cluster.ns("shop");
  cluster.subnet("good", {{"cidrBlock", "10.67.0.0/24"}, {"namespaces", api::JsonArray{"shop"}}});
  cluster.follow();
  cluster.writes = 0;
  for (int i = 0; i < 20; ++i) cluster.pod("shop", "p" + std::to_string(i));
  EXPECT_LT(turns(), 20 * 12);
  EXPECT_LT(cluster.writes, 20U * 4);
  EXPECT_FALSE(cluster.address("shop", "p19").empty());
}

TEST_F(SubnetCrowdTest, WhoLostIsTriedAgainWhenTheWinnerGoesAndWhoDidNotIsLeftAlone) {
  cluster.remove(Kind::subnet, "", "web");
  EXPECT_LT(turns(), 3 * kEach);
  EXPECT_TRUE(cluster.condition(Kind::subnet, "", "taken-0", "Ready").starts_with("True "));
  cluster.pass(seconds(1));
  cluster.settle();
  for (int i = 1; i < kEach; ++i) {
    const std::string name = "taken-" + std::to_string(i);
    EXPECT_NE(cluster.condition(Kind::subnet, "", name, "Ready").find("overlaps Subnet taken-0"), std::string::npos);
  }
}

TEST_F(SubnetTest, ANodeThatComesIntoItsRangeIsToldAndTakesNothingFromIt) {
  const auto node = [&](const char* address) {
    cluster.put(Kind::node, "", "node-1",
                {{"status", {{"addresses", api::JsonArray{{{"type", "InternalIP"}, {"address", address}}}}}}});
    cluster.settle();
  };
  node("10.66.0.77");
  EXPECT_TRUE(ready().starts_with("True ")) << ready();
  node("10.66.0.77");
  const auto said = cluster.events_of("node-1", "NodeAddressConflictWithSubnet");
  ASSERT_EQ(said.size(), 1U) << "said once";
  EXPECT_NE(said[0].find("lies in Subnet web (10.66.0.0/24)"), std::string::npos) << said[0];
  edit({{"cidrBlock", "10.66.0.0/23"}});
  EXPECT_NE(ready().find("contains the address 10.66.0.77 of node node-1"), std::string::npos) << ready();
}

// An older one that is refused for another reason stands in nobody's way, whatever becomes of it.
TEST_F(SubnetTest, WhoIsRefusedForAnotherReasonStandsInNobodysWay) {
  cluster.put(Kind::node, "", "node-1",
              {{"status", {{"addresses", api::JsonArray{{{"type", "InternalIP"}, {"address", "10.68.0.200"}}}}}}});
  cluster.follow();
  cluster.subnet("wide", {{"cidrBlock", "10.68.0.0/24"}});
  cluster.pass(std::chrono::seconds(5));
  cluster.subnet("narrow", {{"cidrBlock", "10.68.0.0/25"}});
  cluster.follow();
  EXPECT_NE(cluster.condition(Kind::subnet, "", "wide", "Ready").find("10.68.0.200 of node node-1"), std::string::npos);
  EXPECT_TRUE(cluster.condition(Kind::subnet, "", "narrow", "Ready").starts_with("True "))
      << cluster.condition(Kind::subnet, "", "narrow", "Ready");
  cluster.remove(Kind::subnet, "", "narrow");
  cluster.remove(Kind::node, "", "node-1");
  cluster.follow();
  EXPECT_TRUE(cluster.condition(Kind::subnet, "", "wide", "Ready").starts_with("True "))
      << cluster.condition(Kind::subnet, "", "wide", "Ready");
}

TEST_F(SubnetTest, ASubnetMayNotLieInTheRangeOfServices) {
  cluster.subnet("svc", {{"cidrBlock", "10.96.4.0/24"}});
  cluster.settle();
  EXPECT_NE(cluster.condition(Kind::subnet, "", "svc", "Ready")
                .find("spec.cidrBlock \"10.96.4.0/24\": overlaps 10.96.0.0/12, the range of Services"),
            std::string::npos);
  EXPECT_FALSE(cluster.world.switches().contains("svc"));
}

TEST_F(SubnetTest, ASelectorThatCanNeverMatchIsAnError) {
  const auto with = [&](api::JsonObject expression) {
    cluster.subnet("sel", {{"cidrBlock", "10.67.0.0/24"},
                           {"namespaceSelectors", {{{"matchExpressions", api::JsonArray{std::move(expression)}}}}}});
    cluster.settle();
    return cluster.condition(Kind::subnet, "", "sel", "Ready");
  };
  EXPECT_NE(with({{"key", "a"}, {"operator", "Foo"}})
                .find("spec.namespaceSelectors[0]: label a: operator \"Foo\": must be In"),
            std::string::npos);
  EXPECT_NE(with({{"key", "a"}, {"operator", "In"}}).find("In and NotIn need values"), std::string::npos);
  EXPECT_TRUE(with({{"key", "a"}, {"operator", "Exists"}}).starts_with("True "));
}

}  // namespace
}  // namespace berth::reconcile
