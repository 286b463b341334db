#include "ovn/northbound.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ovn/simulated_schema.h"
#include "ovn/test_peer.h"
#include "ovsdb/memory_database.h"

namespace berth::ovn {
namespace {

namespace json = boost::json;
using ovsdb::MemoryDatabase;
using ovsdb::MemoryStore;
using namespace world;

net::Address ip(std::string_view text) { return *net::Address::parse(text); }
net::Mac mac(std::string_view text) { return *net::Mac::parse(text); }

LogicalRouter vpc(std::string name = "ovn-cluster") {
  LogicalRouter out;
  out.name = std::move(name);
  out.routes = {{"0.0.0.0/0", "100.64.0.1", false}};
  out.policies = {{31000, "ip4.dst == 10.16.0.0/16", "allow", {}},
                  {29000, "ip4.src == 10.16.0.0/16", "reroute", {"100.64.0.2", "100.64.0.3"}}};
  return out;
}

LogicalSwitch subnet(std::string name = "ovn-default", std::string router = "ovn-cluster") {
  return {std::move(name), std::move(router), {"10.16.0.1/16", "fd00::1/64"}, mac("02:00:00:00:00:01")};
}

LogicalPort pod(std::string name, std::string switch_name = "ovn-default", std::string_view address = "10.16.0.7") {
  LogicalPort out;
  out.name = std::move(name);
  out.switch_name = std::move(switch_name);
  out.mac = mac("02:00:00:00:00:07");
  out.addresses = {ip(address)};
  out.external_ids = {{"pod", "ns/p"}, {"berth-owner", "uid-1"}};
  return out;
}

class NorthboundTest : public testing::Test {
 protected:
  json::array run(std::string_view operations) { return store.execute(json::parse(operations).get_array()); }
  std::size_t count(const std::string& table) { return store.rows(table).size(); }
  // The row of that name, as text.
  json::object row(const std::string& table, std::string_view name) {
    for (const auto& [uuid, columns] : store.rows(table)) {
      if (columns.at("name").get_string() == name) return columns;
    }
    ADD_FAILURE() << "no " << table << " " << name;
    return {};
  }
  static ErrorCode code(const Status& status) {
    EXPECT_FALSE(status.has_value());
    return status ? ErrorCode::internal : status.error().code;
  }

  ManualScheduler loop;
  MemoryStore store{*ovsdb::Schema::parse(kSimulatedSchema)};
};

TEST_F(NorthboundTest, WritesRowsAsKubeOvnNamesThem) {
  Peer peer(loop, store);
  EXPECT_EQ(peer.synced, 1);
  auto port = pod("p.ns");
  port.addresses = {ip("10.16.0.7"), ip("fd00::7")};
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{port}}));
  EXPECT_EQ(store.transactions(), 1U);

  const auto lsp = row("Logical_Switch_Port", "p.ns");
  EXPECT_EQ(json::serialize(lsp.at("addresses")), R"(["set",["02:00:00:00:00:07 10.16.0.7 fd00::7"]])");
  EXPECT_EQ(json::serialize(lsp.at("external_ids")),
            R"(["map",[["berth-owner","uid-1"],["ls","ovn-default"],["pod","ns/p"],["vendor","kube-ovn"]]])");
  const auto lrp = row("Logical_Router_Port", "ovn-cluster-ovn-default");
  EXPECT_EQ(lrp.at("mac"), "02:00:00:00:00:01");
  EXPECT_EQ(json::serialize(lrp.at("networks")), R"(["set",["10.16.0.1/16","fd00::1/64"]])");
  const auto join = row("Logical_Switch_Port", "ovn-default-ovn-cluster");
  EXPECT_EQ(join.at("type"), "router");
  EXPECT_EQ(json::serialize(join.at("addresses")), R"(["set",["router"]])");
  EXPECT_EQ(json::serialize(join.at("options")), R"(["map",[["router-port","ovn-cluster-ovn-default"]]])");
  EXPECT_EQ(
      json::serialize(row("Logical_Router", "ovn-cluster").at("options")),
      R"(["map",[["always_learn_from_arp_request","false"],["dynamic_neigh_routers","true"],["mac_binding_age_threshold","300"]]])");
  EXPECT_EQ(count("Logical_Router_Policy"), 2U);
  EXPECT_EQ(count("Logical_Router_Static_Route"), 1U);

  EXPECT_EQ(peer.routers.at("ovn-cluster"), vpc());
  EXPECT_EQ(peer.switches.at("ovn-default"), subnet());
  EXPECT_EQ(peer.ports, (std::map<std::string, LogicalPort>{{"p.ns", port}}));
}

