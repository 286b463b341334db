#include "ipam/flat_index.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace berth::ipam {
namespace {

using Id = FlatIndex::Id;

// Tags that meet: few of them, and at both ends, where the slots behind the last home are used.
std::uint32_t tag(unsigned choice) {
  constexpr std::uint32_t kStep = 0x0123'4567;
  if (choice % 4 == 0) return 0xFFFF'FFFF - choice % 3;
  if (choice % 4 == 1) return choice % 3;
  return choice * kStep;
}

std::set<Id> all_with(const FlatIndex& index, std::uint32_t wanted) {
  std::set<Id> found;
  (void)index.find(wanted, [&](Id id) {
    found.insert(id);
    return false;
  });
  return found;
}

RC_GTEST_PROP(FlatIndexProperty, BehavesAsASetOfPairs, ()) {
  const auto steps = *rc::gen::scale(4, rc::gen::container<std::vector<std::pair<unsigned, bool>>>(
                                            rc::gen::pair(rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0U, 60U)),
                                                          rc::gen::weightedElement<bool>({{3, true}, {2, false}}))));
  FlatIndex index;
  std::set<std::pair<std::uint32_t, Id>> model;
  Id next = 0;
  for (const auto& [choice, insert] : steps) {
    const std::uint32_t at = tag(choice);
    const auto known = model.lower_bound({at, 0});
    if (insert) {
      index.insert(at, next);
      model.emplace(at, next++);
    } else if (known != model.end() && known->first == at) {
      RC_ASSERT(index.erase(at, known->second));
      model.erase(known);
    } else {
      RC_ASSERT(!index.erase(at, choice));
    }
    RC_ASSERT(index.check());
    RC_ASSERT(index.size() == model.size());
  }
  for (unsigned choice = 0; choice < 60; ++choice) {
    std::set<Id> expected;
    for (const auto& [at, id] : model) {
      if (at == tag(choice)) expected.insert(id);
    }
    RC_ASSERT(all_with(index, tag(choice)) == expected);
  }
}

TEST(FlatIndex, GrowsAndShrinks) {
  FlatIndex index;
  for (Id id = 0; id < 100'000; ++id) index.insert(id * 0x9E37'79B9U, id);
  const std::size_t full = index.bytes();
  EXPECT_LE(full, std::size_t{100'000} * 8 * 5 / 2 + 1024);
  for (Id id = 0; id < 100'000; ++id) {
    ASSERT_EQ(index.find(id * 0x9E37'79B9U, [&](Id found) { return found == id; }), id);
  }
  for (Id id = 0; id < 99'000; ++id) ASSERT_TRUE(index.erase(id * 0x9E37'79B9U, id));
  EXPECT_LT(index.bytes(), full / 8);
  EXPECT_EQ(index.size(), 1'000U);
  EXPECT_TRUE(index.check());
}

TEST(FlatIndex, HoldsManyEqualTagsAtTheEnd) {
  FlatIndex index;
  for (Id id = 0; id < 500; ++id) index.insert(0xFFFF'FFFF, id);
  EXPECT_EQ(all_with(index, 0xFFFF'FFFF).size(), 500U);
  EXPECT_LT(index.bytes(), 64U * 1024);
  EXPECT_TRUE(index.check());
}

TEST(FlatIndex, MovedFromIsEmpty) {
  FlatIndex index;
  index.insert(7, 1);
  FlatIndex other = std::move(index);
  EXPECT_EQ(other.find(7, [](Id) { return true; }), 1U);
  index = FlatIndex();
  EXPECT_EQ(index.find(7, [](Id) { return true; }), FlatIndex::kNone);
}

}  // namespace
}  // namespace berth::ipam
