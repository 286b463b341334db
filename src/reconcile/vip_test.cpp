#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::JsonArray;
using api::Kind;
using std::chrono::seconds;

const std::string kVip = "ovn.kubernetes.io/vip";
const std::string kReserved = "ovn.kubernetes.io/ip_reserved";

class VipTest : public testing::Test {
 protected:
  VipTest() {
    cluster.ns("shop");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/28"}, {"namespaces", {"shop"}}});
    cluster.settle();
    cluster.pass(seconds(10));
  }
  void vip(const std::string& name, api::JsonObject spec = {}) {
    if (!spec.contains("subnet")) spec["subnet"] = "web";
    spec["namespace"] = "shop";
    cluster.put(Kind::vip, "", name, {{"spec", std::move(spec)}});
    cluster.settle();
  }
  std::string pod(const std::string& name, const std::map<std::string, std::string>& annotations = {}) {
    cluster.pod("shop", name, annotations);
    cluster.settle();
    return cluster.address("shop", name);
  }
  void remove(Kind kind, const std::string& ns, const std::string& name) {
    cluster.remove(kind, ns, name);
    cluster.settle();
  }
  std::string of(const std::string& name, std::initializer_list<std::string_view> path) const {
    return cluster.text(Kind::vip, "", name, path);
  }
  std::string label(const std::string& name) const { return of(name, {"metadata", "labels", kReserved}); }
  std::string ready(const std::string& name) const { return cluster.condition(Kind::vip, "", name, "Ready"); }
  std::string holder(const char* address) const {
    const auto holder = cluster.world.allocator("web")->holder_of(*net::Address::parse(address));
    return holder ? std::string(*holder) : "nobody";
  }

  TestCluster cluster;
};

TEST_F(VipTest, ADrawnAddressIsWrittenIntoSpecStatusAndLabels) {
  vip("v");
  EXPECT_EQ(of("v", {"status", "v4ip"}), "10.66.0.2");
  EXPECT_EQ(of("v", {"spec", "v4ip"}), "10.66.0.2");
  EXPECT_EQ(of("v", {"spec", "macAddress"}), of("v", {"status", "mac"}));
  EXPECT_EQ(of("v", {"metadata", "labels", "ovn.kubernetes.io/subnet"}), "web");
  EXPECT_EQ(ready("v"), "True AllocateVipSucceeded: ");
  EXPECT_EQ(pod("p"), "10.66.0.3");
  EXPECT_EQ(cluster.text(Kind::subnet, "", "web", {"status", "v4usingIPrange"}), "10.66.0.2") << "within a second";
  cluster.pass(seconds(1));
  cluster.settle();
  EXPECT_EQ(cluster.text(Kind::subnet, "", "web", {"status", "v4usingIPrange"}), "10.66.0.2-10.66.0.3");
  const std::size_t writes = cluster.writes;
  cluster.settle();
  EXPECT_EQ(cluster.writes, writes);
  remove(Kind::vip, "", "v");
  EXPECT_EQ(cluster.find(Kind::vip, "", "v"), nullptr);
  EXPECT_EQ(holder("10.66.0.2"), "nobody");
  EXPECT_FALSE(cluster.world.ports().contains("v"));
}

TEST_F(VipTest, StaticAddressesAndMacOfBothFamilies) {
  cluster.subnet("dual", {{"cidrBlock", "10.67.0.0/28,fd00:67::/120"}});
  cluster.settle();
  vip("v", {{"subnet", "dual"}, {"v6ip", "fd00:67::9"}, {"macAddress", "02:00:00:00:00:09"}});
  EXPECT_EQ(of("v", {"status", "v4ip"}), "10.67.0.2");
  EXPECT_EQ(of("v", {"status", "v6ip"}), "fd00:67::9");
  EXPECT_EQ(of("v", {"status", "mac"}), "02:00:00:00:00:09");
}

