#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::JsonArray;
using api::Kind;
using std::chrono::seconds;

const std::string kPool = "ovn.kubernetes.io/ip_pool";
const std::string kIp = "ovn.kubernetes.io/ip_address";

class IpPoolTest : public testing::Test {
 protected:
  IpPoolTest() {
    cluster.ns("shop");
    cluster.ns("else");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/28"}, {"namespaces", {"shop", "else"}}});
    cluster.settle();
    cluster.pass(seconds(10));
  }
  void pool(const std::string& name, const std::vector<std::string>& ips,
            const std::vector<std::string>& namespaces = {}, const std::string& subnet = "web", bool set = false) {
    cluster.put(Kind::ip_pool, "", name,
                {{"spec",
                  {{"subnet", subnet},
                   {"ips", api::to_json(ips)},
                   {"namespaces", api::to_json(namespaces)},
                   {"enableAddressSet", set}}}});
    settle();
  }
  void edit(const std::string& name, const std::vector<std::string>& ips) {
    cluster.edit(Kind::ip_pool, "", name, {{"spec", {{"ips", api::to_json(ips)}}}});
    settle();
  }
  std::string pod(const std::string& name, const std::map<std::string, std::string>& annotations = {},
                  const std::string& ns = "shop") {
    cluster.pod(ns, name, annotations);
    settle();
    return cluster.address(ns, name);
  }
  void settle() {
    cluster.settle();
    cluster.pass(seconds(2));
    cluster.settle();
  }
  std::string ready(const std::string& name) const { return cluster.condition(Kind::ip_pool, "", name, "Ready"); }
  std::string error(const std::string& name) const { return cluster.condition(Kind::ip_pool, "", name, "Error"); }
  std::string status(const std::string& name, const char* field) const {
    const api::JsonValue* value = api::find(*cluster.find(Kind::ip_pool, "", name), {"status", field});
    return value == nullptr     ? "absent"
           : value->is_string() ? std::string(value->get_string())
                                : boost::json::serialize(*value);
  }

  TestCluster cluster;
};

TEST_F(IpPoolTest, NumbersAndRangesComeFromTheAllocatorPerFamily) {
  cluster.subnet("dual", {{"cidrBlock", "10.67.0.0/28,fd00:67::/120"}});
  settle();
  pool("p", {"10.67.0.4..10.67.0.6", "fd00:67::10/125", "10.67.0.9"}, {}, "dual");
  EXPECT_EQ(ready("p"), "True UpdateIPAMSucceeded: ");
  EXPECT_EQ(error("p"), "False UpdateIPAMSucceeded: ");
  EXPECT_EQ(status("p", "v4AvailableIPs"), "4");
  EXPECT_EQ(status("p", "v4AvailableIPRange"), "10.67.0.4-10.67.0.6,10.67.0.9");
  EXPECT_EQ(status("p", "v6AvailableIPs"), "8");
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "10.67.0.4,fd00:67::10") << "a pool that is named decides the subnet too";
  EXPECT_EQ(status("p", "v4UsingIPs"), "1");
  EXPECT_EQ(status("p", "v4UsingIPRange"), "10.67.0.4");
  EXPECT_EQ(status("p", "v4AvailableIPs"), "3");
  EXPECT_EQ(status("p", "v6UsingIPRange"), "fd00:67::10");
  EXPECT_EQ(status("p", "v6AvailableIPs"), "7");
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(status("p", "v4UsingIPs"), "0");
  EXPECT_EQ(status("p", "v4AvailableIPRange"), "10.67.0.4-10.67.0.6,10.67.0.9");
  const std::size_t before = cluster.writes;
  cluster.pass(seconds(100));
  cluster.settle();
  EXPECT_EQ(cluster.writes, before) << "nothing has changed";
}

TEST_F(IpPoolTest, AnAddressThatAVipHoldsIsCounted) {
  pool("front", {"10.66.0.5"});
  EXPECT_EQ(status("front", "v4UsingIPs"), "0");
  cluster.put(Kind::vip, "", "v", {{"spec", {{"subnet", "web"}, {"namespace", "shop"}, {"v4ip", "10.66.0.5"}}}});
  settle();
  EXPECT_EQ(status("front", "v4UsingIPs"), "1");
  cluster.remove(Kind::vip, "", "v");
  settle();
  EXPECT_EQ(status("front", "v4UsingIPs"), "0");
}

