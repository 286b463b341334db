#include "dev/demo/expectation.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "api/yaml.h"

namespace berth::dev {
namespace {

using Objects = std::vector<boost::json::value>;

Objects parse(std::string_view text) {
  auto objects = api::parse_yaml(text);
  EXPECT_TRUE(objects) << objects.error().message;
  return objects ? *objects : Objects{};
}

Objects chart() {
  const char* root = std::getenv("BERTH_SOURCE_DIR");
  if (root == nullptr) return {};
  std::ifstream file(fmt::format("{}/examples/tenant/rendered/plain.yaml", root));
  return parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

const MeantPods* find(const Expectation& expectation, std::string_view workload) {
  for (const MeantPods& pods : expectation.pods) {
    if (pods.workload == workload) return &pods;
  }
  return nullptr;
}

TEST(DemoExpectation, OfTheTenantChart) {
  const auto expectation = expectation_of(chart());
  ASSERT_TRUE(expectation) << expectation.error().message;
  EXPECT_EQ(expectation->namespaces, (std::vector<std::string>{"tenant-web", "tenant-data"}));
  ASSERT_EQ(expectation->pods.size(), 4U);

  const MeantPods* web = find(*expectation, "Deployment/web");
  ASSERT_NE(web, nullptr);
  EXPECT_EQ(web->ns, "tenant-web");
  EXPECT_EQ(web->count, 2U);
  EXPECT_EQ(web->subnet.name, "tenant-web");
  EXPECT_EQ(web->labels.at("app.kubernetes.io/name"), "web");
  EXPECT_FALSE(web->hook);

  const MeantPods* fixed = find(*expectation, "Pod/fixed");
  ASSERT_NE(fixed, nullptr);
  EXPECT_EQ(fixed->subnet.name, "tenant-web-static");
  EXPECT_EQ(fixed->address, "10.90.2.10");
  EXPECT_EQ(fixed->pod_name, "fixed");

  const MeantPods* store = find(*expectation, "StatefulSet/store");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->subnet.name, "tenant-data");  // claimed by a selector
  EXPECT_EQ(store->count, 2U);

  const MeantPods* routed = find(*expectation, "Pod/routed");
  ASSERT_NE(routed, nullptr);
  EXPECT_TRUE(routed->hook);
  ASSERT_TRUE(routed->route);
  EXPECT_EQ(routed->route->destination, "198.51.100.0/24");
  EXPECT_EQ(routed->route->gateway, "10.90.3.1");
}

constexpr std::string_view kOneSubnet = R"(
kind: Namespace
metadata: {name: a}
---
kind: Subnet
metadata: {name: s}
spec: {cidrBlock: 10.1.0.0/24, gateway: 10.1.0.1, namespaces: [a]}
---
kind: Pod
metadata: {name: p, namespace: a}
spec: {}
)";

TEST(DemoExpectation, TheOrderOfObjectsDoesNotMatter) {
  Objects objects = parse(kOneSubnet);
  std::reverse(objects.begin(), objects.end());
  const auto expectation = expectation_of(objects);
  ASSERT_TRUE(expectation) << expectation.error().message;
  EXPECT_EQ(expectation->pods.at(0).subnet.name, "s");
}

TEST(DemoExpectation, AChartThatLeavesTheSubnetOpenIsRefused) {
  const std::string second =
      "---\nkind: Subnet\nmetadata: {name: t}\nspec: {cidrBlock: 10.2.0.0/24, namespaces: [a]}\n";
  const auto open = expectation_of(parse(std::string(kOneSubnet) + second));
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().message, "Pod/p in a: 2 Subnets of the chart could be meant, not one");

  const auto none = expectation_of(parse("kind: Pod\nmetadata: {name: p, namespace: b}\nspec: {}\n"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "Pod/p in b: 0 Subnets of the chart could be meant, not one");
}

TEST(DemoExpectation, ANamedSubnetNeedsNoClaim) {
  const auto expectation = expectation_of(parse(R"(
kind: Subnet
metadata: {name: s}
spec: {cidrBlock: 10.1.0.0/24}
---
kind: Pod
metadata: {name: p, namespace: a, annotations: {ovn.kubernetes.io/logical_switch: s}}
spec: {}
)"));
  ASSERT_TRUE(expectation) << expectation.error().message;
  EXPECT_EQ(expectation->pods.at(0).subnet.name, "s");
}

}  // namespace
}  // namespace berth::dev