TEST_F(VipTest, WhatCannotBeIsSaidAndTriedAgainWhenItCan) {
  EXPECT_EQ(pod("p"), "10.66.0.2");
  vip("taken", {{"v4ip", "10.66.0.2"}});
  EXPECT_TRUE(ready("taken").starts_with("False AcquireAddressFailed: AddressConflict: Vip taken: ")) << ready("taken");
  vip("outside", {{"v4ip", "10.77.0.2"}});
  EXPECT_NE(ready("outside").find("AddressOutOfRange"), std::string::npos) << ready("outside");
  vip("gateway", {{"v4ip", "10.66.0.1"}});
  EXPECT_NE(ready("gateway").find("AddressConflict"), std::string::npos) << ready("gateway");
  for (const auto& [field, value, said] : {std::tuple{"v4ip", "fd00::1", "of the other family"},
                                           {"v4ip", "10.66.0.300", "10.66.0.300"},
                                           {"v6ip", "FD00::1", "FD00::1"},
                                           {"macAddress", "zz", "zz"},
                                           {"type", "odd", "must be empty, switch_lb_vip"}}) {
    vip("bad", {{field, value}});
    EXPECT_TRUE(ready("bad").starts_with("False ValidateVipFailed: Vip bad: spec." + std::string(field)))
        << ready("bad");
    EXPECT_NE(ready("bad").find(said), std::string::npos) << ready("bad");
  }
  vip("early", {{"subnet", "late"}});
  EXPECT_TRUE(ready("early").starts_with("False WaitingForSubnet: Vip early: spec.subnet \"late\"")) << ready("early");
  EXPECT_EQ(cluster.events_of("taken", "AcquireAddressFailed").size(), 1U);

  remove(Kind::pod, "shop", "p");
  EXPECT_EQ(of("taken", {"status", "v4ip"}), "10.66.0.2");
  EXPECT_TRUE(cluster.condition(Kind::vip, "", "taken", "Error").starts_with("False"));
  cluster.subnet("late", {{"cidrBlock", "10.68.0.0/28"}});
  cluster.settle();
  EXPECT_EQ(of("early", {"status", "v4ip"}), "10.68.0.2");
}

TEST_F(VipTest, AWishThatChangedBeforeItWasWrittenLeavesNothingReserved) {
  EXPECT_EQ(pod("p"), "10.66.0.2");
  cluster.put(Kind::vip, "", "v", {{"spec", {{"subnet", "web"}, {"namespace", "shop"}}}});
  Random random(1);
  (void)reconcile_vip(cluster.world, "v", random);  // whose write does not arrive
  EXPECT_EQ(holder("10.66.0.3"), "Vip/v");
  cluster.edit(Kind::vip, "", "v", {{"spec", {{"v4ip", "10.66.0.2"}}}});
  cluster.settle();
  EXPECT_EQ(ready("v").substr(0, 5), "False");
  EXPECT_EQ(holder("10.66.0.3"), "nobody");
}

TEST_F(VipTest, AnEditAfterAllocationIsRefusedAndWhatWasGivenStays) {
  vip("v");
  cluster.edit(Kind::vip, "", "v", {{"spec", {{"v4ip", "10.66.0.9"}}}});
  cluster.settle();
  EXPECT_TRUE(ready("v").starts_with("False ValidateVipFailed: Vip v: spec.v4ip \"10.66.0.9\": cannot change"))
      << ready("v");
  EXPECT_EQ(of("v", {"status", "v4ip"}), "10.66.0.2");
  EXPECT_EQ(holder("10.66.0.2"), "Vip/v");
  EXPECT_EQ(holder("10.66.0.9"), "nobody");
  cluster.edit(Kind::vip, "", "v", {{"spec", {{"v4ip", "10.66.0.2"}, {"subnet", "ovn-default"}}}});
  cluster.settle();
  EXPECT_NE(ready("v").find("spec.subnet \"ovn-default\": cannot change"), std::string::npos) << ready("v");
  EXPECT_EQ(holder("10.66.0.2"), "Vip/v");
  cluster.edit(Kind::vip, "", "v", {{"spec", {{"subnet", "web"}}}});
  cluster.settle();
  EXPECT_TRUE(ready("v").starts_with("True "));
}

