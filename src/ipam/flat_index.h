#pragma once

// A hash index that stores nothing but a 32-bit tag of the key and a 32-bit id of the record: 8 bytes a slot, the keys
// stay in the records. The Allocator's maps by owner, address and MAC are made of it.
//
// Always true (check()): the occupied slots are sorted by tag, each at or after its home, with no empty slot between
// its home and itself; the home grows with the tag, so growing is one sequential pass. At most 4/5 of the homes are
// occupied. Equal tags may occur many times (one after another); k of them cost O(k) each.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace berth::ipam {

class FlatIndex {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = ~Id{0};

  FlatIndex() = default;
  FlatIndex(FlatIndex&& other) noexcept { swap(other); }
  FlatIndex& operator=(FlatIndex&& other) noexcept {
    FlatIndex(std::move(other)).swap(*this);
    return *this;
  }

  // The first record with this tag that the predicate accepts, in no order that means anything; kNone if there is none.
  template <typename Accept>
  [[nodiscard]] Id find(std::uint32_t tag, Accept accept) const {
    if (count_ == 0) return kNone;
    for (std::size_t i = home(tag); slots_[i].id != 0 && slots_[i].tag <= tag; ++i) {
      if (slots_[i].tag == tag && accept(slots_[i].id - 1)) return slots_[i].id - 1;
    }
    return kNone;
  }

  void insert(std::uint32_t tag, Id id) {
    if ((count_ + 1) * 5 > homes_ * 4) resize(homes_ == 0 ? 8 : homes_ * 2);
    std::size_t at = home(tag);
    while (slots_[at].id != 0 && slots_[at].tag < tag) ++at;
    std::size_t end = at;
    while (slots_[end].id != 0) ++end;
    if (end + 1 == length_) {  // the last slot stays empty
      resize(homes_, (length_ - homes_) * 2);
      return insert(tag, id);
    }
    for (; end > at; --end) slots_[end] = slots_[end - 1];  // a handful, as a rule
    slots_[at] = {tag, id + 1};
    ++count_;
  }

  bool erase(std::uint32_t tag, Id id) {
    if (count_ == 0) return false;
    std::size_t at = home(tag);
    while (slots_[at].id != 0 && slots_[at].tag <= tag && !(slots_[at].tag == tag && slots_[at].id == id + 1)) ++at;
    if (slots_[at].id != id + 1 || slots_[at].tag != tag) return false;
    for (; slots_[at + 1].id != 0 && home(slots_[at + 1].tag) <= at; ++at) slots_[at] = slots_[at + 1];
    slots_[at] = {};
    --count_;
    if (homes_ > 1024 && count_ * 8 < homes_) resize(homes_ / 4);
    return true;
  }

  void prefetch(std::uint32_t tag) const {
    if (count_ != 0) __builtin_prefetch(&slots_[home(tag)]);
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return length_ * sizeof(Slot); }

  [[nodiscard]] bool check() const {
    std::size_t seen = 0;
    std::uint32_t before = 0;
    for (std::size_t i = 0; i < length_; ++i) {
      if (slots_[i].id == 0) continue;
      ++seen;
      if (slots_[i].tag < before || home(slots_[i].tag) > i) return false;
      for (std::size_t j = home(slots_[i].tag); j < i; ++j) {
        if (slots_[j].id == 0) return false;
      }
      before = slots_[i].tag;
    }
    return seen == count_ && (length_ == 0 || slots_[length_ - 1].id == 0) && count_ * 5 <= homes_ * 4;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t id = 0;  // plus one; 0: empty
  };

  [[nodiscard]] std::size_t home(std::uint32_t tag) const {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(tag) * homes_) >> 32);
  }

  // The slots behind the last home take what overflows there.
  void resize(std::size_t homes, std::size_t tail = 8) {
    for (;; tail *= 2) {
      FlatIndex other;
      other.homes_ = homes;
      other.length_ = homes + tail;
      other.slots_ = std::make_unique<Slot[]>(other.length_);
      if (!other.take_all(*this)) continue;
      swap(other);
      return;
    }
  }

  bool take_all(const FlatIndex& from) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < from.length_; ++i) {
      if (from.slots_[i].id == 0) continue;
      const std::size_t at = home(from.slots_[i].tag);
      if (at > next) next = at;
      if (next + 1 >= length_) return false;
      slots_[next++] = from.slots_[i];
      ++count_;
    }
    return true;
  }

  void swap(FlatIndex& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(homes_, other.homes_);
    std::swap(length_, other.length_);
    std::swap(count_, other.count_);
  }

  std::unique_ptr<Slot[]> slots_;
  std::size_t homes_ = 0;
  std::size_t length_ = 0;
  std::size_t count_ = 0;
};

}  // namespace berth::ipam
