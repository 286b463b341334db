// A world as Kube-OVN leaves it: IP objects without owner, pods without record, ports with Kube-OVN's external_ids.

#include <gtest/gtest.h>

#include "api/annotations.h"
#include "reconcile/subnet_rows.h"
#include "reconcile/test_cluster.h"
#include "reconcile/vpc_rows.h"

namespace berth::reconcile {
namespace {

using api::Kind;
using std::chrono::seconds;

class TakeoverTest : public testing::Test {
 protected:
  TakeoverTest() {
    namespace_of_kube_ovn("shop", "web", "10.66.0.0/28");
    subnet_of_kube_ovn("web", "10.66.0.0/28", {"shop"});
  }

  void namespace_of_kube_ovn(const std::string& name, const std::string& subnet, const std::string& cidr) {
    cluster.ns(name, {{"ovn.kubernetes.io/logical_switch", subnet},
                      {"ovn.kubernetes.io/cidr", cidr},
                      {"ovn.kubernetes.io/exclude_ips", "10.66.0.1"}});
  }
  void subnet_of_kube_ovn(const std::string& name, const std::string& cidr, api::JsonArray namespaces,
                          const std::string& finalizer = std::string(api::kFinalizer)) {
    cluster.put(Kind::subnet, "", name,
                {{"metadata", {{"finalizers", {finalizer}}}},
                 {"spec", {{"cidrBlock", cidr}, {"namespaces", std::move(namespaces)}, {"vpc", "ovn-cluster"}}}});
  }
  struct Left {
    std::string ns, pod, subnet, address, mac, type{};
    std::string finalizer = std::string(api::kFinalizer);
  };
  void ip_of_kube_ovn(const Left& l) {
    cluster.put(Kind::ip, "", l.pod + "." + l.ns,
                {{"metadata",
                  {{"finalizers", {l.finalizer}},
                   {"labels",
                    {{"ovn.kubernetes.io/subnet", l.subnet},
                     {"ovn.kubernetes.io/ip_reserved", "false"},
                     {"ovn.kubernetes.io/node-name", "node-1"},
                     {l.subnet, ""}}}}},
                 {"spec",
                  {{"podName", l.pod},
                   {"namespace", l.ns},
                   {"subnet", l.subnet},
                   {"nodeName", "node-1"},
                   {"ipAddress", l.address},
                   {"v4IpAddress", l.address},
                   {"macAddress", l.mac},
                   {"podType", l.type}}}});
  }
  void port_of_kube_ovn(const Left& l) {
    world::LogicalPort port;
    port.name = l.pod + "." + l.ns;
    port.switch_name = l.subnet;
    port.mac = *net::Mac::parse(l.mac);
    port.addresses = {*net::Address::parse(l.address)};
    port.external_ids = {{"pod", l.ns + "/" + l.pod}};
    cluster.world.observe_port(port.name, port);
  }
  void pod_of_kube_ovn(const Left& l, bool wired = true, api::JsonArray owners = {}) {
    api::JsonObject status{{"phase", wired ? "Running" : "Pending"}};
    if (wired) status["podIPs"] = api::JsonArray{api::JsonObject{{"ip", l.address}}};
    cluster.put(Kind::pod, l.ns, l.pod,
                {{"metadata",
                  {{"ownerReferences", std::move(owners)},
                   {"annotations",
                    {{"ovn.kubernetes.io/allocated", "true"},
                     {"ovn.kubernetes.io/routed", "true"},
                     {"ovn.kubernetes.io/ip_address", l.address},
                     {"ovn.kubernetes.io/mac_address", l.mac},
                     {"ovn.kubernetes.io/cidr", "10.66.0.0/28"},
                     {"ovn.kubernetes.io/gateway", "10.66.0.1"},
                     {"ovn.kubernetes.io/logical_switch", l.subnet},
                     {"ovn.kubernetes.io/logical_router", "ovn-cluster"},
                     {"ovn.kubernetes.io/pod_nic_type", "veth-pair"}}}}},
                 {"spec", {{"nodeName", "node-1"}}},
                 {"status", std::move(status)}});
  }
  void left_behind(const Left& l, bool wired = true, api::JsonArray owners = {}) {
    ip_of_kube_ovn(l);
    port_of_kube_ovn(l);
    pod_of_kube_ovn(l, wired, std::move(owners));
  }
  void settle() {
    cluster.settle();
    cluster.pass(seconds(10));
    cluster.settle();
  }
  std::string ip(const std::string& name, std::string_view field) const {
    return cluster.text(Kind::ip, "", name, {"spec", field});
  }
  std::string mark(const std::string& name, std::string_view key) const {
    return cluster.text(Kind::ip, "", name, {"metadata", "annotations", key});
  }
  std::string said(const std::string& pod, const std::string& suffix) const {
    return cluster.text(Kind::pod, "shop", pod, {"metadata", "annotations", "ovn.kubernetes.io/" + suffix});
  }