TEST_F(VipTest, APodThatNamesItHasItsAddressAndGivesItBackToTheVip) {
  EXPECT_EQ(pod("p", {{kVip, "v"}}), "") << "it waits";
  vip("v", {{"v4ip", "10.66.0.7"}});
  EXPECT_EQ(cluster.address("shop", "p"), "10.66.0.7");
  EXPECT_EQ(cluster.text(Kind::ip, "", "p.shop", {"spec", "macAddress"}), of("v", {"status", "mac"}));
  EXPECT_EQ(label("v"), "p.shop");
  EXPECT_TRUE(ready("v").starts_with("True ")) << ready("v");
  EXPECT_EQ(holder("10.66.0.7"), "p.shop");
  EXPECT_FALSE(cluster.world.ports().contains("v")) << "the pod's own port has the address";

  EXPECT_EQ(pod("q", {{kVip, "v"}}), "");
  const auto said = cluster.events_of("q", "AcquireAddressFailed");
  ASSERT_FALSE(said.empty());
  EXPECT_NE(said[0].find("AddressConflict: Pod shop/q: 10.66.0.7 of Vip v is used by p.shop"), std::string::npos)
      << said[0];

  remove(Kind::pod, "shop", "p");
  EXPECT_EQ(cluster.address("shop", "q"), "10.66.0.7") << "woken";
  EXPECT_EQ(label("v"), "q.shop");
  remove(Kind::pod, "shop", "q");
  EXPECT_EQ(holder("10.66.0.7"), "Vip/v");
  EXPECT_EQ(label("v"), "");
  EXPECT_TRUE(cluster.world.ports().contains("v"));
}

TEST_F(VipTest, ItKeepsItsAddressForTheNextLeaderWhetherUsedOrNot) {
  vip("used", {{"v4ip", "10.66.0.7"}});
  vip("idle", {{"v4ip", "10.66.0.8"}});
  EXPECT_EQ(pod("p", {{kVip, "used"}}), "10.66.0.7");
  world::World next(TestCluster::settings({}));
  for (const auto& [key, object] : cluster.objects) next.upsert(std::get<0>(key), object);
  next.configure_allocator("web", cluster.world.allocator("web")->config());
  EXPECT_EQ(next.counters.quarantined, 0U);
  EXPECT_EQ(*next.allocator("web")->holder_of(*net::Address::parse("10.66.0.7")), "p.shop");
  EXPECT_EQ(*next.allocator("web")->holder_of(*net::Address::parse("10.66.0.8")), "Vip/idle");
  next.release("web", "p.shop");
  EXPECT_EQ(*next.allocator("web")->holder_of(*net::Address::parse("10.66.0.7")), "Vip/used");
}

TEST_F(VipTest, AtTheStartItComesBeforePodsThatHaveItsAddressByMistakeAndDoNotRun) {
  vip("v", {{"v4ip", "10.66.0.7"}});
  EXPECT_EQ(pod("p"), "10.66.0.2");
  EXPECT_EQ(pod("q"), "10.66.0.3");
  const auto start = [&](const char* container) {
    world::World next(TestCluster::settings({}));
    for (const auto& [key, object] : cluster.objects) {
      api::JsonObject copy = object;
      if (api::string_at(copy, {"metadata", "name"}) == "p.shop") {  // a write of an older leader that came late
        auto& spec = copy["spec"].as_object();
        spec["v4IpAddress"] = spec["ipAddress"] = "10.66.0.7";
        spec["containerID"] = container;
      }
      next.upsert(std::get<0>(key), copy);
    }
    next.configure_allocator("web", cluster.world.allocator("web")->config());
    return std::string(*next.allocator("web")->holder_of(*net::Address::parse("10.66.0.7")));
  };
  EXPECT_EQ(start(""), "Vip/v");
  EXPECT_EQ(start("c1"), "p.shop") << "who is wired keeps what it has";
}

TEST_F(VipTest, DeletedUnderAPodTheAddressIsThePodsUntilItGoes) {
  vip("v", {{"v4ip", "10.66.0.7"}});
  EXPECT_EQ(pod("p", {{kVip, "v"}}), "10.66.0.7");
  remove(Kind::vip, "", "v");
  EXPECT_EQ(cluster.find(Kind::vip, "", "v"), nullptr);
  EXPECT_EQ(holder("10.66.0.7"), "p.shop");
  remove(Kind::pod, "shop", "p");
  EXPECT_EQ(holder("10.66.0.7"), "nobody");
}

