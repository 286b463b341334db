#pragma once

// Who holds something, in all subnets that share the roster: one record (holder.h) for each owner in each subnet,
// found by the owner's name, an address, or the MAC. What a pod holds is therefore found without asking any subnet. The
// deciding thread owns it.
//
// Always true (check()): every record in use is in the index by name exactly once, in the index by address exactly once
// for each that it holds, and in the index by MAC exactly once unless it has none; no two have the same name and
// subnet. Nothing else is in the indexes.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipam/flat_index.h"
#include "ipam/holder.h"
#include "net/address.h"
#include "net/mac.h"

namespace berth::ipam {

// The tags by which FlatIndex sorts: all bits of the key, spread over 32.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const net::Uint128 product = static_cast<net::Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
[[nodiscard]] constexpr std::uint32_t tag_of(net::Mac mac, std::uint32_t subnet) {
  return static_cast<std::uint32_t>(mix(mac.bits() ^ (std::uint64_t{subnet} << 32), 0x9E37'79B9'7F4A'7C15ULL));
}
[[nodiscard]] constexpr std::uint32_t tag_of(const net::Address& a, std::uint32_t subnet) {
  const auto low = static_cast<std::uint64_t>(a.bits()) ^ (std::uint64_t{subnet} << 32);
  const auto high = static_cast<std::uint64_t>(a.bits() >> 64);
  return static_cast<std::uint32_t>(mix(low ^ (high * 0xD6E8'FEB8'6659'FD93ULL), 0x9E37'79B9'7F4A'7C15ULL));
}
[[nodiscard]] std::uint32_t tag_of(std::string_view name);

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
    return by_owner_.find(tag, [&](Id id) { return at(id).subnet() == subnet && at(id).owner() == owner; });
  }
  // Any record of this owner; kNone if it holds nothing anywhere.
  [[nodiscard]] Id find_any(std::uint32_t tag, std::string_view owner) const {
    return by_owner_.find(tag, [&](Id id) { return at(id).owner() == owner; });
  }
  // What an owner holds in all subnets, in no particular order.
  [[nodiscard]] std::vector<Id> find_all(std::string_view owner) const;
  // Any record but `except` with this MAC; several in one subnet have the same only by Allocator::adopt().
  [[nodiscard]] Id find(net::Mac mac, std::uint32_t subnet, Id except) const {
    return by_mac_.find(tag_of(mac, subnet),
                        [&](Id id) { return id != except && at(id).subnet() == subnet && at(id).mac() == mac; });
  }

  [[nodiscard]] Id find(const net::Address& address, std::uint32_t subnet) const {
    return by_address_.find(tag_of(address, subnet), [&](Id id) {
      const Holder& holder = at(id);
      return holder.subnet() == subnet && (address.is_v4() ? holder.has_v4() && holder.v4() == address.bits()
                                                           : holder.has_v6() && holder.v6() == address.bits());
    });
  }

  // Precondition of add: find() gave kNone. Records do not move while they are in use; one that must hold an IPv6
  // address and was made without room for it is replaced.
  [[nodiscard]] Id add(std::uint32_t tag, std::string_view owner, std::uint32_t subnet, bool room_for_v6);
  [[nodiscard]] Id replace_with_room_for_v6(std::uint32_t tag, Id id);
  void remove(std::uint32_t tag, Id id);

  [[nodiscard]] Holder& at(Id id) { return records_.at(id); }
  [[nodiscard]] const Holder& at(Id id) const { return records_.at(id); }
  void set_mac(Id id, net::Mac mac);  // none: takes it away
  void hold(Id id, const net::Address& address);
  void let_go(Id id, const net::Address& address);

  [[nodiscard]] std::size_t size() const { return by_owner_.size(); }
  // Calls f(id) for every record, in no order that means anything; f adds and removes none.
  template <typename F>
  void for_each(F f) const {
    by_owner_.for_each(f);
  }

  // Hints that the index will soon be asked for it.
  void expect_owner(std::uint32_t tag) const { by_owner_.prefetch(tag); }
  void expect_address(const net::Address& address, std::uint32_t subnet) const {
    by_address_.prefetch(tag_of(address, subnet));
  }
  void expect_mac(net::Mac mac, std::uint32_t subnet) const { by_mac_.prefetch(tag_of(mac, subnet)); }

  [[nodiscard]] Status check() const;

 private:
  FlatIndex by_owner_;
  FlatIndex by_address_;
  FlatIndex by_mac_;
  HolderStore records_;
  std::uint32_t next_subnet_ = 0;
  std::vector<std::uint32_t> closed_;  // subnet numbers to give again
};

}  // namespace berth::ipam