  TestCluster cluster;
  const Left a{"shop", "a", "web", "10.66.0.9", "00:00:00:53:6b:b6"};
};

TEST_F(TakeoverTest, ARunningPodKeepsAddressMacAndPort) {
  left_behind(a);
  settle();
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.9");
  EXPECT_EQ(said("a", "mac_address"), a.mac);
  EXPECT_EQ(said("a", "logical_switch"), "web");
  EXPECT_EQ(ip("a.shop", "ipAddress"), "10.66.0.9");
  EXPECT_EQ(ip("a.shop", "macAddress"), a.mac);
  EXPECT_EQ(mark("a.shop", "berth.io/owner"), "pod/" + cluster.text(Kind::pod, "shop", "a", {"metadata", "uid"}));
  EXPECT_EQ(mark("a.shop", "berth.io/epoch"), "1");
  EXPECT_EQ(cluster.world.ports().at("a.shop").addresses.front().to_string(), "10.66.0.9");
  EXPECT_EQ(cluster.world.counters.quarantined, 0U);
  cluster.pod("shop", "b");
  settle();
  EXPECT_EQ(cluster.address("shop", "b"), "10.66.0.2");
}

TEST_F(TakeoverTest, WhatItHasIsGivenBackWhenItIsDeleted) {
  left_behind({"shop", "a", "web", "10.66.0.9", a.mac, "", std::string(api::kLegacyFinalizer)});
  subnet_of_kube_ovn("old", "10.67.0.0/28", {}, std::string(api::kLegacyFinalizer));
  settle();
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(cluster.find(Kind::ip, "", "a.shop"), nullptr);
  EXPECT_EQ(cluster.world.ports().size(), 0U);
  cluster.remove(Kind::subnet, "", "web");
  cluster.remove(Kind::subnet, "", "old");
  settle();
  EXPECT_EQ(cluster.find(Kind::subnet, "", "web"), nullptr);
  EXPECT_EQ(cluster.find(Kind::subnet, "", "old"), nullptr);
}

TEST_F(TakeoverTest, AnObjectThatWasBeingDeletedWithTheOldFinalizerGoes) {
  ip_of_kube_ovn({"shop", "gone", "web", "10.66.0.5", a.mac, "", std::string(api::kLegacyFinalizer)});
  cluster.remove(Kind::ip, "", "gone.shop");
  settle();
  EXPECT_EQ(cluster.find(Kind::ip, "", "gone.shop"), nullptr);
}

TEST_F(TakeoverTest, AnOrphanIsCollectedAfterAskingForItsPod) {
  ip_of_kube_ovn(a);
  port_of_kube_ovn(a);
  const std::size_t before = cluster.proofs;
  settle();
  EXPECT_EQ(cluster.proofs - before, 1U);
  EXPECT_EQ(cluster.find(Kind::ip, "", "a.shop"), nullptr);
  EXPECT_FALSE(cluster.world.ports().contains("a.shop"));
  EXPECT_EQ(cluster.world.allocator("web")->lease_count(), 0U);
}

TEST_F(TakeoverTest, ARunningPodWithoutAnIpObjectGetsOne) {
  port_of_kube_ovn(a);
  pod_of_kube_ovn(a);
  settle();
  EXPECT_EQ(ip("a.shop", "ipAddress"), "10.66.0.9");
  EXPECT_EQ(ip("a.shop", "macAddress"), a.mac);
  EXPECT_EQ(said("a", "ip_address"), "10.66.0.9");
}

TEST_F(TakeoverTest, ARunningPodInTheDefaultSubnetStaysAndIsReportedMisplaced) {
  const Left d{"shop", "d", "ovn-default", "10.16.0.7", "00:00:00:53:6b:b7"};
  left_behind(d);
  settle();
  EXPECT_EQ(cluster.address("shop", "d"), "10.16.0.7");
  EXPECT_EQ(said("d", "logical_switch"), "ovn-default");
  EXPECT_EQ(mark("d.shop", "berth.io/rule"), "default");
  EXPECT_EQ(cluster.events_of("d", "Misplaced").size(), 1U);
}

TEST_F(TakeoverTest, APodThatIsNotWiredYetIsMovedFromTheDefaultSubnetToItsOwn) {
  const Left d{"shop", "d", "ovn-default", "10.16.0.7", "00:00:00:53:6b:b7"};
  left_behind(d, false);
  settle();
  EXPECT_EQ(cluster.address("shop", "d"), "10.66.0.2");
  EXPECT_EQ(said("d", "logical_switch"), "web");
  EXPECT_EQ(ip("d.shop", "subnet"), "web");
  EXPECT_EQ(cluster.world.allocator("ovn-default")->lease_count(), 0U);
}

TEST_F(TakeoverTest, APodThatIsNotWiredYetKeepsWhatItWasGivenInItsSubnet) {
  left_behind(a, false);
  settle();
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.9");
  EXPECT_EQ(ip("a.shop", "macAddress"), a.mac);
  EXPECT_FALSE(mark("a.shop", "berth.io/owner").empty());
}

TEST_F(TakeoverTest, AStatefulSetKeepsTheAddressOfAPodThatIsNotThere) {
  cluster.put(Kind::stateful_set, "shop", "db", {{"spec", {{"replicas", 2}}}});
  const std::string uid = cluster.text(Kind::stateful_set, "shop", "db", {"metadata", "uid"});
  ip_of_kube_ovn({"shop", "db-1", "web", "10.66.0.9", a.mac, "StatefulSet"});
  ip_of_kube_ovn({"shop", "db-2", "web", "10.66.0.10", "00:00:00:53:6b:b8", "StatefulSet"});
  settle();
  EXPECT_EQ(mark("db-1.shop", "berth.io/owner"), "statefulset/" + uid + "/1");
  EXPECT_EQ(cluster.find(Kind::ip, "", "db-2.shop"), nullptr) << "beyond the replicas";
  cluster.put(Kind::pod, "shop", "db-1",
              {{"metadata",
                {{"ownerReferences", {{{"kind", "StatefulSet"}, {"name", "db"}, {"uid", uid}, {"controller", true}}}}}},
               {"spec", {{"nodeName", "node-1"}}},
               {"status", {{"phase", "Pending"}}}});
  settle();
  EXPECT_EQ(cluster.address("shop", "db-1"), "10.66.0.9");
  EXPECT_EQ(said("db-1", "mac_address"), a.mac);
}

TEST_F(TakeoverTest, AReservedAddressOfKubeOvnStaysReserved) {
  ip_of_kube_ovn(a);
  cluster.edit(Kind::ip, "", "a.shop", {{"metadata", {{"labels", {{"ovn.kubernetes.io/ip_reserved", "true"}}}}}});
  for (int i = 0; i < 3; ++i) cluster.pod("shop", "b" + std::to_string(i));
  settle();
  EXPECT_EQ(mark("a.shop", "berth.io/owner"), "reserved");
  EXPECT_EQ(ip("a.shop", "ipAddress"), "10.66.0.9");
  EXPECT_EQ(ip("a.shop", "macAddress"), a.mac);
}

TEST_F(TakeoverTest, ARunningPodWithAReservedAddressKeepsBoth) {
  left_behind(a);
  cluster.edit(Kind::ip, "", "a.shop", {{"metadata", {{"labels", {{"ovn.kubernetes.io/ip_reserved", "true"}}}}}});
  settle();
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.9");
  EXPECT_EQ(cluster.text(Kind::ip, "", "a.shop", {"metadata", "labels", "ovn.kubernetes.io/ip_reserved"}), "true");
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(mark("a.shop", "berth.io/owner"), "reserved");
}

TEST_F(TakeoverTest, NamespacesFollowTheirSubnetsAndNotWhatKubeOvnWrote) {
  cluster.ns("mine", {{"ovn.kubernetes.io/logical_switch", "web"}});
  settle();
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"namespaces", api::JsonArray{}}}}});
  settle();
  const auto annotation = [&](const std::string& ns) {
    return cluster.text(Kind::namespace_, "", ns, {"metadata", "annotations", "ovn.kubernetes.io/logical_switch"});
  };
  EXPECT_EQ(annotation("shop"), "ovn-default") << "Kube-OVN had computed it from the Subnet, which has let go";
  EXPECT_EQ(annotation("mine"), "web") << "a person wrote it";
}

