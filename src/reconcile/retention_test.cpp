#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::Kind;
using std::chrono::seconds;

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    cluster.ns("shop");
    cluster.subnet("web", {{"cidrBlock", "10.66.0.0/28"}, {"namespaces", {"shop"}}});
    cluster.settle();
    cluster.pass(seconds(10));
  }
  // As a person writes it.
  void ip(const std::string& name, api::JsonObject spec, api::JsonObject labels = {}) {
    cluster.put(Kind::ip, "", name, {{"metadata", {{"labels", std::move(labels)}}}, {"spec", std::move(spec)}});
    cluster.settle();
  }
  static api::JsonObject wish(const std::string& address, const std::string& pod = "a") {
    return {{"subnet", "web"}, {"podName", pod}, {"namespace", "shop"}, {"v4IpAddress", address}};
  }
  void pod(const std::string& name, const std::map<std::string, std::string>& annotations = {}) {
    cluster.pod("shop", name, annotations);
    cluster.settle();
  }
  void drop(const std::string& name) {
    cluster.remove(Kind::pod, "shop", name);
    cluster.settle();
  }
  std::string address(const std::string& name) const { return cluster.address("shop", name); }
  std::string spec(const std::string& name, std::string_view field) const {
    return cluster.text(Kind::ip, "", name, {"spec", field});
  }
  std::string owner(const std::string& name) const {
    return cluster.text(Kind::ip, "", name, {"metadata", "annotations", "berth.io/owner"});
  }
  std::string label(const std::string& name) const {
    return cluster.text(Kind::ip, "", name, {"metadata", "labels", "ovn.kubernetes.io/ip_reserved"});
  }
  bool exists(const std::string& name) const { return cluster.find(Kind::ip, "", name) != nullptr; }
  std::string event(const std::string& object, const std::string& reason) const {
    const auto all = cluster.events_of(object, reason);
    return all.empty() ? "" : all.back();
  }

  TestCluster cluster;
};

TEST_F(RetentionTest, AnIpObjectMadeByHandKeepsItsAddressForThePodOfItsName) {
  ip("a.shop", wish("10.66.0.2"));
  EXPECT_EQ(owner("a.shop"), "reserved");
  EXPECT_EQ(label("a.shop"), "true");
  EXPECT_EQ(spec("a.shop", "ipAddress"), "10.66.0.2");
  EXPECT_FALSE(spec("a.shop", "macAddress").empty());
  pod("b");
  EXPECT_EQ(address("b"), "10.66.0.3") << "what is kept for a is drawn by nobody";
  pod("a");
  EXPECT_EQ(address("a"), "10.66.0.2");
  EXPECT_EQ(owner("a.shop").substr(0, 4), "pod/");
  EXPECT_EQ(label("a.shop"), "true");
}

TEST_F(RetentionTest, ItStaysWhenThePodGoesAndServesTheNext) {
  ip("a.shop", wish("10.66.0.7"));
  pod("a");
  const std::string mac = spec("a.shop", "macAddress");
  drop("a");
  ASSERT_TRUE(exists("a.shop"));
  EXPECT_EQ(owner("a.shop"), "reserved");
  EXPECT_EQ(spec("a.shop", "ipAddress"), "10.66.0.7");
  EXPECT_TRUE(cluster.world.ports().find("a.shop") == cluster.world.ports().end()) << "no port without a pod";
  pod("a");
  EXPECT_EQ(address("a"), "10.66.0.7");
  EXPECT_EQ(spec("a.shop", "macAddress"), mac);
}

TEST_F(RetentionTest, WithTheLabelSetToFalseItGoesWithItsPod) {
  ip("a.shop", wish("10.66.0.7"));
  pod("a");
  cluster.edit(Kind::ip, "", "a.shop", {{"metadata", {{"labels", {{"ovn.kubernetes.io/ip_reserved", "false"}}}}}});
  drop("a");
  EXPECT_FALSE(exists("a.shop"));
  ip("b.shop", wish("10.66.0.8", "b"));
  cluster.edit(Kind::ip, "", "b.shop", {{"metadata", {{"labels", {{"ovn.kubernetes.io/ip_reserved", "false"}}}}}});
  cluster.settle();
  EXPECT_FALSE(exists("b.shop")) << "and at once if there is no pod";
}

