#pragma once

// Who holds something, in all subnets that share the roster: one 32-byte record for each owner in each subnet, found
// by the owner's name. What a pod holds is therefore found without asking any subnet. The deciding thread owns it.
//
// Always true (check()): every record in use is in the index exactly once, under its name's tag; no two have the same
// name and subnet.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipam/flat_index.h"
#include "ipam/name_store.h"
#include "net/address.h"
#include "net/mac.h"

namespace berth::ipam {

// Spreads all bits of a key over the 32 that FlatIndex sorts by. tag_of(IPv4) is a bijection: equal tag, equal address.
[[nodiscard]] constexpr std::uint32_t tag_of(std::uint32_t v4) {
  v4 = (v4 ^ (v4 >> 16)) * 0x85EB'CA6BU;
  v4 = (v4 ^ (v4 >> 13)) * 0xC2B2'AE35U;
  return v4 ^ (v4 >> 16);
}
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const net::Uint128 product = static_cast<net::Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
[[nodiscard]] constexpr std::uint32_t tag_of(net::Uint128 v6) {
  const auto low = static_cast<std::uint64_t>(v6) ^ 0x9E37'79B9'7F4A'7C15ULL;
  const auto high = static_cast<std::uint64_t>(v6 >> 64) ^ 0xD6E8'FEB8'6659'FD93ULL;
  return static_cast<std::uint32_t>(mix(low, high) >> 16);
}
[[nodiscard]] constexpr std::uint32_t tag_of(net::Mac mac) {
  return static_cast<std::uint32_t>(mix(mac.bits(), 0x9E37'79B9'7F4A'7C15ULL));
}
[[nodiscard]] std::uint32_t tag_of(std::string_view name);

struct Holder {
  const char* name = nullptr;  // null: the record is free
  std::uint32_t length = 0;
  std::uint32_t subnet = 0;
  std::uint32_t v4 = 0;  // of a free record: the next free one
  std::uint32_t mac_low = 0;
  std::uint16_t mac_high = 0;
  bool has_v4 = false;
  bool has_v6 = false;  // the address is in Roster::v6()

  [[nodiscard]] std::string_view owner() const { return {name, length}; }
  [[nodiscard]] net::Mac mac() const { return net::Mac((static_cast<std::uint64_t>(mac_high) << 32) | mac_low); }
  void set_mac(net::Mac mac) {
    mac_low = static_cast<std::uint32_t>(mac.bits());
    mac_high = static_cast<std::uint16_t>(mac.bits() >> 32);
  }
};
static_assert(sizeof(Holder) == 32);

class Roster {
 public:
  using Id = FlatIndex::Id;
  static constexpr Id kNone = FlatIndex::kNone;

  Roster() = default;
  Roster(const Roster&) = delete;
  Roster& operator=(const Roster&) = delete;
  ~Roster();

  // Numbers of subnets; closing forgets all that its owners hold: O(1) if that is nothing, else O(all records).
  [[nodiscard]] std::uint32_t open_subnet();
  void close_subnet(std::uint32_t subnet, std::size_t lease_count);

  [[nodiscard]] Id find(std::uint32_t tag, std::string_view owner, std::uint32_t subnet) const {
    return index_.find(tag, [&](Id id) {
      const Holder& holder = at(id);
      return holder.subnet == subnet && holder.length == owner.size() &&
             std::memcmp(holder.name, owner.data(), owner.size()) == 0;
    });
  }
  // What an owner holds in all subnets, in no particular order.
  [[nodiscard]] std::vector<Id> find_all(std::string_view owner) const;
  // Any record of this owner; kNone if it holds nothing anywhere.
  [[nodiscard]] Id find_any(std::uint32_t tag, std::string_view owner) const {
    return index_.find(tag, [&](Id id) { return at(id).owner() == owner; });
  }

  // Precondition of add: find() gave kNone. Records do not move while they are in use.
  [[nodiscard]] Id add(std::uint32_t tag, std::string_view owner, std::uint32_t subnet);
  void remove(std::uint32_t tag, Id id);

  [[nodiscard]] Holder& at(Id id) { return chunks_[id / kChunk].holders[id % kChunk]; }
  [[nodiscard]] const Holder& at(Id id) const { return chunks_[id / kChunk].holders[id % kChunk]; }
  [[nodiscard]] net::Uint128 v6(Id id) const { return chunks_[id / kChunk].v6[id % kChunk]; }  // if has_v6
  void set_v6(Id id, net::Uint128 bits);

  [[nodiscard]] std::size_t size() const { return index_.size(); }
  [[nodiscard]] Id end() const { return end_; }  // all ids are below it; Holder::name tells which are in use
  void prefetch(std::uint32_t tag) const { index_.prefetch(tag); }

  [[nodiscard]] Status check() const;

 private:
  static constexpr std::size_t kChunk = 128;
  struct Chunk {
    std::unique_ptr<Holder[]> holders;
    std::unique_ptr<net::Uint128[]> v6;  // null until one of them holds an IPv6 address
  };

  FlatIndex index_;
  NameStore names_;
  std::vector<Chunk> chunks_;
  Id end_ = 0;
  Id free_ = kNone;
  std::uint32_t next_subnet_ = 0;
  std::vector<std::uint32_t> closed_;  // subnet numbers to give again
};

}  // namespace berth::ipam
