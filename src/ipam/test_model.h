#pragma once

// What the property test and the fuzz target compare the Allocator with: a model that knows every address of a small
// subnet by itself, and steps made of small numbers, so that they meet.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipam/allocator.h"
#include "ipam/test_util.h"

namespace berth::ipam::testing {

using net::Address;
using net::Cidr;
using net::Family;
using net::Mac;
using net::Range;
using net::RangeSet;
using net::Uint128;

using Addresses = std::set<Address>;

class Model {
 public:
  explicit Model(Config config) : config_(std::move(config)) { enumerate_cidrs(); }

  void reconfigure(const Config& config) {
    config_ = config;
    enumerate_cidrs();
    std::erase_if(released_, [&](const Address& a) { return !inside(a) || withheld(a); });
  }

  bool set_pool(const std::string& pool, const Addresses& addresses) {
    for (const auto& [other, theirs] : pools_) {
      for (const auto& a : addresses) {
        if (other != pool && theirs.contains(a)) return false;
      }
    }
    pools_[pool] = addresses;
    return true;
  }
  void remove_pool(const std::string& pool) { pools_.erase(pool); }

  // The addresses that the ask must get, or the denial's word; the MAC is looked at by the caller.
  std::string acquire(const Ask& ask, Lease& lease) const {
    if (ask.wanted.size() == 2 && ask.wanted[0].family() == ask.wanted[1].family()) return "InvalidIPFamily";
    for (const auto& a : ask.wanted) {
      if (ask.only && a.family() != *ask.only) return "InvalidIPFamily";
      if (!has(a.family())) return "AddressOutOfRange";
    }
    if (ask.only && !has(*ask.only)) return "InvalidIPFamily";
    for (const auto family : {Family::v4, Family::v6}) {
      if (!has(family) || (ask.only && *ask.only != family)) continue;
      std::optional<Address> chosen;
      const auto wanted = std::ranges::find(ask.wanted, family, &Address::family);
      if (wanted != ask.wanted.end()) {
        if (!inside(*wanted)) return "AddressOutOfRange";
        if (is_gateway(*wanted)) return "AddressConflict";
        if (is_end(*wanted)) return "AddressOutOfRange";
        if (const auto holder = holder_of(*wanted); holder && *holder != ask.owner) return "AddressConflict";
        chosen = *wanted;
      } else {
        chosen = keep_or_draw(ask, family);
        if (!chosen) return "NoAvailableAddress";
      }
      (family == Family::v4 ? lease.v4 : lease.v6) = chosen;
    }
    if (!ask.mac.is_none()) {
      if (ask.mac == config_.gateway_mac) return "AddressConflict";
      const auto own = leases_.find(ask.owner);
      if ((own == leases_.end() || own->second.mac != ask.mac) && mac_is_held(ask.mac)) return "AddressConflict";
      lease.mac = ask.mac;
    }
    return "";
  }

  void store(const std::string& owner, const Lease& lease) {
    const auto kept = lease.addresses();
    for (const auto& a : leases_[owner].addresses()) {
      if (std::ranges::find(kept, a) == kept.end()) give_back(a);
    }
    for (const auto& a : kept) released_.erase(a);
    leases_[owner] = lease;
  }

  bool release(const std::string& owner) {
    const auto it = leases_.find(owner);
    if (it == leases_.end()) return false;
    for (const auto& a : it->second.addresses()) give_back(a);
    leases_.erase(it);
    return true;
  }

