#include "ovn/planner.h"

#include <algorithm>

#include "ovn/planner_rows.h"

namespace berth::ovn {

namespace json = boost::json;

namespace {

// As Kube-OVN sets them on a new router.
const StringMap kRouterOptions{{"always_learn_from_arp_request", "false"},
                               {"dynamic_neigh_routers", "true"},
                               {"mac_binding_age_threshold", "300"}};

}  // namespace

Status Planner::apply(const world::OvnChange& change) {
  return std::visit([this](const auto& c) { return put(c); }, change);
}

// --- routers

Status Planner::put(const world::PutRouter& change) {
  const std::string& name = change.router.name;
  const Id* existing = model_.routers.ours(name);
  if (existing == nullptr && !model_.routers.named(name).empty()) return not_ours(kRouter, name);
  Id id;
  if (existing != nullptr) {
    id = *existing;
    const auto all = model_.routers.named(name);
    for (const auto& other : all) {
      if (other != id && is_ours(model_.routers.find(other)->external_ids)) remove_router(other);
    }
  } else {
    transaction_.guard(key_of(kRouter, name), kRouter, clause("name", name), {});
    id = transaction_.insert(
        kRouter, {{"name", name}, {"options", map_json(kRouterOptions)}, {"external_ids", map_json(with_vendor({}))}});
    model_.routers.put(id, {name, with_vendor({})});
  }
  put_routes(id, change.router.routes);
  put_policies(id, change.router.policies);
  return put_peers(id, change.router);
}

Status Planner::put_peers(const Id& router, const world::LogicalRouter& wanted) {
  std::vector<Id> surplus;
  for (const Id& id : model_.router_of_port.children(router)) {
    const RouterPortRow* row = model_.router_ports.find(id);
    const bool link =
        row != nullptr && is_ours(row->external_ids) && !row->peer.empty() && row->name.starts_with(wanted.name + "-");
    if (link && !wanted.peers.contains(row->name.substr(wanted.name.size() + 1))) surplus.push_back(id);
  }
  for (const Id& id : surplus) remove_router_port(id);
  for (const auto& [remote, port] : wanted.peers) {
    RouterPortRow row{fmt::format("{}-{}", wanted.name, remote), port.mac.to_string(), port.networks, with_vendor({})};
    row.peer = fmt::format("{}-{}", remote, wanted.name);
    if (auto ok = put_router_port(router, std::move(row)); !ok) return ok;
  }
  return {};
}

void Planner::put_routes(const Id& router, const std::set<world::StaticRoute>& wanted) {
  auto lacking = wanted;
  std::vector<Id> surplus;
  for (const auto& id : model_.router_of_route.children(router)) {
    const RouteRow* row = model_.routes.find(id);
    if (row == nullptr || !is_ours(row->external_ids)) continue;
    if (lacking.erase(row->route) == 0) surplus.push_back(id);
  }
  const auto update = [this](const Id& id, const world::StaticRoute& route) {
    RouteRow row = *model_.routes.find(id);
    transaction_.do_not_guard(key_of(kRoute, guard_key(row.route)));
    transaction_.do_not_guard(key_of(kRoute, guard_key(route)));
    row.route = route;
    row.external_ids = with_vendor(route.ids);
    transaction_.update(kRoute, id, {{"nexthop", route.nexthop}, {"external_ids", map_json(row.external_ids)}});
    model_.routes.put(id, std::move(row));
  };
  for (const auto& route : lacking) {
    const auto same = std::ranges::find_if(surplus, [&](const Id& id) {
      const auto& old = model_.routes.find(id)->route;
      return old.prefix == route.prefix && old.by_source == route.by_source && old.table == route.table;
    });
    if (same != surplus.end()) {
      update(*same, route);
      surplus.erase(same);
      continue;
    }
    auto where = clause("ip_prefix", route.prefix);
    where.push_back(json::array{"nexthop", "==", route.nexthop});
    transaction_.guard(key_of(kRoute, guard_key(route)), kRoute, std::move(where),
                       model_.routes.named(guard_key(route)));
    const Id id = transaction_.insert(kRoute, {{"ip_prefix", route.prefix},
                                               {"nexthop", route.nexthop},
                                               {"policy", route.by_source ? "src-ip" : "dst-ip"},
                                               {"route_table", route.table},
                                               {"external_ids", map_json(with_vendor(route.ids))}});
    model_.routes.put(id, {route, with_vendor(route.ids)});
    transaction_.add_child(kRouter, router, "static_routes", id);
    model_.router_of_route.link(router, id);
  }
  for (const auto& id : surplus) {
    transaction_.do_not_guard(key_of(kRoute, guard_key(model_.routes.find(id)->route)));
    transaction_.drop_child(kRouter, router, "static_routes", id);
    model_.router_of_route.unlink(id);
    model_.routes.erase(id);
  }
}

void Planner::put_policies(const Id& router, const std::set<world::RouterPolicy>& wanted) {
  auto lacking = wanted;
  std::vector<Id> surplus;
  for (const auto& id : model_.router_of_policy.children(router)) {
    const PolicyRow* row = model_.policies.find(id);
    if (row == nullptr || !is_ours(row->external_ids)) continue;
    if (lacking.erase(row->policy) == 0) surplus.push_back(id);
  }
  const auto update = [this](const Id& id, const world::RouterPolicy& policy) {
    PolicyRow row = *model_.policies.find(id);
    transaction_.do_not_guard(key_of(kPolicy, guard_key(row.policy)));
    transaction_.do_not_guard(key_of(kPolicy, guard_key(policy)));
    row.policy = policy;
    row.external_ids = with_vendor(policy.ids);
    transaction_.update(kPolicy, id,
                        {{"action", policy.action},
                         {"nexthops", set_json(policy.nexthops)},
                         {"nexthop", set_json({})},
                         {"external_ids", map_json(row.external_ids)}});
    model_.policies.put(id, std::move(row));
  };
  for (const auto& policy : lacking) {
    const auto same = std::ranges::find_if(surplus, [&](const Id& id) {
      const auto& old = model_.policies.find(id)->policy;
      return old.priority == policy.priority && old.match == policy.match;
    });
    if (same != surplus.end()) {
      update(*same, policy);
      surplus.erase(same);
      continue;
    }
    auto where = clause("priority", policy.priority);
    where.push_back(json::array{"match", "==", policy.match});
    where.push_back(json::array{"action", "==", policy.action});
    transaction_.guard(key_of(kPolicy, guard_key(policy)), kPolicy, std::move(where),
                       model_.policies.named(guard_key(policy)));
    const Id id = transaction_.insert(kPolicy, {{"priority", policy.priority},
                                                {"match", policy.match},
                                                {"action", policy.action},
                                                {"nexthops", set_json(policy.nexthops)},
                                                {"external_ids", map_json(with_vendor(policy.ids))}});
    model_.policies.put(id, {policy, with_vendor(policy.ids)});
    transaction_.add_child(kRouter, router, "policies", id);
    model_.router_of_policy.link(router, id);
  }
  for (const auto& id : surplus) {
    transaction_.do_not_guard(key_of(kPolicy, guard_key(model_.policies.find(id)->policy)));
    transaction_.drop_child(kRouter, router, "policies", id);
    model_.router_of_policy.unlink(id);
    model_.policies.erase(id);
  }
}

Status Planner::put(const world::RemoveRouter& change) {
  const auto all = model_.routers.named(change.name);
  for (const auto& id : all) {
    if (is_ours(model_.routers.find(id)->external_ids)) remove_router(id);
  }
  return {};
}

void Planner::remove_router(const Id& id) {
  const std::string name = model_.routers.find(id)->name;
  const auto ports = model_.router_of_port.children(id);
  for (const auto& port : ports) {
    const RouterPortRow* row = model_.router_ports.find(port);
    if (row == nullptr) continue;
    if (row->name.starts_with(name + "-")) {
      const Id* peer = model_.switch_ports.ours(row->name.substr(name.size() + 1) + "-" + name);
      if (peer != nullptr && model_.switch_ports.find(*peer)->type == "router") remove_switch_port(Id(*peer));
    }
    transaction_.do_not_guard(key_of(kRouterPort, row->name));
    model_.router_of_port.unlink(port);
    model_.router_ports.erase(port);
  }
  const auto routes = model_.router_of_route.children(id);
  for (const auto& route : routes) {
    if (const RouteRow* row = model_.routes.find(route))
      transaction_.do_not_guard(key_of(kRoute, guard_key(row->route)));
    model_.router_of_route.unlink(route);
    model_.routes.erase(route);
  }
  const auto policies = model_.router_of_policy.children(id);
  for (const auto& policy : policies) {
    if (const PolicyRow* row = model_.policies.find(policy))
      transaction_.do_not_guard(key_of(kPolicy, guard_key(row->policy)));
    model_.router_of_policy.unlink(policy);
    model_.policies.erase(policy);
  }
  transaction_.do_not_guard(key_of(kRouter, name));
  transaction_.remove(kRouter, id);
  model_.routers.erase(id);
}

// --- address sets

Status Planner::put(const world::PutAddressSet& change) {
  const world::AddressSet& wanted = change.address_set;
  AddressSetRow row{wanted.name, wanted.addresses, wanted.external_ids};
  row.external_ids["vendor"] = "kube-ovn";
  const auto& existing = model_.address_sets.named(wanted.name);
  if (existing.empty()) {
    transaction_.guard(key_of(kAddressSet, row.name), kAddressSet, clause("name", row.name), {});
    const Id id = transaction_.insert(
        kAddressSet,
        {{"name", row.name}, {"addresses", set_json(row.addresses)}, {"external_ids", map_json(row.external_ids)}});
    model_.address_sets.put(id, std::move(row));
    return {};
  }
  const Id id = *existing.begin();
  const AddressSetRow now = *model_.address_sets.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kAddressSet, row.name);
  json::object columns;
  if (now.addresses != row.addresses) columns["addresses"] = set_json(row.addresses);
  if (now.external_ids != row.external_ids) columns["external_ids"] = map_json(row.external_ids);
  if (columns.empty()) return {};
  transaction_.update(kAddressSet, id, std::move(columns));
  model_.address_sets.put(id, std::move(row));
  return {};
}

Status Planner::put(const world::RemoveAddressSet& change) {
  const Id* found = model_.address_sets.ours(change.name);
  if (found == nullptr) return {};
  const Id id = *found;
  transaction_.do_not_guard(key_of(kAddressSet, change.name));
  transaction_.remove(kAddressSet, id);
  model_.address_sets.erase(id);
  return {};
}

}  // namespace berth::ovn
