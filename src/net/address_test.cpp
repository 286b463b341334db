#include "net/address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "net/generators.h"

namespace berth::net {
namespace {

using ::testing::HasSubstr;

Address from_bytes(const std::array<unsigned char, 16>& bytes) {
  Uint128 bits = 0;
  for (const auto byte : bytes) bits = bits << 8 | byte;
  return Address(Family::v6, bits);
}

TEST(Address, ReadsAndWrites) {
  struct Row {
    const char* text;
    const char* canonical;
  };
  const Row rows[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"10.16.0.2", "10.16.0.2"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"fd00::2", "fd00::2"},
      {"FD00:0010:16::000A", "fd00:10:16::a"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
      {"::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"1:2:3::5:6:7:8", "1:2:3:0:5:6:7:8"},
      {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
      {"::FFFF:a00:1", "::ffff:10.0.0.1"},
      {"::10.0.0.1", "::a00:1"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:255.255.255.255", "1:2:3:4:5:6:ffff:ffff"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& row : rows) {
    const auto parsed = Address::parse(row.text);
    ASSERT_TRUE(parsed) << row.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->to_string(), row.canonical) << row.text;
  }
}

TEST(Address, RefusesWithTheValueAndTheReason) {
  struct Row {
    const char* text;
    const char* reason;
  };
  const Row rows[] = {
      {"", "it is empty"},
      {"ten", "neither '.' nor ':'"},
      {"10", "neither '.' nor ':'"},
      {"10.0.0", "four numbers"},
      {"10.0.0.0.1", "four numbers"},
      {"10.0.0.256", "\"256\" is above 255"},
      {"10.0.0.99999999999999999999", "is above 255"},
      {"10.0.0.01", "\"01\" has a leading zero"},
      {"10.0.0.", "\"\" is not a decimal number"},
      {".0.0.1", "\"\" is not a decimal number"},
      {"10.0.0.-1", "\"-1\" is not a decimal number"},
      {" 10.0.0.1", "\" 10\" is not a decimal number"},
      {"10.0.0.1 ", "\"1 \" is not a decimal number"},
      {"10.0.0.1/24", "\"1/24\" is not a decimal number"},
      {"10.0.0.1\n", "\"1\\n\" is not a decimal number"},
      {":", "not a group"},
      {":::", "not a group"},
      {"1::2::3", "not a group"},
      {"1:2:3:4:5:6:7", "has eight groups"},
      {"1:2:3:4:5:6:7:8:9", "at most eight groups"},
      {"1:2:3:4::5:6:7:8", "stands for at least one group"},
      {"::1:2:3:4:5:6:7:8", "stands for at least one group"},
      {"1:2:3:4:5:6:7:8:", "ends with a single ':'"},
      {"fd00::1:", "ends with a single ':'"},
      {":1:2:3:4:5:6:7", "not a group"},
      {"fd00::12345", "\"12345\" is not a group"},
      {"fd00::g", "\"g\" is not a group"},
      {"fe80::1%eth0", "\"1%eth0\" is not a group"},
      {"fd00::1/64", "\"1/64\" is not a group"},
      {"[fd00::1]", "not a group"},
      {"::10.0.0", "four numbers"},
      {"::10.0.0.1:1", "not a group"},
      {"10.0.0.1::", "not a group"},
      {"1:2:3:4:5:6:7:10.0.0.1", "at most eight groups"},
  };
  for (const auto& row : rows) {
    const auto parsed = Address::parse(row.text);
    ASSERT_FALSE(parsed) << row.text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(row.reason)) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr("is not an IP address")) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr("expected IPv4 such as")) << row.text;
  }
}

TEST(Address, LongInputIsCutInTheMessage) {
  const auto parsed = Address::parse(std::string(100'000, 'x'));
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().message.size(), 400U);
  EXPECT_THAT(parsed.error().message, HasSubstr("and 99920 more bytes"));
}

TEST(Address, AnyBytesCanBeShownInTheMessage) {
  struct Row {
    std::string_view text;
    const char* shown;
  };
  const Row rows[] = {
      {"0\xe4\xe4\xe4"
       "0",
       R"("0\xe4\xe4\xe40")"},  // not UTF-8
      {std::string_view("a\0b", 3), R"("a\x00b")"},
      {"\"\\\n\t\x7f", R"("\"\\\n\t\x7f")"},
  };
  for (const auto& row : rows) {
    const auto parsed = Address::parse(row.text);
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().message, HasSubstr(row.shown));
  }
}

TEST(Address, OrdersByFamilyThenNumber) {
  const auto a = [](const char* text) { return *Address::parse(text); };
  EXPECT_LT(a("9.0.0.0"), a("10.0.0.0"));
  EXPECT_LT(a("255.255.255.255"), a("::"));
  EXPECT_LT(a("fd00::ffff:ffff:ffff:ffff"), a("fd00:0:0:1::"));
  EXPECT_NE(a("0.0.0.1"), a("::1"));
}

TEST(Address, CountsBeyondSixtyFourBits) {
  EXPECT_EQ(to_string(Uint128{0}), "0");
  EXPECT_EQ(to_string(Uint128{1} << 64), "18446744073709551616");
  EXPECT_EQ(to_string(~Uint128{0}), "340282366920938463463374607431768211455");
}

RC_GTEST_PROP(AddressProperty, TextRoundTrips, ()) {
  const auto address = *any_address();
  const auto parsed = Address::parse(address.to_string());
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == address);
}

// The C library writes IPv4-compatible addresses ("::1.2.3.4") differently, which RFC 4291 deprecates.
RC_GTEST_PROP(AddressProperty, WritesIpv6AsTheCLibraryDoes, ()) {
  const auto address = *any_address(Family::v6);
  RC_PRE(address.bits() >> 32 != 0);
  std::array<unsigned char, 16> bytes;
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = static_cast<unsigned char>(address.bits() >> (120 - 8 * i));
  std::array<char, INET6_ADDRSTRLEN> text;
  RC_ASSERT(inet_ntop(AF_INET6, bytes.data(), text.data(), text.size()) != nullptr);
  RC_ASSERT(address.to_string() == std::string(text.data()));
}

// An address in one of its notations, then damaged in up to three places.
std::string nearly_an_address() {
  const auto address = *any_address();
  std::string text = address.to_string();
  if (!address.is_v4() && *rc::gen::arbitrary<bool>()) {
    text.clear();
    for (int shift = 112; shift >= 0; shift -= 16) {
      text += (text.empty() ? "" : ":") + to_string(address.bits() >> shift & 0xFFF);
    }
  }
  const int damages = *rc::gen::inRange(0, 4);
  for (int i = 0; i < damages; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
    const auto with = *rc::gen::element<std::string>("", ":", "::", ".", "0", "9", "fF", "g", " ", "10.0.0.1");
    text.replace(at, *rc::gen::inRange<std::size_t>(0, 3), with);
  }
  return text;
}

RC_GTEST_PROP(AddressProperty, AcceptsExactlyWhatTheCLibraryAccepts, ()) {
  const auto text = nearly_an_address();
  std::array<unsigned char, 16> v6;
  std::array<unsigned char, 4> v4;
  const auto parsed = Address::parse(text);
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) {
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == from_bytes(v6));
  } else if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1) {
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(parsed->bits() == from_bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, v4[0], v4[1], v4[2], v4[3]}).bits());
  } else {
    RC_ASSERT(!parsed.has_value());
  }
}

}  // namespace
}  // namespace berth::net
