#include "api/subnet.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

Subnet subnet(std::string_view spec) {
  const auto json = parse_json(spec);
  JsonObject object{{"metadata", {{"name", "web"}}}, {"spec", *json}};
  return Subnet::parse(object);
}

TEST(SubnetPlan, FillsInWhatIsLeftOut) {
  const Subnet s = subnet(R"({"cidrBlock":"10.66.0.7/24,fd00:66::1/64","excludeIps":["10.66.0.10..10.66.0.20"]})");
  const auto plan = plan_subnet(s);
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(to_string(plan->cidrs), "10.66.0.0/24,fd00:66::/64");
  EXPECT_EQ(to_string(plan->gateways), "10.66.0.1,fd00:66::1");
  const JsonObject patch = normalisation_patch(s, *plan);
  EXPECT_EQ(string_at(patch, {"cidrBlock"}), "10.66.0.0/24,fd00:66::/64");
  EXPECT_EQ(string_at(patch, {"protocol"}), "Dual");
  EXPECT_EQ(string_at(patch, {"vpc"}), "ovn-cluster");
  EXPECT_EQ(string_at(patch, {"provider"}), "ovn");
  EXPECT_EQ(strings_at(patch, {"excludeIps"}),
            (std::vector<std::string>{"10.66.0.1", "10.66.0.10..10.66.0.20", "fd00:66::1"}));
}

TEST(SubnetPlan, IsAtRestOnceNormalised) {
  const Subnet s = subnet(
      R"({"cidrBlock":"10.66.0.0/24","gateway":"10.66.0.1","excludeIps":["10.66.0.1"],"protocol":"IPv4",
          "provider":"ovn","vpc":"ovn-cluster","gatewayType":"distributed"})");
  EXPECT_TRUE(normalisation_patch(s, *plan_subnet(s)).empty());
}

struct Rejected {
  const char* spec;
  const char* field;  // named in the message, with the value
  const char* value;
};

class RejectedSubnets : public testing::TestWithParam<Rejected> {};

TEST_P(RejectedSubnets, AreNamedWithFieldAndValue) {
  const auto plan = plan_subnet(subnet(GetParam().spec));
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::invalid);
  for (const std::string& part :
       {std::string("Subnet web"), std::string("spec.") + GetParam().field, std::string(GetParam().value)}) {
    EXPECT_NE(plan.error().message.find(part), std::string::npos) << part << " missing in: " << plan.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, RejectedSubnets,
    testing::Values(Rejected{R"({"cidrBlock":"nonsense"})", "cidrBlock", "nonsense"},
                    Rejected{R"({"cidrBlock":""})", "cidrBlock", "10.66.0.0/16"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/33"})", "cidrBlock", "10.66.0.0/33"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/32"})", "cidrBlock", "10.66.0.0/32"},
                    Rejected{R"({"cidrBlock":"FD00::/64"})", "cidrBlock", "lower case"},
                    Rejected{R"({"cidrBlock":"fd00:::/64"})", "cidrBlock", "fd00:::/64"},
                    Rejected{R"({"cidrBlock":"127.0.0.0/16"})", "cidrBlock", "127.0.0.0/8"},
                    Rejected{R"({"cidrBlock":"169.254.1.0/24"})", "cidrBlock", "169.254.0.0/16"},
                    Rejected{R"({"cidrBlock":"224.0.0.0/8"})", "cidrBlock", "224.0.0.0/4"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","gateway":"10.67.0.1"})", "gateway", "10.67.0.1"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","gateway":"10.66.0.0"})", "gateway", "10.66.0.0"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","gateway":"10.66.0.255"})", "gateway", "10.66.0.255"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","excludeIps":["10.66.0.9..10.66.0.3"]})", "excludeIps",
                             "10.66.0.9..10.66.0.3"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","excludeIps":["x"]})", "excludeIps", "x"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","gatewayType":"central"})", "gatewayType", "central"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","protocol":"IPX"})", "protocol", "IPX"},
                    Rejected{R"({"cidrBlock":"fd00::/64","mtu":1000})", "mtu", "1000"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","vpc":"web"})", "vpc", "web"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","allowSubnets":["y"]})", "allowSubnets", "y"},
                    Rejected{R"({"cidrBlock":"10.66.0.0/24","natOutgoing":true,"externalEgressGateway":"10.0.0.1"})",
                             "externalEgressGateway", "10.0.0.1"}));

TEST(SubnetPlan, TheClustersOwnSubnetsStayInTheDefaultVpc) {
  for (const char* name : {"join", "ovn-default"}) {
    Subnet s = subnet(R"({"cidrBlock":"10.66.0.0/24","vpc":"blue"})");
    s.meta.name = name;
    ASSERT_FALSE(plan_subnet(s));
    EXPECT_NE(plan_subnet(s).error().message.find("spec.vpc \"blue\": must stay ovn-cluster"), std::string::npos);
    s.vpc = "ovn-cluster";
    EXPECT_TRUE(plan_subnet(s));
  }
}

TEST(Subnet, ClaimsByNameOrByLabels) {
  const Subnet s = subnet(R"({"namespaces":["a"],"namespaceSelectors":[{"matchLabels":{"team":"x"}},
      {"matchExpressions":[{"key":"env","operator":"In","values":["prod","test"]},{"key":"old","operator":"DoesNotExist"}]}]})");
  EXPECT_TRUE(s.claims("a", {}));
  EXPECT_FALSE(s.claims("b", {}));
  EXPECT_TRUE(s.claims("b", {{"team", "x"}}));
  EXPECT_TRUE(s.claims("b", {{"env", "prod"}}));
  EXPECT_FALSE(s.claims("b", {{"env", "prod"}, {"old", ""}}));
}

TEST(Subnet, KnowsWhichProvidersOvnCarries) {
  EXPECT_TRUE(subnet("{}").is_ovn());
  EXPECT_TRUE(subnet(R"({"provider":"net1.ns1.ovn"})").is_ovn());
  EXPECT_FALSE(subnet(R"({"provider":"net1.ns1"})").is_ovn());
}

}  // namespace
}  // namespace berth::api
