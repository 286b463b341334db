#pragma once

// A set of numbers below 2^128: the offsets of addresses from the start of their subnet. Offsets below 2^24 are bits
// in a tree of 64-way nodes whose summary words say where bits are; nodes are made when first needed and sized by the
// subnet, so that a /24 costs under 100 bytes and a /8 what is touched of it. The first leaf, which is all that most
// subnets ever use, lies in the set itself. Offsets beyond 2^24 are words in an ordered map. Insert, erase, contains,
// word and lowest: O(1) below 2^24, O(log words) beyond.
//
// Always true (check()): a summary bit is set exactly if something below it is; the ordered map holds no empty word.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "net/address.h"

namespace berth::ipam {

class OffsetSet {
 public:
  using Offset = net::Uint128;

  OffsetSet() : OffsetSet(0) {}
  explicit OffsetSet(Offset largest) : dense_(largest >= kDense ? kDense : static_cast<std::uint32_t>(largest) + 1) {}
  OffsetSet(const OffsetSet& other);
  OffsetSet(OffsetSet&&) = default;
  OffsetSet& operator=(const OffsetSet& other) { return *this = OffsetSet(other); }
  OffsetSet& operator=(OffsetSet&&) = default;

  // Precondition of all: at most the largest offset given to the constructor. Insert and erase say whether it changed.
  bool insert(Offset o);
  bool erase(Offset o);
  [[nodiscard]] bool contains(Offset o) const { return ((word(o >> 6) >> (o & 63)) & 1) != 0; }

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::optional<Offset> lowest() const;

  // The membership of 64 consecutive offsets; `index` is the offset of the first, divided by 64.
  [[nodiscard]] std::uint64_t word(Offset index) const {
    if (index >= kDense / 64) return sparse_word(index);
    const auto w = static_cast<std::uint32_t>(index);
    if (w < 64) return first_.word(w);
    if (!top_ || !top_[w >> 12].leaves) return 0;
    return top_[w >> 12].leaves[(w >> 6) & 63].word(w & 63);
  }

  // Calls f(index, word) for the words that are not empty, ascending, first..last being offsets (in whole words).
  template <typename F>
  void for_each_word(Offset first, Offset last, F f) const {
    if (first < kDense) dense_words(static_cast<std::uint32_t>(first), last, f);
    if (!sparse_) return;
    auto it = sparse_->lower_bound(first >> 6);
    for (; it != sparse_->end() && it->first <= last >> 6; ++it) f(it->first, it->second);
  }
  // Calls f(offset) for the members from first to last, ascending.
  template <typename F>
  void for_each(Offset first, Offset last, F f) const {
    for_each_word(first, last, [&](Offset index, std::uint64_t bits) {
      for (; bits != 0; bits &= bits - 1) {
        const Offset o = (index << 6) + static_cast<unsigned>(std::countr_zero(bits));
        if (o >= first && o <= last) f(o);
      }
    });
  }
  // Calls f(first, last) for the runs of members inside first..last, ascending; no two runs touch.
  template <typename F>
  void for_each_run(Offset first, Offset last, F f) const;

  [[nodiscard]] bool check() const;

 private:
  static constexpr std::uint32_t kDense = 1U << 24;
  struct Leaf {  // 4096 offsets
    std::uint64_t summary = 0;
    std::uint32_t size = 0;  // of words: as many as are needed so far
    std::unique_ptr<std::uint64_t[]> words;

    [[nodiscard]] std::uint64_t word(std::uint32_t w) const { return w < size ? words[w] : 0; }
    void make(std::uint32_t w, std::uint32_t all);
    [[nodiscard]] Leaf copy() const;
  };
  struct Middle {  // 2^18 offsets
    std::uint64_t summary = 0;
    std::unique_ptr<Leaf[]> leaves;
  };

  [[nodiscard]] std::uint32_t middle_count() const { return ((dense_ - 1) >> 18) + 1; }
  [[nodiscard]] std::uint32_t leaf_count(std::uint32_t middle) const {
    return std::min(63U, (dense_ - 1 - (middle << 18)) >> 12) + 1;
  }
  [[nodiscard]] std::uint32_t word_count(std::uint32_t middle, std::uint32_t leaf) const {
    return std::min(63U, (dense_ - 1 - (middle << 18) - (leaf << 12)) >> 6) + 1;
  }
  [[nodiscard]] Leaf* find_leaf(std::uint32_t o);
  [[nodiscard]] Leaf& make_leaf(std::uint32_t o);
  [[nodiscard]] bool check_leaf(const Leaf& leaf, std::uint64_t& members) const;
  [[nodiscard]] std::uint64_t sparse_word(Offset index) const;
  bool insert_sparse(Offset o);
  bool erase_sparse(Offset o);

  template <typename F>
  void dense_words(std::uint32_t first, Offset last, F f) const {
    const std::uint32_t end = last >= kDense ? kDense - 1 : static_cast<std::uint32_t>(last);
    leaf_words(first_, 0, first, end, f);
    if (!top_) return;
    for (std::uint32_t m = first >> 18; m <= end >> 18; ++m) {
      for (std::uint64_t leaves = top_[m].summary; leaves != 0; leaves &= leaves - 1) {
        const auto l = static_cast<std::uint32_t>(std::countr_zero(leaves));
        leaf_words(top_[m].leaves[l], (m << 18) + (l << 12), first, end, f);
      }
    }
  }
  template <typename F>
  static void leaf_words(const Leaf& leaf, std::uint32_t base, std::uint32_t first, std::uint32_t end, F f) {
    if (base + 4095 < first || base > end) return;
    for (std::uint64_t words = leaf.summary; words != 0; words &= words - 1) {
      const auto w = static_cast<std::uint32_t>(std::countr_zero(words));
      if (base + (w << 6) + 63 >= first && base + (w << 6) <= end) f(Offset{(base >> 6) + w}, leaf.words[w]);
    }
  }

  std::uint32_t dense_;  // how many offsets the tree may hold
  Leaf first_;
  std::uint64_t top_summary_ = 0;
  std::unique_ptr<Middle[]> top_;                            // all but the first leaf
  std::unique_ptr<std::map<Offset, std::uint64_t>> sparse_;  // by word index; null: empty
  std::uint64_t size_ = 0;
};

template <typename F>
void OffsetSet::for_each_run(Offset first, Offset last, F f) const {
  bool open = false;
  Offset begin = 0;
  Offset end = 0;  // of the open run, included
  for_each_word(first, last, [&](Offset index, std::uint64_t bits) {
    const Offset base = index << 6;
    if (base < first) bits &= ~std::uint64_t{0} << static_cast<unsigned>(first - base);
    if (last - base < 63) bits &= ~std::uint64_t{0} >> (63 - static_cast<unsigned>(last - base));
    while (bits != 0) {
      const auto from = static_cast<unsigned>(std::countr_zero(bits));
      const auto length = static_cast<unsigned>(std::countr_one(bits >> from));
      if (open && end + 1 == base + from) {
        end += length;
      } else {
        if (open) f(begin, end);
        open = true;
        begin = base + from;
        end = begin + length - 1;
      }
      if (from + length >= 64) break;
      bits &= ~std::uint64_t{0} << (from + length);
    }
  });
  if (open) f(begin, end);
}

}  // namespace berth::ipam
