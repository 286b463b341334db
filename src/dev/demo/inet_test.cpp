#include "dev/demo/inet.h"

#include <gtest/gtest.h>

namespace berth::dev {
namespace {

TEST(DemoInet, PrefixesContainTheirAddressesOnly) {
  const auto prefixes = parse_prefixes("10.90.1.7/24,fd00:1::/64, nonsense, 10.0.0.0/33");
  ASSERT_EQ(prefixes.size(), 2U);
  EXPECT_TRUE(inside("10.90.1.0", prefixes));
  EXPECT_TRUE(inside("10.90.1.255", prefixes));
  EXPECT_FALSE(inside("10.90.2.0", prefixes));
  EXPECT_FALSE(inside("10.90.0.255", prefixes));
  EXPECT_TRUE(inside("fd00:1::ffff", prefixes));
  EXPECT_FALSE(inside("fd00:1:0:1::", prefixes));
  EXPECT_FALSE(inside("", prefixes));
  EXPECT_FALSE(inside("10.90.1", prefixes));
}

TEST(DemoInet, NextCarries) {
  EXPECT_EQ(Inet::parse("10.0.0.255")->next().to_string(), "10.0.1.0");
  EXPECT_EQ(Inet::parse("fd00::ffff")->next().to_string(), "fd00::1:0");
}

TEST(DemoInet, RoomIsWhatNothingExcludes) {
  const Prefix prefix = *Prefix::parse("10.1.0.0/29");
  EXPECT_TRUE(has_room(prefix, {}));
  EXPECT_FALSE(has_room(prefix, {"10.1.0.1..10.1.0.6"}));
  EXPECT_TRUE(has_room(prefix, {"10.1.0.1..10.1.0.5"}));
  EXPECT_FALSE(has_room(prefix, {"10.1.0.1", "10.1.0.2..10.1.0.5", "10.1.0.6"}));
  EXPECT_FALSE(has_room(*Prefix::parse("10.1.0.0/32"), {}));
  EXPECT_TRUE(has_room(*Prefix::parse("fd00::/64"), {"fd00::1"}));
}

}  // namespace
}  // namespace berth::dev
