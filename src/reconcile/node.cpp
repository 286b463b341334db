#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/lease.h"
#include "reconcile/plan.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

api::JsonObject announcement(const world::World& world, const api::Node& node, const api::Ip& ip) {
  std::map<std::string, std::string> wanted;
  const auto set = [&](std::string_view suffix, std::string value) {
    wanted[api::annotation_key(api::kDefaultProvider, suffix)] = std::move(value);
  };
  const world::SubnetState& join = world.subnet_state(std::string(api::kJoinSubnet));
  set(api::suffix::kIpAddress, api::to_string(ip.addresses));
  set(api::suffix::kMacAddress, ip.mac.to_string());
  if (join.in_force) {
    set(api::suffix::kCidr, api::to_string(join.in_force->cidrs));
    set(api::suffix::kGateway, api::to_string(join.in_force->gateways));
  }
  set(api::suffix::kLogicalSwitch, std::string(api::kJoinSubnet));
  set(api::suffix::kPortName, ip.meta.name);
  set(api::suffix::kAllocated, "true");
  api::JsonObject patch;
  for (const auto& [key, value] : wanted) {
    const auto is = node.meta.annotation(key);
    if (!is || *is != value) patch[key] = value;
  }
  return patch;
}

// A Subnet of the default Vpc in which a node's address lies: the Subnet was there first, so that it stays.
std::string subnet_around(const world::World& world, const api::Node& node) {
  for (const auto& [name, subnet] : world.subnets().all()) {
    const auto& plan = world.subnet_state(name).in_force;
    if (!plan || !subnet.is_ovn() || !subnet.vlan.empty() || world.vpc_in_force(subnet) != api::kDefaultVpc) continue;
    for (const std::string& text : node.internal_ips) {
      const auto address = net::Address::parse(text);
      if (!address || std::ranges::none_of(plan->cidrs, [&](const net::Cidr& c) { return c.contains(*address); }))
        continue;
      return fmt::format(
          "Node {}: InternalIP \"{}\": lies in Subnet {} ({}), whose pods cannot reach it; give the node another "
          "address, or the Subnet another range",
          node.meta.name, text, name, api::to_string(plan->cidrs));
    }
  }
  return {};
}

}  // namespace

// A node holds one address of the join subnet, under the port "node-<node>".
Plan reconcile_node(world::World& world, const std::string& name, Random& random) {
  Plan plan;
  const std::string port = api::node_port_name(name);
  const std::string join(api::kJoinSubnet);
  const api::Node* node = world.nodes().find(name);
  if (node == nullptr || node->meta.deleting) {
    (void)world.set_node_problem(name, "");
    (void)take_back(world, port, false, plan);
    return plan;
  }
  if (const std::string problem = subnet_around(world, *node); world.set_node_problem(name, problem)) {
    plan.events.push_back({api::Kind::node, "", name, node->meta.uid, true, "NodeAddressConflictWithSubnet", problem});
  }
  const auto view = world.subnet(join);
  if (!view || !view->ready || world.allocator(join) == nullptr) return plan;  // its readiness marks all nodes
  const auto lease = world.acquire(join, {port, {}, {}, {}, {}}, random);
  if (!lease) {
    plan.events.push_back(
        {api::Kind::node, "", name, node->meta.uid, true, "AcquireAddressFailed", lease.error().message});
    return plan;
  }
  world.note_reservation({world::KeyKind::node, name}, port, "");
  api::Ip ip;
  ip.meta.name = port;
  ip.pod_name = name;
  ip.node_name = name;
  ip.subnet = join;
  ip.subnet_uid = view->object->meta.uid;
  ip.owner = {api::Owner::Kind::node, name, 0};
  ip.addresses = lease->addresses();
  ip.mac = lease->mac;
  ip.epoch = world.epoch();
  ip.rule = "node";
  if (!give(world, {ip, {{"node", name}}}, plan)) return plan;
  if (api::JsonObject patch = announcement(world, *node, ip); !patch.empty()) {
    plan.writes.push_back(patch_annotations(api::Kind::node, node->meta, std::move(patch)));
  }
  return plan;
}

}  // namespace berth::reconcile