TEST_F(TakeoverTest, ANodeKeepsItsJoinAddress) {
  cluster.put(
      Kind::node, "", "node-1",
      {{"metadata",
        {{"annotations", {{"ovn.kubernetes.io/ip_address", "100.64.0.9"}, {"ovn.kubernetes.io/allocated", "true"}}}}}});
  cluster.put(Kind::ip, "", "node-node-1",
              {{"metadata",
                {{"finalizers", {std::string(api::kFinalizer)}},
                 {"labels", {{"ovn.kubernetes.io/subnet", "join"}, {"ovn.kubernetes.io/ip_reserved", "false"}}}}},
               {"spec",
                {{"podName", "node-1"},
                 {"namespace", ""},
                 {"nodeName", "node-1"},
                 {"subnet", "join"},
                 {"v4IpAddress", "100.64.0.9"},
                 {"macAddress", a.mac}}}});
  settle();
  EXPECT_EQ(ip("node-node-1", "v4IpAddress"), "100.64.0.9");
  EXPECT_EQ(ip("node-node-1", "macAddress"), a.mac);
  EXPECT_EQ(mark("node-node-1", "berth.io/owner"), "node/node-1");
  EXPECT_EQ(cluster.text(Kind::node, "", "node-1", {"metadata", "annotations", "ovn.kubernetes.io/ip_address"}),
            "100.64.0.9");
}