TEST_F(RetentionTest, DeletedWithoutAPodItGivesTheAddressBack) {
  ip("a.shop", wish("10.66.0.2"));
  cluster.remove(Kind::ip, "", "a.shop");
  cluster.settle();
  EXPECT_FALSE(exists("a.shop"));
  pod("b", {{"ovn.kubernetes.io/ip_address", "10.66.0.2"}});
  EXPECT_EQ(address("b"), "10.66.0.2");
}

TEST_F(RetentionTest, WithoutAnAddressOneIsDrawnAndWritten) {
  ip("a.shop", {{"subnet", "web"}, {"podName", "a"}, {"namespace", "shop"}});
  EXPECT_EQ(spec("a.shop", "v4IpAddress"), "10.66.0.2");
  pod("a");
  EXPECT_EQ(address("a"), "10.66.0.2");
}

TEST_F(RetentionTest, AMacIsKeptToo) {
  auto spec_of = wish("10.66.0.9");
  spec_of["macAddress"] = "00:00:00:53:6b:b6";
  ip("a.shop", spec_of);
  pod("a");
  EXPECT_EQ(cluster.text(Kind::pod, "shop", "a", {"metadata", "annotations", "ovn.kubernetes.io/mac_address"}),
            "00:00:00:53:6b:b6");
}

TEST_F(RetentionTest, ABadIpObjectIsToldAndHarmsNobody) {
  pod("b");
  ip("gateway.shop", wish("10.66.0.1", "gateway"));
  EXPECT_NE(event("gateway.shop", "AcquireAddressFailed").find("AddressConflict"), std::string::npos);
  ip("outside.shop", wish("10.67.0.9", "outside"));
  EXPECT_NE(event("outside.shop", "AcquireAddressFailed").find("AddressOutOfRange"), std::string::npos);
  ip("used.shop", wish("10.66.0.2", "used"));
  EXPECT_NE(event("used.shop", "AcquireAddressFailed").find("b.shop"), std::string::npos)
      << event("used.shop", "AcquireAddressFailed");
  ip("text.shop", wish("10.66.0.zz", "text"));
  EXPECT_NE(event("text.shop", "ValidateIPFailed").find("10.66.0.zz"), std::string::npos);
  ip("misnamed", wish("10.66.0.5", "c"));
  EXPECT_NE(event("misnamed", "ValidateIPFailed").find("must be named c.shop"), std::string::npos);
  auto typed = wish("10.66.0.6", "typed");
  typed["podType"] = "Deployment";
  ip("typed.shop", typed);
  EXPECT_NE(event("typed.shop", "ValidateIPFailed").find("podType"), std::string::npos);
  EXPECT_EQ(address("b"), "10.66.0.2");
  for (const char* name : {"gateway.shop", "outside.shop", "used.shop", "text.shop", "misnamed", "typed.shop"}) {
    EXPECT_TRUE(exists(name)) << name;
    EXPECT_EQ(owner(name), "") << name;
    cluster.settle();
    cluster.remove(Kind::ip, "", name);
    cluster.settle();
    EXPECT_FALSE(exists(name)) << name << " has no finalizer";
  }
  EXPECT_EQ(cluster.events_of("used.shop", "AcquireAddressFailed").size(), 1U) << "said once";
  pod("c");
  EXPECT_EQ(address("c"), "10.66.0.3");
}

TEST_F(RetentionTest, AnAddressInUseIsKeptAsSoonAsItIsGivenBack) {
  pod("b");
  ip("a.shop", wish("10.66.0.2"));
  EXPECT_EQ(owner("a.shop"), "");
  pod("a");
  EXPECT_EQ(address("a"), "") << "it asked for the address of another";
  EXPECT_NE(event("a", "AcquireAddressFailed").find("AddressConflict"), std::string::npos);
  drop("b");
  EXPECT_EQ(address("a"), "10.66.0.2");
}

TEST_F(RetentionTest, WaitsForItsSubnet) {
  ip("a.shop", {{"subnet", "late"}, {"podName", "a"}, {"namespace", "shop"}, {"v4IpAddress", "10.68.0.9"}});
  EXPECT_NE(event("a.shop", "WaitingForSubnet").find("late"), std::string::npos);
  cluster.subnet("late", {{"cidrBlock", "10.68.0.0/24"}, {"namespaces", {"shop"}}});
  cluster.settle();
  EXPECT_EQ(owner("a.shop"), "reserved");
  pod("a");
  EXPECT_EQ(address("a"), "10.68.0.9") << "of the Subnets of the namespace, the one of the reservation";
}

