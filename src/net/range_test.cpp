#include "net/range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "net/generators.h"

namespace berth::net {
namespace {

using ::testing::HasSubstr;

TEST(Range, ReadsAndWrites) {
  struct Row {
    const char* text;
    const char* canonical;
  };
  const Row rows[] = {
      {"10.0.0.1", "10.0.0.1"},
      {"10.0.0.1..10.0.0.1", "10.0.0.1"},
      {"10.0.0.1..10.0.0.9", "10.0.0.1..10.0.0.9"},
      {"FD00::1..fd00::00ff", "fd00::1..fd00::ff"},
  };
  for (const auto& row : rows) {
    const auto range = Range::parse(row.text);
    ASSERT_TRUE(range) << range.error().message;
    EXPECT_EQ(range->to_string(), row.canonical);
    EXPECT_EQ(Range::parse_with_cidr(row.text), range);
  }
}

TEST(Range, ReadsACidrOnlyWhereThatIsTheNotation) {
  EXPECT_EQ(Range::parse_with_cidr("10.0.0.5/28")->to_string(), "10.0.0.0..10.0.0.15");
  EXPECT_EQ(Range::parse_with_cidr("fd00::/128")->to_string(), "fd00::");
  EXPECT_FALSE(Range::parse("10.0.0.0/28"));
  EXPECT_FALSE(Range::parse_with_cidr("10.0.0.0/28..10.0.0.20"));
}

TEST(Range, RefusesWithTheValueAndTheReason) {
  struct Row {
    const char* text;
    const char* reason;
  };
  const Row rows[] = {
      {"", "it is empty"},
      {"10.0.0.9..10.0.0.1", "it is reversed"},
      {"10.0.0.1..fd00::1", "it mixes IPv4 and IPv6"},
      {"10.0.0.1..", "it is empty"},
      {"..10.0.0.1", "it is empty"},
      {"10.0.0.1-10.0.0.9", "four numbers"},
      {"10.0.0.1...10.0.0.9", "is not an IP address"},
      {"10.0.0.1..10.0.0.5..10.0.0.9", "is not an IP address"},
      {"10.0.0.1 ..10.0.0.9", "\"1 \" is not a decimal number"},
  };
  for (const auto& row : rows) {
    const auto range = Range::parse(row.text);
    ASSERT_FALSE(range) << row.text;
    EXPECT_EQ(range.error().code, ErrorCode::invalid);
    EXPECT_THAT(range.error().message, HasSubstr(std::string("\"") + row.text + "\" is not an address range"));
    EXPECT_THAT(range.error().message, HasSubstr(row.reason));
  }
}

RC_GTEST_PROP(RangeProperty, TextRoundTrips, ()) {
  const auto range = *any_range();
  RC_ASSERT(Range::parse(range.to_string()) == range);
}

}  // namespace
}  // namespace berth::net