TEST_F(IpPoolTest, CountersAreWrittenAtMostOnceASecondAndConditionsAtOnce) {
  pool("p", {"10.66.0.4..10.66.0.9"});
  for (const char* name : {"a", "b", "c", "d"}) {
    cluster.pod("shop", name, {{kPool, "p"}});
    cluster.settle();
  }
  EXPECT_NE(status("p", "v4UsingIPs"), "4") << "four pods within one second";
  cluster.pass(seconds(1));
  cluster.settle();
  EXPECT_EQ(status("p", "v4UsingIPs"), "4");
  cluster.pod("shop", "e", {{kPool, "p"}});
  cluster.settle();
  cluster.edit(Kind::ip_pool, "", "p", {{"spec", {{"ips", JsonArray{"nonsense"}}}}});
  cluster.settle();
  EXPECT_TRUE(ready("p").starts_with("False UpdateIPAMFailed: IPPool p: spec.ips \"nonsense\": ")) << ready("p");
}

TEST_F(IpPoolTest, AddressesOfAPoolAreOnlyForThoseWhoNameIt) {
  pool("p", {"10.66.0.2..10.66.0.5"});
  EXPECT_EQ(pod("plain"), "10.66.0.6") << "lower ones belong to the pool";
  EXPECT_EQ(pod("pooled", {{kPool, "p"}}), "10.66.0.2");
  EXPECT_EQ(pod("literal", {{kIp, "10.66.0.4"}}), "10.66.0.4") << "whoever asks for an address by name gets it";
  EXPECT_EQ(pod("list", {{kPool, "10.66.0.4,10.66.0.5"}}), "10.66.0.5") << "a literal list";
  for (int i = 0; i < 8; ++i) pod("fill" + std::to_string(i));
  EXPECT_EQ(pod("late"), "") << "the pool still has 10.66.0.3, but not for this one";
  EXPECT_EQ(pod("pooled2", {{kPool, "p"}}), "10.66.0.3");
  EXPECT_EQ(pod("pooled3", {{kPool, "p"}}), "");
}

TEST_F(IpPoolTest, PodsThatWaitAreWokenWhenThePoolAppearsGrowsOrHasRoom) {
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "");
  pool("p", {"10.66.0.9"});
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.9");
  EXPECT_EQ(pod("b", {{kPool, "p"}}), "");
  EXPECT_EQ(pod("c", {{kPool, "p"}, {"ovn.kubernetes.io/logical_switch", "web"}}), "");
  edit("p", {"10.66.0.9", "10.66.0.11"});
  EXPECT_EQ(cluster.address("shop", "b"), "10.66.0.11");
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(cluster.address("shop", "c"), "10.66.0.9");
}

TEST_F(IpPoolTest, ANamespaceWithPoolsDrawsFromThoseAloneInOrderOfAge) {
  pool("one", {"10.66.0.9"}, {"shop"});
  cluster.pass(seconds(1));
  pool("alpha", {"10.66.0.10"}, {"shop"});
  EXPECT_EQ(pod("a"), "10.66.0.9");
  EXPECT_EQ(pod("b"), "10.66.0.10") << "the first is full";
  EXPECT_EQ(pod("c"), "") << "both are full";
  EXPECT_EQ(pod("x", {}, "else"), "10.66.0.2");
  EXPECT_EQ(cluster.text(Kind::namespace_, "", "shop", {"metadata", "annotations", kPool}), "alpha,one");
  cluster.remove(Kind::ip_pool, "", "one");
  cluster.remove(Kind::ip_pool, "", "alpha");
  settle();
  EXPECT_EQ(cluster.address("shop", "c"), "10.66.0.3") << "without pools the subnet is its supply";
}

TEST_F(IpPoolTest, ANamespaceWithPoolsInOneOfItsSubnetsPassesOverTheOthers) {
  cluster.subnet("db", {{"cidrBlock", "10.67.0.0/28"}, {"namespaces", {"shop"}}});
  settle();
  pool("p", {"10.67.0.9"}, {"shop"}, "db");
  EXPECT_EQ(pod("a"), "10.67.0.9");
  EXPECT_EQ(pod("b"), "");
}

TEST_F(IpPoolTest, PodsOfAFullNamespacePoolAreWokenWhenItGoes) {
  pool("front", {"10.66.0.5"}, {"shop"});
  EXPECT_EQ(pod("first"), "10.66.0.5");
  EXPECT_EQ(pod("second"), "");
  cluster.remove(Kind::ip_pool, "", "front");
  settle();
  EXPECT_EQ(cluster.address("shop", "second"), "10.66.0.2");
}

