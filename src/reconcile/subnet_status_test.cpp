#include "reconcile/subnet_status.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "reconcile/test_cluster.h"

namespace berth::reconcile {
namespace {

using api::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

const api::JsonObject& status_of(const TestCluster& cluster, const std::string& subnet) {
  return *api::find_object(*cluster.find(Kind::subnet, "", subnet), {"status"});
}
double number(const TestCluster& cluster, const std::string& subnet, std::string_view field) {
  return status_of(cluster, subnet).at(field).to_number<double>();
}

// How many addresses a text such as "10.66.0.2-10.66.0.4,10.66.0.6" names.
double named_by(const std::string& text) {
  net::Uint128 named = 0;
  for (const std::string& range : api::split_list(text)) {
    const auto dash = range.find('-');
    const auto first = net::Address::parse(range.substr(0, dash));
    const auto last = dash == std::string::npos ? first : net::Address::parse(range.substr(dash + 1));
    EXPECT_TRUE(first && last) << range;
    if (first && last) named += last->bits() - first->bits() + 1;
  }
  return static_cast<double>(named);
}

// Looks at everything again for five seconds.
void look_again(TestCluster& cluster) {
  for (int i = 0; i < 5; ++i) {
    cluster.pass(seconds(1));
    cluster.settle();
  }
}

// What a server may make of a number that JSON cannot carry exactly.
struct Spelling {
  const char* cidr;
  const char* of_server;
};
class BeyondSixtyFourBits : public testing::TestWithParam<Spelling> {};

TEST_P(BeyondSixtyFourBits, AreNearInStatusAndWrittenOnce) {
  TestCluster cluster;
  cluster.ns("shop");
  cluster.subnet("web", {{"cidrBlock", GetParam().cidr}, {"namespaces", {"shop"}}});
  cluster.pod("shop", "a");
  cluster.settle();
  look_again(cluster);
  EXPECT_EQ(number(cluster, "web", "v6usingIPs"), 1);
  const double available = number(cluster, "web", "v6availableIPs");
  EXPECT_EQ(available, boost::json::parse(GetParam().of_server).to_number<double>());
  EXPECT_EQ(available, static_cast<double>(cluster.world.allocator("web")->counts(net::Family::v6).available));

  cluster.edit(Kind::subnet, "", "web", {{"status", {{"v6availableIPs", boost::json::parse(GetParam().of_server)}}}});
  const std::size_t writes = cluster.writes;
  look_again(cluster);
  EXPECT_EQ(cluster.writes, writes) << "another spelling of the same number is no change";
}

INSTANTIATE_TEST_SUITE_P(Cidrs, BeyondSixtyFourBits,
                         testing::Values(Spelling{"fd00:66::/72", "72057594037927940"},
                                         Spelling{"fd00:66::/65", "9223372036854776000"},
                                         Spelling{"fd00:66::/64", "18446744073709552000"},
                                         Spelling{"fd00:66::/64", "1.8446744073709552e+19"},
                                         Spelling{"fd00:66::/48", "1.2089258196146292e+24"}));

// Counters and ranges are of one moment, and wait for their second together.
TEST(SubnetStatus, CountersAndRangesAreOfOneSnapshot) {
  TestCluster cluster;
  cluster.ns("shop");
  cluster.subnet("web", {{"cidrBlock", "10.66.0.0/29,fd00:66::/125"}, {"namespaces", {"shop"}}});
  cluster.settle();
  look_again(cluster);
  const std::size_t writes = cluster.writes;
  look_again(cluster);
  ASSERT_EQ(cluster.writes, writes) << "nothing changed";
  const auto agrees = [&] {
    const api::JsonObject& status = status_of(cluster, "web");
    for (const std::string of : {"v4using", "v4available", "v6using", "v6available"}) {
      EXPECT_EQ(named_by(api::string_at(status, {of + "IPrange"})), number(cluster, "web", of + "IPs")) << of;
    }
  };
  for (const char* name : {"a", "b", "c"}) {
    cluster.pod("shop", name);
    cluster.settle();
    cluster.pass(milliseconds(300));
    cluster.settle();
    agrees();
  }
  look_again(cluster);
  agrees();
  EXPECT_EQ(number(cluster, "web", "v4usingIPs"), 3);
  EXPECT_EQ(number(cluster, "web", "v6availableIPs"), 2);
}

}  // namespace
}  // namespace berth::reconcile
