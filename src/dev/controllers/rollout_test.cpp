#include "dev/controllers/rollout.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include <boost/json/parse.hpp>

namespace berth::dev {
namespace {

namespace json = boost::json;

TEST(ResolveShareTest, CountsAndPercentages) {
  const auto of = [](const json::value& v, std::int64_t total, bool up) { return resolve_share(&v, total, up); };
  EXPECT_EQ(of(3, 10, true), 3);
  EXPECT_EQ(of("25%", 10, true), 3);
  EXPECT_EQ(of("25%", 10, false), 2);
  EXPECT_EQ(of("100%", 7, false), 7);
  EXPECT_EQ(of("0%", 7, true), 0);
  EXPECT_EQ(of("x", 7, true), 0);
  EXPECT_EQ(resolve_share(nullptr, 7, true), 0);
}

TEST(RollingLimitsTest, SomethingMayAlwaysMove) {
  const auto limits = rolling_limits(
      json::parse(R"({"spec":{"replicas":3,"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":"10%"}}}})")
          .as_object());
  EXPECT_EQ(limits.max_surge, 0);
  EXPECT_EQ(limits.max_unavailable, 1);
}

TEST(RolloutTest, OldSetsWaitForTheNewOne) {
  const RollingLimits limits{1, 0};
  EXPECT_EQ(next_new_size(3, limits, {0, 0}, {{3, 3}}), 1);
  EXPECT_EQ(next_old_sizes(3, limits, {1, 0}, {{3, 3}}), std::vector<std::int64_t>{3});
  EXPECT_EQ(next_old_sizes(3, limits, {1, 1}, {{3, 3}}), std::vector<std::int64_t>{2});
}

TEST(RolloutTest, BrokenOldPodsGoFirst) {
  EXPECT_EQ(next_old_sizes(4, {2, 0}, {2, 2}, {{2, 0}, {2, 2}}), (std::vector<std::int64_t>{0, 2}));
}

TEST(RolloutTest, ScalingUpInTheMiddleLeavesTheOldSetsAsTheyAre) {
  EXPECT_EQ(next_old_sizes(10, {1, 0}, {1, 0}, {{3, 3}}), std::vector<std::int64_t>{3});
}

TEST(RolloutTest, ScalingDownTakesTheNewSetToo) { EXPECT_EQ(next_new_size(2, {1, 0}, {5, 5}, {}), 2); }

// Steps as the controller takes them, pods becoming available in any order.
RC_GTEST_PROP(RolloutProperty, EndsAndKeepsItsLimits, ()) {
  const auto replicas = *rc::gen::inRange<std::int64_t>(1, 12);
  RollingLimits limits{*rc::gen::inRange<std::int64_t>(0, 5), *rc::gen::inRange<std::int64_t>(0, 5)};
  if (limits.max_surge == 0 && limits.max_unavailable == 0) limits.max_unavailable = 1;
  ReplicaCount fresh;
  std::vector<ReplicaCount> old{{replicas, replicas}};
  int steps = 0;
  while (fresh.available < replicas || old[0].wanted > 0) {
    RC_ASSERT(++steps < 200);
    const std::int64_t grown = next_new_size(replicas, limits, fresh, old);
    const std::int64_t shrunk = next_old_sizes(replicas, limits, fresh, old)[0];
    RC_ASSERT(grown > fresh.wanted || shrunk < old[0].wanted || fresh.available < fresh.wanted);
    if (grown != fresh.wanted) {
      fresh.wanted = grown;
    } else {
      old[0] = {shrunk, std::min(shrunk, old[0].available)};
    }
    RC_ASSERT(fresh.wanted + old[0].wanted <= replicas + limits.max_surge);
    RC_ASSERT(fresh.available + old[0].available >= replicas - limits.max_unavailable);
    if (fresh.available < fresh.wanted && *rc::gen::arbitrary<bool>()) ++fresh.available;
    if (grown == fresh.wanted && shrunk == old[0].wanted) fresh.available = fresh.wanted;
  }
}

}  // namespace
}  // namespace berth::dev
