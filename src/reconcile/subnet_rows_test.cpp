// What Subnets ask of OVN beside switch and router port.

#include <gtest/gtest.h>

#include <algorithm>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::JsonArray;
using api::JsonObject;
using api::Kind;
using std::chrono::seconds;

class SubnetRowsTest : public testing::Test {
 protected:
  SubnetRowsTest() {
    cluster.ns("shop");
    for (const char* node : {"node-1", "node-2"}) make_node(node, true);
    cluster.settle();
  }
  void make_node(const std::string& name, bool ready) {
    const std::string last = name.substr(name.size() - 1);
    cluster.put(Kind::node, "", name,
                {{"metadata", {{"labels", {{"gateway", last}}}}},
                 {"status",
                  {{"addresses", JsonArray{JsonObject{{"type", "InternalIP"}, {"address", "192.168.0." + last}}}},
                   {"conditions", JsonArray{JsonObject{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}}}});
  }
  void subnet(JsonObject spec, const std::string& cidr = "10.66.0.0/24") {
    spec["cidrBlock"] = cidr;
    if (!spec.contains("namespaces")) spec["namespaces"] = JsonArray{"shop"};
    cluster.subnet("web", std::move(spec));
    rest();
  }
  void edit(JsonObject spec) {
    cluster.edit(Kind::subnet, "", "web", {{"spec", std::move(spec)}});
    rest();
  }
  void rest() {
    cluster.settle();
    cluster.pass(seconds(10));
    cluster.settle();
  }
  void pod(const std::string& name) {
    cluster.pod("shop", name);
    rest();
  }
  const world::LogicalSwitch& logical() const { return cluster.world.switches().at("web"); }
  std::vector<std::string> acls() const {
    std::vector<std::string> out;
    for (const world::Acl& acl : logical().acls)
      out.push_back(acl.direction + " " + std::to_string(acl.priority) + " " + acl.match + " " + acl.action);
    return out;
  }
  // "match > next hops" of the default Vpc's policies of that priority.
  std::vector<std::string> policies(int priority, const std::string& vpc = "ovn-cluster") const {
    std::vector<std::string> out;
    for (const world::RouterPolicy& policy : cluster.world.routers().at(vpc).policies) {
      if (policy.priority != priority) continue;
      std::string text = policy.match + " >";
      for (const std::string& hop : policy.nexthops) text += " " + hop;
      out.push_back(text);
    }
    return out;
  }
  std::string join_ip(const std::string& node) const {
    return cluster.text(Kind::ip, "", "node-" + node, {"spec", "ipAddress"});
  }
  std::string condition(const std::string& type) const { return cluster.condition(Kind::subnet, "", "web", type); }

  TestCluster cluster;
};

using Texts = std::vector<std::string>;

TEST_F(SubnetRowsTest, APrivateSubnetLetsInItselfTheNodesAndAllowSubnets) {
  subnet({{"private", true}, {"allowSubnets", JsonArray{"10.70.0.0/16", "fd70::/64"}}});
  EXPECT_EQ(acls(), (Texts{"to-lport 1000 ip drop",
                           "to-lport 1001 (ip4.src == 10.66.0.0/24 && ip4.dst == 10.70.0.0/16) || (ip4.src == "
                           "10.70.0.0/16 && ip4.dst == 10.66.0.0/24) allow-related",
                           "to-lport 1001 ip4.src == 10.66.0.0/24 && ip4.dst == 10.66.0.0/24 allow-related",
                           "to-lport 3000 ip4.src == 100.64.0.0/16 allow-related"}));
  EXPECT_TRUE(condition("Ready").starts_with("True SetPrivateLogicalSwitchSuccess")) << condition("Ready");
  edit({{"private", false}});
  EXPECT_TRUE(acls().empty());
  EXPECT_TRUE(condition("Ready").starts_with("True ResetLogicalSwitchAclSuccess"));
}

TEST_F(SubnetRowsTest, OwnRulesComeOnTop) {
  subnet({{"acls", JsonArray{JsonObject{
                       {"direction", "to-lport"}, {"priority", 1111}, {"match", "tcp.dst == 22"}, {"action", "drop"}}}},
          {"allowEWTraffic", true}});
  EXPECT_EQ(acls(), (Texts{"from-lport 1900 ip4.src == 10.66.0.0/24 && ip4.dst == 10.66.0.0/24 allow",
                           "to-lport 1111 tcp.dst == 22 drop",
                           "to-lport 1900 ip4.src == 10.66.0.0/24 && ip4.dst == 10.66.0.0/24 allow"}));
  edit({{"acls", nullptr}});
  EXPECT_TRUE(acls().empty()) << "allowEWTraffic means nothing without rules";
}

TEST_F(SubnetRowsTest, RulesThatOvnWouldNotTakeAreRefused) {
  const auto with = [&](JsonObject change) {
    JsonObject acl{{"direction", "to-lport"}, {"priority", 1}, {"match", "ip"}, {"action", "drop"}};
    for (const auto& [key, value] : change) acl[key] = value;
    subnet({{"acls", JsonArray{std::move(acl)}}});
    return condition("Ready");
  };
  EXPECT_NE(with({{"direction", "in"}}).find("spec.acls[0].direction \"in\": must be from-lport or to-lport"),
            std::string::npos);
  EXPECT_NE(with({{"action", "deny"}}).find("spec.acls[0].action \"deny\": must be allow"), std::string::npos);
  EXPECT_NE(with({{"priority", 40000}}).find("spec.acls[0].priority \"40000\": must be between 0 and 32767"),
            std::string::npos);
  EXPECT_NE(with({{"match", "(ip"}}).find("spec.acls[0].match \"(ip\": must be an OVN expression"), std::string::npos);
  EXPECT_TRUE(with({}).starts_with("True"));
}

TEST_F(SubnetRowsTest, DhcpOptionsAreThereForEachFamilyAndPortsReferToThem) {
  subnet({{"enableDHCP", true}, {"dhcpV4Options", "lease_time=60,dns_server={10.96.0.10;1.1.1.1}"}, {"mtu", 1350}},
         "10.66.0.0/24,fd66::/64");
  ASSERT_TRUE(logical().dhcp_v4);
  const auto& v4 = logical().dhcp_v4->options;
  EXPECT_EQ(v4.at("lease_time"), "60");
  EXPECT_EQ(v4.at("router"), "10.66.0.1");
  EXPECT_EQ(v4.at("server_id"), "169.254.0.254");
  EXPECT_EQ(v4.at("dns_server"), "{10.96.0.10,1.1.1.1}");
  EXPECT_EQ(v4.at("mtu"), "1350");
  ASSERT_TRUE(logical().dhcp_v6);
  EXPECT_EQ(logical().dhcp_v6->cidr, "fd66::/64");
  pod("a");
  EXPECT_EQ(cluster.world.ports().at("a.shop").dhcp_v4, world::kSwitchOptions);
  EXPECT_EQ(cluster.world.ports().at("a.shop").dhcp_v6, world::kSwitchOptions);
  edit({{"enableDHCP", false}});
  EXPECT_FALSE(logical().dhcp_v4 || logical().dhcp_v6);
  EXPECT_EQ(cluster.world.ports().at("a.shop").dhcp_v4, "");
  edit({{"enableDHCP", true}, {"dhcpV6Options", "nonsense"}});
  EXPECT_NE(condition("Ready").find("spec.dhcpV6Options \"nonsense\": \"nonsense\" is not key=value"),
            std::string::npos)
      << condition("Ready");
}

TEST_F(SubnetRowsTest, RouterAdvertisementsNeedAnIpv6Range) {
  subnet({{"enableIPv6RA", true}});
  EXPECT_TRUE(logical().ra_configs.empty());
  edit({{"cidrBlock", "10.66.0.0/24,fd66::/64"}, {"gateway", ""}});
  EXPECT_EQ(logical().ra_configs, (std::map<std::string, std::string>{{"address_mode", "dhcpv6_stateful"},
                                                                      {"max_interval", "30"},
                                                                      {"min_interval", "5"},
                                                                      {"send_periodic", "true"}}));
  edit({{"ipv6RAConfigs", "address_mode=slaac"}});
  EXPECT_EQ(logical().ra_configs, (std::map<std::string, std::string>{{"address_mode", "slaac"}}));
}

TEST_F(SubnetRowsTest, ADistributedGatewayIsThatOfThePodsNode) {
  subnet({});
  EXPECT_TRUE(policies(29000).empty()) << "nobody needs it yet";
  pod("a");  // on node-1
  EXPECT_EQ(cluster.world.ports().at("a.shop").groups,
            (std::map<std::string, world::Ids>{
                {"web.node.1", {{"subnet", "web"}, {"node", "node-1"}, {"np", "web/node-1"}}}}));
  EXPECT_EQ(policies(29000), Texts{"ip4.src == $web.node.1_ip4 > " + join_ip("node-1")});
  EXPECT_EQ(policies(30000),
            (Texts{"ip4.dst == 192.168.0.1 > " + join_ip("node-1"), "ip4.dst == 192.168.0.2 > " + join_ip("node-2")}));
  cluster.remove(Kind::pod, "shop", "a");
  rest();
  EXPECT_TRUE(policies(29000).empty());
}

TEST_F(SubnetRowsTest, ACentralizedGatewayStaysUntilItsNodeFails) {
  subnet({{"gatewayType", "centralized"}, {"gatewayNode", "node-2,node-1"}});
  const auto active = [&] { return cluster.text(Kind::subnet, "", "web", {"status", "activateGateway"}); };
  EXPECT_EQ(active(), "node-2");
  EXPECT_EQ(policies(29000), Texts{"ip4.src == 10.66.0.0/24 > " + join_ip("node-2")});
  pod("a");
  EXPECT_TRUE(cluster.world.ports().at("a.shop").groups.empty());

  make_node("node-2", false);
  rest();
  EXPECT_EQ(active(), "node-1");
  EXPECT_EQ(policies(29000), Texts{"ip4.src == 10.66.0.0/24 > " + join_ip("node-1")});
  make_node("node-2", true);
  rest();
  EXPECT_EQ(active(), "node-1") << "moved back without need";

  make_node("node-1", false);
  make_node("node-2", false);
  rest();
  EXPECT_EQ(active(), "");
  EXPECT_TRUE(policies(29000).empty());
  EXPECT_TRUE(condition("Ready").starts_with("False NoReadyGateway")) << condition("Ready");
  EXPECT_TRUE(condition("Healthy").starts_with("False NoReadyGateway"));
  pod("b");
  EXPECT_NE(cluster.address("shop", "b"), "") << "addresses do not need a gateway";

  edit({{"gatewayNode", ""}, {"gatewayNodeSelectors", JsonArray{JsonObject{{"matchLabels", {{"gateway", "2"}}}}}}});
  make_node("node-2", true);
  rest();
  EXPECT_EQ(active(), "node-2");
  edit({{"gatewayNode", "node-1"}, {"gatewayType", "distributed"}});
  EXPECT_EQ(active(), "");
  EXPECT_EQ(cluster.text(Kind::subnet, "", "web", {"spec", "gatewayNode"}), "");
  EXPECT_FALSE(cluster.world.ports().at("a.shop").groups.empty()) << "running pods follow";
}

TEST_F(SubnetRowsTest, VirtualAddressesHaveThePortsThatNameThem) {
  subnet({{"vips", JsonArray{"10.66.0.100"}}});
  EXPECT_EQ(logical().vips, (std::map<std::string, std::set<std::string>>{{"10.66.0.100", {}}}));
  world::LogicalPort port{"vm", "web", net::Mac::derived_from("vm"), {}, {{"vips", "10.66.0.100,10.66.0.101"}}};
  cluster.world.observe_port("vm", port);
  rest();
  EXPECT_EQ(logical().vips.at("10.66.0.100"), std::set<std::string>{"vm"});
  cluster.world.observe_port("vm", std::nullopt);
  edit({{"vips", JsonArray{"10.99.0.1"}}});
  EXPECT_NE(condition("Ready").find("spec.vips \"10.99.0.1\": is not in 10.66.0.0/24"), std::string::npos);
  EXPECT_TRUE(logical().vips.contains("10.66.0.100")) << "what was in force stays";
}

TEST_F(SubnetRowsTest, WhatBerthDoesNothingAboutIsNamed) {
  subnet({{"enableEcmp", true}, {"nodeNetwork", "storage"}});
  EXPECT_EQ(condition("Unsupported"),
            "True UnsupportedFields: Subnet web: Berth does nothing about spec.enableEcmp, nodeNetwork; remove what is "
            "not needed");
  EXPECT_TRUE(condition("Ready").starts_with("True")) << "the rest works";
  EXPECT_TRUE(condition("Healthy").starts_with("False UnsupportedFields"));
  edit({{"enableEcmp", false}, {"nodeNetwork", nullptr}});
  EXPECT_EQ(condition("Unsupported"), "");
  EXPECT_TRUE(condition("Healthy").starts_with("True"));
}

TEST_F(SubnetRowsTest, ConditionsSayWhatIsBoundAndWhichGenerationWasJudged) {
  subnet({{"namespaces", JsonArray{"shop", "later"}}});
  EXPECT_EQ(condition("Bound"), "True NamespacesClaimed: shop");
  EXPECT_TRUE(condition("Accepted").starts_with("True"));
  EXPECT_TRUE(condition("Programmed").starts_with("True"));
  cluster.ns("later");
  rest();
  EXPECT_EQ(condition("Bound"), "True NamespacesClaimed: later,shop");
  cluster.edit(Kind::subnet, "", "web", {{"metadata", {{"generation", 7}}}});
  rest();
  const JsonObject* object = cluster.find(Kind::subnet, "", "web");
  for (const api::Condition& c : api::parse_conditions(*object)) EXPECT_EQ(c.observed_generation, 7) << c.type;
  edit({{"cidrBlock", "nonsense"}});
  EXPECT_TRUE(condition("Accepted").starts_with("False ValidateLogicalSwitchFailed"));
  EXPECT_TRUE(condition("Programmed").starts_with("False"));
  edit({{"namespaces", JsonArray{}}});
  EXPECT_TRUE(condition("Bound").starts_with("False NoNamespace"));
}

TEST_F(SubnetRowsTest, RowsChangedByHandAreRepaired) {
  subnet({{"private", true}, {"enableDHCP", true}, {"vips", JsonArray{"10.66.0.100"}}});
  pod("a");
  const world::LogicalSwitch before = logical();
  world::LogicalSwitch broken = before;
  broken.acls.clear();
  broken.dhcp_v4.reset();
  broken.vips.clear();
  cluster.world.observe_switch("web", broken);
  world::LogicalPort port = cluster.world.ports().at("a.shop");
  port.dhcp_v4.clear();
  port.groups.clear();
  cluster.world.observe_port("a.shop", port);
  rest();
  EXPECT_EQ(logical(), before);
  EXPECT_EQ(cluster.world.ports().at("a.shop").dhcp_v4, world::kSwitchOptions);
  EXPECT_FALSE(cluster.world.ports().at("a.shop").groups.empty());
}

}  // namespace
}  // namespace berth::reconcile
