#include "ovn/planner.h"

#include <fmt/format.h>

#include <algorithm>

namespace berth::ovn {

namespace json = boost::json;

namespace {

constexpr const char* kSwitch = "Logical_Switch";
constexpr const char* kSwitchPort = "Logical_Switch_Port";
constexpr const char* kRouter = "Logical_Router";
constexpr const char* kRouterPort = "Logical_Router_Port";
constexpr const char* kRoute = "Logical_Router_Static_Route";
constexpr const char* kPolicy = "Logical_Router_Policy";

const StringMap kVendor{{"vendor", "kube-ovn"}};

// As Kube-OVN sets them on a new router.
const StringMap kRouterOptions{{"always_learn_from_arp_request", "false"},
                               {"dynamic_neigh_routers", "true"},
                               {"mac_binding_age_threshold", "300"}};

template <typename Value>
json::array clause(std::string_view column, const Value& value) {
  json::array where;
  where.push_back(json::array{column, "==", value});
  return where;
}

std::string key_of(const char* table, const std::string& name) { return fmt::format("{}\n{}", table, name); }

Status not_ours(const char* table, const std::string& name) {
  return fail(
      ErrorCode::invalid,
      fmt::format("OVN: {} {} exists without external_ids:vendor=kube-ovn; Berth leaves it alone: rename or remove it",
                  table, name));
}

Status missing(const char* table, const std::string& name, const std::string& needed_by) {
  return fail(ErrorCode::conflict, fmt::format("OVN: {} {} is not there yet; {} needs it", table, name, needed_by));
}

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
        kRouter, {{"name", name}, {"options", map_json(kRouterOptions)}, {"external_ids", map_json(kVendor)}});
    model_.routers.put(id, {name, kVendor});
  }
  put_routes(id, change.router.routes);
  put_policies(id, change.router.policies);
  return {};
}

void Planner::put_routes(const Id& router, const std::set<world::StaticRoute>& wanted) {
  auto lacking = wanted;
  std::vector<Id> surplus;
  for (const auto& id : model_.router_of_route.children(router)) {
    const RouteRow* row = model_.routes.find(id);
    if (row == nullptr || !is_ours(row->external_ids) || !row->route_table.empty()) continue;
    if (lacking.erase(row->route) == 0) surplus.push_back(id);
  }
  const auto update = [this](const Id& id, const world::StaticRoute& route) {
    RouteRow row = *model_.routes.find(id);
    transaction_.do_not_guard(key_of(kRoute, guard_key(row.route)));
    transaction_.do_not_guard(key_of(kRoute, guard_key(route)));
    row.route = route;
    transaction_.update(kRoute, id, {{"nexthop", route.nexthop}});
    model_.routes.put(id, std::move(row));
  };
  for (const auto& route : lacking) {
    const auto same = std::ranges::find_if(surplus, [&](const Id& id) {
      const auto& old = model_.routes.find(id)->route;
      return old.prefix == route.prefix && old.by_source == route.by_source;
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
                                               {"external_ids", map_json(kVendor)}});
    model_.routes.put(id, {route, "", kVendor});
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
    transaction_.update(
        kPolicy, id, {{"action", policy.action}, {"nexthops", set_json(policy.nexthops)}, {"nexthop", set_json({})}});
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
                                                {"external_ids", map_json(kVendor)}});
    model_.policies.put(id, {policy, kVendor});
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

// --- switches

Status Planner::put(const world::PutSwitch& change) {
  const world::LogicalSwitch& wanted = change.logical_switch;
  const Id* existing = model_.switches.ours(wanted.name);
  if (existing == nullptr && !model_.switches.named(wanted.name).empty()) return not_ours(kSwitch, wanted.name);
  Id id;
  if (existing != nullptr) {
    id = *existing;
    const auto all = model_.switches.named(wanted.name);
    for (const auto& other : all) {
      if (other != id && is_ours(model_.switches.find(other)->external_ids)) remove_switch(other);
    }
  } else {
    transaction_.guard(key_of(kSwitch, wanted.name), kSwitch, clause("name", wanted.name), {});
    id = transaction_.insert(kSwitch, {{"name", wanted.name}, {"external_ids", map_json(kVendor)}});
    model_.switches.put(id, {wanted.name, kVendor});
  }
  for (const auto& router : model_.joined_routers(id)) {
    if (router != wanted.router) remove_join(wanted.name, router);
  }
  if (wanted.router.empty()) return {};
  const Id* router = model_.routers.ours(wanted.router);
  if (router == nullptr) return missing(kRouter, wanted.router, "Logical_Switch " + wanted.name);
  const std::string router_port = wanted.router + "-" + wanted.name;
  if (auto ok = put_router_port(*router, router_port, wanted); !ok) return ok;
  return put_switch_router_port(id, wanted.name + "-" + wanted.router, router_port);
}

