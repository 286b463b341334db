#include "net/range_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "net/generators.h"

namespace berth::net {
namespace {

Range range(const char* text) { return *Range::parse(text); }
Address address(const char* text) { return *Address::parse(text); }

TEST(RangeSet, MergesNeighboursAndSplits) {
  RangeSet set;
  set.add(range("10.0.0.1..10.0.0.3"));
  set.add(range("10.0.0.5..10.0.0.6"));
  EXPECT_EQ(set.to_string(), "10.0.0.1-10.0.0.3,10.0.0.5-10.0.0.6");
  set.add(address("10.0.0.4"));
  EXPECT_EQ(set.to_string(), "10.0.0.1-10.0.0.6");
  set.remove(address("10.0.0.2"));
  EXPECT_EQ(set.to_string(), "10.0.0.1,10.0.0.3-10.0.0.6");
  EXPECT_EQ(set.size(), Uint128{5});
  EXPECT_EQ(set.lowest(), address("10.0.0.1"));
  set.remove(range("0.0.0.0..255.255.255.255"));
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.lowest(), std::nullopt);
  EXPECT_EQ(set.to_string(), "");
}

TEST(RangeSet, HoldsWholeFamilies) {
  RangeSet v4;
  v4.add(range("0.0.0.0..255.255.255.255"));
  EXPECT_EQ(v4.size(), Uint128{1} << 32);
  v4.add(range("1.0.0.0..255.255.255.255"));
  EXPECT_EQ(v4.range_count(), 1U);
  v4.remove(address("255.255.255.255"));
  v4.remove(address("0.0.0.0"));
  EXPECT_EQ(v4.to_string(), "0.0.0.1-255.255.255.254");

  RangeSet v6;
  v6.add(Range::of(*Cidr::parse("::/0")));
  EXPECT_EQ(v6.size(), ~Uint128{0});
  EXPECT_FALSE(v6.empty());
  v6.remove(address("::"));
  v6.remove(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(v6.size(), ~Uint128{0} - 1);
}

TEST(RangeSet, IgnoresTheOtherFamily) {
  RangeSet set;
  set.add(range("10.0.0.1..10.0.0.9"));
  set.remove(range("::..ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(set.size(), Uint128{9});
  EXPECT_FALSE(set.contains(address("::a00:1")));
  EXPECT_FALSE(set.intersects(range("::..ffff::")));
}

// A window of numbers at a place of the number space: the model holds offsets into it.
constexpr int kWindow = 48;

struct Window {
  Family family;
  Uint128 base;
  [[nodiscard]] Address at(int offset) const { return Address(family, base + static_cast<Uint128>(offset)); }
  [[nodiscard]] Range range(int a, int b) const { return Range{at(std::min(a, b)), at(std::max(a, b))}; }
};

Window any_window() {
  return *rc::gen::element(Window{Family::v4, 0}, Window{Family::v4, 0x0A00'0000},
                           Window{Family::v4, 0x1'0000'0000 - kWindow}, Window{Family::v6, 0},
                           Window{Family::v6, (Uint128{1} << 64) - kWindow / 2},
                           Window{Family::v6, ~Uint128{0} - kWindow + 1});
}

using Model = std::set<int>;

void change(Model& model, int a, int b, bool add) {
  for (int i = std::min(a, b); i <= std::max(a, b); ++i) {
    if (add) {
      model.insert(i);
    } else {
      model.erase(i);
    }
  }
}

void assert_equal(const RangeSet& set, const Model& model, const Window& window) {
  RC_ASSERT(set.size() == Uint128{model.size()});
  RC_ASSERT(set.empty() == model.empty());
  RC_ASSERT(set.lowest() == (model.empty() ? std::nullopt : std::optional(window.at(*model.begin()))));
  for (int i = 0; i < kWindow; ++i) RC_ASSERT(set.contains(window.at(i)) == model.contains(i));
  const auto ranges = set.ranges();
  RC_ASSERT(ranges.size() == set.range_count());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    RC_ASSERT(ranges[i].first <= ranges[i].last);
    if (i > 0) RC_ASSERT(ranges[i - 1].last.bits() + 1 < ranges[i].first.bits());
  }
}

struct Step {
  bool add;
  int a;
  int b;
};

rc::Gen<std::vector<Step>> steps() {
  const auto offset = rc::gen::inRange(0, kWindow);
  return rc::gen::container<std::vector<Step>>(
      rc::gen::construct<Step>(rc::gen::element(true, true, false), offset, offset));
}

void showValue(const Step& step, std::ostream& os) {
  os << (step.add ? "add " : "remove ") << std::min(step.a, step.b) << ".." << std::max(step.a, step.b);
}

std::pair<RangeSet, Model> play(const std::vector<Step>& sequence, const Window& window) {
  RangeSet set;
  Model model;
  for (const auto& [add, a, b] : sequence) {
    change(model, a, b, add);
    add ? set.add(window.range(a, b)) : set.remove(window.range(a, b));
  }
  return {set, model};
}

RC_GTEST_PROP(RangeSetProperty, BehavesAsASetOfNumbers, ()) {
  const auto window = any_window();
  RangeSet set;
  Model model;
  for (const auto& [add, a, b] : *steps()) {
    change(model, a, b, add);
    add ? set.add(window.range(a, b)) : set.remove(window.range(a, b));
    assert_equal(set, model, window);
  }
}

RC_GTEST_PROP(RangeSetProperty, EqualContentsAreEqualSets, ()) {
  const auto window = any_window();
  const auto [set, model] = play(*steps(), window);
  RangeSet one_by_one;
  for (const int i : model) one_by_one.add(window.at(i));
  RC_ASSERT(set == one_by_one);
}

RC_GTEST_PROP(RangeSetProperty, AlgebraAgreesWithSetAlgebra, ()) {
  const auto window = any_window();
  const auto [left, left_model] = play(*steps(), window);
  const auto [right, right_model] = play(*steps(), window);

  RangeSet sum = left;
  sum.add(right);
  RangeSet difference = left;
  difference.remove(right);
  const RangeSet both = left.intersection(right);
  Model sum_model = left_model;
  sum_model.insert(right_model.begin(), right_model.end());
  Model difference_model;
  Model both_model;
  for (const int i : left_model) (right_model.contains(i) ? both_model : difference_model).insert(i);
  assert_equal(sum, sum_model, window);
  assert_equal(difference, difference_model, window);
  assert_equal(both, both_model, window);
  RC_ASSERT(right.intersection(left) == both);
}

RC_GTEST_PROP(RangeSetProperty, IntersectsARangeExactlyIfAMemberLiesInIt, ()) {
  const auto window = any_window();
  const auto [set, model] = play(*steps(), window);
  const int a = *rc::gen::inRange(0, kWindow);
  const int b = *rc::gen::inRange(0, kWindow);
  const auto it = model.lower_bound(std::min(a, b));
  const bool expected = it != model.end() && *it <= std::max(a, b);
  RC_ASSERT(set.intersects(window.range(a, b)) == expected);
  RC_ASSERT(set.intersection(window.range(a, b)).empty() == !expected);
}

}  // namespace
}  // namespace berth::net
