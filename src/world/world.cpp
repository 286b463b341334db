#include "world/world.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"

namespace berth::world {
namespace {

template <typename T>
std::vector<T> parse_all(const api::JsonArray& items) {
  std::vector<T> out;
  out.reserve(items.size());
  for (const api::JsonValue& item : items) {
    if (item.is_object()) out.push_back(T::parse(item.get_object()));
  }
  return out;
}

template <typename Container>
const Container& at(const std::map<std::string, Container>& map, const std::string& key) {
  static const Container none;
  const auto it = map.find(key);
  return it == map.end() ? none : it->second;
}

template <typename T>
bool by_age(const T* a, const T* b) {
  return a->meta.older_than(b->meta);
}

}  // namespace

std::string to_string(const Key& key) {
  switch (key.kind) {
    case KeyKind::system:
      return "system";
    case KeyKind::vpc:
      return "Vpc/" + key.name;
    case KeyKind::subnet:
      return "Subnet/" + key.name;
    case KeyKind::ip_pool:
      return "IPPool/" + key.name;
    case KeyKind::namespace_:
      return "Namespace/" + key.name;
    case KeyKind::node:
      return "Node/" + key.name;
    case KeyKind::pod:
      return "Pod/" + key.name;
    case KeyKind::vip:
      return "Vip/" + key.name;
  }
  return key.name;
}

Key key_of(const api::Ip& ip) {
  if (ip.owner.kind == api::Owner::Kind::node ||
      (ip.pod_ns.empty() && ip.meta.name == api::node_port_name(ip.pod_name)))
    return {KeyKind::node, ip.pod_name};
  return {KeyKind::pod, ip.pod_ns + "/" + ip.pod_name};
}

std::optional<Key> key_of(const LogicalPort& port) {
  if (const auto it = port.external_ids.find(kVipId); it != port.external_ids.end())
    return Key{KeyKind::vip, it->second};
  if (const auto it = port.external_ids.find("pod"); it != port.external_ids.end())
    return Key{KeyKind::pod, it->second};
  if (port.name.starts_with("node-")) return Key{KeyKind::node, port.name.substr(5)};
  return std::nullopt;
}

World::World(Settings settings)
    : settings_(std::move(settings)),
      pods_([this](const auto& before, const auto* after, bool proven) { on_pod(before, after, proven); }),
      namespaces_([this](const auto& before, const auto* after, bool) { on_namespace(before, after); }),
      nodes_([this](const auto& before, const auto* after, bool) { on_node(before, after); }),
      stateful_sets_([this](const auto& before, const auto* after, bool) { on_stateful_set(before, after); }),
      networks_([this](const auto& before, const auto* after, bool) { on_network(before, after); }),
      subnets_([this](const auto& before, const auto* after, bool) { on_subnet(before, after); }),
      ips_([this](const auto& before, const auto* after, bool) { on_ip(before, after); }),
      pools_([this](const auto& before, const auto* after, bool) { on_pool(before, after); }),
      vpcs_([this](const auto& before, const auto* after, bool) { on_vpc(before, after); }),
      vips_([this](const auto& before, const auto* after, bool) { on_vip(before, after); }) {}

World::~World() = default;

void World::upsert(api::Kind kind, const api::JsonObject& object) {
  switch (kind) {
    case api::Kind::pod:
      return pods_.upsert(api::Pod::parse(object));
    case api::Kind::namespace_:
      return namespaces_.upsert(api::Namespace::parse(object));
    case api::Kind::node:
      return nodes_.upsert(api::Node::parse(object));
    case api::Kind::stateful_set:
      return stateful_sets_.upsert(api::StatefulSet::parse(object));
    case api::Kind::network_attachment_definition:
      return networks_.upsert(api::NetworkAttachmentDefinition::parse(object));
    case api::Kind::subnet:
      return subnets_.upsert(api::Subnet::parse(object));
    case api::Kind::ip:
      return ips_.upsert(api::Ip::parse(object));
    case api::Kind::ip_pool:
      return pools_.upsert(api::IpPool::parse(object));
    case api::Kind::vpc:
      return vpcs_.upsert(api::Vpc::parse(object));
    case api::Kind::vip:
      return vips_.upsert(api::Vip::parse(object));
    case api::Kind::secret:
    case api::Kind::event:
    case api::Kind::lease:
    case api::Kind::deployment:
    case api::Kind::replica_set:
    case api::Kind::validating_webhook_configuration:
      return;
  }
}

void World::remove(api::Kind kind, const api::JsonObject& object) {
  switch (kind) {
    case api::Kind::pod:
      return pods_.remove(api::Pod::parse(object));
    case api::Kind::namespace_:
      return namespaces_.remove(api::Namespace::parse(object));
    case api::Kind::node:
      return nodes_.remove(api::Node::parse(object));
    case api::Kind::stateful_set:
      return stateful_sets_.remove(api::StatefulSet::parse(object));
    case api::Kind::network_attachment_definition:
      return networks_.remove(api::NetworkAttachmentDefinition::parse(object));
    case api::Kind::subnet:
      return subnets_.remove(api::Subnet::parse(object));
    case api::Kind::ip:
      return ips_.remove(api::Ip::parse(object));
    case api::Kind::ip_pool:
      return pools_.remove(api::IpPool::parse(object));
    case api::Kind::vpc:
      return vpcs_.remove(api::Vpc::parse(object));
    case api::Kind::vip:
      return vips_.remove(api::Vip::parse(object));
    case api::Kind::secret:
    case api::Kind::event:
    case api::Kind::lease:
    case api::Kind::deployment:
    case api::Kind::replica_set:
    case api::Kind::validating_webhook_configuration:
      return;
  }
}

void World::replace(api::Kind kind, const api::JsonArray& items, std::uint64_t version) {
  switch (kind) {
    case api::Kind::pod:
      return pods_.replace(parse_all<api::Pod>(items), version);
    case api::Kind::namespace_:
      return namespaces_.replace(parse_all<api::Namespace>(items), version);
    case api::Kind::node:
      return nodes_.replace(parse_all<api::Node>(items), version);
    case api::Kind::stateful_set:
      return stateful_sets_.replace(parse_all<api::StatefulSet>(items), version);
    case api::Kind::network_attachment_definition:
      return networks_.replace(parse_all<api::NetworkAttachmentDefinition>(items), version);
    case api::Kind::subnet:
      return subnets_.replace(parse_all<api::Subnet>(items), version);
    case api::Kind::ip:
      return ips_.replace(parse_all<api::Ip>(items), version);
    case api::Kind::ip_pool:
      return pools_.replace(parse_all<api::IpPool>(items), version);
    case api::Kind::vpc:
      return vpcs_.replace(parse_all<api::Vpc>(items), version);
    case api::Kind::vip:
      return vips_.replace(parse_all<api::Vip>(items), version);
    case api::Kind::secret:
    case api::Kind::event:
    case api::Kind::lease:
    case api::Kind::deployment:
    case api::Kind::replica_set:
    case api::Kind::validating_webhook_configuration:
      return;
  }
}

void World::replace_namespace(const std::string& name, const api::JsonArray& items, std::uint64_t version) {
  namespaces_.replace(parse_all<api::Namespace>(items), version,
                      [&](const api::Namespace& ns) { return ns.meta.name == name; });
}

std::set<std::string> World::ports_of(const Key& key) const {
  std::set<std::string> out;
  if (const auto it = ips_by_key_.find(key); it != ips_by_key_.end()) out = it->second;
  if (const auto it = ports_by_key_.find(key); it != ports_by_key_.end())
    out.insert(it->second.begin(), it->second.end());
  if (const auto it = reservations_.find(key); it != reservations_.end())
    out.insert(it->second.begin(), it->second.end());
  return out;
}

const std::set<std::string>& World::ips_in(const std::string& subnet) const { return at(ips_by_subnet_, subnet); }

const std::set<std::string>& World::pods_in(const std::string& ns) const { return at(pods_by_ns_, ns); }

std::vector<std::string> World::claimant_names(const std::string& ns) const {
  std::vector<const api::Subnet*> found;
  for (const auto& [name, since] : at(claims_, ns)) {
    if (const api::Subnet* s = subnets_.find(name)) found.push_back(s);
  }
  if (settings_.safeguards.order_by_age) std::ranges::sort(found, by_age<api::Subnet>);
  std::vector<std::string> names;
  for (const api::Subnet* s : found) names.push_back(s->meta.name);
  return names;
}

const std::set<std::string>& World::claimed_by(const std::string& subnet) const {
  static const std::set<std::string> kNone;
  const auto it = claimed_by_.find(subnet);
  return it == claimed_by_.end() ? kNone : it->second;
}

const std::set<std::string>& World::parents_of_vip(const std::string& switch_name, const std::string& address) const {
  static const std::set<std::string> kNone;
  const auto it = vip_parents_.find({switch_name, address});
  return it == vip_parents_.end() ? kNone : it->second;
}

std::vector<const api::Subnet*> World::subnets_of_vpc(const std::string& vpc) const {
  std::vector<const api::Subnet*> out;
  for (const auto& [name, s] : subnets_.all()) {
    if (s.is_ovn() && vpc_in_force(s) == vpc) out.push_back(&s);
  }
  return out;
}

std::string World::vpc_in_force(const api::Subnet& subnet) const {
  const auto it = switches_.find(subnet.meta.name);
  const bool joined = it != switches_.end() && !it->second.router.empty();
  return joined && subnet.is_ovn() ? it->second.router : subnet.effective_vpc();
}

bool World::is_proven_gone(const std::string& pod_key, const std::string& pod_uid) const {
  const auto it = gone_.find(pod_key);
  return it != gone_.end() && it->second.contains(pod_uid);
}

void World::prove_gone(const std::string& pod_key, const std::string& pod_uid) {
  gone_[pod_key].insert(pod_uid);
  mark_dirty({KeyKind::pod, pod_key});
}

TimePoint World::status_written(const std::string& key) const {
  const auto it = status_written_.find(key);
  return it == status_written_.end() ? TimePoint::min() : it->second;
}

const SubnetState& World::subnet_state(const std::string& name) const {
  static const SubnetState unknown{false, "not looked at yet", std::nullopt};
  const auto it = subnet_states_.find(name);
  return it == subnet_states_.end() ? unknown : it->second;
}

const std::set<net::Cidr>& World::ranges_ever_in_force(const std::string& subnet) const {
  static const std::set<net::Cidr> unknown;
  const auto it = ranges_ever_.find(subnet);
  return it == ranges_ever_.end() ? unknown : it->second;
}

void World::note_refusal(const std::string& subnet, const std::string& why, const std::string& rival) {
  const auto known = refusals_.find(subnet);
  const Refusal before = known == refusals_.end() ? Refusal() : known->second;
  if (before.why == why && before.rival == rival) return;
  if (const auto of_rival = losers_of_.find(before.rival); of_rival != losers_of_.end()) {
    of_rival->second.erase(subnet);
    if (of_rival->second.empty()) losers_of_.erase(of_rival);
  }
  if (!rival.empty()) losers_of_[rival].insert(subnet);
  if (why.empty()) {
    refusals_.erase(subnet);
  } else {
    refusals_[subnet] = {why, rival};
    mark_losers_of(subnet);  // it stands in nobody's way any more
  }
}

void World::mark_losers_of(const std::string& subnet) {
  const auto losers = losers_of_.find(subnet);
  if (losers == losers_of_.end()) return;
  for (const std::string& loser : losers->second) mark_dirty_later({KeyKind::subnet, loser});
}

void World::note_switch_under_way(const std::string& subnet, std::vector<net::Cidr> cidrs) {
  if (switches_under_way_.contains(subnet)) mark_losers_of(subnet);
  if (cidrs.empty()) {
    switches_under_way_.erase(subnet);
  } else {
    switches_under_way_[subnet] = std::move(cidrs);
  }
}

const std::vector<net::Cidr>& World::switch_under_way(const std::string& subnet) const {
  static const std::vector<net::Cidr> none_under_way;
  const auto it = switches_under_way_.find(subnet);
  return it == switches_under_way_.end() ? none_under_way : it->second;
}

const World::Claim* World::claim_of(const std::string& pod_uid, const std::string& port) const {
  const auto pod = claims_by_pod_.find(pod_uid);
  if (pod == claims_by_pod_.end()) return nullptr;
  const auto claim = pod->second.find(port);
  return claim == pod->second.end() ? nullptr : &claim->second;
}

bool World::vpc_ready(const std::string& name) const {
  const api::Vpc* vpc = vpcs_.find(name);
  return vpc != nullptr && !vpc->meta.deleting && routers_.contains(name);
}

bool World::set_node_problem(const std::string& node, const std::string& text) {
  if (text.empty()) {
    node_problems_.erase(node);
    return false;
  }
  return std::exchange(node_problems_[node], text) != text;
}

bool World::set_displaced(const std::string& pod, const std::string& text) {
  if (text.empty()) {
    displaced_.erase(pod);
    return false;
  }
  std::string& is = displaced_[pod];
  if (is == text) return false;
  is = text;
  return true;
}

void World::forget_reservation(const std::string& port) {
  const auto it = reservation_of_.find(port);
  if (it == reservation_of_.end()) return;
  auto& of_key = reservations_[it->second.key];
  of_key.erase(port);
  if (of_key.empty()) reservations_.erase(it->second.key);
  reservation_of_.erase(it);
}

bool World::set_ip_problem(const api::Ip& ip, const std::string& text) {
  if (text.empty()) {
    const auto it = ip_problems_.find(ip.subnet);
    if (it == ip_problems_.end()) return false;
    it->second.erase(ip.meta.name);
    if (it->second.empty()) ip_problems_.erase(it);
    return false;
  }
  std::string& is = ip_problems_[ip.subnet][ip.meta.name];
  if (is == text) return false;
  is = text;
  return true;
}

std::optional<binding::ReservedIp> World::reserved_ip(const std::string& port) const {
  const api::Ip* ip = ips_.find(port);
  if (ip == nullptr || ip->meta.deleting || !ip->is_reserved()) return std::nullopt;
  return binding::ReservedIp{port, ip->subnet, ip->addresses, ip->mac};
}

bool World::set_waiting(const std::string& pod, const binding::Wait& wait) { return waiting_.set(pod, wait, now_); }

void World::wake(const binding::WaitKey& key) {
  if (!settings_.safeguards.wake_waiting) return;
  std::vector<std::string> pods = waiting_.on(key);
  std::ranges::sort(pods, [&](const std::string& a, const std::string& b) {
    const TimePoint since_a = waiting_.find(a)->since, since_b = waiting_.find(b)->since;
    return since_a != since_b ? since_a < since_b : a < b;
  });
  for (const std::string& pod : pods) mark_dirty({KeyKind::pod, pod});
}

void World::end_read(std::uint64_t begun, const std::set<std::string>& namespaces) {
  for (const std::string& ns : namespaces) {
    auto& latest = read_begun_[ns];
    latest = std::max(latest, begun);
    wake({binding::WaitKey::Kind::fresh_read, ns});
  }
}

void World::mark_dirty(Key key) {
  dirty_later_.erase(key);
  if (dirty_.insert(key).second) dirty_order_.push_back(std::move(key));
}

void World::mark_dirty_later(const Key& key) {
  if (!dirty_.contains(key) && dirty_later_.insert(key).second) later_order_.push_back(key);
}

void World::mark_all_dirty() {
  mark_dirty({KeyKind::system, ""});
  for (const auto& [name, vpc] : vpcs_.all()) mark_dirty({KeyKind::vpc, name});
  for (const auto& [name, router] : routers_) mark_dirty({KeyKind::vpc, name});
  for (const auto& [name, s] : subnets_.all()) mark_dirty({KeyKind::subnet, name});
  for (const auto& [name, s] : switches_) mark_dirty({KeyKind::subnet, name});
  for (const auto& [name, pool] : pools_.all()) mark_dirty({KeyKind::ip_pool, name});
  for (const auto& [name, set] : address_sets_) mark_pool_of(set);
  for (const auto& [name, vip] : vips_.all()) mark_dirty({KeyKind::vip, name});
  for (const auto& [name, ns] : namespaces_.all()) mark_dirty({KeyKind::namespace_, name});
  for (const auto& [name, node] : nodes_.all()) mark_dirty({KeyKind::node, name});
  for (const auto& [name, pod] : pods_.all()) mark_dirty({KeyKind::pod, name});
  for (const auto& [key, ports] : ips_by_key_) mark_dirty(key);
  for (const auto& [key, ports] : ports_by_key_) mark_dirty(key);
}

std::optional<Key> World::take_dirty() {
  constexpr unsigned kOneIn = 8;
  while (!later_order_.empty() && !dirty_later_.contains(later_order_.front())) later_order_.pop_front();
  const bool later = !later_order_.empty() && (dirty_order_.empty() || ++taken_ % kOneIn == 0);
  auto& order = later ? later_order_ : dirty_order_;
  if (order.empty()) return std::nullopt;
  Key key = std::move(order.front());
  order.pop_front();
  (later ? dirty_later_ : dirty_).erase(key);
  return key;
}

// ---- binding::Knowledge

const api::Namespace* World::find_namespace(const std::string& ns) const { return namespaces_.find(ns); }

const api::NetworkAttachmentDefinition* World::find_network(const std::string& ns, const std::string& name) const {
  return networks_.find(ns + "/" + name);
}

const api::IpPool* World::find_pool(const std::string& name) const {
  const api::IpPool* pool = pools_.find(name);
  return pool == nullptr || pool->meta.deleting ? nullptr : pool;
}

binding::SubnetView World::view_of(const api::Subnet& s) const {
  const SubnetState& state = subnet_state(s.meta.name);
  binding::SubnetView view{&s, state.ready, state.unready, {}};
  if (s.meta.deleting && settings_.safeguards.terminating_is_not_ready) {
    view.ready = false;
    view.unready = "it is being deleted";
  }
  if (s.meta.deleting && !settings_.safeguards.terminating_is_not_ready) view.ready = state.in_force.has_value();
  if (state.in_force) {
    view.cidrs = state.in_force->cidrs;
  } else if (const auto parsed = net::Cidr::parse_list(s.cidr_block)) {
    view.cidrs = *parsed;
  }
  return view;
}

std::vector<binding::SubnetView> World::views_sorted(std::vector<const api::Subnet*> found) const {
  if (settings_.safeguards.order_by_age) {
    std::ranges::sort(found, by_age<api::Subnet>);
  } else {
    std::ranges::reverse(found);
  }
  std::vector<binding::SubnetView> out;
  for (const api::Subnet* s : found) out.push_back(view_of(*s));
  return out;
}

std::optional<binding::SubnetView> World::subnet(const std::string& name) const {
  const api::Subnet* s = subnets_.find(name);
  return s == nullptr ? std::nullopt : std::optional(view_of(*s));
}

std::vector<binding::SubnetView> World::claimants(const std::string& ns) const {
  std::vector<const api::Subnet*> found;
  for (const auto& [name, since] : at(claims_, ns)) {
    const api::Subnet* s = subnets_.find(name);
    if (s != nullptr && s->effective_provider() == api::kDefaultProvider) found.push_back(s);
  }
  return views_sorted(std::move(found));
}

std::vector<binding::SubnetView> World::of_provider(const std::string& provider) const {
  std::vector<const api::Subnet*> found;
  for (const auto& [name, s] : subnets_.all()) {
    if (s.effective_provider() == provider) found.push_back(&s);
  }
  return views_sorted(std::move(found));
}

std::vector<const api::IpPool*> World::pools(const std::string& ns, const std::string& subnet) const {
  std::vector<const api::IpPool*> out;
  for (const std::string& name : pools_in(subnet)) {
    const api::IpPool* pool = pools_.find(name);
    if (!pool->meta.deleting && std::ranges::find(pool->namespaces, ns) != pool->namespaces.end()) out.push_back(pool);
  }
  std::ranges::sort(out, by_age<api::IpPool>);
  return out;
}

const api::Vpc* World::vpc_of(const std::string& ns) const {
  const api::Vpc* oldest = nullptr;
  for (const auto& [name, vpc] : vpcs_.all()) {
    if (name == api::kDefaultVpc || std::ranges::find(vpc.namespaces, ns) == vpc.namespaces.end()) continue;
    if (oldest == nullptr || vpc.meta.older_than(oldest->meta)) oldest = &vpc;
  }
  return oldest;
}

std::vector<binding::SubnetView> World::defaults_of(const std::string& vpc) const {
  std::vector<const api::Subnet*> found;
  for (const api::Subnet* s : subnets_of_vpc(vpc)) {
    if (s->is_default) found.push_back(s);
  }
  return views_sorted(std::move(found));
}

bool World::has_room(const std::string& subnet, const std::string& port, std::optional<net::Family> only,
                     const std::string& pool) const {
  const ipam::Allocator* a = allocator(subnet);
  if (a == nullptr) return false;
  // What it holds is room enough, unless it has to be drawn elsewhere.
  const auto held = a->find(port);
  const bool fits =
      held && std::ranges::all_of(held->addresses(), [&](const net::Address& x) { return pool_of(subnet, x) == pool; });
  return fits || a->has_room(only, pool);
}

// Nothing is inferred yet beyond Subnets that are not ready (rule 4 waits for those). A Helm release under way whose
// manifest holds a Subnet for the namespace belongs here.
std::optional<std::string> World::inferred_expectation(const std::string&) const { return std::nullopt; }

TimePoint World::settled_at(const std::string& ns) const {
  const auto it = namespace_times_.find(ns);
  if (it == namespace_times_.end()) return now_ + settings_.settle;
  const TimePoint begun = std::max(it->second.first_seen, it->second.lost_last_claim.value_or(it->second.first_seen));
  return begun + settings_.settle;
}

bool World::is_fresh_for(const api::Pod& pod) const {
  const auto seen = pod_seen_.find(pod.meta.uid);
  const auto read = read_begun_.find(pod.meta.ns);
  if (seen == pod_seen_.end() || read == read_begun_.end()) return false;
  // A claim often changes hands: the one that follows may be known to the API already, but not here.
  const auto times = namespace_times_.find(pod.meta.ns);
  const std::uint64_t lost = times == namespace_times_.end() ? 0 : times->second.lost_sequence;
  return read->second > std::max(seen->second, lost);
}

std::optional<WallTime> World::claimed_since(const std::string& ns, const std::string& subnet) const {
  const auto& of_ns = at(claims_, ns);
  const auto it = of_ns.find(subnet);
  return it == of_ns.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace berth::world
