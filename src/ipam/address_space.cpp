#include "ipam/address_space.h"

#include <fmt/format.h>

#include <cassert>
#include <utility>

namespace berth::ipam {

using net::Address;
using net::Cidr;
using net::Range;
using net::RangeSet;
using net::Uint128;

namespace {

bool has_network_address(const Cidr& cidr) { return cidr.network().width() - cidr.prefix_length() > 1; }

RangeSet whole(const std::optional<Cidr>& cidr) {
  RangeSet set;
  if (cidr) set.add(Range::of(*cidr));
  return set;
}

RangeSet minus(RangeSet a, const RangeSet& b) {
  a.remove(b);
  return a;
}

// Moves what lies in `ranges` from one set to the other.
void transfer(RangeSet& from, RangeSet& to, const RangeSet& ranges) {
  const RangeSet moved = from.intersection(ranges);
  from.remove(moved);
  to.add(moved);
}

}  // namespace

bool AddressSpace::is_network_or_broadcast(const Address& a) const {
  if (!cidr_ || !has_network_address(*cidr_)) return false;
  return a == cidr_->network() || (a.is_v4() && a == cidr_->last());
}

RangeSet AddressSpace::withheld_by(const std::vector<Address>& gateways, const std::vector<Range>& excludes) const {
  RangeSet withheld;
  if (!cidr_) return withheld;
  const RangeSet inside = whole(cidr_);
  if (has_network_address(*cidr_)) {
    withheld.add(cidr_->network());
    withheld.add(cidr_->last());
  }
  for (const auto& gateway : gateways) {
    if (cidr_->contains(gateway)) withheld.add(gateway);
  }
  for (const auto& range : excludes) withheld.add(inside.intersection(range));
  return withheld;
}

void AddressSpace::configure(std::optional<Cidr> cidr, const std::vector<Address>& gateways,
                             const std::vector<Range>& excludes) {
  assert(!cidr || cidr->family() == family_);
  for (auto& [name, pool] : pools_) pour_back(pool);
  const RangeSet all_taken = taken();
  cidr_ = cidr;
  withheld_ = withheld_by(gateways, excludes);
  const RangeSet inside = whole(cidr_);
  used_ = all_taken.intersection(inside);
  strays_ = minus(all_taken, inside);
  reserved_ = minus(withheld_, used_);

  RangeSet drawable = minus(inside, withheld_);
  drawable.remove(used_);
  general_.released = general_.released.intersection(drawable);
  general_.free = minus(std::move(drawable), general_.released);
  for (auto& [name, pool] : pools_) carve(pool);
}

void AddressSpace::carve(Pool& pool) {
  transfer(general_.free, pool.supply.free, pool.ranges);
  transfer(general_.released, pool.supply.released, pool.ranges);
}

void AddressSpace::pour_back(Pool& pool) {
  general_.free.add(pool.supply.free);
  general_.released.add(pool.supply.released);
  pool.supply = {};
}

void AddressSpace::set_pool(const std::string& pool, RangeSet ranges) {
  assert(!pool.empty());
  remove_pool(pool);
  const auto it = pools_.emplace(pool, Pool{std::move(ranges), {}}).first;
  for (const auto& range : it->second.ranges.ranges())
    pool_ranges_.emplace(range.first, PoolRange{range.last, it->first});
  carve(it->second);
}

void AddressSpace::remove_pool(const std::string& pool) {
  const auto it = pools_.find(pool);
  if (it == pools_.end()) return;
  pour_back(it->second);
  for (const auto& range : it->second.ranges.ranges()) pool_ranges_.erase(range.first);
  pools_.erase(it);
}

std::optional<std::pair<std::string, Range>> AddressSpace::overlap(const std::string& pool, const Range& range) const {
  auto it = pool_ranges_.upper_bound(range.first);
  if (it != pool_ranges_.begin()) --it;
  for (; it != pool_ranges_.end() && it->first <= range.last; ++it) {
    if (it->second.pool != pool && it->second.last >= range.first) {
      return std::pair(std::string(it->second.pool), Range{it->first, it->second.last});
    }
  }
  return std::nullopt;
}

std::string_view AddressSpace::pool_of(const Address& a) const {
  const auto it = pool_ranges_.upper_bound(a);
  if (it == pool_ranges_.begin() || std::prev(it)->second.last < a) return {};
  return std::prev(it)->second.pool;
}

const AddressSpace::Supply* AddressSpace::find_supply(std::string_view pool) const {
  if (pool.empty()) return &general_;
  const auto it = pools_.find(pool);
  return it == pools_.end() ? nullptr : &it->second.supply;
}

AddressSpace::Supply& AddressSpace::supply_of(const Address& a) {
  const auto pool = pool_of(a);
  return pool.empty() ? general_ : pools_.find(pool)->second.supply;
}

std::optional<Address> AddressSpace::next(std::string_view pool) const {
  const Supply* supply = find_supply(pool);
  if (supply == nullptr) return std::nullopt;
  return supply->free.empty() ? supply->released.lowest() : supply->free.lowest();
}

void AddressSpace::take(const Address& a) {
  assert(a.family() == family_ && !used_.contains(a) && !strays_.contains(a));
  if (!contains(a)) {
    strays_.add(a);
    return;
  }
  used_.add(a);
  if (withheld_.contains(a)) {
    reserved_.remove(a);
  } else {
    Supply& supply = supply_of(a);
    supply.free.remove(a);
    supply.released.remove(a);
  }
}

void AddressSpace::give_back(const Address& a) {
  assert(used_.contains(a) || strays_.contains(a));
  if (!contains(a)) {
    strays_.remove(a);
    return;
  }
  used_.remove(a);
  if (withheld_.contains(a)) {
    reserved_.add(a);
  } else {
    supply_of(a).released.add(a);
  }
}

RangeSet AddressSpace::taken() const {
  RangeSet all = used_;
  all.add(strays_);
  return all;
}

SpaceCounts AddressSpace::counts() const {
  SpaceCounts counts{whole(cidr_).size(), used_.size(), reserved_.size(), 0, 0};
  for (const auto& [name, pool] : pools_) counts.pooled += pool.supply.free.size() + pool.supply.released.size();
  counts.available = general_.free.size() + general_.released.size() + counts.pooled;
  return counts;
}

RangeSet AddressSpace::available() const {
  RangeSet all = general_.released;
  all.add(general_.free);
  for (const auto& [name, pool] : pools_) {
    all.add(pool.supply.free);
    all.add(pool.supply.released);
  }
  return all;
}

std::optional<PoolUsage> AddressSpace::pool_usage(std::string_view pool) const {
  const auto it = pools_.find(pool);
  if (it == pools_.end()) return std::nullopt;
  const RangeSet ranges = it->second.ranges.intersection(whole(cidr_));
  PoolUsage usage{ranges.size(), used_.intersection(ranges), reserved_.intersection(ranges), it->second.supply.free};
  usage.available.add(it->second.supply.released);
  return usage;
}

Status AddressSpace::check() const {
  RangeSet all;
  const auto disjoint = [&](const RangeSet& part, std::string_view what) -> Status {
    const RangeSet twice = all.intersection(part);
    if (!twice.empty()) return fail(ErrorCode::internal, fmt::format("{}: {} and elsewhere", twice.to_string(), what));
    all.add(part);
    return {};
  };
  std::vector<std::pair<const RangeSet*, std::string>> parts{
      {&used_, "used"}, {&reserved_, "reserved"}, {&general_.free, "free"}, {&general_.released, "released"}};
  for (const auto& [name, pool] : pools_) {
    parts.emplace_back(&pool.supply.free, "free in pool " + name);
    parts.emplace_back(&pool.supply.released, "released in pool " + name);
  }
  for (const auto& [part, what] : parts) {
    if (auto status = disjoint(*part, what); !status) return status;
  }
  if (all != whole(cidr_)) {
    return fail(ErrorCode::internal, fmt::format("the sets hold {} instead of {}", all.to_string(),
                                                 cidr_ ? cidr_->to_string() : std::string("nothing")));
  }
  if (auto status = disjoint(strays_, "held outside the CIDR"); !status) return status;
  if (reserved_ != minus(withheld_, used_)) {
    return fail(ErrorCode::internal, fmt::format("reserved is {}, withheld {}, used {}", reserved_.to_string(),
                                                 withheld_.to_string(), used_.to_string()));
  }
  return check_pools();
}

Status AddressSpace::check_pools() const {
  RangeSet pooled;
  std::size_t range_count = 0;
  for (const auto& [name, pool] : pools_) {
    if (!pooled.intersection(pool.ranges).empty()) {
      return fail(ErrorCode::internal, fmt::format("pool {} overlaps another", name));
    }
    pooled.add(pool.ranges);
    range_count += pool.ranges.range_count();
    for (const RangeSet* part : {&pool.supply.free, &pool.supply.released}) {
      const RangeSet foreign = minus(*part, pool.ranges);
      if (!foreign.empty()) {
        return fail(ErrorCode::internal, fmt::format("pool {} supplies {}", name, foreign.to_string()));
      }
    }
    for (const auto& range : pool.ranges.ranges()) {
      const auto it = pool_ranges_.find(range.first);
      if (it == pool_ranges_.end() || it->second.last != range.last || it->second.pool != name) {
        return fail(ErrorCode::internal, fmt::format("pool {}: {} is not indexed", name, range.to_string()));
      }
    }
  }
  if (range_count != pool_ranges_.size()) return fail(ErrorCode::internal, "the index holds ranges of no pool");
  for (const RangeSet* part : {&general_.free, &general_.released}) {
    const RangeSet leaked = part->intersection(pooled);
    if (!leaked.empty()) {
      return fail(ErrorCode::internal, fmt::format("pooled but in general supply: {}", leaked.to_string()));
    }
  }
  return {};
}

}  // namespace berth::ipam
