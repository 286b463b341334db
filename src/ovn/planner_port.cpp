#include "ovn/planner.h"
#include "ovn/planner_rows.h"

namespace berth::ovn {

namespace json = boost::json;

Status Planner::put(const world::PutPort& change) {
  const world::LogicalPort& wanted = change.port;
  const Id* switch_id = model_.switches.ours(wanted.switch_name);
  if (switch_id == nullptr) return missing(kSwitch, wanted.switch_name, "Logical_Switch_Port " + wanted.name);
  std::string address = wanted.mac.to_string();
  for (const auto& a : wanted.addresses) address += " " + a.to_string();
  SwitchPortRow row{wanted.name, wanted.type, {address}, wanted.options, wanted.external_ids};
  if (wanted.type == world::kVirtualPort) row.addresses.clear();  // whoever has claimed virtual-ip is where packets go
  row.external_ids["vendor"] = "kube-ovn";
  row.external_ids["ls"] = wanted.switch_name;
  for (const bool v6 : {false, true}) {
    const std::string& said = v6 ? wanted.dhcp_v6 : wanted.dhcp_v4;
    const Id* shared = model_.dhcp_of(wanted.switch_name, v6);
    if (said == world::kSwitchOptions && shared == nullptr)
      return missing(kDhcp, wanted.switch_name, "Logical_Switch_Port " + wanted.name);
    (v6 ? row.dhcp_v6 : row.dhcp_v4) = said == world::kSwitchOptions ? *shared : said;
  }

  const auto& existing = model_.switch_ports.named(wanted.name);
  if (existing.empty()) return put_groups(insert_switch_port(*switch_id, std::move(row)), wanted.groups);
  const Id id = *existing.begin();
  const SwitchPortRow now = *model_.switch_ports.find(id);
  if (!is_ours(now.external_ids)) return not_ours(kSwitchPort, wanted.name);
  if (now.type != wanted.type) {
    return fail(ErrorCode::invalid,
                fmt::format("OVN: Logical_Switch_Port {} exists with type \"{}\", not \"{}\"; Berth leaves it alone: "
                            "rename or remove it",
                            wanted.name, now.type, wanted.type));
  }
  for (const auto& [key, value] : now.options) {
    if (!world::kPortOptions.contains(key)) row.options[key] = value;  // may have been set on purpose
  }
  for (const auto& [key, value] : now.external_ids) {
    if (is_of_security_groups(key)) row.external_ids[key] = value;
  }
  update_switch_port(id, now, std::move(row));
  place_switch_port(*switch_id, id);
  return put_groups(id, wanted.groups);
}

// Groups come with their first member and go with their last.
Status Planner::put_groups(const Id& port, const std::map<std::string, world::Ids>& wanted) {
  const auto is_in = model_.members.groups(port);
  for (const Id& group : is_in) {
    const GroupRow& row = *model_.groups.find(group);
    if (is_gateway_group(row) && !wanted.contains(row.name)) leave_group(group, port);
  }
  for (const auto& [name, ids] : wanted) {
    const StringMap external_ids = with_vendor(ids);
    const auto& existing = model_.groups.named(name);
    Id group;
    if (existing.empty()) {
      transaction_.guard(key_of(kGroup, name), kGroup, clause("name", name), {});
      group = transaction_.insert(kGroup, {{"name", name}, {"external_ids", map_json(external_ids)}});
      model_.groups.put(group, {name, external_ids});
    } else {
      group = *existing.begin();
      const GroupRow& row = *model_.groups.find(group);
      if (!is_ours(row.external_ids)) return not_ours(kGroup, name);
      if (row.external_ids != external_ids) {
        transaction_.update(kGroup, group, {{"external_ids", map_json(external_ids)}});
        model_.groups.put(group, {name, external_ids});
      }
    }
    if (model_.members.groups(port).contains(group)) continue;
    transaction_.add_child(kGroup, group, "ports", port);
    model_.members.add(group, port);
  }
  return {};
}

void Planner::leave_group(const Id& group, const Id& port) {
  transaction_.drop_child(kGroup, group, "ports", port);
  model_.members.remove(group, port);
  const GroupRow& row = *model_.groups.find(group);
  if (!is_gateway_group(row) || !model_.members.ports(group).empty()) return;
  transaction_.do_not_guard(key_of(kGroup, row.name));
  transaction_.remove(kGroup, group);
  model_.groups.erase(group);
}

Id Planner::insert_switch_port(const Id& switch_id, SwitchPortRow row) {
  transaction_.guard(key_of(kSwitchPort, row.name), kSwitchPort, clause("name", row.name), {});
  json::object columns{
      {"name", row.name}, {"addresses", set_json(row.addresses)}, {"external_ids", map_json(row.external_ids)}};
  if (!row.type.empty()) columns["type"] = row.type;
  if (!row.options.empty()) columns["options"] = map_json(row.options);
  if (!row.dhcp_v4.empty()) columns["dhcpv4_options"] = id_json(row.dhcp_v4);
  if (!row.dhcp_v6.empty()) columns["dhcpv6_options"] = id_json(row.dhcp_v6);
  const Id id = transaction_.insert(kSwitchPort, std::move(columns));
  model_.switch_ports.put(id, std::move(row));
  transaction_.add_child(kSwitch, switch_id, "ports", id);
  model_.switch_of.link(switch_id, id);
  return id;
}

void Planner::update_switch_port(const Id& id, const SwitchPortRow& old, SwitchPortRow wanted) {
  json::object columns;
  if (old.type != wanted.type) columns["type"] = wanted.type;
  if (old.addresses != wanted.addresses) columns["addresses"] = set_json(wanted.addresses);
  if (old.options != wanted.options) columns["options"] = map_json(wanted.options);
  if (old.external_ids != wanted.external_ids) columns["external_ids"] = map_json(wanted.external_ids);
  const auto refer = [&](const char* column, const Id& was, const Id& is) {
    if (was != is) columns[column] = is.empty() ? json::value(set_json({})) : id_json(is);
  };
  refer("dhcpv4_options", old.dhcp_v4, wanted.dhcp_v4);
  refer("dhcpv6_options", old.dhcp_v6, wanted.dhcp_v6);
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
  const SwitchPortRow& row = *model_.switch_ports.find(*id);
  const std::string& type = row.type;
  if (!type.empty() && !row.external_ids.contains(world::kVipId)) {
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
  forget_port(id);
}

// The row goes, and with it its place in groups; a group of gateways goes with its last port.
void Planner::forget_port(const Id& id) {
  const auto groups = model_.members.groups(id);
  for (const Id& group : groups) {
    if (is_gateway_group(*model_.groups.find(group))) {
      leave_group(group, id);
    } else {
      model_.members.remove(group, id);
    }
  }
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