TEST_F(NorthboundTest, AddressSetsAndVirtualPortsAreWrittenChangedAndRemoved) {
  Peer peer(loop, store);
  world::AddressSet set{"my.pool", {"10.16.0.8/29", "10.16.0.20"}, {{"ippool", "my-pool"}}};
  LogicalPort vip{"vip1", "ovn-default", {}, {}, {{"berth-vip", "vip1"}}};
  vip.type = "virtual";
  vip.options = {{"virtual-ip", "10.16.0.9"}, {"virtual-parents", "a.ns,b.ns"}};
  const std::vector<OvnChange> wishes{PutRouter{vpc()}, PutSwitch{subnet()}, world::PutAddressSet{set}, PutPort{vip}};
  ASSERT_TRUE(peer.commit(wishes));
  EXPECT_EQ(peer.address_sets.at("my.pool"), set);
  EXPECT_EQ(peer.ports.at("vip1"), vip);
  EXPECT_EQ(json::serialize(row("Address_Set", "my.pool").at("external_ids")),
            R"(["map",[["ippool","my-pool"],["vendor","kube-ovn"]]])");
  EXPECT_EQ(row("Logical_Switch_Port", "vip1").at("type"), "virtual");
  EXPECT_EQ(json::serialize(row("Logical_Switch_Port", "vip1").at("addresses")), R"(["set",[]])");
  ASSERT_TRUE(peer.commit(wishes));
  EXPECT_EQ(store.transactions(), 1U);

  set.addresses = {"10.16.0.20"};
  vip.options["virtual-parents"] = "b.ns";
  ASSERT_TRUE(peer.commit({world::PutAddressSet{set}, PutPort{vip}}));
  EXPECT_EQ(peer.address_sets.at("my.pool"), set);
  EXPECT_EQ(peer.ports.at("vip1"), vip);
  EXPECT_EQ(code(peer.commit({PutPort{pod("vip1")}})), ErrorCode::invalid) << "a pod's port of that name";

  run(R"([{"op":"insert","table":"Address_Set","row":{"name":"theirs","addresses":["set",["10.0.0.1"]]}}])");
  EXPECT_EQ(code(peer.commit({world::PutAddressSet{{"theirs", {}, {}}}})), ErrorCode::invalid);
  ASSERT_TRUE(peer.commit({world::RemoveAddressSet{"my.pool"}, world::RemoveAddressSet{"theirs"}, RemovePort{"vip1"}}));
  EXPECT_EQ(count("Address_Set"), 1U);
  EXPECT_TRUE(peer.address_sets.empty() && peer.ports.empty());
}

TEST_F(NorthboundTest, ARepeatedWishCostsNothing) {
  Peer peer(loop, store);
  const std::vector<OvnChange> wishes{PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}};
  ASSERT_TRUE(peer.commit(wishes));
  const int reports = peer.reports;
  ASSERT_TRUE(peer.commit(wishes));
  ASSERT_TRUE(peer.commit({RemovePort{"absent"}, RemoveSwitch{"absent"}, RemoveRouter{"absent"}}));
  EXPECT_EQ(store.transactions(), 1U);
  EXPECT_EQ(peer.reports, reports);
}

TEST_F(NorthboundTest, ChangesOnlyWhatDiffers) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}}));
  const auto policies = store.rows("Logical_Router_Policy");
  auto router = vpc();
  router.policies = {{31000, "ip4.dst == 10.16.0.0/16", "allow", {}},
                     {29000, "ip4.src == 10.16.0.0/16", "reroute", {"100.64.0.9"}}};
  router.routes.clear();
  ASSERT_TRUE(peer.commit({PutRouter{router}}));
  EXPECT_EQ(peer.routers.at("ovn-cluster"), router);
  for (const auto& [uuid, _] : store.rows("Logical_Router_Policy")) EXPECT_TRUE(policies.contains(uuid));
  EXPECT_EQ(count("Logical_Router_Static_Route"), 0U);

  auto changed = subnet();
  changed.networks = {"10.16.0.254/16"};
  changed.router_mac = mac("02:00:00:00:00:02");
  ASSERT_TRUE(peer.commit({PutSwitch{changed}}));
  EXPECT_EQ(peer.switches.at("ovn-default"), changed);
  EXPECT_EQ(count("Logical_Router_Port"), 1U);
}