  [[nodiscard]] std::optional<std::string> holder_of(const Address& a) const {
    for (const auto& [owner, lease] : leases_) {
      if (lease.v4 == a || lease.v6 == a) return owner;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool mac_is_held(const Mac& mac) const {
    return std::ranges::any_of(leases_, [&](const auto& entry) { return entry.second.mac == mac; });
  }

  // Of all addresses of the family, or of one pool's.
  [[nodiscard]] Usage usage(Family family, const std::string& pool = {}) const {
    Usage usage;
    RangeSet used;
    RangeSet available;
    for (const auto& a : all(family)) {
      if (!pool.empty() && !pools_.at(pool).contains(a)) continue;
      ++usage.size;
      if (holder_of(a)) {
        used.add(a);
        ++usage.used;
      } else if (withheld(a)) {
        ++usage.reserved;
      } else {
        available.add(a);
        ++usage.available;
      }
    }
    usage.used_ranges = used.to_string();
    usage.available_ranges = available.to_string();
    return usage;
  }

  [[nodiscard]] bool has(Family family) const {
    return std::ranges::any_of(config_.cidrs, [&](const Cidr& cidr) { return cidr.family() == family; });
  }
  [[nodiscard]] std::optional<Address> draw(Family family, const std::string& pool) const {
    std::optional<Address> best;
    for (const bool want_released : {false, true}) {
      for (const auto& a : all(family)) {
        if (!best && !withheld(a) && !holder_of(a) && pool_of(a) == pool && released_.contains(a) == want_released) {
          best = a;
        }
      }
    }
    return best;
  }

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const std::map<std::string, Lease>& leases() const { return leases_; }
  [[nodiscard]] const std::map<std::string, Addresses>& pools() const { return pools_; }

 private:
  [[nodiscard]] const Addresses& all(Family family) const { return all_.at(static_cast<std::size_t>(family)); }
  void enumerate_cidrs() {
    for (auto& addresses : all_) addresses.clear();
    for (const auto& cidr : config_.cidrs) {
      auto& addresses = all_.at(static_cast<std::size_t>(cidr.family()));
      for (Uint128 bits = cidr.network().bits(); bits <= cidr.last().bits(); ++bits)
        addresses.insert({cidr.family(), bits});
    }
  }
  [[nodiscard]] bool inside(const Address& a) const { return all(a.family()).contains(a); }
  [[nodiscard]] bool is_gateway(const Address& a) const {
    return std::ranges::find(config_.gateways, a) != config_.gateways.end();
  }
  // Network, or IPv4 broadcast.
  [[nodiscard]] bool is_end(const Address& a) const {
    const auto& addresses = all(a.family());
    return addresses.size() > 2 && (a == *addresses.begin() || (a.is_v4() && a == *addresses.rbegin()));
  }
  [[nodiscard]] bool withheld(const Address& a) const {
    const auto& addresses = all(a.family());
    return is_gateway(a) || is_end(a) || (addresses.size() > 2 && a == *addresses.rbegin()) ||
           std::ranges::any_of(config_.excludes, [&](const Range& range) { return range.contains(a); });
  }
  [[nodiscard]] std::string pool_of(const Address& a) const {
    for (const auto& [pool, addresses] : pools_) {
      if (addresses.contains(a)) return pool;
    }
    return "";
  }
  [[nodiscard]] std::optional<Address> keep_or_draw(const Ask& ask, Family family) const {
    if (const auto it = leases_.find(ask.owner); it != leases_.end()) {
      const auto& held = family == Family::v4 ? it->second.v4 : it->second.v6;
      if (held && inside(*held) && !is_gateway(*held) && !is_end(*held) && pool_of(*held) == ask.pool) return held;
    }
    return draw(family, ask.pool);
  }
  void give_back(const Address& a) {
    if (inside(a) && !withheld(a)) released_.insert(a);
  }

  Config config_;
  std::array<Addresses, 2> all_;  // by family
  std::map<std::string, Lease> leases_;
  Addresses released_;
  std::map<std::string, Addresses> pools_;
};

enum class Kind { acquire, release, adopt, set_pool, remove_pool, reconfigure };

// Plain numbers; what they mean depends on the kind. Small ones, so that steps meet.
struct Step {
  Kind kind;
  int owner;
  int pool;     // 0: none
  int variant;  // which of the CIDR lists, of the families, of the MACs
  int offset;
  int length;
};

inline Address at(Family family, int offset) {
  const Uint128 base = family == Family::v4 ? Uint128{0x0A00'0000} : Uint128{0xFD00} << 112;
  return Address(family, base + static_cast<Uint128>(offset));
}

inline Config config_of(const Step& step) {
  constexpr std::array kLists{"10.0.0.0/28",
                              "10.0.0.0/28,fd00::/123",
                              "10.0.0.0/27,fd00::/124",
                              "10.0.0.0/27,fd00::/123",
                              "10.0.0.8/29",
                              "10.0.0.0/27",
                              "10.0.0.4/30,fd00::/124",
                              "10.0.0.4/31,fd00::/122",
                              "10.0.0.4/32,fd00::4/128",
                              "fd00::/126",
                              "fd00::/122",
                              "fd00::4/127"};
  Config config = make_config(kLists.at(static_cast<std::size_t>(step.variant) % kLists.size()));
  for (const auto family : {Family::v4, Family::v6}) {
    if (step.pool > 0) config.gateways.push_back(at(family, step.offset));
    if (step.length > 0) {
      config.excludes.push_back(Range{at(family, step.owner), at(family, step.owner + step.length)});
      config.excludes.push_back(Range{at(family, step.offset), at(family, step.offset + 1)});
    }
  }
  if (step.variant % 3 == 0) config.gateway_mac = Mac(0x0200'0000'0000ULL + static_cast<unsigned>(step.offset % 5));
  return config;
}

inline std::string pool_name(int number) { return number == 0 ? "" : "pool-" + std::to_string(number); }

inline Ask ask_of(const Step& step) {
  Ask ask;
  ask.owner = "owner-" + std::to_string(step.owner);
  ask.pool = pool_name(step.pool);
  if (step.variant % 6 == 1) ask.only = Family::v4;
  if (step.variant % 6 == 2) ask.only = Family::v6;
  if (step.length == 1 || step.length == 3) ask.wanted.push_back(at(Family::v4, step.offset));
  if (step.length == 2 || step.length == 3) ask.wanted.push_back(at(Family::v6, step.offset));
  if (step.length == 3 && step.offset % 8 == 7) ask.wanted[1] = at(Family::v4, step.offset + 1);  // two of one
  if (step.variant % 5 == 0) ask.mac = Mac(0x0200'0000'0000ULL + static_cast<unsigned>(step.offset % 5));
  return ask;
}

inline Lease lease_of(const Step& step) {
  Lease lease;
  if (step.length != 1) lease.v4 = at(Family::v4, step.offset);
  if (step.length != 2) lease.v6 = at(Family::v6, step.offset);
  lease.mac = Mac(step.variant % 2 == 0 ? 0 : 0x0200'0000'0000ULL + static_cast<unsigned>(step.offset % 5));
  return lease;
}

inline std::vector<Range> pool_of_step(const Step& step) {
  std::vector<Range> result;
  if (step.variant % 3 != 1)
    result.push_back(Range{at(Family::v4, step.offset), at(Family::v4, step.offset + step.length)});
  if (step.variant % 3 != 2)
    result.push_back(Range{at(Family::v6, step.offset), at(Family::v6, step.offset + step.length)});
  if (step.variant % 4 == 0) result.push_back(Range{at(Family::v4, step.owner), at(Family::v4, step.owner)});
  return result;
}

inline Addresses enumerate(const std::vector<Range>& ranges) {
  Addresses result;
  for (const auto& range : ranges) {
    for (Uint128 bits = range.first.bits(); bits <= range.last.bits(); ++bits) result.insert({range.family(), bits});
  }
  return result;
}

}  // namespace berth::ipam::testing
