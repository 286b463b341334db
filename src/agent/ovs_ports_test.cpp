#include "agent/ovs_ports.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include <boost/json/parse.hpp>

#include "base/manual_scheduler.h"
#include "ovsdb/memory_database.h"

namespace berth::agent {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// The part of Open vSwitch's schema that counts here.
constexpr auto kSchema = R"({"name":"Open_vSwitch","version":"8.3.1","tables":{
  "Open_vSwitch":{"isRoot":true,"maxRows":1,"columns":{
    "bridges":{"type":{"key":{"type":"uuid","refTable":"Bridge"},"min":0,"max":"unlimited"}},
    "external_ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
  "Bridge":{"columns":{
    "name":{"type":"string","mutable":false},
    "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}}},"indexes":[["name"]]},
  "Port":{"columns":{
    "name":{"type":"string","mutable":false},
    "interfaces":{"type":{"key":{"type":"uuid","refTable":"Interface"},"min":1,"max":"unlimited"}}},"indexes":[["name"]]},
  "Interface":{"columns":{
    "name":{"type":"string","mutable":false},
    "error":{"type":{"key":"string","min":0,"max":1}},
    "external_ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},"indexes":[["name"]]}}})";

class OvsPortsTest : public ::testing::Test {
 protected:
  OvsPortsTest() : store_(*ovsdb::Schema::parse(std::string_view(kSchema))) {
    ports_.start({[this] { ++snapshots_; }, [this] { ++times_ready_; }});
  }

  void add_bridge() {
    (void)store_.execute(json::parse(R"([
      {"op":"insert","table":"Open_vSwitch","row":{
         "external_ids":["map",[["ovn-encap-ip","192.168.7.1,192.168.8.1"]]],"bridges":["named-uuid","br"]}},
      {"op":"insert","table":"Bridge","uuid-name":"br","row":{"name":"br-int"}}])")
                             .as_array());
    scheduler_.run_until_idle();
  }

  static std::map<std::string, std::string> ids(const std::string& container, const std::string& iface_id = "p.shop") {
    return {{"iface-id", iface_id}, {"vendor", "kube-ovn"}, {"container_id", container}, {"pod_netns", "/run/netns/p"}};
  }

  std::shared_ptr<std::optional<Status>> add(const std::string& name, std::map<std::string, std::string> external_ids) {
    auto outcome = std::make_shared<std::optional<Status>>();
    ports_.add(name, std::move(external_ids), scheduler_.now() + 20s, [outcome](Status s) { *outcome = std::move(s); });
    scheduler_.run_until_idle();
    return outcome;
  }

  std::shared_ptr<std::optional<Status>> remove(const std::string& name) {
    auto outcome = std::make_shared<std::optional<Status>>();
    ports_.remove(name, [outcome](Status s) { *outcome = std::move(s); });
    scheduler_.run_until_idle();
    return outcome;
  }

  // As ovn-controller does.
  void install(const std::string& name) {
    (void)store_.execute({json::object{
        {"op", "mutate"},
        {"table", "Interface"},
        {"where", json::array{json::array{"name", "==", name}}},
        {"mutations",
         json::array{json::array{"external_ids", "insert",
                                 json::array{"map", json::array{json::array{"ovn-installed", "true"}}}}}}}});
    scheduler_.run_until_idle();
  }

  std::vector<std::string> names(const std::string& table) const {
    std::vector<std::string> out;
    for (const auto& [uuid, row] : store_.rows(table)) out.emplace_back(row.at("name").as_string());
    std::ranges::sort(out);
    return out;
  }

  using Names = std::vector<std::string>;

  ManualScheduler scheduler_;
  ovsdb::MemoryStore store_;
  ovsdb::MemoryDatabase database_{scheduler_, store_};
  OvsPorts ports_{scheduler_, database_, "br-int"};
  int snapshots_ = 0;
  int times_ready_ = 0;
};

TEST_F(OvsPortsTest, IsReadyOnceTheBridgeIsThere) {
  EXPECT_FALSE(ports_.ready());
  scheduler_.run_until_idle();
  EXPECT_EQ(snapshots_, 1);
  EXPECT_EQ(ports_.ready().error().message, "Open vSwitch has no bridge br-int (is ovn-controller running?)");
  EXPECT_EQ(times_ready_, 0);
  add_bridge();
  EXPECT_TRUE(ports_.ready());
  EXPECT_EQ(times_ready_, 1);
  EXPECT_EQ(ports_.tunnel_address(), "192.168.7.1");
  database_.set_reachable(false);
  scheduler_.run_until_idle();
  EXPECT_EQ(ports_.ready().error().code, ErrorCode::unavailable);
  database_.set_reachable(true);
  scheduler_.advance(5s);
  EXPECT_EQ(times_ready_, 2);
}

TEST_F(OvsPortsTest, AddsAPortAndWaitsUntilOvnHasInstalledIt) {
  add_bridge();
  const auto added = add("c1_h", ids("c1"));
  EXPECT_FALSE(*added);
  EXPECT_EQ(names("Interface"), Names{"c1_h"});
  EXPECT_EQ(names("Port"), Names{"c1_h"});
  const auto port = ports_.find("c1_h");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->external_ids, ids("c1"));
  scheduler_.advance(19s);
  EXPECT_FALSE(*added);
  install("c1_h");
  ASSERT_TRUE(*added);
  EXPECT_TRUE(**added) << (*added)->error().message;
  scheduler_.advance(60s);
}

TEST_F(OvsPortsTest, GivesUpAtTheDeadlineWithWhatOpenVSwitchSays) {
  add_bridge();
  const auto added = add("c1_h", ids("c1"));
  scheduler_.advance(20s);
  ASSERT_TRUE(*added);
  EXPECT_EQ((*added)->error().code, ErrorCode::timeout);
  EXPECT_EQ((*added)->error().message, "OVN has not installed port c1_h in time");

  const auto other = add("c2_h", ids("c2", "q.shop"));
  (void)store_.execute({json::object{{"op", "update"},
                                     {"table", "Interface"},
                                     {"where", json::array{json::array{"name", "==", "c2_h"}}},
                                     {"row", {{"error", "no such device"}}}}});
  scheduler_.advance(20s);
  ASSERT_TRUE(*other);
  EXPECT_EQ((*other)->error().message, "Open vSwitch cannot use port c2_h: no such device");
}

TEST_F(OvsPortsTest, ARepeatedAddKeepsThePort) {
  add_bridge();
  const auto first = add("c1_h", ids("c1"));
  install("c1_h");
  const auto transactions = store_.transactions();
  const auto second = add("c1_h", ids("c1"));
  ASSERT_TRUE(*second);
  EXPECT_TRUE(**second);
  EXPECT_EQ(store_.transactions(), transactions);
}

TEST_F(OvsPortsTest, ANewerContainerTakesTheLogicalPortInOneTransaction) {
  add_bridge();
  const auto older = add("c1_h", ids("c1"));
  const auto transactions = store_.transactions();
  const auto newer = add("c2_h", ids("c2"));
  EXPECT_EQ(store_.transactions(), transactions + 1);
  EXPECT_EQ(names("Port"), Names{"c2_h"});
  EXPECT_EQ(names("Interface"), Names{"c2_h"});
  ASSERT_TRUE(*older);
  EXPECT_EQ((*older)->error().code, ErrorCode::conflict);
  install("c2_h");
  ASSERT_TRUE(*newer);
  EXPECT_TRUE(**newer);
}

TEST_F(OvsPortsTest, APortOfThatNameThatDiffersIsReplaced) {
  add_bridge();
  const auto older = add("c1_h", ids("c1"));
  install("c1_h");
  const auto newer = add("c1_h", ids("c1", "q.shop"));
  EXPECT_FALSE(*newer);  // not installed yet: it is a new interface
  EXPECT_EQ(names("Port"), Names{"c1_h"});
  EXPECT_EQ(ports_.find("c1_h")->id("iface-id"), "q.shop");
}

TEST_F(OvsPortsTest, RemovesOnlyWhatIsOurs) {
  add_bridge();
  const auto added = add("c1_h", ids("c1"));
  auto foreign = ids("x", "other");
  foreign["vendor"] = "somebody";
  const auto other = add("uplink", foreign);
  EXPECT_TRUE(**remove("c1_h"));
  EXPECT_TRUE(**remove("c1_h"));
  EXPECT_TRUE(**remove("uplink"));
  EXPECT_EQ(names("Port"), Names{"uplink"});
  EXPECT_TRUE(ports_.ours().empty());
}

TEST_F(OvsPortsTest, WithoutABridgeNothingIsAdded) {
  scheduler_.run_until_idle();
  const auto added = add("c1_h", ids("c1"));
  ASSERT_TRUE(*added);
  EXPECT_EQ((*added)->error().code, ErrorCode::unavailable);
  EXPECT_TRUE(names("Interface").empty());
}

TEST_F(OvsPortsTest, ABridgeThatWentUnnoticedFailsTheWholeTransaction) {
  add_bridge();
  auto outcome = std::make_shared<std::optional<Status>>();
  ports_.add("c1_h", ids("c1"), scheduler_.now() + 20s, [outcome](Status s) { *outcome = std::move(s); });
  (void)store_.execute(
      json::parse(R"([{"op":"update","table":"Open_vSwitch","where":[],"row":{"bridges":["set",[]]}}])").as_array());
  scheduler_.run_until_idle();
  ASSERT_TRUE(*outcome);
  EXPECT_EQ((*outcome)->error().code, ErrorCode::unavailable);
  EXPECT_TRUE(names("Port").empty());
}

TEST_F(OvsPortsTest, ADisconnectedDatabaseIsUnavailable) {
  add_bridge();
  const auto added = add("c1_h", ids("c1"));
  database_.set_reachable(false);
  EXPECT_EQ((**add("c2_h", ids("c2"))).error().code, ErrorCode::unavailable);
  EXPECT_EQ((**remove("c1_h")).error().code, ErrorCode::unavailable);
}

TEST_F(OvsPortsTest, AReconnectDoesNotLoseTheOnesThatWait) {
  add_bridge();
  const auto added = add("c1_h", ids("c1"));
  database_.disconnect();
  install("c1_h");
  scheduler_.advance(5s);
  EXPECT_EQ(snapshots_, 2);
  ASSERT_TRUE(*added);
  EXPECT_TRUE(**added);
}

}  // namespace
}  // namespace berth::agent