Status Planner::put_router_port(const Id& router, const std::string& name, const world::LogicalSwitch& wanted) {
  const RouterPortRow row{
      name, wanted.router_mac.to_string(), {wanted.networks.begin(), wanted.networks.end()}, kVendor};
  const auto& existing = model_.router_ports.named(name);
  if (existing.empty()) {
    transaction_.guard(key_of(kRouterPort, name), kRouterPort, clause("name", name), {});
    const Id id = transaction_.insert(
        kRouterPort,
        {{"name", name}, {"mac", row.mac}, {"networks", set_json(row.networks)}, {"external_ids", map_json(kVendor)}});
    model_.router_ports.put(id, row);
    transaction_.add_child(kRouter, router, "ports", id);
    model_.router_of_port.link(router, id);
    return {};
  }
  const Id id = *existing.begin();
  RouterPortRow now = *model_.router_ports.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kRouterPort, name);
  json::object columns;
  if (now.mac != row.mac) columns["mac"] = row.mac;
  if (now.networks != row.networks) columns["networks"] = set_json(row.networks);
  if (!columns.empty()) {
    transaction_.update(kRouterPort, id, std::move(columns));
    now.mac = row.mac;
    now.networks = row.networks;
    model_.router_ports.put(id, std::move(now));
  }
  const Id* owner = model_.router_of_port.owner(id);
  if (owner != nullptr && *owner == router) return {};
  if (owner != nullptr) transaction_.drop_child(kRouter, *owner, "ports", id);
  transaction_.add_child(kRouter, router, "ports", id);
  model_.router_of_port.link(router, id);
  return {};
}

Status Planner::put_switch_router_port(const Id& switch_id, const std::string& name, const std::string& router_port) {
  const SwitchPortRow row{name, "router", {"router"}, {{"router-port", router_port}}, kVendor};
  const auto& existing = model_.switch_ports.named(name);
  if (existing.empty()) {
    insert_switch_port(switch_id, row);
    return {};
  }
  const Id id = *existing.begin();
  const SwitchPortRow now = *model_.switch_ports.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kSwitchPort, name);
  SwitchPortRow next = row;
  next.external_ids = now.external_ids;
  next.options = now.options;  // other options may have been set on purpose
  next.options["router-port"] = router_port;
  update_switch_port(id, now, std::move(next));
  place_switch_port(switch_id, id);
  return {};
}

Status Planner::put(const world::RemoveSwitch& change) {
  const auto all = model_.switches.named(change.name);
  for (const auto& id : all) {
    if (is_ours(model_.switches.find(id)->external_ids)) remove_switch(id);
  }
  return {};
}

void Planner::remove_join(const std::string& switch_name, const std::string& router) {
  if (const Id* id = model_.router_ports.ours(router + "-" + switch_name)) remove_router_port(Id(*id));
  const Id* id = model_.switch_ports.ours(switch_name + "-" + router);
  if (id != nullptr && model_.switch_ports.find(*id)->type == "router") remove_switch_port(Id(*id));
}

void Planner::remove_switch(const Id& id) {
  const std::string name = model_.switches.find(id)->name;
  for (const auto& router : model_.joined_routers(id)) remove_join(name, router);
  const auto ports = model_.switch_of.children(id);
  for (const auto& port : ports) {
    if (const SwitchPortRow* row = model_.switch_ports.find(port))
      transaction_.do_not_guard(key_of(kSwitchPort, row->name));
    model_.switch_of.unlink(port);
    model_.switch_ports.erase(port);
  }
  transaction_.do_not_guard(key_of(kSwitch, name));
  transaction_.remove(kSwitch, id);
  model_.switches.erase(id);
}

// --- switch ports

