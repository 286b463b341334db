#include "api/ip_pool.h"

#include <fmt/core.h>

#include <algorithm>

#include "admission/kinds.h"

namespace berth::admission {
namespace {

using Ranges = std::vector<net::Range>;

const net::Range* overlapping(const Ranges& a, const Ranges& b) {
  const auto it = std::ranges::find_if(a, [&](const net::Range& x) {
    return std::ranges::any_of(
        b, [&](const net::Range& y) { return x.family() == y.family() && x.first <= y.last && y.first <= x.last; });
  });
  return it == a.end() ? nullptr : &*it;
}

Verdict deleted(const Review& review, const world::World* world) {
  Verdict out;
  if (world == nullptr) return out;
  const world::PoolState& state = world->pool_state(review.name);
  const api::IpPool* pool = world->pools().find(review.name);
  if (pool == nullptr) return out;
  std::size_t used = 0;
  std::string first;
  for (const std::string& name : world->ips_in(pool->subnet)) {
    const api::Ip* ip = world->ips().find(name);
    const bool inside = std::ranges::any_of(ip->addresses, [&](const net::Address& a) {
      return std::ranges::any_of(state.in_force, [&](const net::Range& r) { return r.contains(a); });
    });
    if (inside && used++ == 0) first = name;
  }
  if (used > 0) {
    out.warnings.push_back(
        fmt::format("IPPool {}: goes when its {} are released", review.name, listed(used, "IP objects", first)));
  }
  return out;
}

void check_world(const api::IpPool& pool, const Ranges& wanted, const world::World& world, Verdict& out) {
  const auto subnet = world.subnet(pool.subnet);
  if (!subnet) {
    out.warnings.push_back(
        fmt::format("IPPool {}: spec.subnet \"{}\": that Subnet does not exist yet; the pool waits for it",
                    pool.meta.name, pool.subnet));
  } else if (!subnet->cidrs.empty()) {
    const auto stray = std::ranges::find_if(wanted, [&](const net::Range& r) {
      return std::ranges::none_of(subnet->cidrs,
                                  [&](const net::Cidr& c) { return c.contains(r.first) && c.contains(r.last); });
    });
    if (stray != wanted.end()) {
      out.warnings.push_back(fmt::format(
          "IPPool {}: spec.ips \"{}\": lies outside Subnet {} ({}); choose addresses of that subnet, or correct "
          "spec.subnet",
          pool.meta.name, stray->to_string(), pool.subnet, api::to_string(subnet->cidrs)));
    }
  }
  for (const std::string& name : world.pools_in(pool.subnet)) {
    if (name == pool.meta.name) continue;
    const net::Range* common = overlapping(world.pool_state(name).in_force, wanted);
    if (common == nullptr) continue;
    const api::IpPool* other = world.pools().find(name);
    const bool passing = other == nullptr || other->meta.deleting || same_release(other->meta, pool.meta);
    (passing ? out.warnings : out.denials)
        .push_back(fmt::format("IPPool {}: spec.ips: overlaps {} of IPPool {}; take that out of one of them",
                               pool.meta.name, common->to_string(), name));
  }
}

}  // namespace

Verdict review_ip_pool(const Review& review, const world::World* world) {
  if (review.operation == Operation::remove) return deleted(review, world);
  Verdict out;
  api::IpPool pool = api::IpPool::parse(review.object);
  if (pool.meta.name.empty()) pool.meta.name = review.name;
  const auto wanted = api::plan_ip_pool(pool);
  if (!wanted) {
    // Kube-OVN takes an empty pool.
    const bool just_empty = pool.ips.empty() && !pool.subnet.empty();
    (just_empty ? out.warnings : out.denials).push_back(wanted.error().message);
    return out;
  }
  if (pool.enable_address_set) {
    if (const auto name = api::address_set_name(pool); !name) out.warnings.push_back(name.error().message);
    if (wanted->front().family() != wanted->back().family()) {
      out.denials.push_back(fmt::format(
          "IPPool {}: spec.enableAddressSet \"true\": an OVN address set holds one family, but spec.ips has both; make "
          "one pool for each",
          pool.meta.name));
    }
  }
  if (world != nullptr) check_world(pool, *wanted, *world, out);
  return out;
}

}  // namespace berth::admission