// Before a new leader has looked at a Subnet, it wants the rows of it that are there: running pods need them.
TEST_F(TakeoverTest, NoRowIsTakenAwayBeforeItsSubnetWasLookedAt) {
  cluster.put(Kind::node, "", "node-1",
              {{"status", {{"addresses", {{{"type", "InternalIP"}, {"address", "1.2.3.4"}}}}}}});
  cluster.put(Kind::vpc, "", "own",
              {{"spec", {{"staticRoutes", {{{"cidr", "9.9.9.0/24"}, {"nextHopIP", "10.77.0.9"}}}}}}});
  cluster.subnet("vs", {{"cidrBlock", "10.77.0.0/24"}, {"vpc", "own"}, {"private", true}});
  left_behind(a);
  settle();
  world::World fresh(TestCluster::settings({}));
  fresh.set_time(cluster.world.now(), cluster.world.wall_now());
  for (const auto& [key, object] : cluster.objects) fresh.upsert(std::get<0>(key), object);
  for (const auto& [name, router] : cluster.world.routers()) fresh.observe_router(name, router);
  for (const auto& [name, s] : cluster.world.switches()) fresh.observe_switch(name, s);
  for (const auto& [name, port] : cluster.world.ports()) fresh.observe_port(name, port);
  for (const std::string vpc : {"ovn-cluster", "own"}) {
    const world::LogicalRouter& is = cluster.world.routers().at(vpc);
    EXPECT_GT(is.policies.size() + is.routes.size(), 1U) << vpc;
    EXPECT_TRUE(wanted_router(fresh, *fresh.vpcs().find(vpc), true) == is) << vpc;
  }
  const api::Subnet& vs = *fresh.subnets().find("vs");
  EXPECT_TRUE(wanted_switch(fresh, vs, *api::plan_subnet(vs), {}) == cluster.world.switches().at("vs"));
}

