#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::Kind;

class NamespaceTest : public testing::Test {
 protected:
  std::string said(const std::string& key) const {
    return cluster.text(Kind::namespace_, "", "shop", {"metadata", "annotations", "ovn.kubernetes.io/" + key});
  }
  TestCluster cluster;
};

TEST_F(NamespaceTest, ListsAreParallelToTheSubnetsThatTheUserNames) {
  cluster.ns("shop", {{"ovn.kubernetes.io/logical_switch", "b,a"}});
  cluster.subnet("a", {{"cidrBlock", "10.66.0.0/24"}, {"excludeIps", {"10.66.0.9"}}, {"namespaces", {"shop"}}});
  cluster.settle();
  EXPECT_EQ(said("logical_switch"), "b,a") << "the user's word stays";
  EXPECT_EQ(said("cidr"), ";10.66.0.0/24") << "b is not there yet, and keeps its place";
  EXPECT_EQ(said("exclude_ips"), ";10.66.0.1,10.66.0.9");

  cluster.subnet("b", {{"cidrBlock", "10.67.0.0/24"}});
  cluster.settle();
  EXPECT_EQ(said("cidr"), "10.67.0.0/24;10.66.0.0/24") << "nothing but the Subnet changed";
}

TEST_F(NamespaceTest, FollowsItsClaims) {
  cluster.ns("shop");
  cluster.subnet("a", {{"cidrBlock", "10.66.0.0/24"}, {"namespaces", {"shop"}}});
  cluster.settle();
  EXPECT_EQ(said("logical_switch"), "a");
  cluster.edit(Kind::subnet, "", "a", {{"spec", {{"namespaces", api::JsonArray{}}}}});
  cluster.settle();
  EXPECT_EQ(said("logical_switch"), "") << "a Namespace that lost its last claim settles first";
  cluster.pass(std::chrono::seconds(10));
  cluster.settle();
  EXPECT_EQ(said("logical_switch"), "ovn-default");
}

}  // namespace
}  // namespace berth::reconcile