TEST_F(NorthboundTest, MovesAPortInOneTransaction) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}, PutSwitch{subnet("red", "")}, PutPort{pod("p.ns")}}));
  const auto before = store.transactions();
  ASSERT_TRUE(peer.commit({PutPort{pod("p.ns", "red", "10.17.0.7")}}));
  EXPECT_EQ(store.transactions(), before + 1);
  EXPECT_EQ(peer.ports.at("p.ns"), pod("p.ns", "red", "10.17.0.7"));
  EXPECT_EQ(json::serialize(row("Logical_Switch", "ovn-default").at("ports")).find("p.ns"), std::string::npos);
  EXPECT_EQ(row("Logical_Switch", "red").at("ports").at(1).get_array().size(), 1U);
}

TEST_F(NorthboundTest, MovesASwitchToAnotherRouterAndOffAll) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutRouter{vpc("blue")}, PutSwitch{subnet()}}));
  ASSERT_TRUE(peer.commit({PutSwitch{subnet("ovn-default", "blue")}}));
  EXPECT_EQ(peer.switches.at("ovn-default").router, "blue");
  EXPECT_EQ(count("Logical_Router_Port"), 1U);
  EXPECT_EQ(count("Logical_Switch_Port"), 1U);
  LogicalSwitch alone;
  alone.name = "ovn-default";
  ASSERT_TRUE(peer.commit({PutSwitch{alone}}));
  EXPECT_EQ(peer.switches.at("ovn-default"), alone);
  EXPECT_EQ(count("Logical_Router_Port") + count("Logical_Switch_Port"), 0U);
}

TEST_F(NorthboundTest, RemovingLeavesNothing) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}, PutPort{pod("q.ns")}}));
  ASSERT_TRUE(peer.commit({RemovePort{"p.ns"}}));
  EXPECT_EQ(peer.ports.size(), 1U);
  ASSERT_TRUE(peer.commit({RemoveSwitch{"ovn-default"}}));
  EXPECT_TRUE(peer.ports.empty());
  EXPECT_TRUE(peer.switches.empty());
  EXPECT_EQ(count("Logical_Router_Port"), 0U);
  ASSERT_TRUE(peer.commit({RemoveRouter{"ovn-cluster"}}));
  EXPECT_TRUE(peer.routers.empty());
  EXPECT_TRUE(store.snapshot().empty());
}

TEST_F(NorthboundTest, RemovingARouterTakesTheSwitchesHalfAlong) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}}));
  ASSERT_TRUE(peer.commit({RemoveRouter{"ovn-cluster"}}));
  LogicalSwitch alone;
  alone.name = "ovn-default";
  EXPECT_EQ(peer.switches.at("ovn-default"), alone);
  EXPECT_EQ(count("Logical_Switch_Port"), 0U);
}

TEST_F(NorthboundTest, OneCallMayPutAndRemoveTheSameThing) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}}));
  ASSERT_TRUE(peer.commit({RemovePort{"p.ns"}, PutPort{pod("p.ns", "ovn-default", "10.16.0.8")}, PutPort{pod("q.ns")},
                           RemovePort{"q.ns"}}));
  EXPECT_EQ(peer.ports, (std::map<std::string, LogicalPort>{{"p.ns", pod("p.ns", "ovn-default", "10.16.0.8")}}));
  ASSERT_TRUE(peer.commit({RemoveSwitch{"ovn-default"}, PutSwitch{subnet()}, RemoveRouter{"ovn-cluster"},
                           PutRouter{vpc()}, PutSwitch{subnet()}}));
  EXPECT_EQ(peer.switches.at("ovn-default"), subnet());
  EXPECT_EQ(peer.routers.at("ovn-cluster"), vpc());
  EXPECT_TRUE(peer.ports.empty());
}

