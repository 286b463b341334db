#include "ipam/offset_set.h"

#include <algorithm>
#include <bit>

namespace berth::ipam {

// So that it has the word w, of at most `all`.
void OffsetSet::Leaf::make(std::uint32_t w, std::uint32_t all) {
  if (w < size) return;
  const std::uint32_t wanted = std::min(all, std::max(8U, std::bit_ceil(w + 1)));
  auto larger = std::make_unique<std::uint64_t[]>(wanted);
  std::copy_n(words.get(), size, larger.get());
  words = std::move(larger);
  size = wanted;
}

OffsetSet::Leaf OffsetSet::Leaf::copy() const {
  Leaf other{summary, size, nullptr};
  if (size == 0) return other;
  other.words = std::make_unique_for_overwrite<std::uint64_t[]>(size);
  std::copy_n(words.get(), size, other.words.get());
  return other;
}

OffsetSet::OffsetSet(const OffsetSet& other)
    : dense_(other.dense_), first_(other.first_.copy()), top_summary_(other.top_summary_), size_(other.size_) {
  if (other.sparse_) sparse_ = std::make_unique<std::map<Offset, std::uint64_t>>(*other.sparse_);
  if (!other.top_) return;
  top_ = std::make_unique<Middle[]>(middle_count());
  for (std::uint64_t middles = top_summary_; middles != 0; middles &= middles - 1) {
    const auto m = static_cast<std::uint32_t>(std::countr_zero(middles));
    top_[m].summary = other.top_[m].summary;
    top_[m].leaves = std::make_unique<Leaf[]>(leaf_count(m));
    for (std::uint64_t leaves = top_[m].summary; leaves != 0; leaves &= leaves - 1) {
      const auto l = static_cast<std::uint32_t>(std::countr_zero(leaves));
      top_[m].leaves[l] = other.top_[m].leaves[l].copy();
    }
  }
}

OffsetSet::Leaf* OffsetSet::find_leaf(std::uint32_t o) {
  if (o < 4096) return &first_;
  return top_ && top_[o >> 18].leaves ? &top_[o >> 18].leaves[(o >> 12) & 63] : nullptr;
}

OffsetSet::Leaf& OffsetSet::make_leaf(std::uint32_t o) {
  if (o < 4096) return first_;
  if (!top_) top_ = std::make_unique<Middle[]>(middle_count());
  auto& leaves = top_[o >> 18].leaves;
  if (!leaves) leaves = std::make_unique<Leaf[]>(leaf_count(o >> 18));
  return leaves[(o >> 12) & 63];
}

bool OffsetSet::insert(Offset offset) {
  if (offset >= kDense) return insert_sparse(offset);
  const auto o = static_cast<std::uint32_t>(offset);
  const std::uint32_t w = (o >> 6) & 63;
  Leaf& leaf = make_leaf(o);
  leaf.make(w, word_count(o >> 18, (o >> 12) & 63));
  std::uint64_t& word = leaf.words[w];
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if ((word & bit) != 0) return false;
  if (word == 0) {
    leaf.summary |= std::uint64_t{1} << w;
    if (o >= 4096) {
      top_[o >> 18].summary |= std::uint64_t{1} << ((o >> 12) & 63);
      top_summary_ |= std::uint64_t{1} << (o >> 18);
    }
  }
  word |= bit;
  ++size_;
  return true;
}

bool OffsetSet::erase(Offset offset) {
  if (offset >= kDense) return erase_sparse(offset);
  const auto o = static_cast<std::uint32_t>(offset);
  const std::uint32_t w = (o >> 6) & 63;
  Leaf* leaf = find_leaf(o);
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if (leaf == nullptr || (leaf->word(w) & bit) == 0) return false;
  --size_;
  if ((leaf->words[w] &= ~bit) != 0) return true;
  leaf->summary &= ~(std::uint64_t{1} << w);
  if (o < 4096 || leaf->summary != 0) return true;
  Middle& middle = top_[o >> 18];
  middle.summary &= ~(std::uint64_t{1} << ((o >> 12) & 63));
  if (middle.summary == 0) top_summary_ &= ~(std::uint64_t{1} << (o >> 18));
  return true;
}

std::uint64_t OffsetSet::sparse_word(Offset index) const {
  if (!sparse_) return 0;
  const auto it = sparse_->find(index);
  return it == sparse_->end() ? 0 : it->second;
}

bool OffsetSet::insert_sparse(Offset o) {
  if (!sparse_) sparse_ = std::make_unique<std::map<Offset, std::uint64_t>>();
  std::uint64_t& word = (*sparse_)[o >> 6];
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++size_;
  return true;
}

bool OffsetSet::erase_sparse(Offset o) {
  if (!sparse_) return false;
  const auto it = sparse_->find(o >> 6);
  const std::uint64_t bit = std::uint64_t{1} << (o & 63);
  if (it == sparse_->end() || (it->second & bit) == 0) return false;
  it->second &= ~bit;
  if (it->second == 0) sparse_->erase(it);
  --size_;
  return true;
}

std::optional<OffsetSet::Offset> OffsetSet::lowest() const {
  const Leaf* leaf = &first_;
  std::uint32_t base = 0;
  if (first_.summary == 0 && top_summary_ != 0) {
    const auto m = static_cast<std::uint32_t>(std::countr_zero(top_summary_));
    const auto l = static_cast<std::uint32_t>(std::countr_zero(top_[m].summary));
    leaf = &top_[m].leaves[l];
    base = (m << 18) + (l << 12);
  }
  if (leaf->summary != 0) {
    const auto w = static_cast<std::uint32_t>(std::countr_zero(leaf->summary));
    return base + (w << 6) + static_cast<std::uint32_t>(std::countr_zero(leaf->words[w]));
  }
  if (!sparse_ || sparse_->empty()) return std::nullopt;
  return (sparse_->begin()->first << 6) + static_cast<unsigned>(std::countr_zero(sparse_->begin()->second));
}

bool OffsetSet::check_leaf(const Leaf& leaf, std::uint64_t& members) const {
  for (std::uint32_t w = 0; w < 64; ++w) {
    if (((leaf.summary >> w) & 1) != (leaf.word(w) != 0 ? 1U : 0U)) return false;
    members += static_cast<unsigned>(std::popcount(leaf.word(w)));
  }
  return true;
}

bool OffsetSet::check() const {
  std::uint64_t members = 0;
  if (!check_leaf(first_, members)) return false;
  for (std::uint32_t m = 0; top_ && m < middle_count(); ++m) {
    if (((top_summary_ >> m) & 1) != (top_[m].summary != 0 ? 1U : 0U)) return false;
    for (std::uint32_t l = 0; top_[m].leaves && l < leaf_count(m); ++l) {
      const Leaf& leaf = top_[m].leaves[l];
      if (((top_[m].summary >> l) & 1) != (leaf.summary != 0 ? 1U : 0U)) return false;
      if (!check_leaf(leaf, members)) return false;
    }
  }
  if (top_ ? top_[0].leaves && top_[0].leaves[0].summary != 0 : top_summary_ != 0) return false;
  if (sparse_) {
    for (const auto& [index, word] : *sparse_) {
      if (word == 0 || index < kDense / 64) return false;
      members += static_cast<unsigned>(std::popcount(word));
    }
  }
  return members == size_;
}

}  // namespace berth::ipam
