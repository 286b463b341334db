#pragma once

// The addresses of one family of a subnet, without owners: which are free, released, used and reserved, and which pool
// they belong to. The Allocator (allocator.h) has one per family and knows who holds what.
//
// An address inside the CIDR is in exactly one of four states, and nothing is stored for free ones:
//   used      a bit in used_
//   released  a bit in released of the view that it belongs to
//   reserved  inside withheld_ and not used
//   free      none of these
// A view is the supply of one pool: the spans of offsets that it owns, of which the drawable ones are not withheld. The
// general supply is the view of all that no pool owns. No address belongs to two views.
//
// Always true (check()): no address is used and released, or released and withheld; released addresses lie in the
// drawable spans of their view; every view's counters say how many used addresses lie in its spans and in its drawable
// ones; no free address of a view lies below its cursor. Addresses held outside the CIDR are strays: known, but in
// none of the states.
//
// Cost: next, take and give_back O(1) amortised below offset 2^24 (O(log words) beyond), plus O(log ranges) for pools
// and excludes; set_pool what lies inside the pool; configure everything that is held.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ipam/offset_set.h"
#include "ipam/snapshot.h"
#include "net/address.h"
#include "net/cidr.h"
#include "net/range_set.h"

namespace berth::ipam {

class AddressSpace {
 public:
  explicit AddressSpace(net::Family family) : family_(family) {}
  AddressSpace(AddressSpace&&) = default;
  AddressSpace& operator=(AddressSpace&&) = default;

  // Null: the subnet lacks this family. Gateways and excludes of another family or outside the CIDR have no effect.
  // What is taken stays taken, what is released stays released where it is still inside and not withheld.
  void configure(std::optional<net::Cidr> cidr, const std::vector<net::Address>& gateways,
                 const std::vector<net::Range>& excludes);

  [[nodiscard]] net::Family family() const { return family_; }
  [[nodiscard]] const std::optional<net::Cidr>& cidr() const { return cidr_; }
  [[nodiscard]] bool contains(const net::Address& a) const {
    return cidr_ && a.family() == family_ && a.bits() - network_ <= largest_;
  }
  [[nodiscard]] bool is_network_or_broadcast(const net::Address& a) const;

  // The owner of a pool's ranges; the general supply is the pool with the empty name, which always exists.
  // Precondition of set_pool: no range overlaps one of another pool (see overlap()). Unchanged ranges: nothing happens.
  void set_pool(const std::string& pool, const net::RangeSet& ranges);
  void remove_pool(const std::string& pool);
  [[nodiscard]] std::optional<std::pair<std::string, net::Range>> overlap(const std::string& pool,
                                                                          const net::Range& range) const;
  [[nodiscard]] std::string_view pool_of(const net::Address& a) const;
  [[nodiscard]] bool has_pool(std::string_view pool) const { return pools_.contains(pool); }
  [[nodiscard]] bool has_room(std::string_view pool) const;

  // What a draw from the pool takes: the lowest free address, else the lowest released one. Null: exhausted, or no such
  // pool. Not const, because it remembers where it looked.
  [[nodiscard]] std::optional<net::Address> next(std::string_view pool);

  // take: from whatever state it is in (a stray, if outside the CIDR); it must not be taken yet. give_back: the
  // reverse.
  void take(const net::Address& a);
  void give_back(const net::Address& a);
  [[nodiscard]] bool is_taken(const net::Address& a) const {
    return contains(a) ? used_.contains(offset_of(a)) : !strays_.empty() && strays_.contains(a);
  }

  [[nodiscard]] Counts counts() const;                       // O(1)
  [[nodiscard]] Counts counts(std::string_view pool) const;  // O(log pools); zeros if there is no such pool
  [[nodiscard]] net::Uint128 pooled() const;                 // available addresses that named pools keep; O(pools)
  [[nodiscard]] Snapshot snapshot() const;

  [[nodiscard]] Status check() const;
  [[nodiscard]] net::RangeSet taken() const;  // used and strays

 private:
  using Offset = net::Uint128;
  struct View {
    std::vector<net::Range> ranges;      // as configured, also outside the CIDR; none in the general view
    std::shared_ptr<const Spans> whole;  // null: none
    std::shared_ptr<const Spans> drawable;
    Offset size = 0;           // of whole
    Offset drawable_size = 0;  // of drawable
    Offset used = 0;           // of whole
    Offset used_drawable = 0;  // of drawable
    OffsetSet released;
    std::size_t span = 0;  // of drawable, where the cursor is
    Offset cursor = 0;

    [[nodiscard]] Counts counts() const;
    [[nodiscard]] bool has_room() const { return used_drawable < drawable_size; }
  };
  struct Owned {  // a range of a pool
    net::Address first;
    net::Address last;
    std::string_view name;  // the key in pools_
    View* view;
  };

  [[nodiscard]] Offset offset_of(const net::Address& a) const { return a.bits() - network_; }
  [[nodiscard]] net::Address at(Offset o) const { return {family_, network_ + o}; }
  [[nodiscard]] bool is_withheld(Offset o) const;
  [[nodiscard]] Spans withheld_by(const std::vector<net::Address>& gateways,
                                  const std::vector<net::Range>& excludes) const;
  [[nodiscard]] Spans spans_of(const std::vector<net::Range>& ranges) const;  // clipped to the CIDR
  [[nodiscard]] const Owned* owned_at(const net::Address& a) const;
  [[nodiscard]] View& view_of(const net::Address& a) {
    if (owned_.empty()) return general_;
    const Owned* owned = owned_at(a);
    return owned == nullptr ? general_ : *owned->view;
  }
  [[nodiscard]] View* find_view(std::string_view pool);
  [[nodiscard]] const View* find_view(std::string_view pool) const {
    return const_cast<AddressSpace*>(this)->find_view(pool);
  }
  [[nodiscard]] std::optional<Offset> first_free(View& view);
  void rebase(const std::optional<net::Cidr>& cidr, OffsetSet& released);
  void spread(const OffsetSet& released);
  void carve(View& pool);
  void settle_general();
  [[nodiscard]] Status check_view(std::string_view name, const View& view) const;
  [[nodiscard]] Status check_pools() const;

  net::Family family_;
  std::optional<net::Cidr> cidr_;
  Offset network_ = 0;
  Offset largest_ = 0;                            // offset of the last address
  std::shared_ptr<const Spans> inside_;           // the CIDR
  std::shared_ptr<const Spans> inside_drawable_;  // without what is withheld
  Spans withheld_;                                // never drawn: network, broadcast, IPv6 last, gateways, excludes
  Offset withheld_size_ = 0;
  Offset used_withheld_ = 0;
  OffsetSet used_;
  net::RangeSet strays_;
  View general_;
  bool general_stale_ = false;  // its spans and cursor follow the pools when they are next needed
  std::map<std::string, std::unique_ptr<View>, std::less<>> pools_;
  std::vector<Owned> owned_;  // all pools' ranges, ascending
};

}  // namespace berth::ipam
