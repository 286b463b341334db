#include "ipam/registry.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "ipam/test_util.h"

namespace berth::ipam {
namespace {

Config named(std::string name, std::string_view cidrs) {
  Config config = make_config(cidrs);
  config.name = std::move(name);
  return config;
}

std::vector<std::string> names(const std::vector<std::string_view>& views) { return {views.begin(), views.end()}; }

TEST(Registry, ReleasesByOwnerInAllSubnetsAndNoOther) {
  Registry registry;
  Random random(1);
  for (const char* subnet : {"b", "a", "c"}) {
    Allocator& allocator = registry.add(named(subnet, "10.0.0.0/29"));
    ASSERT_TRUE(allocator.acquire(ask_for("stays"), random));
  }
  ASSERT_TRUE(registry.find("b")->acquire(ask_for("web"), random));
  ASSERT_TRUE(registry.find("a")->acquire(ask_for("web"), random));
  EXPECT_EQ(names(registry.subnets_of("web")), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(registry.release("web"), 2U);
  EXPECT_EQ(registry.release("web"), 0U);
  EXPECT_TRUE(registry.subnets_of("web").empty());
  for (const char* subnet : {"a", "b", "c"}) EXPECT_EQ(registry.find(subnet)->lease_count(), 1U);
  EXPECT_TRUE(registry.check());
}

TEST(Registry, ASubnetTakesItsLeasesWithIt) {
  Registry registry;
  Random random(1);
  ASSERT_TRUE(registry.add(named("a", "10.0.0.0/29")).acquire(ask_for("web"), random));
  ASSERT_TRUE(registry.add(named("b", "10.0.0.0/29")).acquire(ask_for("web"), random));
  EXPECT_TRUE(registry.remove("a"));
  EXPECT_FALSE(registry.remove("a"));
  EXPECT_EQ(registry.find("a"), nullptr);
  EXPECT_EQ(names(registry.subnets_of("web")), std::vector<std::string>{"b"});
  const Allocator& again = registry.add(named("a", "10.1.0.0/29"));
  EXPECT_EQ(again.lease_count(), 0U) << "its number is given again, its leases are not";
  EXPECT_FALSE(again.holds("web"));
  EXPECT_TRUE(registry.check());
}

// The record of a lease is made without room for an IPv6 address if it has none.
TEST(Registry, ALeaseGainsItsSecondAddressLater) {
  Registry registry;
  Random random(1);
  Allocator& allocator = registry.add(named("a", "10.0.0.0/29"));
  const auto first = allocator.acquire(ask_for("web"), random);
  ASSERT_TRUE(first);
  Config dual = allocator.config();
  dual.cidrs = net::Cidr::parse_list("10.0.0.0/29,fd00::/125").value();
  allocator.reconfigure(dual);
  const auto second = allocator.acquire(ask_for("web"), random);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->v4, first->v4);
  EXPECT_EQ(second->v6, addr("fd00::1"));
  EXPECT_EQ(second->mac, first->mac);
  EXPECT_EQ(allocator.holder_of(*second->v4), "web");
  EXPECT_EQ(allocator.holder_of(*second->v6), "web");
  EXPECT_TRUE(registry.check());
  EXPECT_EQ(registry.release("web"), 1U);
  EXPECT_FALSE(allocator.holder_of(*second->v4));
  EXPECT_TRUE(registry.check());
}

TEST(Registry, OwnersOfAnyLength) {
  Registry registry;
  Random random(1);
  Allocator& allocator = registry.add(named("a", "10.0.0.0/16"));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t length = 0; length < 600; length += 7) {
      ASSERT_TRUE(allocator.acquire(ask_for(std::string(length, 'x')), random));
    }
    ASSERT_TRUE(registry.check());
    for (std::size_t length = 0; length < 600; length += 7) {
      ASSERT_EQ(registry.release(std::string(length, 'x')), 1U) << length;
    }
  }
}

// Several subnets of one roster against what each owner got.
RC_GTEST_PROP(RegistryProperty, KeepsTheSubnetsApart, ()) {
  struct Step {
    int what;
    int subnet;
    int owner;
  };
  const auto number = [](int end) { return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, end)); };
  const auto steps = *rc::gen::scale(
      3, rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(number(9), number(4), number(8))));
  Registry registry;
  Random random(1);
  std::map<std::string, std::map<std::string, Lease>> model;  // by subnet, by owner
  for (const auto& step : steps) {
    const std::string subnet = "subnet-" + std::to_string(step.subnet);
    const std::string owner = "owner-" + std::to_string(step.owner);
    Allocator* allocator = registry.find(subnet);
    RC_ASSERT((allocator != nullptr) == model.contains(subnet));
    if (allocator == nullptr) {
      registry.add(named(subnet, "10.0.0.0/29,fd00::/125"));
      model[subnet];
    } else if (step.what < 5) {
      const auto lease = allocator->acquire(ask_for(owner), random);
      if (lease) model[subnet][owner] = *lease;
    } else if (step.what < 7) {
      std::size_t held = 0;
      for (auto& [name, leases] : model) held += leases.erase(owner);
      RC_ASSERT(registry.release(owner) == held);
    } else if (step.what < 8) {
      RC_ASSERT(allocator->release(owner) == (model[subnet].erase(owner) == 1));
    } else {
      RC_ASSERT(registry.remove(subnet));
      model.erase(subnet);
    }
    const auto status = registry.check();
    if (!status) RC_FAIL(status.error().message);
    RC_ASSERT(registry.size() == model.size());
    std::vector<std::string> holding;
    for (const auto& [name, leases] : model) {
      RC_ASSERT(registry.find(name)->lease_count() == leases.size());
      for (const auto& [holder, lease] : leases) RC_ASSERT(registry.find(name)->find(holder) == lease);
      if (leases.contains(owner)) holding.push_back(name);
    }
    RC_ASSERT(names(registry.subnets_of(owner)) == holding);
  }
}

}  // namespace
}  // namespace berth::ipam
