// Which ranges IPPools keep, and what follows from a change of them.

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/ip_pool.h"
#include "world/world.h"

namespace berth::world {
namespace {

using Ranges = std::vector<net::Range>;

// Disjoint ranges of one subnet and whose they are.
class Shares {
 public:
  // The pool that keeps part of one of these ranges, and that part.
  [[nodiscard]] std::optional<std::pair<std::string, net::Range>> conflict(const Ranges& ranges,
                                                                           const std::string& except) const {
    for (const net::Range& range : ranges) {
      auto it = by_first_.upper_bound(range.first);
      if (it != by_first_.begin() && std::prev(it)->second.first >= range.first) --it;
      for (; it != by_first_.end() && it->first <= range.last; ++it) {
        const auto& [last, pool] = it->second;
        if (it->first.family() == range.family() && pool != except) return {{pool, {it->first, last}}};
      }
    }
    return std::nullopt;
  }
  void take(const std::string& pool, const Ranges& ranges) {
    for (const net::Range& range : ranges) by_first_[range.first] = {range.last, pool};
  }
  void give_back(const Ranges& ranges) {
    for (const net::Range& range : ranges) by_first_.erase(range.first);
  }

 private:
  std::map<net::Address, std::pair<net::Address, std::string>> by_first_;
};

bool lies_in(const net::Range& range, const std::vector<net::Cidr>& cidrs) {
  return std::ranges::any_of(cidrs,
                             [&](const net::Cidr& c) { return c.contains(range.first) && c.contains(range.last); });
}

// The text was accepted in this very form before, perhaps by another process.
bool was_accepted(const api::IpPool& pool) {
  return std::ranges::any_of(pool.conditions, [&](const api::Condition& c) {
    return c.type == "Ready" && c.status == "True" && c.observed_generation == pool.meta.generation;
  });
}

struct Claimant {
  const api::IpPool* pool;
  Ranges held;            // in force now
  Result<Ranges> wanted;  // what its text says; the error says what is wrong with it by itself
  PoolState verdict;
};

std::string outside(const api::IpPool& pool, const net::Range& range, const std::vector<net::Cidr>& cidrs) {
  return fmt::format(
      "IPPool {}: spec.ips \"{}\": lies outside Subnet {} ({}); choose addresses of that subnet, or correct "
      "spec.subnet",
      pool.meta.name, range.to_string(), pool.subnet, api::to_string(cidrs));
}

}  // namespace

const PoolState& World::pool_state(const std::string& pool) const {
  static const PoolState unknown{{}, 0, "it has not been looked at yet"};
  const auto it = pool_states_.find(pool);
  return it == pool_states_.end() ? unknown : it->second;
}

std::optional<std::string> World::pool_problem(const std::string& pool) const {
  const PoolState& state = pool_state(pool);
  return state.in_force.empty() ? std::optional(state.problem) : std::nullopt;
}

const std::set<std::string>& World::pools_in(const std::string& subnet) const {
  static const std::set<std::string> none;
  const auto it = pools_by_subnet_.find(subnet);
  return it == pools_by_subnet_.end() ? none : it->second;
}

void World::configure_pools(const std::string& subnet) {
  ipam::Allocator* allocator = allocators_.find(subnet);
  const std::vector<net::Cidr> cidrs = allocator == nullptr ? std::vector<net::Cidr>{} : allocator->config().cidrs;
  std::vector<Claimant> all;
  for (const std::string& name : pools_in(subnet)) {
    const api::IpPool* pool = pools_.find(name);
    Claimant c{pool, {}, api::plan_ip_pool(*pool), {{}, pool->meta.generation, {}}};
    if (const auto known = pool_states_.find(name); known != pool_states_.end() && !known->second.in_force.empty()) {
      c.held = known->second.in_force;
    } else if (const auto kept = pool->meta.annotation(api::kIpsInForceAnnotation)) {
      c.held = api::parse_ranges(*kept);
    } else if (was_accepted(*pool) && c.wanted) {
      c.held = *c.wanted;
    }
    std::erase_if(c.held, [&](const net::Range& r) { return !lies_in(r, cidrs); });
    all.push_back(std::move(c));
  }
  if (settings_.safeguards.order_by_age)
    std::ranges::sort(all, [](const Claimant& a, const Claimant& b) { return a.pool->meta.older_than(b.pool->meta); });

  Shares shares;
  for (Claimant& c : all) {
    if (shares.conflict(c.held, c.pool->meta.name)) c.held.clear();
    shares.take(c.pool->meta.name, c.held);
  }
  // An edit that gives something up may make room for an older text: as long as one is accepted.
  for (bool again = true; again;) {
    again = false;
    for (Claimant& c : all) {
      const std::string& name = c.pool->meta.name;
      std::string& problem = c.verdict.problem;
      problem.clear();
      if (allocator == nullptr) {
        problem = fmt::format(
            "IPPool {}: spec.subnet \"{}\": that Subnet {}", name, subnet,
            subnets_.find(subnet) == nullptr ? "does not exist; create it, or correct the name" : "is not ready");
        continue;
      }
      if (!c.wanted) {
        problem = c.wanted.error().message;
        continue;
      }
      const auto stray = std::ranges::find_if(*c.wanted, [&](const net::Range& r) { return !lies_in(r, cidrs); });
      if (stray != c.wanted->end()) {
        problem = outside(*c.pool, *stray, cidrs);
        continue;
      }
      if (*c.wanted == c.held) continue;
      if (const auto other = shares.conflict(*c.wanted, name)) {
        problem = fmt::format("IPPool {}: spec.ips: overlaps {} of IPPool {}; take that out of one of them", name,
                              other->second.to_string(), other->first);
        continue;
      }
      shares.give_back(c.held);
      shares.take(name, *c.wanted);
      c.held = *c.wanted;
      again = true;
    }
  }
  std::map<std::string, Ranges> in_force;
  for (Claimant& c : all) {
    c.verdict.in_force = c.held;
    if (!c.held.empty()) in_force[c.pool->meta.name] = c.held;
  }

  bool moved = false;
  if (allocator != nullptr) {
    std::map<std::string, Ranges> before;
    for (const auto& [first, range] : pooled_[subnet]) before[range.pool].push_back({first, range.last});
    for (const auto& [name, ranges] : before) {
      if (const auto now = in_force.find(name); now != in_force.end() && now->second == ranges) continue;
      allocator->remove_pool(name);
      moved = true;
    }
    auto& index = pooled_[subnet];
    index.clear();
    for (const auto& [name, ranges] : in_force) {
      moved |= !allocator->has_pool(name);
      if (!allocator->set_pool(name, ranges)) continue;  // disjoint by construction
      for (const net::Range& r : ranges) index[r.first] = {r.last, name};
    }
  }
  for (Claimant& c : all) {
    const std::string& name = c.pool->meta.name;
    PoolState& state = pool_states_[name];
    if (state == c.verdict) continue;
    state = std::move(c.verdict);
    mark_dirty({KeyKind::ip_pool, name});
    wake({binding::WaitKey::Kind::pool, name});
    for (const std::string& ns : c.pool->namespaces) wake({binding::WaitKey::Kind::namespace_, ns});
  }
  if (moved) {
    for (const std::string& name : pools_in(subnet)) mark_dirty({KeyKind::ip_pool, name});
    wake({binding::WaitKey::Kind::room, subnet});
  }
}

void World::on_pool(const std::optional<api::IpPool>& before, const api::IpPool* after) {
  const std::string& name = (after != nullptr ? *after : *before).meta.name;
  mark_dirty({KeyKind::ip_pool, name});
  if (before && (after == nullptr || after->subnet != before->subnet)) {
    auto& in_subnet = pools_by_subnet_[before->subnet];
    in_subnet.erase(name);
    if (in_subnet.empty()) pools_by_subnet_.erase(before->subnet);
    pool_states_.erase(name);
    configure_pools(before->subnet);
  }
  if (after != nullptr) {
    pools_by_subnet_[after->subnet].insert(name);
    const bool same = before && before->subnet == after->subnet && before->ips == after->ips &&
                      before->meta.generation == after->meta.generation && pool_states_.contains(name);
    if (!same) configure_pools(after->subnet);
  }
  const bool reach_changed = !before || after == nullptr || before->namespaces != after->namespaces ||
                             before->subnet != after->subnet || before->meta.deleting != after->meta.deleting;
  if (!reach_changed) return;
  wake({binding::WaitKey::Kind::pool, name});
  for (const api::IpPool* p : {before ? &*before : nullptr, after}) {
    if (p == nullptr) continue;
    mark_dirty({KeyKind::subnet, p->subnet});
    for (const std::string& ns : p->namespaces) namespace_binding_changed(ns);
  }
}

std::string World::pool_of(const std::string& subnet, const net::Address& address) const {
  const auto index = pooled_.find(subnet);
  if (index == pooled_.end()) return {};
  auto it = index->second.upper_bound(address);
  if (it == index->second.begin()) return {};
  --it;
  return it->first.family() == address.family() && address <= it->second.last ? it->second.pool : std::string();
}

void World::mark_pools_with(const std::string& subnet, const std::vector<net::Address>& addresses) {
  for (const net::Address& a : addresses) {
    if (std::string pool = pool_of(subnet, a); !pool.empty()) mark_dirty({KeyKind::ip_pool, std::move(pool)});
  }
}

void World::observe_address_set(const std::string& name, std::optional<AddressSet> address_set) {
  if (const auto it = address_sets_.find(name); it != address_sets_.end()) {
    mark_pool_of(it->second);
    address_sets_.erase(it);
  }
  if (!address_set) return;
  mark_pool_of(*address_set);
  address_sets_[name] = std::move(*address_set);
}

void World::mark_pool_of(const AddressSet& address_set) {
  if (const auto pool = address_set.external_ids.find("ippool"); pool != address_set.external_ids.end())
    mark_dirty({KeyKind::ip_pool, pool->second});
}

}  // namespace berth::world
