#include "sim/pool_oracle.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/subnet.h"

namespace berth::sim {
namespace {

bool within(const std::vector<net::Range>& ranges, const net::Address& a) {
  return std::ranges::any_of(ranges, [&](const net::Range& r) { return r.contains(a); });
}

bool is_ready(const api::IpPool& pool) {
  return std::ranges::any_of(pool.conditions, [&](const api::Condition& c) {
    return c.type == "Ready" && c.status == "True" && c.observed_generation == pool.meta.generation;
  });
}

bool lies_in(const net::Range& range, const std::vector<net::Cidr>& cidrs) {
  return std::ranges::any_of(cidrs,
                             [&](const net::Cidr& c) { return c.contains(range.first) && c.contains(range.last); });
}

bool overlap(const std::vector<net::Range>& a, const std::vector<net::Range>& b) {
  return std::ranges::any_of(a, [&](const net::Range& x) {
    return std::ranges::any_of(
        b, [&](const net::Range& y) { return x.family() == y.family() && x.first <= y.last && y.first <= x.last; });
  });
}

bool overlap_of(const api::Vip& a, const api::Vip& b) {
  return std::ranges::any_of(a.given,
                             [&](const net::Address& x) { return std::ranges::find(b.given, x) != b.given.end(); });
}

}  // namespace

void PoolOracle::on_change(const ResourceType& type, const Change& change) {
  if (type.kind == "Subnet") {
    const auto cidrs = net::Cidr::parse_list(string_at(*change.object, {"spec", "cidrBlock"}));
    ranges_[std::string(name_of(*change.object))] = cidrs ? *cidrs : std::vector<net::Cidr>{};
  }
  if (type.kind == "IPPool") on_pool(change);
  if (type.kind == "IP") on_ip(change);
  if (type.kind == "Pod" && change.type == Change::Type::added) on_pod(change);
  if (type.kind == "Vip") {
    const api::Vip vip = api::Vip::parse(*change.object);
    if (change.type == Change::Type::deleted) {
      live_vips_.erase(vip.meta.name);
    } else {
      if (vip.allocated()) vip_addresses_[vip.meta.name].insert(vip.given.begin(), vip.given.end());
      live_vips_[vip.meta.name] = vip;
    }
  }
}

void PoolOracle::on_pod(const Change& change) {
  const auto meta = api::ObjectMeta::parse(*change.object);
  const auto said = [&](std::string_view suffix) {
    return meta.annotation(api::annotation_key(api::kDefaultProvider, suffix)).value_or("");
  };
  wishes_[meta.uid] = {change.version, said(api::suffix::kIpPool), said(api::suffix::kVip),
                       !said(api::suffix::kIpAddress).empty()};
}

void PoolOracle::on_pool(const Change& change) {
  const api::IpPool pool = api::IpPool::parse(*change.object);
  const std::string& name = pool.meta.name;
  PoolTruth& truth = pools_[name];
  if (change.type == Change::Type::deleted) {
    // Whoever held an address before the deletion was asked for, known to a leader of today, must have held it up.
    for (const auto& [ip_name, entry] : live_ips_) {
      const auto& [ip, since] = entry;
      const bool held =
          ip.subnet == truth.subnet && !ip.meta.deleting && ip.epoch == epoch_ && alone_ && truth.deleted != 0 &&
          since < truth.deleted && truth.epoch != 0 && truth.epoch <= epoch_ &&
          std::ranges::any_of(
              ip.addresses,
              [&](const auto& a) { return within(truth.in_force, a) && lies_in({a, a}, ranges_[ip.subnet]); });
      if (held)
        fail_(fmt::format("IPPool {} is gone, but IP {} holds {}", name, ip_name, api::to_string(ip.addresses)));
    }
    truth.in_force.clear();
    truth.deleted = 0;
    live_pools_.erase(name);
    return;
  }
  live_pools_[name] = pool;
  truth.subnet = pool.subnet;
  truth.namespaces.insert(pool.namespaces.begin(), pool.namespaces.end());
  pooled_namespaces_.insert(pool.namespaces.begin(), pool.namespaces.end());
  const auto ranges = api::plan_ip_pool(pool);
  if (ranges) truth.ever.insert(ranges->begin(), ranges->end());
  if (pool.meta.deleting) {
    if (truth.deleted == 0) truth.deleted = change.version;
    if (!ranges || truth.in_force != *ranges) truth.in_force.clear();  // edited since: it holds on to less
    return;
  }
  const bool ready = ranges && is_ready(pool);
  if (!ready) {
    truth.in_force.clear();
  } else if (truth.in_force != *ranges) {
    truth.in_force = *ranges;
    truth.since = change.version;
    truth.epoch = alone_ ? epoch_ : epoch_ + 1;
    ++occurred["IPPool in force"];
  }
}

void PoolOracle::on_ip(const Change& change) {
  const api::Ip ip = api::Ip::parse(*change.object);
  if (change.type == Change::Type::deleted) {
    live_ips_.erase(ip.meta.name);
    return;
  }
  const auto known = live_ips_.find(ip.meta.name);
  const bool news = known == live_ips_.end() || known->second.first.addresses != ip.addresses ||
                    known->second.first.subnet != ip.subnet || known->second.first.epoch != ip.epoch;
  if (news) check_exclusive(ip, change.version);
  live_ips_[ip.meta.name] = {ip, news ? change.version : known->second.second};
}

// Addresses of a pool that was in force before the pod came go to who names it.
void PoolOracle::check_exclusive(const api::Ip& ip, std::uint64_t) const {
  const auto wish = wishes_.find(ip.pod_uid);
  if (wish == wishes_.end() || wish->second.addresses || !wish->second.vip.empty()) return;
  for (const auto& [name, truth] : pools_) {
    if (truth.subnet != ip.subnet || truth.in_force.empty() || truth.since >= wish->second.created) continue;
    if (ip.epoch < truth.epoch || truth.deleted != 0 || truth.namespaces.contains(ip.pod_ns)) continue;
    for (const net::Address& a : ip.addresses) {
      if (within(truth.in_force, a) && wish->second.pool != name)
        fail_(fmt::format("IP {} was given {}, which belongs to IPPool {} alone", ip.meta.name, a.to_string(), name));
    }
  }
}

bool PoolOracle::takes_over(const std::string& pod_uid, const std::string& vip) const {
  const auto wish = wishes_.find(pod_uid);
  return wish != wishes_.end() && wish->second.vip == vip;
}

bool PoolOracle::on_wired(const WiredPod& wired) {
  check_vips(wired);
  const auto wish = wishes_.find(wired.pod_uid);
  if (wish == wishes_.end() || (wish->second.pool.empty() && wish->second.vip.empty())) return false;
  const std::string who =
      fmt::format("pod {} wired with {} of Subnet {}", wired.pod, api::to_string(wired.addresses), wired.subnet);
  if (!wish->second.vip.empty()) {
    ++occurred["pod wired with a Vip's address"];
    const auto vip = vip_addresses_.find(wish->second.vip);
    for (const net::Address& a : wired.addresses) {
      if (vip == vip_addresses_.end() || !vip->second.contains(a))
        fail_(fmt::format("{}: Vip {}, which it names, never had {}", who, wish->second.vip, a.to_string()));
    }
    return true;
  }
  ++occurred["pod wired from an IPPool"];
  const auto pool = pools_.find(wish->second.pool);
  for (const net::Address& a : wired.addresses) {
    const bool had = pool != pools_.end() && pool->second.subnet == wired.subnet &&
                     std::ranges::any_of(pool->second.ever, [&](const net::Range& r) { return r.contains(a); });
    if (!had) fail_(fmt::format("{}: IPPool {}, which it names, never had {}", who, wish->second.pool, a.to_string()));
  }
  return true;
}

// What a Vip has goes only to pods that name it, also between two of them.
void PoolOracle::check_vips(const WiredPod& wired) const {
  for (const auto& [name, vip] : live_vips_) {
    if (vip.meta.deleting || !vip.allocated() || vip.held_in() != wired.subnet) continue;
    for (const net::Address& a : wired.addresses) {
      if (std::ranges::find(vip.given, a) != vip.given.end() && !takes_over(wired.pod_uid, name))
        fail_(fmt::format("pod {} wired with {} of Subnet {}: Vip {} has that address, and the pod does not name it",
                          wired.pod, a.to_string(), wired.subnet, name));
    }
  }
}

void PoolOracle::check_pool(const std::string& name, const api::IpPool& pool,
                            const std::map<std::string, std::vector<net::Cidr>>& ready,
                            const std::vector<api::Ip>& ips) const {
  const auto ranges = api::plan_ip_pool(pool);
  const auto cidrs = ready.find(pool.subnet);
  const bool fits = ranges && cidrs != ready.end() && !pool.meta.deleting &&
                    std::ranges::all_of(*ranges, [&](const net::Range& r) { return lies_in(r, cidrs->second); });
  bool rival = false;
  for (const auto& [other_name, other] : live_pools_) {
    const auto theirs = api::plan_ip_pool(other);
    if (other_name == name || other.subnet != pool.subnet || !ranges) continue;
    if (other.meta.deleting || !theirs || !is_ready(other)) {
      rival = true;  // it may hold on to what an older text of it said
    } else if (overlap(*ranges, *theirs)) {
      rival = true;
      if (is_ready(pool) && name < other_name)
        fail_(fmt::format("IPPools {} and {} overlap, and both are Ready", name, other_name));
    }
  }
  if (fits && !rival && !is_ready(pool)) fail_(fmt::format("IPPool {} should be Ready, but is not", name));
  if (!is_ready(pool) || cidrs == ready.end()) return;
  std::set<net::Address> held;
  for (const api::Ip& ip : ips) {
    for (const net::Address& a : ip.addresses) {
      if (ip.subnet == pool.subnet && within(*ranges, a)) held.insert(a);
    }
  }
  const auto vips = held_by_vips(ips);
  if (const auto more = vips.find(pool.subnet); more != vips.end()) {
    for (const net::Address& a : more->second) {
      if (within(*ranges, a)) held.insert(a);
    }
  }
  const std::int64_t v4 = std::ranges::count_if(held, [](const net::Address& a) { return a.is_v4(); });
  const std::int64_t said = api::int_at(pool.status, {"v4UsingIPs"}, -1);
  if (said != v4) fail_(fmt::format("IPPool {}: status.v4UsingIPs is {}, but {} addresses are held", name, said, v4));
}

void PoolOracle::check_published(const std::map<std::string, std::vector<net::Cidr>>& ready,
                                 const std::vector<api::Ip>& ips) const {
  for (const auto& [name, pool] : live_pools_) check_pool(name, pool, ready, ips);
  for (const auto& [name, vip] : live_vips_) {
    const bool says_ready = std::ranges::any_of(
        vip.conditions, [](const api::Condition& c) { return c.type == "Ready" && c.status == "True"; });
    if (!says_ready) continue;
    for (const api::Ip& ip : ips) {
      const bool same = ip.subnet == vip.held_in() && std::ranges::any_of(ip.addresses, [&](const net::Address& a) {
                          return std::ranges::find(vip.given, a) != vip.given.end();
                        });
      if (same && !takes_over(ip.pod_uid, name))
        fail_(fmt::format("Vip {} is Ready, but IP {} holds {} too", name, ip.meta.name, api::to_string(vip.given)));
    }
    for (const auto& [other_name, other] : live_vips_) {
      const bool same =
          name < other_name && other.held_in() == vip.held_in() && other.allocated() && overlap_of(vip, other);
      if (same) fail_(fmt::format("Vips {} and {} have the same address", name, other_name));
    }
  }
}

std::map<std::string, std::set<net::Address>> PoolOracle::held_by_vips(const std::vector<api::Ip>& ips) const {
  std::map<std::string, std::set<net::Address>> out;
  for (const auto& [name, vip] : live_vips_) {
    if (vip.allocated()) out[vip.held_in()].insert(vip.given.begin(), vip.given.end());
  }
  for (const api::Ip& ip : ips) {
    for (const net::Address& a : ip.addresses) out[ip.subnet].erase(a);
  }
  return out;
}

}  // namespace berth::sim
