// Vips: which addresses they hold, also while a pod uses them, and what follows from a change of them.

#include <algorithm>

#include "api/annotations.h"
#include "world/world.h"

namespace berth::world {

using binding::WaitKey;

std::string vip_lease(const std::string& vip) { return "Vip/" + vip; }

const api::Vip* World::find_vip(const std::string& name) const {
  const api::Vip* vip = vips_.find(name);
  return vip == nullptr || vip->meta.deleting ? nullptr : vip;
}

const std::set<std::string>& World::vips_in(const std::string& subnet) const {
  static const std::set<std::string> none;
  const auto it = vips_by_subnet_.find(subnet);
  return it == vips_by_subnet_.end() ? none : it->second;
}

bool World::may_use_vip(const api::Ip& ip, const std::string& vip) const {
  const api::Pod* pod = pods_.find(ip.pod_ns + "/" + ip.pod_name);
  if (pod == nullptr) return true;
  const auto text = pod->meta.annotation(api::annotation_key(api::kDefaultProvider, api::suffix::kVip));
  if (!text) return false;
  const auto names = api::split_list(*text);
  return std::ranges::find(names, vip) != names.end();
}

bool World::intrudes_on_vip(const api::Ip& ip) const {
  if (ip.claimed()) return false;
  return std::ranges::any_of(vips_in(ip.subnet), [&](const std::string& name) {
    const api::Vip* vip = vips_.find(name);
    const bool has = vip->allocated() && std::ranges::any_of(ip.addresses, [&](const net::Address& a) {
                       return std::ranges::find(vip->given, a) != vip->given.end();
                     });
    return has && !may_use_vip(ip, name);
  });
}

void World::hold_vip(const api::Vip& vip) {
  const ipam::Allocator* a = allocator(vip.held_in());
  if (a == nullptr || !vip.allocated()) return;
  const std::string owner = vip_lease(vip.meta.name);
  ipam::Lease lease;
  lease.mac = vip.given_mac;
  for (const net::Address& address : vip.given) {
    const auto holder = a->holder_of(address);
    if (!holder || *holder == owner) (address.is_v4() ? lease.v4 : lease.v6) = address;
  }
  const auto held = a->find(owner);
  if (lease.addresses().empty() ? !held : held && *held == lease) return;
  note_reservation({KeyKind::vip, vip.meta.name}, owner, "");
  if (lease.addresses().empty()) {
    release(vip.held_in(), owner);
  } else {
    (void)adopt(vip.held_in(), owner, lease);  // only what nobody else holds is in it
  }
  mark_dirty({KeyKind::vip, vip.meta.name});
}

bool World::hand_over_vip(const api::Vip& vip, const std::string& port, const ipam::Lease& lease) {
  ipam::Allocator* a = allocators_.find(vip.held_in());
  if (a == nullptr) return false;
  a->release(vip_lease(vip.meta.name));  // nobody is told: its addresses go from hand to hand
  const bool done = adopt(vip.held_in(), port, lease).has_value();
  hold_vip(vip);
  mark_dirty({KeyKind::vip, vip.meta.name});
  return done;
}

void World::mark_vips_with(const std::string& subnet, const std::vector<net::Address>& addresses, bool released) {
  const std::set<std::string> names = vips_in(subnet);
  for (const std::string& name : names) {
    const api::Vip* vip = vips_.find(name);
    const bool has = vip->allocated() && std::ranges::any_of(addresses, [&](const net::Address& a) {
                       return std::ranges::find(vip->given, a) != vip->given.end();
                     });
    if (!has && !(released && !vip->allocated())) continue;
    if (released && has && settings_.safeguards.vip_keeps_address) {
      hold_vip(*vip);
      wake({WaitKey::Kind::vip, name});
    }
    mark_dirty({KeyKind::vip, name});
  }
}

void World::mark_vips_of_namespace(const std::string& ns) {
  const auto it = vips_by_ns_.find(ns);
  if (it == vips_by_ns_.end()) return;
  for (const std::string& name : it->second) mark_dirty({KeyKind::vip, name});
}

void World::on_vip(const std::optional<api::Vip>& before, const api::Vip* after) {
  const std::string& name = (after != nullptr ? *after : *before).meta.name;
  const auto unlink = [&](auto& index, const std::string& key) {
    auto& set = index[key];
    set.erase(name);
    if (set.empty()) index.erase(key);
  };
  if (before) {
    unlink(vips_by_subnet_, before->held_in());
    unlink(vips_by_ns_, before->ns);
    mark_dirty({KeyKind::subnet, before->held_in()});
  }
  if (after != nullptr) {
    vips_by_subnet_[after->held_in()].insert(name);
    vips_by_ns_[after->ns].insert(name);
    mark_dirty({KeyKind::subnet, after->held_in()});
    hold_vip(*after);
  }
  mark_dirty({KeyKind::vip, name});
  wake({WaitKey::Kind::vip, name});
}

}  // namespace berth::world
