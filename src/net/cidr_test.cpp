#include "net/cidr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "net/generators.h"

namespace berth::net {
namespace {

using ::testing::HasSubstr;

Cidr cidr(const char* text) { return *Cidr::parse(text); }
Address address(const char* text) { return *Address::parse(text); }

TEST(Cidr, KnowsItsBounds) {
  struct Row {
    const char* text;
    const char* canonical;
    const char* last;
    const char* first_usable;
    const char* last_usable;
  };
  const Row rows[] = {
      {"10.1.2.3/24", "10.1.2.0/24", "10.1.2.255", "10.1.2.1", "10.1.2.254"},
      {"10.0.0.0/8", "10.0.0.0/8", "10.255.255.255", "10.0.0.1", "10.255.255.254"},
      {"1.2.3.4/0", "0.0.0.0/0", "255.255.255.255", "0.0.0.1", "255.255.255.254"},
      {"10.1.2.7/30", "10.1.2.4/30", "10.1.2.7", "10.1.2.5", "10.1.2.6"},
      {"10.1.2.7/31", "10.1.2.6/31", "10.1.2.7", "10.1.2.6", "10.1.2.7"},
      {"10.1.2.7/32", "10.1.2.7/32", "10.1.2.7", "10.1.2.7", "10.1.2.7"},
      {"FD00::9/64", "fd00::/64", "fd00::ffff:ffff:ffff:ffff", "fd00::1", "fd00::ffff:ffff:ffff:fffe"},
      {"fd00::9/112", "fd00::/112", "fd00::ffff", "fd00::1", "fd00::fffe"},
      {"fd00::9/127", "fd00::8/127", "fd00::9", "fd00::8", "fd00::9"},
      {"fd00::9/128", "fd00::9/128", "fd00::9", "fd00::9", "fd00::9"},
      {"fd00::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
  };
  for (const auto& row : rows) {
    const auto parsed = Cidr::parse(row.text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->to_string(), row.canonical);
    EXPECT_EQ(parsed->last().to_string(), row.last) << row.text;
    EXPECT_EQ(parsed->first_usable().to_string(), row.first_usable) << row.text;
    EXPECT_EQ(parsed->last_usable().to_string(), row.last_usable) << row.text;
  }
}

TEST(Cidr, RefusesWithTheValueAndTheReason) {
  struct Row {
    const char* text;
    const char* reason;
  };
  const Row rows[] = {
      {"", "it has no prefix length"},
      {"10.0.0.0", "it has no prefix length"},
      {"10.0.0.0/", "prefix length \"\""},
      {"10.0.0.0/33", "prefix length \"33\"; expected a number from 0 to 32"},
      {"fd00::/129", "prefix length \"129\"; expected a number from 0 to 128"},
      {"10.0.0.0/-1", "prefix length \"-1\""},
      {"10.0.0.0/08", "prefix length \"08\""},
      {"10.0.0.0/ 8", "prefix length \" 8\""},
      {"10.0.0.0/8/8", "prefix length \"8/8\""},
      {"10.0.0.0/255.0.0.0", "prefix length \"255.0.0.0\""},
      {"10.0.0/8", "\"10.0.0\" is not an IP address"},
      {"/8", "it is empty"},
  };
  for (const auto& row : rows) {
    const auto parsed = Cidr::parse(row.text);
    ASSERT_FALSE(parsed) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(std::string("\"") + row.text + "\" is not a CIDR")) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(row.reason)) << row.text;
  }
}

TEST(Cidr, ListHoldsOnePerFamilyIpv4First) {
  const auto list = [](const char* text) { return Cidr::parse_list(text); };
  EXPECT_EQ(*list("10.0.0.0/8"), std::vector{cidr("10.0.0.0/8")});
  EXPECT_EQ(*list("fd00::/64"), std::vector{cidr("fd00::/64")});
  EXPECT_EQ(*list("10.0.0.0/8,fd00::/64"), (std::vector{cidr("10.0.0.0/8"), cidr("fd00::/64")}));
  EXPECT_EQ(*list("fd00::/64,10.0.0.0/8"), (std::vector{cidr("10.0.0.0/8"), cidr("fd00::/64")}));
  EXPECT_THAT(list("10.0.0.0/8,11.0.0.0/8").error().message, HasSubstr("both are IPv4"));
  EXPECT_THAT(list("fd00::/64,fd01::/64").error().message, HasSubstr("both are IPv6"));
  EXPECT_THAT(list("10.0.0.0/8,fd00::/64,fd01::/64").error().message, HasSubstr("more than two parts"));
  EXPECT_THAT(list("10.0.0.0/8,").error().message, HasSubstr("\"\" is not a CIDR"));
  EXPECT_FALSE(list("10.0.0.0/8, fd00::/64"));
  EXPECT_FALSE(list(""));
}

TEST(Cidr, ContainsAndOverlaps) {
  EXPECT_TRUE(cidr("10.1.0.0/16").contains(address("10.1.255.255")));
  EXPECT_FALSE(cidr("10.1.0.0/16").contains(address("10.2.0.0")));
  EXPECT_FALSE(cidr("0.0.0.0/0").contains(address("::1")));
  EXPECT_FALSE(cidr("::/0").contains(address("0.0.0.1")));
  EXPECT_TRUE(cidr("10.1.0.0/16").contains(cidr("10.1.2.0/24")));
  EXPECT_FALSE(cidr("10.1.2.0/24").contains(cidr("10.1.0.0/16")));
  EXPECT_TRUE(cidr("10.1.2.0/24").overlaps(cidr("10.1.0.0/16")));
  EXPECT_FALSE(cidr("10.1.2.0/24").overlaps(cidr("10.1.3.0/24")));
  EXPECT_FALSE(cidr("0.0.0.0/0").overlaps(cidr("::/0")));
}

TEST(Cidr, WritesAnAddressWithItsPrefix) {
  EXPECT_EQ(with_prefix(address("10.16.0.1"), cidr("10.16.0.0/16")), "10.16.0.1/16");
  EXPECT_EQ(with_prefix(address("fd00::1"), cidr("fd00::/112")), "fd00::1/112");
}

RC_GTEST_PROP(CidrProperty, TextRoundTrips, ()) {
  const auto c = *any_cidr();
  RC_ASSERT(Cidr::parse(c.to_string()) == c);
}

RC_GTEST_PROP(CidrProperty, ContainsWhatLiesBetweenItsBounds, ()) {
  const auto c = *any_cidr();
  const auto near = *rc::gen::inRange(-3, 4);
  for (const auto& edge : {c.network(), c.last(), *any_address(c.family())}) {
    const Uint128 bits = edge.bits() + static_cast<Uint128>(near);
    const Address a(c.family(), c.family() == Family::v4 ? bits & 0xFFFF'FFFFU : bits);
    RC_ASSERT(c.contains(a) == (c.network() <= a && a <= c.last()));
    RC_ASSERT(c.contains(a) == Range::of(c).contains(a));
  }
}

RC_GTEST_PROP(CidrProperty, OverlapMeansOneContainsTheOthersNetwork, ()) {
  const auto a = *any_cidr();
  const auto b = Cidr(*rc::gen::oneOf(rc::gen::just(a.network()), any_address(a.family())),
                      *rc::gen::inRange(0, a.network().width() + 1));
  const bool expected = a.network() <= b.last() && b.network() <= a.last();
  RC_ASSERT(a.overlaps(b) == expected);
  RC_ASSERT(b.overlaps(a) == expected);
}

}  // namespace
}  // namespace berth::net
