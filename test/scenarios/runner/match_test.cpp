// What a scenario's expectation says of a value: mistakes here would let scenarios pass that prove nothing.

#include "scenarios/runner/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace berth::scenarios {
namespace {

using testing::HasSubstr;

std::optional<std::string> compare(std::string_view expected, std::string_view saw) {
  const json::value is = json::parse(saw);
  return mismatch(json::parse(expected), &is);
}

TEST(Match, AMapIsMatchedByTheKeysThatItNames) {
  EXPECT_FALSE(compare(R"({"a":{"b":1}})", R"({"a":{"b":1,"c":2},"d":3})"));
  EXPECT_THAT(compare(R"({"a":{"b":1}})", R"({"a":{"b":2}})").value_or(""), HasSubstr("a.b: expected 1, saw 2"));
  EXPECT_THAT(compare(R"({"a":{"b":1}})", R"({"a":{}})").value_or(""), HasSubstr("saw nothing"));
  EXPECT_TRUE(compare(R"({"a":{}})", R"({"a":"x"})"));
}

TEST(Match, NullMeansNotThere) {
  EXPECT_FALSE(compare(R"({"a":null})", R"({"b":1})"));
  EXPECT_FALSE(compare(R"({"a":null})", R"({"a":null})"));
  EXPECT_TRUE(compare(R"({"a":null})", R"({"a":""})"));
}

TEST(Match, AListIsMatchedItemByItem) {
  EXPECT_FALSE(compare(R"(["a",{"b":1}])", R"(["a",{"b":1,"c":2}])"));
  EXPECT_TRUE(compare(R"(["a","b"])", R"(["b","a"])"));
  EXPECT_TRUE(compare(R"(["a"])", R"(["a","b"])"));
  EXPECT_TRUE(compare(R"(["a"])", R"("a")"));
}

TEST(Match, Matchers) {
  EXPECT_FALSE(compare(R"({"$set":["a","b"]})", R"(["b","a"])"));
  EXPECT_TRUE(compare(R"({"$set":["a"]})", R"(["b","a"])"));
  EXPECT_TRUE(compare(R"({"$set":["a","a"]})", R"(["b","a"])"));
  EXPECT_FALSE(compare(R"({"$has":["a"]})", R"(["b","a"])"));
  EXPECT_TRUE(compare(R"({"$has":["c"]})", R"(["b","a"])"));
  EXPECT_FALSE(compare(R"({"$not":"a"})", R"("b")"));
  EXPECT_TRUE(compare(R"({"$not":"a"})", R"("a")"));
  EXPECT_FALSE(compare(R"({"$any":["a","b"]})", R"("b")"));
  EXPECT_TRUE(compare(R"({"$any":["a","b"]})", R"("c")"));
  EXPECT_FALSE(compare(R"({"$contains":["one","two"]})", R"("two and one")"));
  EXPECT_TRUE(compare(R"({"$contains":["one","three"]})", R"("two and one")"));
  EXPECT_TRUE(compare(R"({"$contains":"1"})", "1"));
  EXPECT_FALSE(compare(R"({"$matches":"a+"})", R"("aaa")"));
  EXPECT_TRUE(compare(R"({"$matches":"a+"})", R"("aab")"));
  EXPECT_FALSE(compare(R"({"$atLeast":2})", "2"));
  EXPECT_TRUE(compare(R"({"$atLeast":2})", "1"));
  EXPECT_FALSE(compare(R"({"$atMost":2})", "2"));
  EXPECT_TRUE(compare(R"({"$atMost":2})", R"("1")"));
  EXPECT_FALSE(compare(R"({"$count":2})", R"(["b","a"])"));
  EXPECT_TRUE(compare(R"({"$count":2})", R"(["b"])"));
  EXPECT_FALSE(compare(R"({"$in":"10.0.0.0/24"})", R"("10.0.0.7")"));
  EXPECT_TRUE(compare(R"({"$in":"10.0.0.0/24"})", R"("10.0.1.7")"));
  EXPECT_FALSE(compare(R"({"$in":["10.0.0.0/24","10.0.1.0/24"]})", R"("10.0.1.7")"));
}

TEST(Match, WhatIsNotThereFitsOnlyWhatAsksForNothing) {
  EXPECT_TRUE(mismatch("a", nullptr));
  EXPECT_TRUE(mismatch(json::parse(R"({"$contains":""})"), nullptr));
  EXPECT_TRUE(mismatch(json::parse(R"({"$in":"10.0.0.0/24"})"), nullptr));
  EXPECT_TRUE(mismatch(json::parse(R"({"$atMost":5})"), nullptr));
  EXPECT_FALSE(mismatch(nullptr, nullptr));
  EXPECT_FALSE(mismatch(json::parse(R"({"$not":"a"})"), nullptr));
}

TEST(Match, AReferenceIsFollowedWhereAMapIsExpected) {
  const json::object row{{"name", "x"}};
  const Resolve resolve = [&](std::string_view uuid) { return uuid == "u" ? &row : nullptr; };
  const json::value one("u");
  EXPECT_FALSE(mismatch(json::parse(R"({"name":"x"})"), &one, resolve));
  EXPECT_FALSE(mismatch(json::parse(R"([{"name":"x"}])"), &one, resolve));
  EXPECT_TRUE(mismatch(json::parse(R"({"name":"y"})"), &one, resolve));
  const json::value other("v");
  EXPECT_TRUE(mismatch(json::parse(R"({"name":"x"})"), &other, resolve));
}

TEST(Match, Addresses) {
  EXPECT_TRUE(lies_in("10.0.0.5", "10.0.0.5"));
  EXPECT_TRUE(lies_in("10.0.0.5", "10.0.0.4..10.0.0.6"));
  EXPECT_TRUE(lies_in("10.0.0.5,fd00::5", "10.0.0.0/24,fd00::/64"));
  EXPECT_FALSE(lies_in("10.0.0.5", "10.0.0.0/24,fd00::/64"));
  EXPECT_FALSE(lies_in("10.0.0.5,fd00::5", "10.0.0.0/24"));
  EXPECT_FALSE(lies_in("10.0.0.5,10.0.0.6", "10.0.0.0/24,fd00::/64"));
  EXPECT_FALSE(lies_in("", "10.0.0.0/24"));
  EXPECT_FALSE(lies_in("x", "10.0.0.0/24"));
}

TEST(Match, MistakesInMatchersAreFound) {
  EXPECT_TRUE(malformed(json::parse(R"({"a":{"$contain":"x"}})")));
  EXPECT_TRUE(malformed(json::parse(R"({"a":{"$in":1}})")));
  EXPECT_TRUE(malformed(json::parse(R"([{"$atLeast":"1"}])")));
  EXPECT_TRUE(malformed(json::parse(R"({"a":{"$not":{"$contain":"x"}}})")));
  EXPECT_TRUE(malformed(json::parse(R"({"$has":[1],"b":1})")));
  EXPECT_FALSE(malformed(json::parse(R"({"a":[{"$not":{"$contains":["x"]}}]})")));
}

TEST(Match, VariablesAreReplacedInTextsAndKeys) {
  const Variables variables{{"id", "s1"}, {"net", "10.20"}};
  std::vector<std::string> unknown;
  EXPECT_EQ(substitute(std::string_view("<id>-a <net>.0.0/16 <ip> a < b > c"), variables, &unknown),
            "s1-a 10.20.0.0/16 <ip> a < b > c");
  EXPECT_EQ(unknown, (std::vector<std::string>{"ip"}));
  EXPECT_EQ(substitute(json::parse(R"({"<id>":["<net>",1]})"), variables), json::parse(R"({"s1":["10.20",1]})"));
}

}  // namespace
}  // namespace berth::scenarios
