#include <fmt/ranges.h>

#include "ovn/planner.h"
#include "ovn/planner_rows.h"

namespace berth::ovn {

namespace json = boost::json;

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
    id = transaction_.insert(kSwitch, {{"name", wanted.name}, {"external_ids", map_json(with_vendor({}))}});
    model_.switches.put(id, {wanted.name, with_vendor({})});
  }
  put_acls(id, wanted.acls);
  put_dhcp(wanted.name, false, wanted.dhcp_v4);
  put_dhcp(wanted.name, true, wanted.dhcp_v6);
  if (auto ok = put_virtual_ports(id, wanted); !ok) return ok;
  for (const auto& router : model_.joined_routers(id)) {
    if (router != wanted.router) remove_join(wanted.name, router);
  }
  if (wanted.router.empty()) return {};
  const Id* router = model_.routers.ours(wanted.router);
  if (router == nullptr) return missing(kRouter, wanted.router, "Logical_Switch " + wanted.name);
  RouterPortRow row{wanted.router + "-" + wanted.name,
                    wanted.router_mac.to_string(),
                    {wanted.networks.begin(), wanted.networks.end()},
                    with_vendor({})};
  row.ra_configs = wanted.ra_configs;
  if (!wanted.route_table.empty()) row.options["route_table"] = wanted.route_table;
  const std::string router_port = row.name;
  if (auto ok = put_router_port(*router, std::move(row)); !ok) return ok;
  return put_switch_router_port(id, wanted.name + "-" + wanted.router, router_port);
}

// Of the options, only the route table is Berth's business.
Status Planner::put_router_port(const Id& router, RouterPortRow row) {
  const auto& existing = model_.router_ports.named(row.name);
  if (existing.empty()) {
    transaction_.guard(key_of(kRouterPort, row.name), kRouterPort, clause("name", row.name), {});
    const Id id =
        transaction_.insert(kRouterPort, {{"name", row.name},
                                          {"mac", row.mac},
                                          {"networks", set_json(row.networks)},
                                          {"peer", set_json(row.peer.empty() ? Strings() : Strings{row.peer})},
                                          {"options", map_json(row.options)},
                                          {"ipv6_ra_configs", map_json(row.ra_configs)},
                                          {"external_ids", map_json(row.external_ids)}});
    model_.router_ports.put(id, std::move(row));
    transaction_.add_child(kRouter, router, "ports", id);
    model_.router_of_port.link(router, id);
    return {};
  }
  const Id id = *existing.begin();
  RouterPortRow now = *model_.router_ports.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kRouterPort, row.name);
  auto options = now.options;
  options.erase("route_table");
  options.merge(StringMap(row.options));
  json::object columns;
  if (now.mac != row.mac) columns["mac"] = row.mac;
  if (now.networks != row.networks) columns["networks"] = set_json(row.networks);
  if (now.peer != row.peer) columns["peer"] = set_json(row.peer.empty() ? Strings() : Strings{row.peer});
  if (now.options != options) columns["options"] = map_json(options);
  if (now.ra_configs != row.ra_configs) columns["ipv6_ra_configs"] = map_json(row.ra_configs);
  if (!columns.empty()) {
    transaction_.update(kRouterPort, id, std::move(columns));
    row.options = std::move(options);
    row.external_ids = now.external_ids;
    model_.router_ports.put(id, std::move(row));
  }
  const Id* owner = model_.router_of_port.owner(id);
  if (owner != nullptr && *owner == router) return {};
  if (owner != nullptr) transaction_.drop_child(kRouter, *owner, "ports", id);
  transaction_.add_child(kRouter, router, "ports", id);
  model_.router_of_port.link(router, id);
  return {};
}

// Rules that are there stay untouched, so that no packet meets a switch without them.
void Planner::put_acls(const Id& switch_id, const std::set<world::Acl>& wanted) {
  auto lacking = wanted;
  std::vector<Id> surplus;
  for (const Id& id : model_.switch_of_acl.children(switch_id)) {
    const AclRow* row = model_.acls.find(id);
    if (row == nullptr || !is_ours(row->external_ids)) continue;
    if (lacking.erase(row->acl) == 0) surplus.push_back(id);
  }
  constexpr std::size_t kLongestName = 63;  // the schema's limit
  for (const world::Acl& acl : lacking) {
    AclRow row{acl, with_vendor(acl.ids)};
    row.acl.log_name = acl.log_name.substr(0, kLongestName);
    json::object columns{{"direction", acl.direction},
                         {"priority", acl.priority},
                         {"match", acl.match},
                         {"action", acl.action},
                         {"tier", 2},
                         {"external_ids", map_json(row.external_ids)}};
    if (!acl.log_name.empty()) {
      columns["log"] = true;
      columns["severity"] = "warning";
      columns["name"] = row.acl.log_name;
    }
    const Id id = transaction_.insert(kAcl, std::move(columns));
    model_.acls.put(id, std::move(row));
    transaction_.add_child(kSwitch, switch_id, "acls", id);
    model_.switch_of_acl.link(switch_id, id);
  }
  for (const Id& id : surplus) {
    transaction_.drop_child(kSwitch, switch_id, "acls", id);
    model_.switch_of_acl.unlink(id);
    model_.acls.erase(id);
  }
}

