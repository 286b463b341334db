#include "ipam/offset_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace berth::ipam {
namespace {

using net::Uint128;

// Where words, leaves, middles and the two forms meet, and the end of the number space.
const std::vector<Uint128>& places() {
  static const std::vector<Uint128> all = [] {
    std::vector<Uint128> result;
    for (const Uint128 base : {Uint128{0}, Uint128{64}, Uint128{4096}, Uint128{1} << 18, Uint128{1} << 24,
                               (Uint128{1} << 24) + 640, Uint128{1} << 64, Uint128{1} << 127}) {
      for (unsigned i = 0; i < 5; ++i) result.push_back(base + i - (base == 0 ? 0 : 2));
    }
    for (unsigned i = 0; i < 5; ++i) result.push_back(~Uint128{0} - i);
    return result;
  }();
  return all;
}

using Model = std::set<Uint128>;
using Runs = std::vector<std::pair<Uint128, Uint128>>;

Runs runs_of(const Model& model, Uint128 first, Uint128 last) {
  Runs runs;
  for (const auto o : model) {
    if (o < first || o > last) continue;
    if (!runs.empty() && runs.back().second + 1 == o) {
      runs.back().second = o;
    } else {
      runs.emplace_back(o, o);
    }
  }
  return runs;
}

void assert_same(const OffsetSet& set, const Model& model) {
  RC_ASSERT(set.check());
  RC_ASSERT(set.size() == model.size());
  RC_ASSERT(set.lowest() == (model.empty() ? std::nullopt : std::optional(*model.begin())));
  for (const auto o : places()) RC_ASSERT(set.contains(o) == model.contains(o));
}

RC_GTEST_PROP(OffsetSetProperty, BehavesAsASet, ()) {
  const auto index = rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, places().size()));
  const auto steps = *rc::gen::container<std::vector<std::pair<std::size_t, bool>>>(
      rc::gen::pair(index, rc::gen::weightedElement<bool>({{3, true}, {2, false}})));
  OffsetSet set(~Uint128{0});
  Model model;
  for (const auto& [at, insert] : steps) {
    const Uint128 o = places()[at];
    if (insert) {
      RC_ASSERT(set.insert(o) == model.insert(o).second);
    } else {
      RC_ASSERT(set.erase(o) == (model.erase(o) == 1));
    }
    assert_same(set, model);
  }
  const auto a = places()[*index];
  const auto b = places()[*index];
  const auto [first, last] = std::minmax(a, b);
  Runs runs;
  set.for_each_run(first, last, [&](Uint128 from, Uint128 to) { runs.emplace_back(from, to); });
  RC_ASSERT((runs == runs_of(model, first, last)));
  Model inside;
  set.for_each(first, last, [&](Uint128 o) { inside.insert(inside.end(), o); });
  RC_ASSERT(inside == Model(model.lower_bound(first), model.upper_bound(last)));

  const OffsetSet copy = set;
  set = OffsetSet(~Uint128{0});
  assert_same(copy, model);
  assert_same(set, {});
}

RC_GTEST_PROP(OffsetSetProperty, ASmallOneHoldsAllItsOffsets, ()) {
  const auto largest = *rc::gen::inRange<std::uint32_t>(0, 9000);
  OffsetSet set(largest);
  for (std::uint32_t o = 0; o <= largest; ++o) RC_ASSERT(set.insert(o));
  Runs runs;
  set.for_each_run(0, largest, [&](Uint128 from, Uint128 to) { runs.emplace_back(from, to); });
  RC_ASSERT((runs == Runs{{0, largest}}));
  RC_ASSERT(set.check());
  const OffsetSet copy = set;
  for (std::uint32_t o = 0; o <= largest; ++o) RC_ASSERT(set.erase(o));
  RC_ASSERT(set.empty() && set.check());
  RC_ASSERT(copy.size() == largest + 1);
}

}  // namespace
}  // namespace berth::ipam