TEST_F(IpPoolTest, TheOlderOfTwoThatOverlapWinsAndTheOtherComesWhenItGoes) {
  pool("old", {"10.66.0.8/30"});
  cluster.pass(seconds(1));
  pool("young", {"10.66.0.7", "10.66.0.10..10.66.0.12"});
  EXPECT_EQ(ready("young"),
            "False UpdateIPAMFailed: IPPool young: spec.ips: overlaps 10.66.0.8..10.66.0.11 of IPPool old; take that "
            "out of one of them");
  EXPECT_TRUE(error("young").starts_with("True "));
  EXPECT_EQ(status("young", "v4AvailableIPs"), "0");
  EXPECT_TRUE(ready("old").starts_with("True "));
  EXPECT_EQ(pod("a", {{kPool, "young"}}), "");
  EXPECT_EQ(pod("b", {{kPool, "old"}}), "10.66.0.8");
  edit("old", {"10.66.0.8"});
  EXPECT_EQ(ready("young"), "True UpdateIPAMSucceeded: ");
  EXPECT_TRUE(error("young").starts_with("False "));
  EXPECT_EQ(cluster.address("shop", "a"), "10.66.0.7");
}

TEST_F(IpPoolTest, AnEditThatIsRefusedLeavesInForceWhatWasAlsoForTheNextLeader) {
  pool("p", {"10.66.0.5", "10.66.0.6"});
  pool("q", {"10.66.0.9"});
  for (const auto& [text, said] : {std::pair{"10.66.0.900", "10.66.0.900"},
                                   {"10.66.1.4", "lies outside Subnet web (10.66.0.0/28); choose addresses of that"},
                                   {"10.66.0.9", "overlaps 10.66.0.9 of IPPool q"}}) {
    edit("p", {"10.66.0.5", text});
    EXPECT_TRUE(ready("p").starts_with("False UpdateIPAMFailed: IPPool p: ")) << ready("p");
    EXPECT_NE(ready("p").find(said), std::string::npos) << ready("p");
    EXPECT_NE(ready("p").find("(10.66.0.5..10.66.0.6 stays in force)"), std::string::npos) << ready("p");
    EXPECT_EQ(status("p", "v4AvailableIPs"), "2");
    EXPECT_TRUE(ready("q").starts_with("True ")) << "a bad pool disturbs nothing else";
  }
  // What another process makes of what is stored.
  world::World next(TestCluster::settings({}));
  for (const auto& [key, object] : cluster.objects) next.upsert(std::get<0>(key), object);
  next.configure_allocator("web", cluster.world.allocator("web")->config());
  EXPECT_EQ(next.pool_state("p").in_force, cluster.world.pool_state("p").in_force);
  EXPECT_EQ(next.pool_state("q").in_force, cluster.world.pool_state("q").in_force);

  edit("p", {"10.66.0.5"});
  EXPECT_TRUE(ready("p").starts_with("True "));
  EXPECT_EQ(cluster.text(Kind::ip_pool, "", "p", {"metadata", "annotations", "berth.io/ips-in-force"}), "");
  EXPECT_EQ(status("p", "v4AvailableIPs"), "1");
}

TEST_F(IpPoolTest, ANewLeaderGivesNothingOfAPoolToOthersEvenBeforeItLooksAtThePool) {
  pool("p", {"10.66.0.2..10.66.0.5"});
  world::World next(TestCluster::settings({}));
  for (const auto& [key, object] : cluster.objects) next.upsert(std::get<0>(key), object);
  next.configure_allocator("web", cluster.world.allocator("web")->config());
  Random random(1);
  EXPECT_EQ(next.acquire("web", {"x", {}, {}, {}, ""}, random)->v4->to_string(), "10.66.0.6");
}

TEST_F(IpPoolTest, ItGoesOnlyWhenNobodyHoldsOneOfItsAddresses) {
  pool("p", {"10.66.0.9", "10.66.0.10"});
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "10.66.0.9");
  cluster.remove(Kind::ip_pool, "", "p");
  settle();
  ASSERT_NE(cluster.find(Kind::ip_pool, "", "p"), nullptr);
  EXPECT_EQ(ready("p"),
            "False Terminating: IPPool p: deleted as soon as its addresses are released (first: IP a.shop)");
  EXPECT_EQ(pod("b", {{kPool, "p"}}), "") << "it takes nobody new";
  for (int i = 0; i < 12; ++i) pod("fill" + std::to_string(i));
  EXPECT_EQ(cluster.address("shop", "fill11"), "") << "and keeps what it has";
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(cluster.find(Kind::ip_pool, "", "p"), nullptr);
  EXPECT_NE(cluster.address("shop", "fill11"), "");
}