TEST_F(NorthboundTest, CallsOfOneTurnShareATransaction) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}}));
  const auto before = store.transactions();
  std::vector<std::shared_ptr<std::optional<Status>>> answers;
  for (int i = 0; i < 450; ++i) answers.push_back(peer.send({PutPort{pod("p" + std::to_string(i) + ".ns")}}));
  loop.run_until_idle();
  for (const auto& answer : answers) EXPECT_TRUE(answer->has_value() && (*answer)->has_value());
  EXPECT_EQ(peer.ports.size(), 450U);
  EXPECT_EQ(store.transactions(), before + 3);  // 199 ports and their switch's row in each of the first two
}

TEST_F(NorthboundTest, ACallAtFaultDoesNotFailTheOthers) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}, PutSwitch{subnet()}}));
  auto bad = vpc("bad");
  bad.policies = {{40000, "ip4", "allow", {}}};  // the schema allows priorities up to 32767
  const auto first = peer.send({PutPort{pod("p.ns")}});
  const auto second = peer.send({PutRouter{bad}});
  const auto third = peer.send({PutPort{pod("q.ns", "nowhere")}});
  const auto fourth = peer.send({PutPort{pod("r.ns")}});
  loop.run_until_idle();
  EXPECT_TRUE((*first)->has_value());
  EXPECT_EQ(code(**second), ErrorCode::invalid);
  EXPECT_NE((*second)->error().message.find("40000"), std::string::npos) << (*second)->error().message;
  EXPECT_EQ(code(**third), ErrorCode::conflict);
  EXPECT_TRUE((*fourth)->has_value());
  EXPECT_EQ(peer.ports.size(), 2U);
  EXPECT_FALSE(peer.routers.contains("bad"));
}

TEST_F(NorthboundTest, ForeignRowsAreNeitherReportedNorTouched) {
  run(R"([{"op":"insert","table":"Logical_Switch_Port","uuid-name":"p","row":{"name":"theirs"}},
          {"op":"insert","table":"Logical_Switch","row":{"name":"foreign","ports":["named-uuid","p"]}},
          {"op":"insert","table":"Logical_Router","row":{"name":"foreign"}}])");
  Peer peer(loop, store);
  EXPECT_TRUE(peer.switches.empty() && peer.routers.empty() && peer.ports.empty());
  EXPECT_EQ(code(peer.commit({PutSwitch{subnet("foreign", "")}})), ErrorCode::invalid);
  EXPECT_EQ(code(peer.commit({PutRouter{vpc("foreign")}})), ErrorCode::invalid);
  ASSERT_TRUE(peer.commit({PutSwitch{subnet("mine", "")}}));
  EXPECT_EQ(code(peer.commit({PutPort{pod("theirs", "mine")}})), ErrorCode::invalid);
  ASSERT_TRUE(peer.commit({RemoveSwitch{"foreign"}, RemoveRouter{"foreign"}, RemovePort{"theirs"}}));
  EXPECT_EQ(count("Logical_Router"), 1U);
  EXPECT_EQ(count("Logical_Switch"), 2U);

  // A policy of somebody else on our router stays, and does not count as a difference.
  ASSERT_TRUE(peer.commit({PutRouter{vpc()}}));
  run(R"([{"op":"insert","table":"Logical_Router_Policy","uuid-name":"p","row":{"priority":5,"match":"ip4","action":"drop"}},
          {"op":"mutate","table":"Logical_Router","where":[["name","==","ovn-cluster"]],"mutations":[["policies","insert",["named-uuid","p"]]]}])");
  loop.run_until_idle();
  EXPECT_EQ(peer.routers.at("ovn-cluster"), vpc());
  auto less = vpc();
  less.policies.clear();
  ASSERT_TRUE(peer.commit({PutRouter{less}}));
  EXPECT_EQ(count("Logical_Router_Policy"), 1U);
}

