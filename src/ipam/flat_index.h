#pragma once

// A hash index that stores nothing but a 32-bit tag of the key and a 32-bit id of the record; the keys stay in the
// records. The Roster's indexes by owner and by MAC are made of it.
//
// The table is a ring of buckets, each one cache line with room for seven entries. An entry lies in the home bucket of
// its tag or, where that was full, in the nearest one behind it that was not; every bucket counts the entries that
// went past it, so that a search, which begins at the home bucket, ends at the first bucket that none went past.
// Nothing is moved by an insert or an erase.
//
// Always true (check()): each entry was counted by every bucket from its home to the one before its own, and by no
// other; there is room in the table. Equal tags may occur many times; k of them cost O(k) each.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
    std::size_t at = home(tag);
    for (std::size_t left = bucket_count_; left > 0; --left, at = next(at)) {
      const Bucket& bucket = buckets_[at];
      for (unsigned hits = bucket.with(tag); hits != 0; hits &= hits - 1) {
        const Id id = bucket.ids[static_cast<unsigned>(std::countr_zero(hits))];
        if (accept(id)) return id;
      }
      if (bucket.passed == 0) break;
    }
    return kNone;
  }

  void insert(std::uint32_t tag, Id id) {
    if (count_ == bucket_count_ * kFull) resize(next_size());
    put(tag, id);
    ++count_;
  }

  bool erase(std::uint32_t tag, Id id) {
    if (count_ == 0) return false;
    std::size_t at = home(tag);
    for (std::size_t left = bucket_count_;; --left, at = next(at)) {
      Bucket& bucket = buckets_[at];
      unsigned hits = bucket.with(tag);
      while (hits != 0 && bucket.ids[static_cast<unsigned>(std::countr_zero(hits))] != id) hits &= hits - 1;
      if (hits != 0) {
        bucket.used &= ~(hits & -hits);
        break;
      }
      if (bucket.passed == 0 || left == 1) return false;
    }
    for (std::size_t i = home(tag); i != at; i = next(i)) --buckets_[i].passed;
    --count_;
    if (bucket_count_ > 128 && count_ * 8 < bucket_count_ * kFull) resize(bucket_count_ / 4);
    return true;
  }

  // Calls f(id) for every entry, in no order that means anything; f changes nothing here.
  template <typename F>
  void for_each(F f) const {
    for (std::size_t at = 0; at < bucket_count_; ++at) {
      for (unsigned used = buckets_[at].used; used != 0; used &= used - 1) {
        f(buckets_[at].ids[static_cast<unsigned>(std::countr_zero(used))]);
      }
    }
  }

  void prefetch(std::uint32_t tag) const {
    if (count_ != 0) __builtin_prefetch(&buckets_[home(tag)], 1);
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return bucket_count_ * sizeof(Bucket); }

  [[nodiscard]] bool check() const {
    std::size_t seen = 0;
    std::vector<std::uint32_t> passed(bucket_count_);
    for (std::size_t at = 0; at < bucket_count_; ++at) {
      for (unsigned used = buckets_[at].used; used != 0; used &= used - 1) {
        ++seen;
        const auto slot = static_cast<unsigned>(std::countr_zero(used));
        for (std::size_t i = home(buckets_[at].tags[slot]); i != at; i = next(i)) ++passed[i];
      }
    }
    for (std::size_t at = 0; at < bucket_count_; ++at) {
      if (buckets_[at].passed != passed[at]) return false;
    }
    return seen == count_ && count_ <= bucket_count_ * kFull;
  }

 private:
  static constexpr unsigned kSlots = 7;
  static constexpr std::uint32_t kAllUsed = (1U << kSlots) - 1;
  static constexpr std::size_t kFull = 5;  // entries for each bucket, on the average, before the table grows

  struct alignas(64) Bucket {
    std::array<std::uint32_t, kSlots> tags;
    std::array<Id, kSlots> ids;
    std::uint32_t used;    // which slots hold an entry, as bits
    std::uint32_t passed;  // entries whose way from their home led past this bucket

    // The slots that hold an entry with this tag, as bits. Without branches: nobody can foretell which it is.
    [[nodiscard]] unsigned with(std::uint32_t tag) const {
#ifdef __SSE2__
      // Eight words, of which the last is an id; `used` leaves it out.
      const auto* words = reinterpret_cast<const __m128i*>(this);
      const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
      const __m128i hits = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(words), wanted),
                                           _mm_cmpeq_epi32(_mm_load_si128(words + 1), wanted));
      return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(hits, hits))) & used;
#else
      unsigned hits = 0;
      for (unsigned i = 0; i < kSlots; ++i) hits |= static_cast<unsigned>(tags[i] == tag) << i;
      return hits & used;
#endif
    }
  };
  static_assert(sizeof(Bucket) == 64);

  // Grows with the tag, so that a resize reads and writes in one direction.
  [[nodiscard]] std::size_t home(std::uint32_t tag) const {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(tag) * bucket_count_) >> 32);
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return at + 1 == bucket_count_ ? 0 : at + 1; }

  void put(std::uint32_t tag, Id id) {
    std::size_t at = home(tag);
    for (; buckets_[at].used == kAllUsed; at = next(at)) ++buckets_[at].passed;
    Bucket& bucket = buckets_[at];
    const auto slot = static_cast<unsigned>(std::countr_one(bucket.used));
    bucket.tags[slot] = tag;
    bucket.ids[slot] = id;
    bucket.used |= 1U << slot;
  }

  // Small tables, which cost little memory, grow in larger steps.
  [[nodiscard]] std::size_t next_size() const {
    if (bucket_count_ == 0) return 1;
    return bucket_count_ < 256 ? bucket_count_ * 4 : bucket_count_ + bucket_count_ / 2;
  }

  void resize(std::size_t bucket_count) {
    FlatIndex other;
    other.buckets_ = std::make_unique<Bucket[]>(bucket_count);
    other.bucket_count_ = bucket_count;
    other.count_ = count_;
    for (std::size_t at = 0; at < bucket_count_; ++at) {
      const Bucket& bucket = buckets_[at];
      for (unsigned used = bucket.used; used != 0; used &= used - 1) {
        const auto slot = static_cast<unsigned>(std::countr_zero(used));
        other.put(bucket.tags[slot], bucket.ids[slot]);
      }
    }
    swap(other);
  }

  void swap(FlatIndex& other) noexcept {
    std::swap(buckets_, other.buckets_);
    std::swap(bucket_count_, other.bucket_count_);
    std::swap(count_, other.count_);
  }

  std::unique_ptr<Bucket[]> buckets_;
  std::size_t bucket_count_ = 0;
  std::size_t count_ = 0;
};

}  // namespace berth::ipam
