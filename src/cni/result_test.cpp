#include "cni/result.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "cni/version.h"

namespace berth::cni {
namespace {

namespace json = boost::json;

const json::object kResult = json::parse(R"({
  "cniVersion": "1.1.0",
  "interfaces": [{"name": "abc_h", "mac": "00:00:00:00:00:01"},
                 {"name": "eth0", "mac": "00:00:00:00:00:02", "mtu": 1400, "sandbox": "/run/netns/p1"}],
  "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 1},
          {"address": "fd00::5/64", "gateway": "fd00::1", "interface": 1}],
  "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "table": 3}],
  "dns": {}})")
                                 .get_object();

json::object printed(std::string_view version) {
  const auto text = print_result(version, kResult);
  EXPECT_TRUE(text) << text.error().details;
  return json::parse(*text).get_object();
}

TEST(ResultTest, TheLatestVersionIsPassedThrough) { EXPECT_EQ(printed("1.1.0"), kResult); }

TEST(ResultTest, OneDotZeroLacksTheNewerFields) {
  const auto out = printed("1.0.0");
  EXPECT_EQ(out.at("cniVersion"), "1.0.0");
  EXPECT_FALSE(out.at("interfaces").at(1).get_object().contains("mtu"));
  EXPECT_EQ(out.at("interfaces").at(1).at("sandbox"), "/run/netns/p1");
  EXPECT_FALSE(out.at("routes").at(0).get_object().contains("mtu"));
  EXPECT_FALSE(out.at("routes").at(0).get_object().contains("table"));
  EXPECT_EQ(out.at("routes").at(0).at("gw"), "10.1.0.1");
  EXPECT_FALSE(out.at("ips").at(0).get_object().contains("version"));
}

TEST(ResultTest, OlderVersionsSayTheFamilyOfEachAddress) {
  for (const auto version : {"0.3.0", "0.3.1", "0.4.0"}) {
    const auto out = printed(version);
    EXPECT_EQ(out.at("cniVersion"), version);
    EXPECT_EQ(out.at("ips").at(0).at("version"), "4");
    EXPECT_EQ(out.at("ips").at(1).at("version"), "6");
    EXPECT_EQ(out.at("ips").at(1).at("gateway"), "fd00::1");
    EXPECT_FALSE(out.at("interfaces").at(1).get_object().contains("mtu"));
  }
}

TEST(ResultTest, AMalformedResultIsAnError) {
  for (const auto text :
       {R"({"ips":3})", R"({"ips":[3]})", R"({"ips":[{}]})", R"({"interfaces":{}})", R"({"routes":[[]]})"}) {
    const auto out = print_result("0.4.0", json::parse(text).get_object());
    ASSERT_FALSE(out) << text;
    EXPECT_EQ(out.error().code, kDecodingFailure);
  }
}

TEST(ErrorTest, IsPrintedWithTheVersionAsked) {
  const auto out = json::parse(print_error("0.4.0", {kTryAgainLater, "later", "because"})).get_object();
  EXPECT_EQ(out, (json::object{{"cniVersion", "0.4.0"}, {"code", 11}, {"msg", "later"}, {"details", "because"}}));
  EXPECT_EQ(json::parse(print_error("7", {kInternal, "m", ""})).get_object(),
            (json::object{{"cniVersion", "1.1.0"}, {"code", 101}, {"msg", "m"}}));
}

TEST(VersionTest, PrintsWhatIsSupported) {
  const auto out = json::parse(print_versions("0.4.0")).get_object();
  EXPECT_EQ(out.at("cniVersion"), "0.4.0");
  EXPECT_EQ(out.at("supportedVersions"), (json::array{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}));
  EXPECT_EQ(json::parse(print_versions("9.0.0")).at("cniVersion"), "1.1.0");
}

TEST(VersionTest, AreOrdered) {
  EXPECT_TRUE(at_least("1.1.0", "0.3.1"));
  EXPECT_TRUE(at_least("0.4.0", "0.4.0"));
  EXPECT_FALSE(at_least("0.4.0", "1.0.0"));
}

}  // namespace
}  // namespace berth::cni