TEST_F(NorthboundTest, RowsRemovedByHandAreReportedAndCanBeRepaired) {
  Peer peer(loop, store);
  const std::vector<OvnChange> wishes{PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}};
  ASSERT_TRUE(peer.commit(wishes));
  const std::string by_hand[] = {
      R"([{"op":"delete","table":"Logical_Switch","where":[]}])",
      R"([{"op":"delete","table":"Logical_Router","where":[]}])",
      R"([{"op":"update","table":"Logical_Switch","where":[],"row":{"ports":["set",[]]}}])",
      R"([{"op":"update","table":"Logical_Router","where":[],"row":{"ports":["set",[]]}}])",
      R"([{"op":"update","table":"Logical_Router","where":[],"row":{"policies":["set",[]],"static_routes":["set",[]]}}])",
      R"([{"op":"update","table":"Logical_Router_Port","where":[],"row":{"networks":"10.0.0.1/8"}}])",
      R"([{"op":"update","table":"Logical_Router_Port","where":[],"row":{"mac":"nonsense"}}])",
      R"([{"op":"update","table":"Logical_Router_Policy","where":[["priority","==",31000]],"row":{"action":"drop"}}])",
      R"([{"op":"update","table":"Logical_Switch_Port","where":[["name","==","p.ns"]],"row":{"addresses":"unknown"}}])",
      R"([{"op":"update","table":"Logical_Switch_Port","where":[["name","==","ovn-default-ovn-cluster"]],"row":{"options":["map",[]]}}])",
      R"([{"op":"update","table":"Logical_Switch_Port","where":[["name","==","ovn-default-ovn-cluster"]],"row":{"addresses":"unknown"}}])",
      R"([{"op":"mutate","table":"Logical_Switch_Port","where":[["name","==","p.ns"]],"mutations":[["external_ids","delete",["set",["ls","pod"]]]]}])",
      R"([{"op":"delete","table":"Logical_Switch","where":[]},{"op":"delete","table":"Logical_Router","where":[]}])",
  };
  for (const auto& operations : by_hand) {
    run(operations);
    loop.run_until_idle();
    const bool differs = !peer.routers.contains("ovn-cluster") || peer.routers.at("ovn-cluster") != vpc() ||
                         !peer.switches.contains("ovn-default") || peer.switches.at("ovn-default") != subnet() ||
                         !peer.ports.contains("p.ns") || peer.ports.at("p.ns") != pod("p.ns");
    EXPECT_TRUE(differs) << "not reported: " << operations;
    ASSERT_TRUE(peer.commit(wishes)) << operations;
    EXPECT_EQ(peer.routers.at("ovn-cluster"), vpc()) << operations;
    EXPECT_EQ(peer.switches.at("ovn-default"), subnet()) << operations;
    EXPECT_EQ(peer.ports.at("p.ns"), pod("p.ns")) << operations;
    EXPECT_EQ(count("Logical_Switch_Port"), 2U) << operations;
    EXPECT_EQ(count("Logical_Router_Port"), 1U) << operations;
  }
}

TEST_F(NorthboundTest, AWrongSwitchMarkIsRepairedToo) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutSwitch{subnet("red", "")}, PutPort{pod("p.ns", "red")}}));
  run(R"([{"op":"update","table":"Logical_Switch_Port","where":[],"row":{"external_ids":["map",[["vendor","kube-ovn"],["ls","blue"]]]}}])");
  loop.run_until_idle();
  EXPECT_NE(peer.ports.at("p.ns"), pod("p.ns", "red"));
  ASSERT_TRUE(peer.commit({PutPort{pod("p.ns", "red")}}));
  EXPECT_EQ(peer.ports.at("p.ns"), pod("p.ns", "red"));
}

TEST_F(NorthboundTest, TheOlderOfTwoLeadersIsFenced) {
  Peer old(loop, store);
  Peer fresh(loop, store);
  ASSERT_TRUE(old.raise(7));
  ASSERT_TRUE(old.commit({PutSwitch{subnet("red", "")}}));
  ASSERT_TRUE(fresh.raise(8));
  EXPECT_EQ(code(old.commit({PutPort{pod("p.ns", "red")}})), ErrorCode::fenced);
  EXPECT_TRUE(old.ports.empty());
  ASSERT_TRUE(fresh.commit({PutPort{pod("p.ns", "red")}}));
  EXPECT_EQ(code(old.commit({RemovePort{"p.ns"}})), ErrorCode::fenced);
  EXPECT_EQ(code(old.raise(7)), ErrorCode::fenced);
  EXPECT_EQ(old.northbound->stored_epoch(), 8U);
  EXPECT_EQ(count("Logical_Switch_Port"), 1U);
  ASSERT_TRUE(fresh.raise(8)) << "raising to the epoch that is there already is no error";
  EXPECT_EQ(json::serialize(store.rows("NB_Global").begin()->second.at("external_ids")),
            R"(["map",[["berth-epoch","8"]]])");
}

