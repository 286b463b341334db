#pragma once

// The addresses of one family of a subnet, without owners: which are free, released, used and reserved, and which pool
// they belong to. The Allocator (allocator.h) has one per family and knows who holds what.
//
// Always true (check()): free, released, used and reserved are disjoint and together the CIDR; reserved is what is
// withheld minus what is used; an address that is free or released stands in the supply of its pool, or in the general
// one if no pool has it. Addresses held outside the CIDR are strays: known, but in none of these sets.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "net/cidr.h"
#include "net/range_set.h"

namespace berth::ipam {

struct SpaceCounts {
  net::Uint128 size = 0;
  net::Uint128 used = 0;
  net::Uint128 reserved = 0;
  net::Uint128 available = 0;  // free and released, of all pools
  net::Uint128 pooled = 0;     // the part of them that named pools keep
};

struct PoolUsage {
  net::Uint128 size = 0;  // inside the CIDR
  net::RangeSet used;
  net::RangeSet reserved;
  net::RangeSet available;
};

class AddressSpace {
 public:
  explicit AddressSpace(net::Family family) : family_(family) {}

  // Null: the subnet lacks this family. Gateways and excludes of another family or outside the CIDR have no effect.
  // What is taken stays taken, what is released stays released where it is still inside and not withheld.
  void configure(std::optional<net::Cidr> cidr, const std::vector<net::Address>& gateways,
                 const std::vector<net::Range>& excludes);

  [[nodiscard]] net::Family family() const { return family_; }
  [[nodiscard]] const std::optional<net::Cidr>& cidr() const { return cidr_; }
  [[nodiscard]] bool contains(const net::Address& a) const { return cidr_ && cidr_->contains(a); }
  [[nodiscard]] bool is_network_or_broadcast(const net::Address& a) const;

  // The owner of a pool's ranges; the general supply is the pool with the empty name, which always exists.
  // Precondition of set_pool: no range overlaps one of another pool (see overlap()).
  void set_pool(const std::string& pool, net::RangeSet ranges);
  void remove_pool(const std::string& pool);
  [[nodiscard]] std::optional<std::pair<std::string, net::Range>> overlap(const std::string& pool,
                                                                          const net::Range& range) const;
  [[nodiscard]] std::string_view pool_of(const net::Address& a) const;
  [[nodiscard]] bool has_pool(std::string_view pool) const { return pools_.contains(pool); }

  // What a draw from the pool would take: the lowest free address, else the lowest released one. Null: exhausted, or no
  // such pool.
  [[nodiscard]] std::optional<net::Address> next(std::string_view pool) const;

  // take: from whatever set it is in (a stray, if outside the CIDR); it must not be taken yet. give_back: the reverse.
  void take(const net::Address& a);
  void give_back(const net::Address& a);

  [[nodiscard]] SpaceCounts counts() const;  // O(pools)
  [[nodiscard]] const net::RangeSet& used() const { return used_; }
  [[nodiscard]] net::RangeSet available() const;
  [[nodiscard]] std::optional<PoolUsage> pool_usage(std::string_view pool) const;

  [[nodiscard]] Status check() const;
  [[nodiscard]] net::RangeSet taken() const;  // used and strays

 private:
  struct Supply {
    net::RangeSet free;
    net::RangeSet released;
  };
  struct Pool {
    net::RangeSet ranges;  // as configured, also outside the CIDR
    Supply supply;
  };
  struct PoolRange {
    net::Address last;
    std::string_view pool;  // the key in pools_
  };

  [[nodiscard]] net::RangeSet withheld_by(const std::vector<net::Address>& gateways,
                                          const std::vector<net::Range>& excludes) const;
  [[nodiscard]] Supply& supply_of(const net::Address& a);
  [[nodiscard]] const Supply* find_supply(std::string_view pool) const;
  void carve(Pool& pool);      // general supply -> pool
  void pour_back(Pool& pool);  // pool -> general supply
  [[nodiscard]] Status check_pools() const;

  net::Family family_;
  std::optional<net::Cidr> cidr_;
  net::RangeSet withheld_;  // never drawn: network, broadcast, IPv6 last, gateways, excludes
  net::RangeSet reserved_;  // withheld_ minus used_
  net::RangeSet used_;
  net::RangeSet strays_;
  Supply general_;
  std::map<std::string, Pool, std::less<>> pools_;
  std::map<net::Address, PoolRange> pool_ranges_;  // first address -> rest; all pools
};

}  // namespace berth::ipam
