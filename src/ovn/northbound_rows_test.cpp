// Rows beyond switches, routers and ports: access rules, DHCP options, router advertisements, virtual ports, links
// between routers, port groups of gateways.

#include <gtest/gtest.h>

#include <functional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ovn/simulated_schema.h"
#include "ovn/test_peer.h"

namespace berth::ovn {
namespace {

namespace json = boost::json;

LogicalRouter router() {
  LogicalRouter out;
  out.name = "vpc";
  out.routes = {{"0.0.0.0/0", "10.1.0.254", false, "blue", {}},
                {"10.1.0.0/16", "10.1.0.1", true, "", {{"subnet", "web"}}}};
  out.policies = {{29000, "ip4.src == $web.n1_ip4", "reroute", {"100.64.0.2"}, {{"subnet", "web"}, {"node", "n1"}}}};
  out.peers = {{"other", {net::Mac::derived_from("x"), {"169.254.0.1/30"}}}};
  return out;
}

LogicalSwitch web() {
  LogicalSwitch out{"web", "vpc", {"10.1.0.1/16", "fd01::1/64"}, net::Mac::derived_from("vpc-web")};
  out.route_table = "blue";
  out.ra_configs = {{"address_mode", "dhcpv6_stateful"}, {"send_periodic", "true"}};
  out.acls = {{"to-lport", 1000, "ip", "drop", "web", {{"parent", "web"}}},
              {"to-lport", 1001, "ip4.src == 10.1.0.0/16", "allow-related", "", {{"parent", "web"}}}};
  out.dhcp_v4 = DhcpOptions{"10.1.0.0/16", {{"lease_time", "3600"}, {"router", "10.1.0.1"}}};
  out.dhcp_v6 = DhcpOptions{"fd01::/64", {{"server_id", "02:00:00:00:00:01"}}};
  out.vips = {{"10.1.0.9", {}}, {"10.1.0.10", {"a.ns", "b.ns"}}};
  return out;
}

LogicalPort port(const std::string& name, const std::string& node = "n1") {
  LogicalPort out{name, "web", net::Mac::derived_from(name), {*net::Address::parse("10.1.0.7")}, {{"pod", "ns/p"}}};
  out.dhcp_v4 = kSwitchOptions;
  out.dhcp_v6 = kSwitchOptions;
  out.groups = {{"web." + node, {{"subnet", "web"}, {"node", node}}}};
  return out;
}

class RowsTest : public testing::Test {
 protected:
  RowsTest() {
    EXPECT_TRUE(peer.commit(wishes()));
    EXPECT_EQ(difference(), "");
  }
  static std::vector<OvnChange> wishes() {
    return {PutRouter{router()}, PutSwitch{web()}, PutPort{port("a.ns")}, PutPort{port("b.ns", "n2")}};
  }
  // Which object is not observed as it was wished; empty: none.
  std::string difference() {
    std::string out;
    if (peer.routers["vpc"] != router()) out += "router ";
    if (peer.switches["web"] != web()) out += "switch ";
    if (peer.ports["a.ns"] != port("a.ns")) out += "a ";
    if (peer.ports["b.ns"] != port("b.ns", "n2")) out += "b ";
    return out;
  }
  void by_hand(std::string_view operations) {
    const auto reply = store.execute(json::parse(operations).get_array());
    ASSERT_EQ(json::serialize(reply).find("error"), std::string::npos) << json::serialize(reply);
    loop.run_until_idle();
  }
  std::size_t count(const std::string& table) { return store.rows(table).size(); }
  json::object only(const std::string& table, const std::function<bool(const json::object&)>& which) {
    for (const auto& [uuid, row] : store.rows(table)) {
      if (which(row)) return row;
    }
    ADD_FAILURE() << "no such row in " << table;
    return {};
  }
  json::object named(const std::string& table, std::string_view name) {
    return only(table, [&](const json::object& row) { return row.at("name").get_string() == name; });
  }

