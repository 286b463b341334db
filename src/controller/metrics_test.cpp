#include "controller/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "api/subnet.h"

namespace berth::controller {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, TextHoldsEveryValueUnderItsName) {
  Metrics metrics;
  metrics.counters = {.missed_wakeups = 1,
                      .wrong_subnet_prevented = 2,
                      .wrong_subnet_delivered = 3,
                      .bound = 4,
                      .rebound = 5,
                      .released = 6,
                      .quarantined = 7,
                      .misplaced = 8};
  metrics.waiting = 9;
  metrics.displaced = 10;
  metrics.epoch = 11;
  metrics.leader = true;
  metrics.subnets = {
      {.name = "web", .protocol = "Dual", .cidr = "10.1.0.0/16,fd00::/64", .available = 65531, .used = 2}};
  const std::string text = to_text(metrics);
  for (const auto* line : {
           "\nberth_missed_wakeups_total 1\n",
           "\nberth_wrong_subnet_prevented_total 2\n",
           "\nberth_wrong_subnet_delivered_total 3\n",
           "\nberth_pods_bound_total 4\n",
           "\nberth_pods_rebound_total 5\n",
           "\nberth_addresses_released_total 6\n",
           "\nberth_addresses_quarantined_total 7\n",
           "\nberth_pods_waiting 9\n",
           "\nberth_pods_displaced 10\n",
           "\nberth_epoch 11\n",
           "\nberth_leader 1\n",
           "# TYPE berth_pods_bound_total counter\n",
           "# TYPE berth_pods_waiting gauge\n",
           "\nsubnet_available_ip_count{subnet_name=\"web\",protocol=\"Dual\",subnet_cidr=\"10.1.0.0/16,fd00::/64\"} "
           "65531\n",
           "\nsubnet_used_ip_count{subnet_name=\"web\",protocol=\"Dual\",subnet_cidr=\"10.1.0.0/16,fd00::/64\"} 2\n",
       }) {
    EXPECT_THAT("\n" + text, HasSubstr(line));
  }
}

TEST(MetricsTest, WhoDoesNotLeadSaysSo) {
  const std::string text = to_text({});
  EXPECT_THAT(text, HasSubstr("\nberth_leader 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("subnet_name")));
}

TEST(MetricsTest, CountersOfEarlierLeadershipsGoOn) {
  const world::Counters before{.missed_wakeups = 1,
                               .wrong_subnet_prevented = 2,
                               .wrong_subnet_delivered = 3,
                               .bound = 4,
                               .rebound = 5,
                               .released = 6,
                               .quarantined = 7,
                               .misplaced = 8};
  const auto sum = before + before;
  EXPECT_EQ(sum.missed_wakeups, 2U);
  EXPECT_EQ(sum.wrong_subnet_prevented, 4U);
  EXPECT_EQ(sum.wrong_subnet_delivered, 6U);
  EXPECT_EQ(sum.bound, 8U);
  EXPECT_EQ(sum.rebound, 10U);
  EXPECT_EQ(sum.released, 12U);
  EXPECT_EQ(sum.quarantined, 14U);
  EXPECT_EQ(sum.misplaced, 16U);
}

TEST(MetricsTest, SubnetsAreCountedByTheirAllocators) {
  world::World world({});
  const auto object =
      boost::json::parse(R"({"apiVersion": "kubeovn.io/v1", "kind": "Subnet", "metadata": {"name": "web", "uid": "u",
      "resourceVersion": "5"}, "spec": {"cidrBlock": "10.1.0.0/24,fd00::/120", "protocol": "Dual"}})");
  world.upsert(api::Kind::subnet, object.as_object());
  world.counters.bound = 3;

  Metrics unready;
  collect(world, unready);
  EXPECT_TRUE(unready.subnets.empty()) << "nothing is in force yet";

  const auto plan = api::plan_subnet(*world.subnets().find("web"));
  ASSERT_TRUE(plan) << plan.error().message;
  world.set_subnet_state("web", {.ready = true, .unready = "", .in_force = *plan});
  world.configure_allocator(
      "web",
      {.name = "web", .cidrs = plan->cidrs, .gateways = plan->gateways, .excludes = plan->excludes, .gateway_mac = {}});
  Random random(1);
  ASSERT_TRUE(world.acquire("web", {.owner = "a", .wanted = {}, .only = {}, .mac = {}, .pool = ""}, random));
  ASSERT_TRUE(
      world.acquire("web", {.owner = "b", .wanted = {}, .only = net::Family::v4, .mac = {}, .pool = ""}, random));

  Metrics metrics;
  metrics.counters.bound = 10;
  collect(world, metrics);
  EXPECT_EQ(metrics.counters.bound, 13U);
  ASSERT_EQ(metrics.subnets.size(), 1U);
  const SubnetMetrics& web = metrics.subnets.front();
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.protocol, "Dual");
  EXPECT_EQ(web.cidr, "10.1.0.0/24,fd00::/120");
  EXPECT_EQ(web.used, 2U);
  EXPECT_EQ(web.available, 251U) << "256 without network, broadcast, gateway and two pods";
  ASSERT_EQ(metrics.ipam_info.size(), 2U) << "one for each family";
  EXPECT_THAT(to_text(metrics), HasSubstr("subnet_ipam_info{subnet_name=\"web\",cidr=\"fd00::/120\",free=\"\","
                                          "reserved=\"fd00::1\",available=\"\",using=\"\"} 1"));
  EXPECT_THAT(to_text(metrics), Not(HasSubstr("subnet_ip_assign_info"))) << "a series for each address";
}

// A double has 53 bits: one pod less in a /64 is not to be seen in the text, but nothing wraps round.
TEST(MetricsTest, CountersBeyondSixtyFourBits) {
  world::World world({});
  const auto object =
      boost::json::parse(R"({"apiVersion": "kubeovn.io/v1", "kind": "Subnet", "metadata": {"name": "web", "uid": "u",
      "resourceVersion": "5"}, "spec": {"cidrBlock": "fd00::/48", "protocol": "IPv6"}})");
  world.upsert(api::Kind::subnet, object.as_object());
  const auto plan = api::plan_subnet(*world.subnets().find("web"));
  ASSERT_TRUE(plan) << plan.error().message;
  world.set_subnet_state("web", {.ready = true, .unready = "", .in_force = *plan});
  world.configure_allocator(
      "web",
      {.name = "web", .cidrs = plan->cidrs, .gateways = plan->gateways, .excludes = plan->excludes, .gateway_mac = {}});
  Random random(1);
  ASSERT_TRUE(world.acquire("web", {.owner = "a", .wanted = {}, .only = {}, .mac = {}, .pool = ""}, random));

  Metrics metrics;
  collect(world, metrics);
  ASSERT_EQ(metrics.subnets.size(), 1U);
  EXPECT_EQ(net::to_string(metrics.subnets.front().available), "1208925819614629174706172");
  EXPECT_EQ(metrics.subnets.front().used, 1U);
  EXPECT_THAT(to_text(metrics), HasSubstr("subnet_cidr=\"fd00::/48\"} 1.208925819614629"));
}

}  // namespace
}  // namespace berth::controller