TEST_F(NorthboundTest, RaisingKeepsOtherKeysAndSurvivesARace) {
  run(R"([{"op":"insert","table":"NB_Global","row":{"external_ids":["map",[["a","b"]]]}}])");
  Peer one(loop, store);
  Peer two(loop, store);
  std::optional<Status> first;
  std::optional<Status> second;
  one.northbound->raise_epoch(3, [&](Status s) { first = std::move(s); });
  two.northbound->raise_epoch(4, [&](Status s) { second = std::move(s); });
  ASSERT_TRUE(loop.run_until([&] { return first && second; }, std::chrono::seconds(10)));
  EXPECT_TRUE(second->has_value());
  EXPECT_EQ(json::serialize(store.rows("NB_Global").begin()->second.at("external_ids")),
            R"(["map",[["a","b"],["berth-epoch","4"]]])");
  EXPECT_EQ(code(one.commit({PutSwitch{subnet("red", "")}})), ErrorCode::fenced);
}

TEST_F(NorthboundTest, WithoutTheGlobalRowEverythingIsFencedUntilRaisedAgain) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.raise(1));
  run(R"([{"op":"delete","table":"NB_Global","where":[]}])");
  EXPECT_EQ(code(peer.commit({PutSwitch{subnet("red", "")}})), ErrorCode::fenced);
  ASSERT_TRUE(peer.raise(2));
  EXPECT_TRUE(peer.commit({PutSwitch{subnet("red", "")}}));
}

TEST_F(NorthboundTest, AReplicaThatIsBehindConflictsInsteadOfDuplicating) {
  Duration delay{};
  Peer behind(loop, store, {.fate = {}, .delay = [&] { return delay; }});
  Peer other(loop, store);
  ASSERT_TRUE(other.commit({PutRouter{vpc()}}));
  delay = std::chrono::milliseconds(5);
  ASSERT_TRUE(other.commit({PutSwitch{subnet()}, PutPort{pod("p.ns")}, PutRouter{vpc("blue")}}));
  const auto a = behind.send({PutSwitch{subnet()}});
  ASSERT_TRUE(loop.run_until([&] { return a->has_value(); }, std::chrono::seconds(1)));
  EXPECT_EQ(code(**a), ErrorCode::conflict);
  EXPECT_EQ(count("Logical_Switch"), 1U);

  auto more = vpc();
  more.policies.insert({7, "ip6", "drop", {}});
  ASSERT_TRUE(other.commit({PutRouter{more}}));
  const auto b = behind.send({PutRouter{more}});
  const auto c = behind.send({PutSwitch{subnet("red", "")}});
  ASSERT_TRUE(loop.run_until([&] { return b->has_value() && c->has_value(); }, std::chrono::seconds(1)));
  EXPECT_TRUE((*c)->has_value());
  EXPECT_EQ(count("Logical_Router_Policy"), 5U);
  EXPECT_TRUE((*b)->has_value()) << "tried again by itself, when the replica had caught up";
  loop.advance(std::chrono::milliseconds(50));
  const auto before = store.transactions();
  const auto again = behind.send({PutRouter{more}});
  loop.advance(std::chrono::milliseconds(50));
  EXPECT_TRUE(again->has_value() && (*again)->has_value());
  EXPECT_EQ(store.transactions(), before) << "it has caught up and finds nothing to do";
}

TEST_F(NorthboundTest, AnUpdateThatMeetsNoRowIsAConflictOfItsCallAlone) {
  Duration delay{};
  Peer behind(loop, store, {.fate = {}, .delay = [&] { return delay; }});
  ASSERT_TRUE(
      behind.commit({PutSwitch{subnet("red", "")}, PutSwitch{subnet("blue", "")}, PutPort{pod("p.ns", "red")}}));
  delay = std::chrono::milliseconds(5);
  run(R"([{"op":"delete","table":"Logical_Switch","where":[["name","==","red"]]}])");
  const auto a = behind.send({PutPort{pod("p.ns", "red", "10.16.0.99")}});
  const auto b = behind.send({PutPort{pod("q.ns", "blue")}});
  const auto c = behind.send({PutPort{pod("r.ns", "red")}});
  ASSERT_TRUE(
      loop.run_until([&] { return a->has_value() && b->has_value() && c->has_value(); }, std::chrono::seconds(1)));
  EXPECT_EQ(code(**a), ErrorCode::conflict);
  EXPECT_TRUE((*b)->has_value());
  EXPECT_EQ(code(**c), ErrorCode::conflict);
  loop.advance(std::chrono::seconds(1));
  EXPECT_EQ(behind.ports, (std::map<std::string, LogicalPort>{{"q.ns", pod("q.ns", "blue")}}));
}

