#include "ovn/model.h"

#include <fmt/format.h>

#include <optional>

namespace berth::ovn {

Strings index_names(const SwitchRow& row) { return {row.name}; }
Strings index_names(const RouterRow& row) { return {row.name}; }
Strings index_names(const RouteRow& row) { return {guard_key(row.route)}; }
Strings index_names(const PolicyRow& row) { return {guard_key(row.policy)}; }
Strings index_names(const GlobalRow&) { return {""}; }

Strings index_names(const SwitchPortRow& row) {
  Strings out{row.name};
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
std::string guard_key(const world::StaticRoute& route) { return route.prefix + "\n" + route.nexthop; }
std::string guard_key(const world::RouterPolicy& policy) {
  return fmt::format("{}\n{}\n{}", policy.priority, policy.match, policy.action);
}

bool is_ours(const StringMap& external_ids) {
  const auto it = external_ids.find("vendor");
  return it != external_ids.end() && it->second == "kube-ovn";
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
  globals.clear();
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
    if (router != nullptr && is_ours(port.external_ids) && port.name == router->name + "-" + row->name)
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

}  // namespace berth::ovn