  ManualScheduler loop;
  MemoryStore store{*ovsdb::Schema::parse(kSimulatedSchema)};
  Peer peer{loop, store};
};

TEST_F(RowsTest, AreWrittenAsKubeOvnWritesThem) {
  const auto drop = only("ACL", [](const json::object& row) { return row.at("action").get_string() == "drop"; });
  EXPECT_EQ(json::serialize(drop.at("external_ids")), R"(["map",[["parent","web"],["vendor","kube-ovn"]]])");
  EXPECT_EQ(json::serialize(drop.at("name")), R"(["set",["web"]])");
  EXPECT_EQ(json::serialize(drop.at("severity")), R"(["set",["warning"]])");
  EXPECT_TRUE(drop.at("log").get_bool());

  const auto dhcp =
      only("DHCP_Options", [](const json::object& row) { return row.at("cidr").get_string() == "10.1.0.0/16"; });
  EXPECT_EQ(json::serialize(dhcp.at("external_ids")),
            R"(["map",[["ls","web"],["protocol","IPv4"],["vendor","kube-ovn"]]])");
  const auto lrp = named("Logical_Router_Port", "vpc-web");
  EXPECT_EQ(json::serialize(lrp.at("options")), R"(["map",[["route_table","blue"]]])");
  EXPECT_EQ(json::serialize(lrp.at("ipv6_ra_configs")),
            R"(["map",[["address_mode","dhcpv6_stateful"],["send_periodic","true"]]])");
  EXPECT_EQ(json::serialize(named("Logical_Router_Port", "vpc-other").at("peer")), R"(["set",["other-vpc"]])");
  const auto vip = named("Logical_Switch_Port", "web-vip-10.1.0.10");
  EXPECT_EQ(vip.at("type"), "virtual");
  EXPECT_EQ(json::serialize(vip.at("options")),
            R"(["map",[["virtual-ip","10.1.0.10"],["virtual-parents","a.ns,b.ns"]]])");
  EXPECT_EQ(json::serialize(named("Port_Group", "web.n1").at("external_ids")),
            R"(["map",[["node","n1"],["subnet","web"],["vendor","kube-ovn"]]])");
}

TEST_F(RowsTest, NothingIsWrittenTwice) {
  const auto before = store.transactions();
  ASSERT_TRUE(peer.commit(wishes()));
  EXPECT_EQ(store.transactions(), before);
}

TEST_F(RowsTest, RepairsWhatWasChangedOrRemovedByHand) {
  for (
      const char* operations :
      {R"([{"op":"update","table":"Logical_Switch","where":[],"row":{"acls":["set",[]]}}])",
       R"([{"op":"update","table":"ACL","where":[["action","==","drop"]],"row":{"action":"allow"}}])",
       R"([{"op":"update","table":"ACL","where":[],"row":{"external_ids":["map",[]]}}])",
       R"([{"op":"delete","table":"DHCP_Options","where":[]}])",
       R"([{"op":"update","table":"DHCP_Options","where":[],"row":{"options":["map",[["a","b"]]]}}])",
       R"([{"op":"update","table":"DHCP_Options","where":[],"row":{"external_ids":["map",[]]}}])",
       R"([{"op":"update","table":"Logical_Router_Port","where":[],"row":{"ipv6_ra_configs":["map",[]],"options":["map",[]]}}])",
       R"([{"op":"update","table":"Logical_Router_Port","where":[["name","==","vpc-other"]],"row":{"peer":"nobody"}}])",
       R"([{"op":"update","table":"Logical_Switch_Port","where":[["type","==","virtual"]],"row":{"options":["map",[]]}}])",
       R"([{"op":"update","table":"Logical_Switch_Port","where":[],"row":{"dhcpv4_options":["set",[]]}}])",
       R"([{"op":"delete","table":"Port_Group","where":[]}])",
       R"([{"op":"update","table":"Port_Group","where":[],"row":{"ports":["set",[]]}}])",
       R"([{"op":"update","table":"Logical_Router_Policy","where":[],"row":{"external_ids":["map",[["vendor","kube-ovn"]]]}}])",
       R"([{"op":"update","table":"Logical_Router_Static_Route","where":[],"row":{"route_table":"x"}}])",
       R"([{"op":"delete","table":"Logical_Switch","where":[]}])"}) {
    by_hand(operations);
    EXPECT_NE(difference(), "") << "not noticed: " << operations;
    const auto done = peer.commit(wishes());
    ASSERT_TRUE(done) << operations << ": " << done.error().message;
    EXPECT_EQ(difference(), "") << operations;
  }
}

TEST_F(RowsTest, AGroupGoesWithItsLastPort) {
  ASSERT_TRUE(peer.commit({PutPort{port("c.ns")}, RemovePort{"a.ns"}}));
  EXPECT_EQ(count("Port_Group"), 2U);
  ASSERT_TRUE(peer.commit({RemovePort{"c.ns"}}));
  EXPECT_EQ(count("Port_Group"), 1U);
  ASSERT_TRUE(peer.commit({PutPort{port("b.ns", "n3")}}));
  EXPECT_EQ(json::serialize(named("Port_Group", "web.n3").at("ports")).find("uuid") != std::string::npos, true);
  EXPECT_EQ(count("Port_Group"), 1U);
}

TEST_F(RowsTest, OthersRowsAreLeftAlone) {
  by_hand(R"([
    {"op":"insert","table":"Port_Group","row":{"name":"ovn.sg.x","external_ids":["map",[["vendor","kube-ovn"],["sg","x"]]]}},
    {"op":"insert","table":"DHCP_Options","row":{"cidr":"10.1.0.0/16","external_ids":["map",[["ls","web"],["port","a.ns"],["vendor","kube-ovn"]]]}},
    {"op":"insert","table":"ACL","uuid-name":"theirs","row":{"direction":"to-lport","priority":7,"match":"ip","action":"allow"}},
    {"op":"mutate","table":"Logical_Switch","where":[],"mutations":[["acls","insert",["named-uuid","theirs"]]]}])");
  EXPECT_EQ(difference(), "");
  LogicalSwitch bare = web();
  bare.acls.clear();
  bare.dhcp_v4.reset();
  bare.dhcp_v6.reset();
  bare.vips.clear();
  bare.ra_configs.clear();
  bare.route_table.clear();
  ASSERT_TRUE(peer.commit({PutSwitch{bare}}));
  EXPECT_EQ(peer.switches["web"], bare);
  EXPECT_EQ(count("ACL"), 1U);
  EXPECT_EQ(count("DHCP_Options"), 1U);
  EXPECT_EQ(count("Port_Group"), 3U);
  EXPECT_EQ(peer.ports["a.ns"].dhcp_v4, "") << "the options that it used are gone";
}

TEST_F(RowsTest, APortOfKubeOvnIsAdoptedInItsRow) {
  by_hand(R"([{"op":"update","table":"Logical_Switch_Port","where":[["name","==","a.ns"]],"row":{
      "external_ids":["map",[["vendor","kube-ovn"],["ls","web"],["pod","ns/p"],["security_groups","sg1"],
                             ["associated_sg_sg1","true"],["associated_sg_default-securitygroup","false"]]],
      "port_security":"00:00:00:00:00:01 10.1.0.7","options":["map",[["requested-chassis","n1"]]]}}])");
  EXPECT_EQ(difference(), "") << "these marks are nobody's wish";
  const auto uuid_of = [&] {
    for (const auto& [uuid, row] : store.rows("Logical_Switch_Port")) {
      if (row.at("name") == "a.ns") return uuid;
    }
    return std::string();
  };
  const std::string before = uuid_of();
  auto signed_port = port("a.ns");
  signed_port.external_ids["berth-owner"] = "pod/1";
  ASSERT_TRUE(peer.commit({PutPort{signed_port}}));
  EXPECT_EQ(uuid_of(), before);
  const json::object row = named("Logical_Switch_Port", "a.ns");
  const std::string ids = json::serialize(row.at("external_ids"));
  for (const char* kept : {"security_groups", "associated_sg_sg1", "associated_sg_default-securitygroup"})
    EXPECT_NE(ids.find(kept), std::string::npos) << ids;
  EXPECT_NE(json::serialize(row.at("port_security")).find("10.1.0.7"), std::string::npos);
  EXPECT_NE(json::serialize(row.at("options")).find("requested-chassis"), std::string::npos);
}