TEST_F(TakeoverTest, RoutesThatKubeOvnDidNotSignStayUntilTheirSubnetIsLookedAt) {
  cluster.put(Kind::vpc, "", "own", {{"spec", api::JsonObject()}});
  cluster.subnet("vs", {{"cidrBlock", "10.77.0.0/24"}, {"vpc", "own"}});
  world::LogicalRouter own;
  own.name = "own";
  own.routes = {{"10.77.0.0/24", "10.77.0.1", true, "", {}}, {"1.1.1.0/24", "10.77.0.9", false, "", {}}};
  cluster.world.observe_router("own", own);
  world::LogicalRouter central;
  central.name = "ovn-cluster";
  central.routes = {{"0.0.0.0/0", "100.64.0.1", false, "", {}}};
  world::World fresh(TestCluster::settings({}));
  for (const auto& [key, object] : cluster.objects) fresh.upsert(std::get<0>(key), object);
  fresh.observe_router("own", own);
  fresh.observe_router("ovn-cluster", central);
  const auto wanted = wanted_router(fresh, *fresh.vpcs().find("own"), true).routes;
  EXPECT_TRUE(wanted.contains({"10.77.0.0/24", "10.77.0.1", true, "", {}}));
  EXPECT_EQ(wanted.size(), 1U) << "what no Subnet speaks for follows the Vpc";
  EXPECT_EQ(wanted_router(fresh, *fresh.vpcs().find("ovn-cluster"), true).routes.size(), 1U);
  settle();
  EXPECT_EQ(cluster.world.routers().at("own").routes.size(), 1U) << "signed now, and once";
}

TEST_F(TakeoverTest, ASubnetThatIsBeingDeletedStaysUnderAPortWhoseIpObjectIsAway) {
  left_behind(a);
  settle();
  cluster.remove(Kind::subnet, "", "web");
  settle();
  world::World fresh(TestCluster::settings({}));
  fresh.set_time(cluster.world.now(), cluster.world.wall_now());
  for (const auto& [key, object] : cluster.objects) {
    if (std::get<0>(key) != Kind::ip) fresh.upsert(std::get<0>(key), object);
  }
  for (const auto& [name, s] : cluster.world.switches()) fresh.observe_switch(name, s);
  for (const auto& [name, port] : cluster.world.ports()) fresh.observe_port(name, port);
  EXPECT_TRUE(reconcile_subnet(fresh, "web").ovn.empty());
  fresh.observe_port("a.shop", std::nullopt);
  EXPECT_EQ(reconcile_subnet(fresh, "web").ovn.size(), 1U);
}

TEST_F(TakeoverTest, TheGatewayKeepsItsMac) {
  world::LogicalSwitch web;
  web.name = "web";
  web.router = "ovn-cluster";
  web.router_mac = *net::Mac::parse("e2:94:b4:74:a8:fb");
  web.networks = {"10.66.0.1/28"};
  cluster.world.observe_switch("web", web);
  settle();
  EXPECT_EQ(cluster.world.switches().at("web").router_mac, web.router_mac) << "running pods have it in their tables";
  cluster.pod("shop", "b", {{"ovn.kubernetes.io/mac_address", "e2:94:b4:74:a8:fb"}});
  settle();
  EXPECT_NE(cluster.condition(Kind::pod, "shop", "b", "berth.io/Addressed").find("AddressConflict"), std::string::npos);
}

}  // namespace
}  // namespace berth::reconcile