Status Planner::put(const world::PutPort& change) {
  const world::LogicalPort& wanted = change.port;
  const Id* switch_id = model_.switches.ours(wanted.switch_name);
  if (switch_id == nullptr) return missing(kSwitch, wanted.switch_name, "Logical_Switch_Port " + wanted.name);
  std::string address = wanted.mac.to_string();
  for (const auto& a : wanted.addresses) address += " " + a.to_string();
  SwitchPortRow row{wanted.name, "", {address}, {}, wanted.external_ids};
  row.external_ids["vendor"] = "kube-ovn";
  row.external_ids["ls"] = wanted.switch_name;

  const auto& existing = model_.switch_ports.named(wanted.name);
  if (existing.empty()) {
    insert_switch_port(*switch_id, std::move(row));
    return {};
  }
  const Id id = *existing.begin();
  const SwitchPortRow now = *model_.switch_ports.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kSwitchPort, wanted.name);
  if (!now.type.empty()) {
    return fail(ErrorCode::invalid,
                fmt::format("OVN: Logical_Switch_Port {} exists with type {}; it cannot be a pod's port", wanted.name,
                            now.type));
  }
  row.options = now.options;
  update_switch_port(id, now, std::move(row));
  place_switch_port(*switch_id, id);
  return {};
}

void Planner::insert_switch_port(const Id& switch_id, SwitchPortRow row) {
  transaction_.guard(key_of(kSwitchPort, row.name), kSwitchPort, clause("name", row.name), {});
  json::object columns{
      {"name", row.name}, {"addresses", set_json(row.addresses)}, {"external_ids", map_json(row.external_ids)}};
  if (!row.type.empty()) columns["type"] = row.type;
  if (!row.options.empty()) columns["options"] = map_json(row.options);
  const Id id = transaction_.insert(kSwitchPort, std::move(columns));
  model_.switch_ports.put(id, std::move(row));
  transaction_.add_child(kSwitch, switch_id, "ports", id);
  model_.switch_of.link(switch_id, id);
}

void Planner::update_switch_port(const Id& id, const SwitchPortRow& old, SwitchPortRow wanted) {
  json::object columns;
  if (old.type != wanted.type) columns["type"] = wanted.type;
  if (old.addresses != wanted.addresses) columns["addresses"] = set_json(wanted.addresses);
  if (old.options != wanted.options) columns["options"] = map_json(wanted.options);
  if (old.external_ids != wanted.external_ids) columns["external_ids"] = map_json(wanted.external_ids);
  if (columns.empty()) return;
  transaction_.update(kSwitchPort, id, std::move(columns));
  model_.switch_ports.put(id, std::move(wanted));
}

void Planner::place_switch_port(const Id& switch_id, const Id& port) {
  const Id* owner = model_.switch_of.owner(port);
  if (owner != nullptr && *owner == switch_id) return;
  if (owner != nullptr) transaction_.drop_child(kSwitch, *owner, "ports", port);
  transaction_.add_child(kSwitch, switch_id, "ports", port);
  model_.switch_of.link(switch_id, port);
}

Status Planner::put(const world::RemovePort& change) {
  const Id* id = model_.switch_ports.ours(change.name);
  if (id == nullptr) return {};
  const std::string& type = model_.switch_ports.find(*id)->type;
  if (!type.empty()) {
    return fail(ErrorCode::invalid,
                fmt::format("OVN: Logical_Switch_Port {} has type {}; it is not a pod's port", change.name, type));
  }
  remove_switch_port(Id(*id));
  return {};
}

// A switch port lives as long as its switch refers to it: taking it out of the column removes the row.
void Planner::remove_switch_port(const Id& id) {
  transaction_.do_not_guard(key_of(kSwitchPort, model_.switch_ports.find(id)->name));
  if (const Id* owner = model_.switch_of.owner(id)) transaction_.drop_child(kSwitch, *owner, "ports", id);
  model_.switch_of.unlink(id);
  model_.switch_ports.erase(id);
}

void Planner::remove_router_port(const Id& id) {
  transaction_.do_not_guard(key_of(kRouterPort, model_.router_ports.find(id)->name));
  if (const Id* owner = model_.router_of_port.owner(id)) transaction_.drop_child(kRouter, *owner, "ports", id);
  model_.router_of_port.unlink(id);
  model_.router_ports.erase(id);
}

}  // namespace berth::ovn