TEST_F(VipTest, AnAllowedAddressPairIsAVirtualPortOfThePodsThatNameItOrAreSelected) {
  vip("v", {{"v4ip", "10.66.0.7"}, {"selector", JsonArray{"app: lb", "tier:front"}}});
  ASSERT_TRUE(cluster.world.ports().contains("v"));
  const auto options = [&] { return cluster.world.ports().at("v").options; };
  EXPECT_EQ(cluster.world.ports().at("v").type, "virtual");
  EXPECT_EQ(options(), (std::map<std::string, std::string>{{"virtual-ip", "10.66.0.7"}}));
  pod("a", {{"ovn.kubernetes.io/aaps", "other,v"}});
  pod("b");
  pod("c");
  EXPECT_EQ(options().at("virtual-parents"), "a.shop");
  cluster.edit(Kind::pod, "shop", "c", {{"metadata", {{"labels", {{"app", "lb"}, {"tier", "front"}, {"x", "y"}}}}}});
  cluster.edit(Kind::pod, "shop", "b", {{"metadata", {{"labels", {{"app", "lb"}}}}}});
  cluster.settle();
  EXPECT_EQ(options().at("virtual-parents"), "a.shop,c.shop");
  remove(Kind::pod, "shop", "a");
  EXPECT_EQ(options().at("virtual-parents"), "c.shop");
  EXPECT_EQ(cluster.address("shop", "c").empty(), false) << "it keeps its own address beside";
}

TEST_F(VipTest, APairOfTwoFamiliesHasAVirtualPortForEachThatNoPodHasTakenOver) {
  cluster.subnet("dual", {{"cidrBlock", "10.67.0.0/28,fd00:67::/120"}});
  cluster.settle();
  vip("v", {{"subnet", "dual"}});
  const auto ip_of = [&](const std::string& port) {
    const auto it = cluster.world.ports().find(port);
    return it == cluster.world.ports().end() ? std::string("no port") : it->second.options.at("virtual-ip");
  };
  EXPECT_EQ(ip_of("v"), "10.67.0.2");
  EXPECT_EQ(ip_of("v/v6"), "fd00:67::2");
  EXPECT_EQ(pod("p", {{kVip, "v"}, {"ovn.kubernetes.io/ip_family", "ipv4"}}), "10.67.0.2");
  EXPECT_EQ(ip_of("v"), "no port");
  EXPECT_EQ(ip_of("v/v6"), "fd00:67::2");
  remove(Kind::pod, "shop", "p");
  EXPECT_EQ(ip_of("v"), "10.67.0.2");
  remove(Kind::vip, "", "v");
  EXPECT_EQ(ip_of("v"), "no port");
  EXPECT_EQ(ip_of("v/v6"), "no port");
}

TEST_F(VipTest, TheOtherTypesAreOrdinaryPorts) {
  vip("lb", {{"type", "switch_lb_vip"}});
  vip("host", {{"type", "kube_host_vm_vip"}});
  const auto& lb = cluster.world.ports().at("lb.shop");
  EXPECT_EQ(lb.mac, cluster.world.switches().at("web").router_mac);
  EXPECT_EQ(lb.options, (std::map<std::string, std::string>{{"arp_proxy", "true"}}));
  EXPECT_EQ(api::to_string(lb.addresses), "10.66.0.2");
  vip("lb2", {{"type", "switch_lb_vip"}});
  EXPECT_EQ(of("lb2", {"status", "mac"}), of("lb", {"status", "mac"}));
  const auto& host = cluster.world.ports().at("host.shop");
  EXPECT_EQ(host.mac.to_string(), of("host", {"status", "mac"}));
  EXPECT_NE(host.mac, lb.mac);
  EXPECT_TRUE(host.options.empty());
  remove(Kind::vip, "", "lb");
  EXPECT_FALSE(cluster.world.ports().contains("lb.shop"));
  pod("twin");
  vip("twin", {{"type", "kube_host_vm_vip"}});
  EXPECT_TRUE(ready("twin").starts_with("False PortConflict: ")) << ready("twin");
  EXPECT_EQ(*world::key_of(cluster.world.ports().at("twin.shop")), (world::Key{world::KeyKind::pod, "shop/twin"}));
}

TEST_F(VipTest, ASubnetWaitsForItsVips) {
  vip("v");
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  EXPECT_NE(cluster.find(Kind::subnet, "", "web"), nullptr);
  remove(Kind::vip, "", "v");
  EXPECT_EQ(cluster.find(Kind::subnet, "", "web"), nullptr);
}

}  // namespace
}  // namespace berth::reconcile
