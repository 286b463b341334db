#pragma once

// A lease as the Roster (roster.h) keeps it: 16 bytes, behind which lie the IPv6 address, if there is room for one, and
// the owner's name, so that as a rule one cache line says all. A Holder is a view of such a record, made and freed by
// HolderStore; it is never copied.

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "net/mac.h"

namespace berth::ipam {

class Holder {
 public:
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  [[nodiscard]] std::uint32_t subnet() const { return subnet_; }
  [[nodiscard]] std::string_view owner() const {
    if (!far_name_) return {name_place(), name_length_};
    Far far;
    std::memcpy(&far, name_place(), sizeof far);
    return {far.text, far.length};
  }

  [[nodiscard]] bool has_v4() const { return has_v4_; }
  [[nodiscard]] bool has_v6() const { return has_v6_; }
  [[nodiscard]] bool has_room_for_v6() const { return room_for_v6_; }
  [[nodiscard]] std::uint32_t v4() const { return v4_; }  // if has_v4
  [[nodiscard]] net::Uint128 v6() const {                 // if has_v6
    net::Uint128 bits = 0;
    std::memcpy(&bits, v6_place(), sizeof bits);
    return bits;
  }
  [[nodiscard]] net::Mac mac() const { return net::Mac((static_cast<std::uint64_t>(mac_high_) << 32) | mac_low_); }

  void set_v4(std::uint32_t bits) {
    v4_ = bits;
    has_v4_ = true;
  }
  void set_v6(net::Uint128 bits) {
    assert(room_for_v6_);
    std::memcpy(v6_place(), &bits, sizeof bits);
    has_v6_ = true;
  }
  void clear_v4() { has_v4_ = false; }
  void clear_v6() { has_v6_ = false; }
  void set_mac(net::Mac mac) {
    mac_low_ = static_cast<std::uint32_t>(mac.bits());
    mac_high_ = static_cast<std::uint16_t>(mac.bits() >> 32);
  }

 private:
  friend class HolderStore;
  struct Far {  // a name that is longer than nearly all are
    const char* text;
    std::size_t length;
  };
  static constexpr std::size_t kLongestName = 224;

  Holder() = default;
  [[nodiscard]] char* v6_place() { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] const char* v6_place() const { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] char* name_place() { return v6_place() + (room_for_v6_ ? sizeof(net::Uint128) : 0); }
  [[nodiscard]] const char* name_place() const { return const_cast<Holder*>(this)->name_place(); }
  [[nodiscard]] std::size_t size() const {
    return sizeof(Holder) + (room_for_v6_ ? sizeof(net::Uint128) : 0) + name_length_;
  }

  std::uint32_t subnet_ = 0;
  std::uint32_t v4_ = 0;  // of a free record: the next free one of its size
  std::uint32_t mac_low_ = 0;
  std::uint16_t mac_high_ = 0;
  std::uint8_t name_length_ = 0;  // in the record
  bool far_name_ : 1 = false;
  bool room_for_v6_ : 1 = false;
  bool has_v4_ : 1 = false;
  bool has_v6_ : 1 = false;
};
static_assert(sizeof(Holder) == 16);

// The memory of the records: blocks of 64 KiB, in units of 16 bytes. A record's number is that of its first unit; it
// does not move while it is in use. What is freed is given to the next record of the same size. Whoever has the numbers
// frees all before the store goes.
class HolderStore {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = ~Id{0};

  [[nodiscard]] Id add(std::string_view owner, std::uint32_t subnet, bool room_for_v6);
  void remove(Id id);

  [[nodiscard]] Holder& at(Id id) { return *reinterpret_cast<Holder*>(place(id)); }
  [[nodiscard]] const Holder& at(Id id) const { return *reinterpret_cast<const Holder*>(place(id)); }

 private:
  static constexpr std::size_t kUnit = 16;
  static constexpr std::size_t kUnits = 4096;
  struct alignas(64) Block {
    std::array<std::byte, kUnit * kUnits> bytes;
  };
  static constexpr std::size_t kLargest = (sizeof(Holder) + sizeof(net::Uint128) + Holder::kLongestName) / kUnit;

  [[nodiscard]] std::byte* place(Id id) const { return blocks_[id / kUnits]->bytes.data() + id % kUnits * kUnit; }
  [[nodiscard]] Id take(std::size_t units);

  std::vector<std::unique_ptr<Block>> blocks_;
  std::size_t used_ = kUnits;  // units of the last block
  std::array<Id, kLargest + 1> free_ = none_free();

  [[nodiscard]] static constexpr std::array<Id, kLargest + 1> none_free() {
    std::array<Id, kLargest + 1> free{};
    free.fill(kNone);
    return free;
  }
};

}  // namespace berth::ipam
