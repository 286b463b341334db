#include "world/world.h"

// Leases: every change of who holds what goes through here, so that counters, pools, Vips and waiting pods hear of it.

namespace berth::world {

const ipam::Allocator* World::allocator(const std::string& subnet) const { return allocators_.find(subnet); }

void World::configure_allocator(const std::string& subnet, const ipam::Config& config) {
  if (ipam::Allocator* known = allocators_.find(subnet)) {
    if (!(known->config() == config)) {
      known->reconfigure(config);
      configure_pools(subnet);
      for (const std::string& pool : pools_in(subnet)) mark_dirty({KeyKind::ip_pool, pool});
      for (const std::string& vip : vips_in(subnet)) mark_dirty({KeyKind::vip, vip});
      wake({binding::WaitKey::Kind::room, subnet});
    }
    return;
  }
  ipam::Allocator& fresh = allocators_.add(config);
  if (settings_.safeguards.pools_at_once) configure_pools(subnet);
  if (!settings_.safeguards.adopt_on_start) return;
  const auto adopt = [&](const Key& key, const std::string& port, const std::string& pod_uid,
                         const std::vector<net::Address>& addresses, net::Mac mac) {
    if (!reservation_of_.contains(port)) note_reservation(key, port, pod_uid);
    if (fresh.holds(port) || addresses.empty()) return;
    ipam::Lease lease;
    lease.mac = mac;
    for (const net::Address& a : addresses) (a.is_v4() ? lease.v4 : lease.v6) = a;
    if (!fresh.adopt(port, lease)) ++counters.quarantined;
  };
  for (const std::string& name : ips_in(subnet)) {
    const api::Ip* ip = ips_.find(name);
    if (!ip->is_request() && !intrudes_on_vip(*ip)) adopt(key_of(*ip), name, ip->pod_uid, ip->addresses, ip->mac);
  }
  for (const auto& [name, port] : ports_) {
    const auto key = key_of(port);
    const auto uid = port.external_ids.find("pod_uid");
    if (const api::Ip* ip = ips_.find(name); ip != nullptr && intrudes_on_vip(*ip)) continue;
    if (port.switch_name == subnet && key && key->kind != KeyKind::vip)
      adopt(*key, name, uid == port.external_ids.end() ? std::string() : uid->second, port.addresses, port.mac);
  }
  const std::set<std::string> vips = vips_in(subnet);
  for (const std::string& name : vips) hold_vip(*vips_.find(name));
}

void World::drop_allocator(const std::string& subnet) {
  allocators_.remove(subnet);
  pooled_.erase(subnet);
  configure_pools(subnet);
}

std::vector<std::string> World::leases_of(const std::string& port) const {
  const auto subnets = allocators_.subnets_of(port);
  return {subnets.begin(), subnets.end()};
}

void World::note_reservation(const Key& key, const std::string& port, const std::string& pod_uid) {
  reservations_[key].insert(port);
  reservation_of_[port] = {key, pod_uid};
}

std::string World::reserved_for(const std::string& port) const {
  const auto it = reservation_of_.find(port);
  return it == reservation_of_.end() ? std::string() : it->second.pod_uid;
}

tl::expected<ipam::Lease, ipam::Refusal> World::acquire(const std::string& subnet, const ipam::Ask& ask,
                                                        Random& random) {
  ipam::Allocator& allocator = *allocators_.find(subnet);
  const auto before = allocator.find(ask.owner);
  auto lease = allocator.acquire(ask, random);
  if (lease) lease_changed(subnet, before, lease->addresses());
  return lease;
}

tl::expected<void, ipam::Refusal> World::adopt(const std::string& subnet, const std::string& owner,
                                               const ipam::Lease& lease) {
  ipam::Allocator& allocator = *allocators_.find(subnet);
  const auto before = allocator.find(owner);
  auto done = allocator.adopt(owner, lease);
  if (done) lease_changed(subnet, before, lease.addresses());
  return done;
}

void World::release(const std::string& subnet, const std::string& owner) {
  ipam::Allocator* a = allocators_.find(subnet);
  if (a == nullptr) return;
  const auto lease = a->find(owner);
  if (!lease || !a->release(owner)) return;
  if (leases_of(owner).empty()) forget_reservation(owner);
  ++counters.released;
  lease_changed(subnet, lease, {});
}

void World::renew_mac(const std::string& subnet, const std::string& owner, Random& random) {
  ipam::Allocator& allocator = *allocators_.find(subnet);
  const auto held = allocator.find(owner);
  if (!held) return;
  allocator.release(owner);  // nobody is told: the addresses stay
  if (!allocator.acquire({owner, held->addresses(), {}, {}, {}}, random)) (void)allocator.adopt(owner, *held);
}

void World::lease_changed(const std::string& subnet, const std::optional<ipam::Lease>& before,
                          const std::vector<net::Address>& now) {
  const std::vector<net::Address> held = before ? before->addresses() : std::vector<net::Address>{};
  if (held == now) return;
  mark_dirty({KeyKind::subnet, subnet});
  mark_pools_with(subnet, now);
  std::vector<net::Address> gone;
  std::ranges::copy_if(held, std::back_inserter(gone),
                       [&](const net::Address& a) { return std::ranges::find(now, a) == now.end(); });
  if (gone.empty()) return;
  mark_pools_with(subnet, gone);
  mark_vips_with(subnet, gone, true);
  if (const auto troubled = ip_problems_.find(subnet); troubled != ip_problems_.end()) {
    for (const auto& [name, text] : troubled->second) {
      if (const api::Ip* ip = ips_.find(name)) mark_dirty(key_of(*ip));
    }
  }
  wake({binding::WaitKey::Kind::room, subnet});
}

// Whoever wrote an IP object (a leader before, or a person): from now on its addresses are not drawn. If somebody else
// holds one of them, nothing is held for this port, and its pod's reconciler sees to it.
void World::reserve_as_written(const api::Ip& ip) {
  const ipam::Allocator* a = allocator(ip.subnet);
  if (a == nullptr || !settings_.safeguards.adopt_on_start || ip.is_request()) return;
  note_reservation(key_of(ip), ip.meta.name, ip.pod_uid);
  const auto held = a->find(ip.meta.name);
  if (held && held->addresses() == ip.addresses) return;
  if (ip.addresses.empty()) return;  // it says nothing
  ipam::Lease lease;
  lease.mac = ip.mac;
  for (const net::Address& address : ip.addresses) (address.is_v4() ? lease.v4 : lease.v6) = address;
  if (adopt(ip.subnet, ip.meta.name, lease)) return;
  ++counters.quarantined;
  release(ip.subnet, ip.meta.name);
}

}  // namespace berth::world