TEST_F(IpPoolTest, OneOfASubnetThatIsNotThereComesWithIt) {
  pool("p", {"10.68.0.4"}, {}, "late");
  EXPECT_EQ(ready("p"),
            "False UpdateIPAMFailed: IPPool p: spec.subnet \"late\": that Subnet does not exist; create it, or correct "
            "the name");
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "");
  cluster.subnet("late", {{"cidrBlock", "10.68.0.0/28"}});
  settle();
  EXPECT_TRUE(ready("p").starts_with("True "));
  EXPECT_EQ(cluster.address("shop", "a"), "10.68.0.4");
  cluster.remove(Kind::ip_pool, "", "p");
  cluster.remove(Kind::subnet, "", "late");
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(cluster.find(Kind::ip_pool, "", "p"), nullptr);
  EXPECT_EQ(cluster.find(Kind::subnet, "", "late"), nullptr);
}

TEST_F(IpPoolTest, ExcludedAddressesOfAPoolAreNotDrawn) {
  pool("p", {"10.66.0.8", "10.66.0.9"});
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "10.66.0.8");
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"excludeIps", JsonArray{"10.66.0.8..10.66.0.9"}}}}});
  settle();
  EXPECT_EQ(status("p", "v4AvailableIPs"), "0");
  EXPECT_EQ(pod("b", {{kPool, "p"}}), "");
  cluster.remove(Kind::pod, "shop", "a");
  settle();
  EXPECT_EQ(status("p", "v4AvailableIPs"), "0") << "released while excluded";
  EXPECT_EQ(cluster.address("shop", "b"), "");
  cluster.edit(Kind::subnet, "", "web", {{"spec", {{"excludeIps", JsonArray{}}}}});
  settle();
  EXPECT_EQ(cluster.address("shop", "b"), "10.66.0.8");
}

TEST_F(IpPoolTest, AnAddressSetFollowsThePool) {
  pool("my-pool", {"10.66.0.4..10.66.0.7", "10.66.0.9"}, {}, "web", true);
  ASSERT_TRUE(cluster.world.address_sets().contains("my.pool"));
  EXPECT_EQ(cluster.world.address_sets().at("my.pool").addresses, (std::set<std::string>{"10.66.0.4/30", "10.66.0.9"}));
  edit("my-pool", {"10.66.0.9"});
  EXPECT_EQ(cluster.world.address_sets().at("my.pool").addresses, (std::set<std::string>{"10.66.0.9"}));
  pool("my.pool", {"10.66.0.10"}, {}, "web", true);
  EXPECT_TRUE(ready("my.pool").starts_with("False ReconcileAddressSetFailed: ")) << ready("my.pool");
  EXPECT_NE(ready("my.pool").find("IPPool my-pool has the OVN address set my.pool already"), std::string::npos);
  cluster.edit(Kind::ip_pool, "", "my-pool", {{"spec", {{"enableAddressSet", false}}}});
  settle();
  EXPECT_TRUE(ready("my.pool").starts_with("True ")) << ready("my.pool");
  EXPECT_EQ(cluster.world.address_sets().at("my.pool").external_ids.at("ippool"), "my.pool");
  cluster.remove(Kind::ip_pool, "", "my.pool");
  settle();
  EXPECT_TRUE(cluster.world.address_sets().empty());
}

TEST_F(IpPoolTest, AnAddressSetThatCannotBeIsSaidAndThePoolServesOn) {
  cluster.subnet("dual", {{"cidrBlock", "10.67.0.0/28,fd00:67::/120"}});
  settle();
  pool("p", {"10.67.0.4", "fd00:67::10"}, {}, "dual", true);
  EXPECT_TRUE(ready("p").starts_with("False ReconcileAddressSetFailed: IPPool p: spec.enableAddressSet: "))
      << ready("p");
  EXPECT_EQ(pod("a", {{kPool, "p"}}), "10.67.0.4,fd00:67::10");
  pool("1p", {"10.67.0.5"}, {}, "dual", true);
  EXPECT_NE(ready("1p").find("begins with a digit"), std::string::npos) << ready("1p");
  EXPECT_TRUE(cluster.world.address_sets().empty());
}

}  // namespace
}  // namespace berth::reconcile
