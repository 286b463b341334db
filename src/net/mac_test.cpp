#include "net/mac.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "net/generators.h"

namespace berth::net {
namespace {

using ::testing::HasSubstr;

TEST(Mac, ReadsBothSeparatorsAndAnyCase) {
  for (const char* text : {"0a:1b:2c:3d:4e:5f", "0A:1B:2C:3D:4E:5F", "0a-1b-2c-3d-4e-5f", "0A-1b-2C-3d-4E-5f"}) {
    const auto mac = Mac::parse(text);
    ASSERT_TRUE(mac) << text;
    EXPECT_EQ(mac->bits(), 0x0A1B'2C3D'4E5FULL);
    EXPECT_EQ(mac->to_string(), "0a:1b:2c:3d:4e:5f");
  }
}

TEST(Mac, RefusesWithTheValueAndWhatIsExpected) {
  for (const char* text : {"", "0a:1b:2c:3d:4e", "0a:1b:2c:3d:4e:5", "0a:1b:2c:3d:4e:5f:60", "0a1b2c3d4e5f",
                           "0a1b.2c3d.4e5f", "0a:1b-2c:3d-4e:5f", "0g:1b:2c:3d:4e:5f", " a:1b:2c:3d:4e:5f",
                           "0a:1b:2c:3d:4e:5f ", "0a:1b:2c:3d:4e:-f", "0a.1b.2c.3d.4e.5f"}) {
    const auto mac = Mac::parse(text);
    ASSERT_FALSE(mac) << text;
    EXPECT_THAT(mac.error().message, HasSubstr(std::string("\"") + text + "\" is not a MAC address: expected six"));
  }
}

TEST(Mac, KnowsNoneAndMulticast) {
  EXPECT_TRUE(Mac().is_none());
  EXPECT_EQ(Mac().to_string(), "00:00:00:00:00:00");
  EXPECT_FALSE(Mac(1).is_none());
  EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_FALSE(Mac::parse("02:00:5e:00:00:01")->is_multicast());
  EXPECT_EQ(Mac(0xFFFF'0000'0000'0001ULL), Mac(1));
}

bool locally_administered_unicast(const Mac& mac) { return (mac.bits() >> 40 & 3) == 2; }

TEST(Mac, DerivedIsStableAndSpread) {
  EXPECT_EQ(Mac::derived_from("ovn-cluster-ovn-default"), Mac::derived_from("ovn-cluster-ovn-default"));
  std::set<Mac> seen;
  for (int i = 0; i < 10'000; ++i) {
    const auto mac = Mac::derived_from("router-subnet-" + std::to_string(i));
    EXPECT_TRUE(locally_administered_unicast(mac)) << mac.to_string();
    seen.insert(mac);
  }
  EXPECT_EQ(seen.size(), 10'000U);
  // Another value here would give every router port of a running cluster a new MAC on upgrade.
  EXPECT_EQ(Mac::derived_from("ovn-cluster-ovn-default").to_string(), "b2:b5:0e:c2:8e:31");
}

RC_GTEST_PROP(MacProperty, TextRoundTrips, ()) {
  const auto mac = *any_mac();
  RC_ASSERT(Mac::parse(mac.to_string()) == mac);
}

RC_GTEST_PROP(MacProperty, RandomIsLocalUnicastAndFollowsTheSeed, (std::uint64_t seed)) {
  Random a(seed);
  Random b(seed);
  const auto mac = Mac::random(a);
  RC_ASSERT(locally_administered_unicast(mac));
  RC_ASSERT(mac == Mac::random(b));
  RC_ASSERT(mac != Mac::random(a));
}

}  // namespace
}  // namespace berth::net
