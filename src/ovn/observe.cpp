#include <algorithm>
#include <sstream>

#include "net/address.h"
#include "net/mac.h"
#include "ovn/model.h"

namespace berth::ovn {

namespace {

constexpr bool is_v6_text(std::string_view network) { return network.find(':') != std::string_view::npos; }

// "MAC IP4 IP6" as a port's only address entry; false if it is anything else.
bool read_addresses(const Strings& entries, world::LogicalPort& out) {
  if (entries.size() != 1) return false;
  std::istringstream words(*entries.begin());
  std::string word;
  if (!(words >> word)) return false;
  const auto mac = net::Mac::parse(word);
  if (!mac) return false;
  std::vector<net::Address> addresses;
  while (words >> word) {
    const auto address = net::Address::parse(word);
    if (!address) return false;
    addresses.push_back(*address);
  }
  out.mac = *mac;
  out.addresses = std::move(addresses);
  return true;
}

// The join to that router, if both halves are whole.
bool read_join(const Model& model, const Id& switch_id, const std::string& router, world::LogicalSwitch& out) {
  const Id* router_port = model.router_ports.ours(router + "-" + out.name);
  const Id* switch_port = model.switch_ports.ours(out.name + "-" + router);
  if (router_port == nullptr || switch_port == nullptr) return false;
  const SwitchPortRow& near = *model.switch_ports.find(*switch_port);
  const RouterPortRow& far = *model.router_ports.find(*router_port);
  const Id* near_owner = model.switch_of.owner(*switch_port);
  const Id* far_owner = model.router_of_port.owner(*router_port);
  const RouterRow* far_router = far_owner == nullptr ? nullptr : model.routers.find(*far_owner);
  const auto peer = near.options.find("router-port");
  if (near_owner == nullptr || *near_owner != switch_id || far_router == nullptr || far_router->name != router)
    return false;
  if (near.type != "router" || near.addresses != Strings{"router"} || peer == near.options.end() ||
      peer->second != far.name)
    return false;
  const auto mac = net::Mac::parse(far.mac);
  if (!mac) return false;
  out.router_mac = *mac;
  if (!far.peer.empty()) return false;
  if (const auto table = far.options.find("route_table"); table != far.options.end()) out.route_table = table->second;
  out.ra_configs = far.ra_configs;
  out.networks.assign(far.networks.begin(), far.networks.end());
  std::ranges::stable_sort(out.networks, {}, is_v6_text);
  return true;
}

void read_virtual_ports(const Model& model, const Id& switch_id, world::LogicalSwitch& out) {
  for (const Id& id : model.switch_ports.named(virtual_key(out.name))) {
    const SwitchPortRow& row = *model.switch_ports.find(id);
    const Id* owner = model.switch_of.owner(id);
    if (!is_ours(row.external_ids) || owner == nullptr || *owner != switch_id) continue;
    const std::string address = row.name.substr(out.name.size() + std::string_view("-vip-").size());
    const auto said = row.options.find("virtual-ip");
    std::set<std::string> parents;
    if (const auto list = row.options.find("virtual-parents"); list != row.options.end()) {
      std::istringstream items(list->second);
      for (std::string item; std::getline(items, item, ',');) parents.insert(item);
    }
    if (said == row.options.end() || said->second != address) parents = {""};  // equals no wish
    out.vips.emplace(address, std::move(parents));
  }
}

// "": none; kSwitchOptions: those that its switch shares; otherwise the row's UUID.
std::string dhcp_text(const Model& model, const std::string& switch_name, const Id& row, bool v6) {
  const Id* shared = model.dhcp_of(switch_name, v6);
  return shared != nullptr && *shared == row ? std::string(world::kSwitchOptions) : row;
}

}  // namespace

std::optional<world::LogicalRouter> observe_router(const Model& model, const std::string& name) {
  const Id* id = model.routers.ours(name);
  if (id == nullptr) return std::nullopt;
  world::LogicalRouter out;
  out.name = name;
  for (const auto& child : model.router_of_route.children(*id)) {
    const RouteRow* row = model.routes.find(child);
    if (row != nullptr && is_ours(row->external_ids)) out.routes.insert(row->route);
  }
  for (const auto& child : model.router_of_policy.children(*id)) {
    const PolicyRow* row = model.policies.find(child);
    if (row != nullptr && is_ours(row->external_ids)) out.policies.insert(row->policy);
  }
  for (const auto& child : model.router_of_port.children(*id)) {
    const RouterPortRow* row = model.router_ports.find(child);
    if (row == nullptr || !is_ours(row->external_ids) || row->peer.empty() || !row->name.starts_with(name + "-"))
      continue;
    const std::string remote = row->name.substr(name.size() + 1);
    const auto mac = net::Mac::parse(row->mac);
    world::PeerPort port{mac ? *mac : net::Mac(), row->networks};
    if (row->peer != remote + "-" + name) port.networks.clear();  // equals no wish
    out.peers.emplace(remote, std::move(port));
  }
  return out;
}

std::optional<world::LogicalSwitch> observe_switch(const Model& model, const std::string& name) {
  const Id* id = model.switches.ours(name);
  world::LogicalSwitch out;
  out.name = name;
  out.exists = id != nullptr;
  for (const bool v6 : {false, true}) {
    const Id* row = model.dhcp_of(name, v6);
    if (row == nullptr) continue;
    const DhcpRow& dhcp = *model.dhcp.find(*row);
    (v6 ? out.dhcp_v6 : out.dhcp_v4) = world::DhcpOptions{dhcp.cidr, dhcp.options, *row};
  }
  if (id == nullptr) {
    const bool remains = out.dhcp_v4 || out.dhcp_v6 || !model.groups.named(gateway_groups_key(name)).empty();
    return remains ? std::optional(std::move(out)) : std::nullopt;
  }
  for (const auto& child : model.switch_of_acl.children(*id)) {
    const AclRow* row = model.acls.find(child);
    if (row != nullptr && is_ours(row->external_ids)) out.acls.insert(row->acl);
  }
  read_virtual_ports(model, *id, out);
  const Strings routers = model.joined_routers(*id);
  if (routers.empty()) return out;
  out.router = *routers.begin();
  if (routers.size() == 1) (void)read_join(model, *id, out.router, out);
  return out;
}

std::optional<world::LogicalPort> observe_port(const Model& model, const std::string& name) {
  const Id* id = model.switch_ports.ours(name);
  if (id == nullptr) return std::nullopt;
  const SwitchPortRow& row = *model.switch_ports.find(*id);
  const Id* owner = model.switch_of.owner(*id);
  const SwitchRow* owner_row = owner == nullptr ? nullptr : model.switches.find(*owner);
  if ((!row.type.empty() && !row.external_ids.contains(world::kVipId)) || owner_row == nullptr) return std::nullopt;
  world::LogicalPort out;
  out.name = name;
  out.switch_name = owner_row->name;
  (void)read_addresses(row.addresses, out);
  out.type = row.type;
  for (const auto& [key, value] : row.options) {
    if (world::kPortOptions.contains(key)) out.options[key] = value;
  }
  out.external_ids = row.external_ids;
  out.external_ids.erase("vendor");
  std::erase_if(out.external_ids, [](const auto& entry) { return is_of_security_groups(entry.first); });
  // A wrong "ls" stays in sight, so that the port equals no wish and is repaired.
  if (const auto ls = out.external_ids.find("ls"); ls != out.external_ids.end() && ls->second == out.switch_name)
    out.external_ids.erase(ls);
  out.dhcp_v4 = dhcp_text(model, out.switch_name, row.dhcp_v4, false);
  out.dhcp_v6 = dhcp_text(model, out.switch_name, row.dhcp_v6, true);
  for (const Id& group_id : model.members.groups(*id)) {
    const GroupRow* group = model.groups.find(group_id);
    if (group != nullptr && is_gateway_group(*group))
      out.groups.emplace(group->name, without_vendor(group->external_ids));
  }
  return out;
}

std::optional<world::AddressSet> observe_address_set(const Model& model, const std::string& name) {
  const Id* id = model.address_sets.ours(name);
  if (id == nullptr) return std::nullopt;
  const AddressSetRow& row = *model.address_sets.find(*id);
  world::AddressSet out{name, row.addresses, row.external_ids};
  out.external_ids.erase("vendor");
  return out;
}

}  // namespace berth::ovn