TEST_F(RowsTest, RemovingASwitchTakesAllOfItsRows) {
  ASSERT_TRUE(peer.commit({RemoveSwitch{"web"}, RemoveRouter{"vpc"}}));
  for (const char* table : {"ACL", "DHCP_Options", "Port_Group", "Logical_Switch", "Logical_Switch_Port",
                            "Logical_Router", "Logical_Router_Port", "Logical_Router_Policy"}) {
    EXPECT_EQ(count(table), 0U) << table;
  }
}

TEST_F(RowsTest, RowsOfASwitchThatIsGoneStayInSightUntilTheyAreRemoved) {
  by_hand(R"([{"op":"delete","table":"Logical_Switch","where":[]}])");
  ASSERT_TRUE(peer.switches.contains("web"));
  EXPECT_FALSE(peer.switches["web"].exists);
  ASSERT_TRUE(peer.commit({RemoveSwitch{"web"}}));
  EXPECT_FALSE(peer.switches.contains("web"));
  EXPECT_EQ(count("DHCP_Options") + count("Port_Group"), 0U);
}

TEST_F(RowsTest, ASwitchWithoutSharedOptionsIsNotReadyForPortsThatNeedThem) {
  LogicalSwitch bare = web();
  bare.dhcp_v6.reset();
  ASSERT_TRUE(peer.commit({PutSwitch{bare}}));
  const auto status = peer.commit({PutPort{port("c.ns")}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::conflict);
}

}  // namespace
}  // namespace berth::ovn
