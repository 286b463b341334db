#include "api/ip_pool.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

IpPool pool_of(std::vector<std::string> ips) {
  IpPool pool;
  pool.meta.name = "p";
  pool.subnet = "web";
  pool.ips = std::move(ips);
  return pool;
}

TEST(IpPool, EntriesOfAllFormsAndBothFamiliesAreMerged) {
  const auto ranges = plan_ip_pool(pool_of({"fd00::10..fd00::1f", "10.0.0.9", "10.0.0.4/30", "10.0.0.8", "fd00::20"}));
  ASSERT_TRUE(ranges) << ranges.error().message;
  EXPECT_EQ(to_string(*ranges), "10.0.0.4..10.0.0.9,fd00::10..fd00::20");
  EXPECT_EQ(parse_ranges(to_string(*ranges)), *ranges);
}

TEST(IpPool, ABadEntryIsRefusedWithFieldValueAndRemedy) {
  for (const char* text : {"10.0.0.9..10.0.0.4", "10.0.0.300", "10.0.0.4..fd00::1", "", "10.0.0.0/33", "a..b..c"}) {
    const auto ranges = plan_ip_pool(pool_of({"10.0.0.1", text}));
    ASSERT_FALSE(ranges) << text;
    EXPECT_TRUE(ranges.error().message.starts_with("IPPool p: spec.ips \"" + std::string(text) + "\": "))
        << ranges.error().message;
  }
  EXPECT_FALSE(plan_ip_pool(pool_of({})));
}

TEST(IpPool, AddressSetsListTheFewestBlocks) {
  const auto entries = [](const char* text) { return join(address_set_entries(parse_ranges(text)), " "); };
  EXPECT_EQ(entries("10.0.0.5"), "10.0.0.5");
  EXPECT_EQ(entries("10.0.0.4..10.0.0.7"), "10.0.0.4/30");
  EXPECT_EQ(entries("10.0.0.1..10.0.0.8"), "10.0.0.1 10.0.0.2/31 10.0.0.4/30 10.0.0.8");
  EXPECT_EQ(entries("255.255.255.254..255.255.255.255"), "255.255.255.254/31");
  EXPECT_EQ(entries("fd00::..fd00::ffff,fd00::1:0"), "fd00::/112 fd00::1:0");
  EXPECT_EQ(entries("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe..ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
}

TEST(IpPool, AnAddressSetHasDotsForDashesAndNoDigitInFront) {
  IpPool pool = pool_of({"10.0.0.1"});
  pool.meta.name = "my-pool-1";
  EXPECT_EQ(*address_set_name(pool), "my.pool.1");
  pool.meta.name = "1-pool";
  EXPECT_FALSE(address_set_name(pool));
}

}  // namespace
}  // namespace berth::api