TEST_F(NorthboundTest, ALostConnectionIsReportedAndWhatVanishedMeanwhileToo) {
  Peer peer(loop, store);
  ASSERT_TRUE(peer.commit({PutSwitch{subnet("red", "")}, PutPort{pod("p.ns", "red")}, PutPort{pod("q.ns", "red")}}));
  const auto under_way = peer.send({PutPort{pod("r.ns", "red")}});
  loop.run_one();  // it is sent
  peer.database.set_reachable(false);
  loop.run_until_idle();
  EXPECT_EQ(peer.lost, 1);
  ASSERT_TRUE(under_way->has_value());
  EXPECT_EQ(code(**under_way), ErrorCode::unavailable);
  EXPECT_EQ(code(peer.commit({PutPort{pod("s.ns", "red")}})), ErrorCode::unavailable);
  run(R"([{"op":"update","table":"Logical_Switch","where":[],"row":{"ports":["set",[]]}}])");
  EXPECT_EQ(peer.ports.size(), 2U);
  peer.database.set_reachable(true);
  loop.advance(std::chrono::seconds(3));
  EXPECT_EQ(peer.synced, 2);
  EXPECT_TRUE(peer.ports.empty());
  EXPECT_EQ(peer.switches.size(), 1U);
  EXPECT_TRUE(peer.commit({PutPort{pod("s.ns", "red")}}));
}

TEST_F(NorthboundTest, AnUnknownOutcomeIsFoundOutByReconnecting) {
  auto fate = MemoryDatabase::Fate::deliver;
  Peer peer(
      loop, store,
      {.fate = [&](const json::array&) { return std::exchange(fate, MemoryDatabase::Fate::deliver); }, .delay = {}});
  ASSERT_TRUE(peer.commit({PutSwitch{subnet("red", "")}}));
  fate = MemoryDatabase::Fate::drop_after_commit;
  EXPECT_EQ(code(peer.commit({PutPort{pod("p.ns", "red")}})), ErrorCode::unavailable);
  EXPECT_TRUE(peer.ports.empty());
  loop.advance(std::chrono::seconds(2));
  EXPECT_EQ(peer.ports.size(), 1U);
  const auto before = store.transactions();
  ASSERT_TRUE(peer.commit({PutPort{pod("p.ns", "red")}}));
  EXPECT_EQ(store.transactions(), before);

  fate = MemoryDatabase::Fate::drop_before_commit;
  EXPECT_EQ(code(peer.commit({PutPort{pod("q.ns", "red")}})), ErrorCode::unavailable);
  loop.advance(std::chrono::seconds(2));
  EXPECT_EQ(peer.ports.size(), 1U);
  fate = MemoryDatabase::Fate::refuse;
  EXPECT_EQ(code(peer.commit({PutPort{pod("q.ns", "red")}})), ErrorCode::unavailable);
  EXPECT_TRUE(peer.commit({PutPort{pod("q.ns", "red")}}));
}

TEST_F(NorthboundTest, ColumnsThatTheServerLacksAreNotWritten) {
  auto schema = json::parse(kSimulatedSchema).get_object();
  schema["tables"].at("Logical_Router_Policy").at("columns").get_object().erase("nexthops");
  schema["tables"].at("Logical_Router").at("columns").get_object().erase("options");
  MemoryStore older(*ovsdb::Schema::parse(schema));
  Peer peer(loop, older);
  auto router = vpc();
  ASSERT_TRUE(peer.commit({PutRouter{router}}));
  EXPECT_EQ(older.rows("Logical_Router_Policy").size(), 2U);
}

TEST_F(NorthboundTest, DestroyedInTheMiddleItNeverCallsBack) {
  Peer peer(loop, store);
  bool answered = false;
  peer.northbound->commit({PutSwitch{subnet("red", "")}}, [&](const Status&) { answered = true; });
  loop.run_one();
  peer.northbound.reset();
  loop.run_until_idle();
  EXPECT_FALSE(answered);
  EXPECT_EQ(count("Logical_Switch"), 1U);
  EXPECT_TRUE(peer.switches.empty());
}

}  // namespace
}  // namespace berth::ovn
