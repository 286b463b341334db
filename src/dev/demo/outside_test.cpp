#include "dev/demo/outside.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace berth::dev {
namespace {

// As ovn-nbctl of OVN 23.03 prints them, shortened by columns.
constexpr std::string_view kPrinted =
    R"({"data":[[["uuid","4b"],["set",[]],"s1",["set",[["uuid","43"],["uuid","5e"]]]],[["uuid","4c"],["set",[]],"s2",["uuid","77"]]],"headings":["_uuid","acls","name","ports"]}
{"data":[[["uuid","5e"],"00:00:00:00:00:01 10.1.0.2 fd00::2","p.a"],[["uuid","43"],"router","s1-r"],[["uuid","77"],["set",["unknown","00:00:00:00:00:02 10.2.0.2"]],"q.a"]],"headings":["_uuid","addresses","name"]}
)";

const std::vector<std::string> kTables = {"Logical_Switch", "Logical_Switch_Port"};

TEST(DemoOutside, PortsKnowTheirSwitchAndTheirAddresses) {
  const auto tables = parse_tables(kPrinted, kTables);
  ASSERT_TRUE(tables) << tables.error().message;
  const auto ports = ports_of(tables->at(0), tables->at(1));
  ASSERT_EQ(ports.size(), 3U);
  EXPECT_EQ(ports[0].name, "p.a");
  EXPECT_EQ(ports[0].logical_switch, "s1");
  EXPECT_EQ(ports[0].addresses, (std::vector<std::string>{"10.1.0.2", "fd00::2"}));
  EXPECT_EQ(ports[1].logical_switch, "s1");
  EXPECT_TRUE(ports[1].addresses.empty());
  EXPECT_EQ(ports[2].logical_switch, "s2");
  EXPECT_EQ(ports[2].addresses, std::vector<std::string>{"10.2.0.2"});
}

TEST(DemoOutside, OutputThatIsNotWhatWasAskedForIsAnError) {
  EXPECT_FALSE(parse_tables("", kTables));
  EXPECT_FALSE(parse_tables("ovn-nbctl: no connection\n", {"NAT"}));
  EXPECT_FALSE(parse_tables(R"({"data":[[1,2]],"headings":["a"]})", {"NAT"}));
  EXPECT_FALSE(parse_tables(R"({"data":[],"headings":["a"]})", kTables));  // one table instead of two
}

TEST(DemoOutside, RowsAreToldByNameOrByWhatTheyHold) {
  const auto tables = parse_tables(kPrinted, kTables);
  ASSERT_TRUE(tables);
  EXPECT_EQ(describe_row("Logical_Switch", tables->at(0).rows[0]), "Logical_Switch s1");
  const auto acl = parse_tables(
      R"({"data":[[["uuid","30"],"drop",["set",[]],["uuid","31"],1000]],"headings":["_uuid","action","name","meter","priority"]})",
      {"ACL"});
  ASSERT_TRUE(acl);
  EXPECT_EQ(describe_row("ACL", acl->at(0).rows[0]), R"(ACL {"action":"drop","name":["set",[]],"priority":1000})");
}

TEST(DemoOutside, AddressesAndRoutesOfANamespace) {
  const auto seen = parse_ip(
      R"([{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.1.0.2","prefixlen":24,"scope":"global"},
          {"family":"inet6","local":"fe80::1","scope":"link"},{"family":"inet6","local":"fd00::2","scope":"global"}]}])",
      {R"([{"dst":"default","gateway":"10.1.0.1","dev":"eth0"},{"dst":"10.1.0.0/24","dev":"eth0","scope":"link"}])",
       ""});
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->addresses, (std::vector<std::string>{"10.1.0.2", "fd00::2"}));
  ASSERT_EQ(seen->routes.size(), 2U);
  EXPECT_EQ(seen->routes[0].destination, "default");
  EXPECT_EQ(seen->routes[0].gateway, "10.1.0.1");
  EXPECT_EQ(seen->routes[1].gateway, "");
  EXPECT_FALSE(parse_ip("Device \"eth0\" does not exist.", {}));
}

TEST(DemoOutside, PodsAsTheApiShowsThem) {
  const SeenPod pod = pod_of(boost::json::parse(R"({
    "metadata": {"namespace": "a", "name": "p", "uid": "u", "labels": {"x": "y"}, "deletionTimestamp": "2024-01-01T00:00:00Z"},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running", "podIPs": [{"ip": "10.1.0.2"}, {"ip": "fd00::2"}],
      "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
      "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}]}})")
                                 .as_object());
  EXPECT_EQ(pod.ns + "/" + pod.name + "/" + pod.uid + "/" + pod.node + "/" + pod.phase, "a/p/u/n1/Running");
  EXPECT_TRUE(pod.ready);
  EXPECT_TRUE(pod.leaving);
  EXPECT_EQ(pod.restarts, 3U);
  EXPECT_EQ(pod.addresses, (std::vector<std::string>{"10.1.0.2", "fd00::2"}));
  EXPECT_EQ(pod.labels.at("x"), "y");
  EXPECT_FALSE(pod_of(boost::json::object{}).ready);
}

}  // namespace
}  // namespace berth::dev
