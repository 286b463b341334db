#include "ipam/offset_set.h"

#include <algorithm>

namespace berth::ipam {

OffsetSet::OffsetSet(const OffsetSet& other)
    : dense_(other.dense_), top_summary_(other.top_summary_), sparse_(other.sparse_), size_(other.size_) {
  if (!other.top_) return;
  top_ = std::make_unique<Middle[]>(middle_count());
  for (std::uint64_t middles = top_summary_; middles != 0; middles &= middles - 1) {
    const auto m = static_cast<std::uint32_t>(std::countr_zero(middles));
    top_[m].summary = other.top_[m].summary;
    top_[m].leaves = std::make_unique<Leaf[]>(leaf_count(m));
    for (std::uint64_t leaves = top_[m].summary; leaves != 0; leaves &= leaves - 1) {
      const auto l = static_cast<std::uint32_t>(std::countr_zero(leaves));
      const Leaf& from = other.top_[m].leaves[l];
      const std::uint32_t count = word_count(m, l);
      top_[m].leaves[l] = {from.summary, std::make_unique_for_overwrite<std::uint64_t[]>(count)};
      std::copy_n(from.words.get(), count, top_[m].leaves[l].words.get());
    }
  }
}

bool OffsetSet::insert(Offset offset) {
  if (offset >= kDense) return insert_sparse(offset);
  const auto o = static_cast<std::uint32_t>(offset);
  const std::uint32_t m = o >> 18;
  const std::uint32_t l = (o >> 12) & 63;
  const std::uint32_t w = (o >> 6) & 63;
  if (!top_) top_ = std::make_unique<Middle[]>(middle_count());
  Middle& middle = top_[m];
  if (!middle.leaves) middle.leaves = std::make_unique<Leaf[]>(leaf_count(m));
  Leaf& leaf = middle.leaves[l];
  if (!leaf.words) leaf.words = std::make_unique<std::uint64_t[]>(word_count(m, l));
  std::uint64_t& word = leaf.words[w];
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if ((word & bit) != 0) return false;
  if (word == 0) {
    leaf.summary |= std::uint64_t{1} << w;
    middle.summary |= std::uint64_t{1} << l;
    top_summary_ |= std::uint64_t{1} << m;
  }
  word |= bit;
  ++size_;
  return true;
}

bool OffsetSet::erase(Offset offset) {
  if (offset >= kDense) return erase_sparse(offset);
  const auto o = static_cast<std::uint32_t>(offset);
  if (!top_ || !top_[o >> 18].leaves) return false;
  Middle& middle = top_[o >> 18];
  Leaf& leaf = middle.leaves[(o >> 12) & 63];
  if (!leaf.words) return false;
  std::uint64_t& word = leaf.words[(o >> 6) & 63];
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if ((word & bit) == 0) return false;
  word &= ~bit;
  --size_;
  if (word == 0) {
    leaf.summary &= ~(std::uint64_t{1} << ((o >> 6) & 63));
    if (leaf.summary == 0) middle.summary &= ~(std::uint64_t{1} << ((o >> 12) & 63));
    if (middle.summary == 0) top_summary_ &= ~(std::uint64_t{1} << (o >> 18));
  }
  return true;
}

std::uint64_t OffsetSet::sparse_word(Offset index) const {
  const auto it = sparse_.find(index);
  return it == sparse_.end() ? 0 : it->second;
}

bool OffsetSet::insert_sparse(Offset o) {
  std::uint64_t& word = sparse_[o >> 6];
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++size_;
  return true;
}

bool OffsetSet::erase_sparse(Offset o) {
  const auto it = sparse_.find(o >> 6);
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if (it == sparse_.end() || (it->second & bit) == 0) return false;
  it->second &= ~bit;
  if (it->second == 0) sparse_.erase(it);
  --size_;
  return true;
}

std::optional<OffsetSet::Offset> OffsetSet::lowest() const {
  if (top_summary_ != 0) {
    const auto m = static_cast<std::uint32_t>(std::countr_zero(top_summary_));
    const auto l = static_cast<std::uint32_t>(std::countr_zero(top_[m].summary));
    const Leaf& leaf = top_[m].leaves[l];
    const auto w = static_cast<std::uint32_t>(std::countr_zero(leaf.summary));
    const auto bit = static_cast<std::uint32_t>(std::countr_zero(leaf.words[w]));
    return (m << 18) + (l << 12) + (w << 6) + bit;
  }
  if (sparse_.empty()) return std::nullopt;
  return (sparse_.begin()->first << 6) + static_cast<unsigned>(std::countr_zero(sparse_.begin()->second));
}

bool OffsetSet::check() const {
  std::uint64_t members = 0;
  for (std::uint32_t m = 0; top_ && m < middle_count(); ++m) {
    if (((top_summary_ >> m) & 1) != (top_[m].summary != 0 ? 1U : 0U)) return false;
    for (std::uint32_t l = 0; top_[m].leaves && l < leaf_count(m); ++l) {
      const Leaf& leaf = top_[m].leaves[l];
      if (((top_[m].summary >> l) & 1) != (leaf.summary != 0 ? 1U : 0U)) return false;
      for (std::uint32_t w = 0; leaf.words && w < word_count(m, l); ++w) {
        if (((leaf.summary >> w) & 1) != (leaf.words[w] != 0 ? 1U : 0U)) return false;
        members += static_cast<unsigned>(std::popcount(leaf.words[w]));
      }
    }
  }
  if (!top_ && top_summary_ != 0) return false;
  for (const auto& [index, word] : sparse_) {
    if (word == 0 || index < kDense / 64) return false;
    members += static_cast<unsigned>(std::popcount(word));
  }
  return members == size_;
}

}  // namespace berth::ipam
