// What a change concerns: after each change, the keys that might have to be reconciled are dirty, and who waits for it
// is awake.

#include <algorithm>

#include "api/annotations.h"
#include "world/world.h"

namespace berth::world {

using binding::WaitKey;

void World::on_pod(const std::optional<api::Pod>& before, const api::Pod* after, bool proven) {
  const api::Pod& pod = after != nullptr ? *after : *before;
  const std::string key = pod.meta.key();
  if (after != nullptr) {
    pods_by_ns_[pod.meta.ns].insert(key);
    pod_seen_.try_emplace(pod.meta.uid, ++sequence_);
  } else {
    auto& in_ns = pods_by_ns_[pod.meta.ns];
    in_ns.erase(key);
    if (in_ns.empty()) pods_by_ns_.erase(pod.meta.ns);
    pod_seen_.erase(pod.meta.uid);
    waiting_.clear(key);
    displaced_.erase(key);
    claims_by_pod_.erase(pod.meta.uid);
    if (proven || !settings_.safeguards.prove_absence) gone_[key].insert(pod.meta.uid);
  }
  if (!before || after == nullptr || before->meta.labels != after->meta.labels ||
      before->meta.annotations != after->meta.annotations || before->finished() != after->finished())
    mark_vips_of_namespace(pod.meta.ns);
  mark_dirty({KeyKind::pod, key});
}

void World::on_namespace(const std::optional<api::Namespace>& before, const api::Namespace* after) {
  const api::Namespace& ns = after != nullptr ? *after : *before;
  const std::string& name = ns.meta.name;
  mark_dirty({KeyKind::namespace_, name});
  const auto set_named = [&](const api::Namespace& who, bool named) {
    for (const std::string& subnet : binding::user_subnets(who)) {
      auto& by = named_by_[subnet];
      named ? (void)by.insert(name) : (void)by.erase(name);
      if (by.empty()) named_by_.erase(subnet);
    }
  };
  if (before) set_named(*before, false);
  if (after != nullptr) set_named(*after, true);
  if (after == nullptr) {
    namespace_times_.erase(name);
    for (const auto& [subnet, since] : claims_[name]) {
      claimed_by_[subnet].erase(name);
      mark_dirty({KeyKind::subnet, subnet});
    }
    claims_.erase(name);
    read_begun_.erase(name);
    return;
  }
  if (!before) {
    const auto age = std::max(Duration::zero(), std::chrono::duration_cast<Duration>(wall_ - ns.meta.created));
    // Seen now, or long ago by its creation time (which has whole seconds: take the later reading).
    namespace_times_[name].first_seen = now_ - std::max(Duration::zero(), age - std::chrono::seconds(1));
  }
  const bool relabelled = !before || before->meta.labels != after->meta.labels;
  if (relabelled) {
    for (const auto& [subnet_name, s] : subnets_.all())
      set_claim(name, subnet_name, s.claims(name, after->meta.labels), before ? wall_ : after->meta.created);
  }
  const bool word_changed = !before || binding::user_subnets(*before) != binding::user_subnets(*after) ||
                            binding::expectation_of(*before) != binding::expectation_of(*after);
  if (relabelled || word_changed) namespace_binding_changed(name);
}

void World::on_node(const std::optional<api::Node>& before, const api::Node* after) {
  mark_dirty({KeyKind::node, (after != nullptr ? *after : *before).meta.name});
  const bool same = before && after != nullptr && before->ready == after->ready &&
                    before->meta.labels == after->meta.labels && before->internal_ips == after->internal_ips &&
                    before->meta.deleting == after->meta.deleting;
  if (!same) mark_gateways();
  if (before && (after == nullptr || before->internal_ips != after->internal_ips)) {
    for (const auto& [subnet, refusal] : refusals_)
      mark_dirty_later({KeyKind::subnet, subnet});  // perhaps for its sake
  }
}

// Nodes came, went or changed: what the default Vpc routes to them, and centralized gateways.
void World::mark_gateways() {
  mark_dirty({KeyKind::vpc, std::string(api::kDefaultVpc)});
  for (const auto& [name, s] : subnets_.all()) {
    if (s.gateway_type == "centralized") mark_dirty({KeyKind::subnet, name});
  }
}

void World::on_stateful_set(const std::optional<api::StatefulSet>& before, const api::StatefulSet* after) {
  if (before && after != nullptr && before->replicas == after->replicas && before->start == after->start &&
      before->meta.deleting == after->meta.deleting)
    return;
  const std::string& uid = (after != nullptr ? *after : *before).meta.uid;
  for (const auto& [name, ip] : ips_.all()) {
    if (ip.owner.kind == api::Owner::Kind::stateful_set && ip.owner.id == uid) mark_dirty(key_of(ip));
  }
}

void World::on_network(const std::optional<api::NetworkAttachmentDefinition>& before,
                       const api::NetworkAttachmentDefinition* after) {
  wake({WaitKey::Kind::network, (after != nullptr ? *after : *before).meta.key()});
}

void World::on_ip(const std::optional<api::Ip>& before, const api::Ip* after) {
  const bool of_node = (after != nullptr ? *after : *before).subnet == api::kJoinSubnet;
  if (of_node && !(before && after != nullptr && before->addresses == after->addresses &&
                   before->meta.deleting == after->meta.deleting))
    mark_gateways();
  if (before) {
    const Key key = key_of(*before);
    if (after == nullptr || after->subnet != before->subnet) (void)set_ip_problem(*before, "");
    ips_by_subnet_[before->subnet].erase(before->meta.name);
    auto& of_key = ips_by_key_[key];
    of_key.erase(before->meta.name);
    if (of_key.empty()) ips_by_key_.erase(key);
    mark_dirty(key);
    mark_dirty({KeyKind::subnet, before->subnet});
    mark_pools_with(before->subnet, before->addresses);
    mark_vips_with(before->subnet, before->addresses, false);
    mark_vips_of_namespace(before->pod_ns);
  }
  if (after != nullptr) {
    const Key key = key_of(*after);
    ips_by_subnet_[after->subnet].insert(after->meta.name);
    ips_by_key_[key].insert(after->meta.name);
    reserve_as_written(*after);
    const api::Pod* claimer = pods_.find(after->pod_ns + "/" + after->pod_name);
    if (after->claimed() && claimer != nullptr && claimer->meta.uid == after->pod_uid) {
      claims_by_pod_[after->pod_uid][after->meta.name] = {after->node_name, after->container_id};
    }
    // Claims made while nobody looked cannot be judged by what is true now.
    if (before && after->claimed() && before->container_id != after->container_id) to_audit_.insert(after->meta.name);
    mark_dirty(key);
    mark_dirty({KeyKind::subnet, after->subnet});
    mark_pools_with(after->subnet, after->addresses);
    mark_vips_with(after->subnet, after->addresses, false);
    mark_vips_of_namespace(after->pod_ns);
  }
}

void World::on_vpc(const std::optional<api::Vpc>& before, const api::Vpc* after) {
  const api::Vpc& vpc = after != nullptr ? *after : *before;
  mark_dirty({KeyKind::vpc, vpc.meta.name});
  wake({WaitKey::Kind::vpc, vpc.meta.name});
  const bool reach_changed = !before || after == nullptr || before->namespaces != after->namespaces ||
                             before->default_subnet != after->default_subnet ||
                             before->meta.deleting != after->meta.deleting;
  for (const auto& [name, s] : subnets_.all()) {
    if (!reach_changed) break;
    if (s.is_ovn() && (s.effective_vpc() == vpc.meta.name || vpc_in_force(s) == vpc.meta.name))
      mark_dirty({KeyKind::subnet, name});
  }
  if (!before || after == nullptr) {
    for (const auto& [name, other] : vpcs_.all()) {
      const bool linked =
          std::ranges::find(other.peerings, vpc.meta.name, &api::Vpc::Peering::remote) != other.peerings.end();
      if (linked) mark_dirty({KeyKind::vpc, name});
    }
  }
  if (!reach_changed) return;
  for (const api::Vpc* v : {before ? &*before : nullptr, after}) {
    if (v == nullptr) continue;
    for (const std::string& ns : v->namespaces) {
      namespace_binding_changed(ns);
      // Subnets of other Vpcs may, or may no longer, list it.
      for (const auto& [name, s] : subnets_.all()) {
        if (std::ranges::find(s.namespaces, ns) != s.namespaces.end()) mark_dirty({KeyKind::subnet, name});
      }
    }
  }
}

void World::on_subnet(const std::optional<api::Subnet>& before, const api::Subnet* after) {
  const api::Subnet& s = after != nullptr ? *after : *before;
  const std::string& name = s.meta.name;
  mark_dirty({KeyKind::subnet, name});
  for (const api::Subnet* version : {before ? &*before : nullptr, after}) {
    if (version == nullptr || !version->is_ovn()) continue;
    mark_dirty({KeyKind::vpc, version->effective_vpc()});
    mark_dirty({KeyKind::vpc, vpc_in_force(*version)});
  }
  update_claims(name, after, !before && s.meta.generation <= 1 ? s.meta.created : wall_);
  const bool gone_or_going = after == nullptr || (after->meta.deleting && !(before && before->meta.deleting));
  const bool range_changed = gone_or_going || !before || before->cidr_block != after->cidr_block ||
                             before->vpc != after->vpc || before->vlan != after->vlan ||
                             before->provider != after->provider;
  if (range_changed) mark_losers_of(name);
  if (after == nullptr) {
    note_refusal(name, "", "");
    subnet_states_.erase(name);
    claimed_by_.erase(name);
    ranges_ever_.erase(name);
  }
  wake({WaitKey::Kind::subnet, name});
  wake({WaitKey::Kind::subnet, "provider:" + s.effective_provider()});
  if (!before || gone_or_going) {
    for (const std::string& vip : vips_in(name)) mark_dirty({KeyKind::vip, vip});
  }
  if (gone_or_going) {
    for (const std::string& ip : ips_in(name)) mark_dirty(key_of(*ips_.find(ip)));
  }
}

void World::update_claims(const std::string& subnet, const api::Subnet* after, WallTime since) {
  for (const auto& [ns, object] : namespaces_.all()) {
    set_claim(ns, subnet, after != nullptr && after->claims(ns, object.meta.labels), since);
  }
}

void World::set_claim(const std::string& ns, const std::string& subnet, bool claims, WallTime since) {
  auto& of_ns = claims_[ns];
  const bool changed = claims ? of_ns.emplace(subnet, since).second : of_ns.erase(subnet) > 0;
  if (!changed) return;
  if (claims) {
    claimed_by_[subnet].insert(ns);
  } else {
    claimed_by_[subnet].erase(ns);
  }
  mark_dirty({KeyKind::subnet, subnet});
  if (of_ns.empty()) {
    namespace_times_[ns].lost_last_claim = now_;
    namespace_times_[ns].lost_sequence = ++sequence_;
  }
  namespace_binding_changed(ns);
}

void World::namespace_binding_changed(const std::string& ns) {
  mark_dirty({KeyKind::namespace_, ns});
  wake({WaitKey::Kind::namespace_, ns});
  // Bound pods too: one that is not wired yet is rebound, one that is turns out misplaced.
  for (const std::string& pod : pods_in(ns)) {
    if (waiting_.find(pod) == nullptr) mark_dirty({KeyKind::pod, pod});
  }
}

void World::set_subnet_state(const std::string& name, SubnetState state) {
  auto [it, added] = subnet_states_.try_emplace(name);
  if (!added && it->second == state) return;
  const bool ports_changed = added || it->second.dhcp_v4 != state.dhcp_v4 || it->second.dhcp_v6 != state.dhcp_v6 ||
                             it->second.distributed != state.distributed;
  const bool usable_changed = added || it->second.ready != state.ready || it->second.in_force != state.in_force;
  const bool reason_changed = it->second.unready != state.unready;
  const auto mark_vips = [&] {
    for (const std::string& vip : vips_in(name)) mark_dirty({KeyKind::vip, vip});
  };
  if (state.in_force) ranges_ever_[name].insert(state.in_force->cidrs.begin(), state.in_force->cidrs.end());
  it->second = std::move(state);
  wake({WaitKey::Kind::subnet, name});
  if (const api::Subnet* s = subnets_.find(name)) {
    wake({WaitKey::Kind::subnet, "provider:" + s->effective_provider()});
    mark_dirty({KeyKind::vpc, vpc_in_force(*s)});
  }
  if (ports_changed && !usable_changed) {
    for (const std::string& ip : ips_in(name)) mark_dirty(key_of(*ips_.find(ip)));
  }
  if (!usable_changed) {
    if (reason_changed) mark_vips();
    return;
  }
  for (const auto& [ns, subnets] : claims_) {
    if (subnets.contains(name)) namespace_binding_changed(ns);
  }
  // Namespaces that name it, or fall back on it, and pods bound to it.
  if (const api::Subnet* s = subnets_.find(name)) {
    if (const api::Vpc* vpc = vpcs_.find(s->effective_vpc())) {
      for (const std::string& ns : vpc->namespaces) mark_dirty({KeyKind::namespace_, ns});
    }
  }
  if (const auto named = named_by_.find(name); named != named_by_.end()) {
    for (const std::string& ns : named->second) mark_dirty({KeyKind::namespace_, ns});
  }
  if (name == api::kDefaultSubnet) {
    for (const auto& [ns, object] : namespaces_.all()) mark_dirty({KeyKind::namespace_, ns});
  }
  if (name == api::kJoinSubnet) {
    // Private subnets let the nodes in.
    for (const auto& [other, object] : subnets_.all()) {
      if (object.private_) mark_dirty({KeyKind::subnet, other});
    }
    for (const auto& [node, object] : nodes_.all()) mark_dirty({KeyKind::node, node});
  }
  for (const std::string& ip : ips_in(name)) mark_dirty(key_of(*ips_.find(ip)));
  mark_vips();
}

// ---- OVN

void World::observe_router(const std::string& name, std::optional<LogicalRouter> router) {
  const bool appeared_or_went = routers_.contains(name) != router.has_value();
  if (router) {
    routers_[name] = std::move(*router);
  } else {
    routers_.erase(name);
  }
  mark_dirty({KeyKind::vpc, name});
  if (!appeared_or_went) return;
  for (const auto& [subnet, s] : subnets_.all()) {
    if (s.is_ovn() && (s.effective_vpc() == name || vpc_in_force(s) == name)) mark_dirty({KeyKind::subnet, subnet});
  }
}

void World::observe_switch(const std::string& name, std::optional<LogicalSwitch> logical_switch) {
  bool range_freed = false;
  if (const auto it = switches_.find(name); it != switches_.end()) {
    mark_dirty({KeyKind::vpc, it->second.router});
    range_freed = !logical_switch || logical_switch->router != it->second.router ||
                  std::ranges::any_of(it->second.networks, [&](const std::string& network) {
                    return std::ranges::find(logical_switch->networks, network) == logical_switch->networks.end();
                  });
  }
  if (logical_switch) {
    mark_dirty({KeyKind::vpc, logical_switch->router});
    switches_[name] = std::move(*logical_switch);
  } else {
    switches_.erase(name);
  }
  mark_dirty({KeyKind::subnet, name});
  if (range_freed) mark_losers_of(name);
}

void World::observe_port(const std::string& name, std::optional<LogicalPort> port) {
  if (const auto it = ports_.find(name); it != ports_.end()) {
    if (const auto key = key_of(it->second)) {
      auto& of_key = ports_by_key_[*key];
      of_key.erase(name);
      if (of_key.empty()) ports_by_key_.erase(*key);
      mark_dirty(*key);
    }
    mark_dirty({KeyKind::subnet, it->second.switch_name});
    index_port(it->second, false);
    ports_.erase(it);
  }
  if (!port) return;
  index_port(*port, true);
  if (const auto key = key_of(*port)) {
    ports_by_key_[*key].insert(name);
    mark_dirty(*key);
  }
  ports_[name] = std::move(*port);
}

void World::index_port(const LogicalPort& port, bool there) {
  for (const auto& [group, ids] : port.groups) {
    const std::string& subnet = ids.at("subnet");
    auto& nodes = gateway_pairs_[subnet];
    int& count = nodes[ids.at("node")];
    const int before = count;
    count += there ? 1 : -1;
    if (count == 0) nodes.erase(ids.at("node"));
    if (nodes.empty()) gateway_pairs_.erase(subnet);
    if (before == 0 || before + (there ? 1 : -1) == 0) mark_dirty({KeyKind::vpc, std::string(api::kDefaultVpc)});
  }
  const auto vips = port.external_ids.find("vips");
  if (vips == port.external_ids.end()) return;
  for (const std::string& address : api::split_list(vips->second)) {
    auto& parents = vip_parents_[{port.switch_name, address}];
    if (there) {
      parents.insert(port.name);
    } else {
      parents.erase(port.name);
    }
    if (parents.empty()) vip_parents_.erase({port.switch_name, address});
    mark_dirty({KeyKind::subnet, port.switch_name});
  }
}

}  // namespace berth::world