void Planner::put_dhcp(const std::string& switch_name, bool v6, const std::optional<world::DhcpOptions>& wanted) {
  const Id* found = model_.dhcp_of(switch_name, v6);
  const Id id = found == nullptr ? Id() : *found;
  const auto all = model_.dhcp.named(switch_name);
  for (const Id& other : all) {
    const DhcpRow& row = *model_.dhcp.find(other);
    const bool same_family = (row.cidr.find(':') != std::string::npos) == v6;
    if (!is_ours(row.external_ids) || !same_family || (wanted && other == id)) continue;
    transaction_.remove(kDhcp, other);
    model_.dhcp.erase(other);
  }
  if (!wanted) return;
  if (id.empty()) {
    DhcpRow row{wanted->cidr, wanted->options, with_vendor({{"ls", switch_name}, {"protocol", v6 ? "IPv6" : "IPv4"}})};
    const Id fresh = transaction_.insert(
        kDhcp, {{"cidr", row.cidr}, {"options", map_json(row.options)}, {"external_ids", map_json(row.external_ids)}});
    model_.dhcp.put(fresh, std::move(row));
    return;
  }
  DhcpRow row = *model_.dhcp.find(id);
  if (row.cidr == wanted->cidr && row.options == wanted->options) return;
  row.cidr = wanted->cidr;
  row.options = wanted->options;
  transaction_.update(kDhcp, id, {{"cidr", row.cidr}, {"options", map_json(row.options)}});
  model_.dhcp.put(id, std::move(row));
}

Status Planner::put_virtual_ports(const Id& switch_id, const world::LogicalSwitch& wanted) {
  const auto all = model_.switch_ports.named(virtual_key(wanted.name));
  for (const Id& id : all) {
    const SwitchPortRow& row = *model_.switch_ports.find(id);
    const Id* owner = model_.switch_of.owner(id);
    if (!is_ours(row.external_ids) || owner == nullptr || *owner != switch_id) continue;
    if (!wanted.vips.contains(row.name.substr(wanted.name.size() + std::string_view("-vip-").size())))
      remove_switch_port(Id(id));
  }
  for (const auto& [address, parents] : wanted.vips) {
    SwitchPortRow row{fmt::format("{}-vip-{}", wanted.name, address), "virtual", {}, {}, with_vendor({})};
    row.external_ids["ls"] = wanted.name;
    row.options["virtual-ip"] = address;
    if (!parents.empty()) row.options["virtual-parents"] = fmt::format("{}", fmt::join(parents, ","));
    const auto& existing = model_.switch_ports.named(row.name);
    if (existing.empty()) {
      insert_switch_port(switch_id, std::move(row));
      continue;
    }
    const Id id = *existing.begin();
    const SwitchPortRow now = *model_.switch_ports.find(id);
    if (!is_ours(now.external_ids)) return not_ours(kSwitchPort, row.name);
    row.addresses = now.addresses;
    row.external_ids = now.external_ids;
    update_switch_port(id, now, std::move(row));
    place_switch_port(switch_id, id);
  }
  return {};
}

Status Planner::put_switch_router_port(const Id& switch_id, const std::string& name, const std::string& router_port) {
  const SwitchPortRow row{name, "router", {"router"}, {{"router-port", router_port}}, with_vendor({})};
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
  put_dhcp(change.name, false, std::nullopt);
  put_dhcp(change.name, true, std::nullopt);
  const auto groups = model_.groups.named(gateway_groups_key(change.name));
  for (const Id& group : groups) {
    const auto members = model_.members.ports(group);
    for (const Id& port : members) model_.members.remove(group, port);
    transaction_.do_not_guard(key_of(kGroup, model_.groups.find(group)->name));
    transaction_.remove(kGroup, group);
    model_.groups.erase(group);
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
    forget_port(port);
  }
  const auto acls = model_.switch_of_acl.children(id);
  for (const Id& acl : acls) {
    model_.switch_of_acl.unlink(acl);
    model_.acls.erase(acl);
  }
  transaction_.do_not_guard(key_of(kSwitch, name));
  transaction_.remove(kSwitch, id);
  model_.switches.erase(id);
}

}  // namespace berth::ovn
