#include "ovn/model.h"

#include <fmt/format.h>

#include <optional>

namespace berth::ovn {

Strings index_names(const SwitchRow& row) { return {row.name}; }
Strings index_names(const RouterRow& row) { return {row.name}; }
Strings index_names(const RouteRow& row) { return {guard_key(row.route)}; }
Strings index_names(const PolicyRow& row) { return {guard_key(row.policy)}; }
Strings index_names(const AddressSetRow& row) { return {row.name}; }
Strings index_names(const GlobalRow&) { return {""}; }
Strings index_names(const AclRow&) { return {}; }

Strings index_names(const DhcpRow& row) {
  const auto ls = row.external_ids.find("ls");
  return ls == row.external_ids.end() || row.external_ids.contains("port") ? Strings() : Strings{ls->second};
}

Strings index_names(const GroupRow& row) {
  Strings out{row.name};
  if (is_gateway_group(row)) out.insert(gateway_groups_key(row.external_ids.at("subnet")));
  return out;
}

Strings index_names(const SwitchPortRow& row) {
  Strings out{row.name};
  const auto vip =
      row.type == "virtual" && !row.external_ids.contains(world::kVipId) ? row.name.rfind("-vip-") : std::string::npos;
  if (vip != std::string::npos) out.insert(virtual_key(row.name.substr(0, vip)));
  if (row.type != "router") return out;
  for (auto dash = row.name.find('-'); dash != std::string::npos; dash = row.name.find('-', dash + 1)) {
    out.insert(beginning_key(row.name.substr(0, dash)));
  }
  return out;
}

Strings index_names(const RouterPortRow& row) {
  Strings out{row.name};
  for (auto dash = row.name.find('-'); dash != std::string::npos; dash = row.name.find('-', dash + 1)) {
    out.insert(ending_key(row.name.substr(dash + 1)));
  }
  return out;
}

// A line break is not part of names, so these keys are never names themselves.
std::string ending_key(const std::string& switch_name) { return "\n" + switch_name; }
std::string beginning_key(const std::string& switch_name) { return switch_name + "\n"; }
std::string virtual_key(const std::string& switch_name) { return switch_name + "\nvip"; }
std::string gateway_groups_key(const std::string& switch_name) { return switch_name + "\ngateway"; }
std::string guard_key(const world::StaticRoute& route) { return route.prefix + "\n" + route.nexthop; }
std::string guard_key(const world::RouterPolicy& policy) {
  return fmt::format("{}\n{}\n{}", policy.priority, policy.match, policy.action);
}

bool is_ours(const StringMap& external_ids) {
  const auto it = external_ids.find("vendor");
  return it != external_ids.end() && it->second == "kube-ovn";
}

bool is_of_security_groups(std::string_view key) {
  return key == "security_groups" || key.starts_with("associated_sg_");
}

StringMap with_vendor(StringMap ids) {
  ids["vendor"] = "kube-ovn";
  return ids;
}

StringMap without_vendor(StringMap external_ids) {
  external_ids.erase("vendor");
  return external_ids;
}

bool is_gateway_group(const GroupRow& row) {
  return is_ours(row.external_ids) && row.external_ids.contains("subnet") && row.external_ids.contains("node");
}

const std::set<Id>& Membership::groups(const Id& port) const {
  static const std::set<Id> kNone;
  const auto it = groups_.find(port);
  return it == groups_.end() ? kNone : it->second;
}

const std::set<Id>& Membership::ports(const Id& group) const {
  static const std::set<Id> kNone;
  const auto it = ports_.find(group);
  return it == ports_.end() ? kNone : it->second;
}

void Membership::add(const Id& group, const Id& port) {
  if (!groups_[port].insert(group).second) return;
  ports_[group].insert(port);
  if (journal_.recording) journal_.add([this, group, port] { remove(group, port); });
}

void Membership::remove(const Id& group, const Id& port) {
  const auto of_port = groups_.find(port);
  if (of_port == groups_.end() || of_port->second.erase(group) == 0) return;
  if (of_port->second.empty()) groups_.erase(of_port);
  const auto of_group = ports_.find(group);
  of_group->second.erase(port);
  if (of_group->second.empty()) ports_.erase(of_group);
  if (journal_.recording) journal_.add([this, group, port] { add(group, port); });
}

void Membership::clear() {
  groups_.clear();
  ports_.clear();
}

const std::set<Id>& Ownership::children(const Id& owner) const {
  static const std::set<Id> kNone;
  const auto it = children_.find(owner);
  return it == children_.end() ? kNone : it->second;
}

void Ownership::link(const Id& owner, const Id& child) {
  unlink(child);
  owner_.emplace(child, owner);
  children_[owner].insert(child);
  if (journal_.recording) journal_.add([this, child] { unlink(child); });
}

void Ownership::unlink(const Id& child) {
  auto node = owner_.extract(child);
  if (node.empty()) return;
  const auto it = children_.find(node.mapped());
  it->second.erase(child);
  if (it->second.empty()) children_.erase(it);
  if (journal_.recording) journal_.add([this, child, owner = std::move(node.mapped())] { link(owner, child); });
}

void Ownership::clear() {
  owner_.clear();
  children_.clear();
}

void Model::clear() {
  switches.clear();
  switch_ports.clear();
  routers.clear();
  router_ports.clear();
  routes.clear();
  policies.clear();
  address_sets.clear();
  globals.clear();
  acls.clear();
  dhcp.clear();
  groups.clear();
  switch_of_acl.clear();
  members.clear();
  switch_of.clear();
  router_of_port.clear();
  router_of_route.clear();
  router_of_policy.clear();
}

Strings Model::joined_routers(const Id& switch_id) const {
  Strings out;
  const SwitchRow* row = switches.find(switch_id);
  if (row == nullptr) return out;
  for (const auto& id : router_ports.named(ending_key(row->name))) {
    const RouterPortRow& port = *router_ports.find(id);
    const Id* owner = router_of_port.owner(id);
    const RouterRow* router = owner == nullptr ? nullptr : routers.find(*owner);
    if (router != nullptr && is_ours(port.external_ids) && port.peer.empty() &&
        port.name == router->name + "-" + row->name)
      out.insert(router->name);
  }
  for (const auto& id : switch_ports.named(beginning_key(row->name))) {
    const SwitchPortRow& port = *switch_ports.find(id);
    const Id* owner = switch_of.owner(id);
    if (owner != nullptr && *owner == switch_id && is_ours(port.external_ids))
      out.insert(port.name.substr(row->name.size() + 1));
  }
  return out;
}

const Id* Model::dhcp_of(const std::string& switch_name, bool v6) const {
  for (const Id& id : dhcp.named(switch_name)) {
    const DhcpRow& row = *dhcp.find(id);
    if (is_ours(row.external_ids) && (row.cidr.find(':') != std::string::npos) == v6) return &id;
  }
  return nullptr;
}

}  // namespace berth::ovn