TEST_F(RetentionTest, ASubnetThatIsNotThePodsIsAContradictionInClearWords) {
  cluster.subnet("other", {{"cidrBlock", "10.68.0.0/24"}});
  ip("a.shop", {{"subnet", "other"}, {"podName", "a"}, {"namespace", "shop"}, {"v4IpAddress", "10.68.0.9"}});
  pod("a");
  EXPECT_EQ(address("a"), "");
  EXPECT_NE(event("a", "AcquireAddressFailed").find("IP a.shop reserves 10.68.0.9 of Subnet other for it"),
            std::string::npos);
  EXPECT_EQ(owner("a.shop"), "reserved");
  cluster.remove(Kind::ip, "", "a.shop");
  cluster.settle();
  EXPECT_EQ(address("a"), "10.66.0.2");
}

TEST_F(RetentionTest, AnAnnotationThatSaysOtherwiseIsAContradiction) {
  ip("a.shop", wish("10.66.0.9"));
  pod("a", {{"ovn.kubernetes.io/ip_address", "10.66.0.8"}});
  EXPECT_EQ(address("a"), "10.66.0.8") << "what the user wrote stands";
  EXPECT_NE(event("a", "AcquireAddressFailed").find("annotation ovn.kubernetes.io/ip_address says 10.66.0.8"),
            std::string::npos);
  EXPECT_EQ(owner("a.shop"), "reserved");
}

TEST_F(RetentionTest, ASubnetGoesAlthoughAddressesOfItAreReserved) {
  ip("a.shop", wish("10.66.0.9"));
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  EXPECT_EQ(cluster.find(Kind::subnet, "", "web"), nullptr);
  ASSERT_TRUE(exists("a.shop")) << "the object is the user's";
  cluster.subnet("web", {{"cidrBlock", "10.66.0.0/28"}, {"namespaces", {"shop"}}});
  cluster.settle();
  pod("a");
  EXPECT_EQ(address("a"), "10.66.0.9");
  drop("a");
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  cluster.remove(Kind::ip, "", "a.shop");
  cluster.settle();
  EXPECT_FALSE(exists("a.shop")) << "nothing is stuck without the Subnet";
}

TEST_F(RetentionTest, ASubnetMadeAnewElsewhereDoesNotFitAndSaysSo) {
  ip("a.shop", wish("10.66.0.9"));
  cluster.remove(Kind::subnet, "", "web");
  cluster.settle();
  cluster.subnet("web", {{"cidrBlock", "10.70.0.0/28"}, {"namespaces", {"shop"}}});
  cluster.settle();
  EXPECT_NE(event("a.shop", "AcquireAddressFailed").find("AddressOutOfRange"), std::string::npos);
  EXPECT_EQ(cluster.world.allocator("web")->lease_count(), 0U);
}

TEST_F(RetentionTest, LabelledByAPersonTheAddressOfARunningPodSurvivesIt) {
  pod("a");
  cluster.edit(Kind::ip, "", "a.shop", {{"metadata", {{"labels", {{"ovn.kubernetes.io/ip_reserved", "true"}}}}}});
  drop("a");
  EXPECT_EQ(owner("a.shop"), "reserved");
  pod("a");
  EXPECT_EQ(address("a"), "10.66.0.2");
  EXPECT_EQ(label("a.shop"), "true") << "the label outlives the second pod too";
}

TEST_F(RetentionTest, APodOfTheSameNameHasAnotherMac) {
  pod("a");
  const std::string mac = spec("a.shop", "macAddress");
  // Both happen while no controller looks.
  const std::string uid = cluster.text(Kind::pod, "shop", "a", {"metadata", "uid"});
  cluster.objects.erase({Kind::pod, "shop", "a"});
  cluster.pod("shop", "a");
  cluster.world.prove_gone("shop/a", uid);
  cluster.settle();
  EXPECT_FALSE(address("a").empty());
  EXPECT_NE(spec("a.shop", "macAddress"), mac);
  EXPECT_EQ(spec("a.shop", "macAddress"),
            cluster.text(Kind::pod, "shop", "a", {"metadata", "annotations", "ovn.kubernetes.io/mac_address"}));
  EXPECT_EQ(spec("a.shop", "ipAddress"), address("a"));
  EXPECT_EQ(cluster.world.ports().at("a.shop").mac.to_string(), spec("a.shop", "macAddress"));
}

}  // namespace
}  // namespace berth::reconcile
