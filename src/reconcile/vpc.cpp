#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

constexpr int kSubnetPolicyPriority = 31000;  // "to a subnet of this Vpc": Kube-OVN's number

std::string family_name(net::Family family) { return family == net::Family::v4 ? "ip4" : "ip6"; }

world::LogicalRouter wanted_router(const world::World& world, const api::Vpc& vpc) {
  world::LogicalRouter router;
  router.name = vpc.meta.name;
  for (const api::Subnet* subnet : world.subnets_of_vpc(vpc.meta.name)) {
    const auto& plan = world.subnet_state(subnet->meta.name).in_force;
    if (!plan || !subnet->vlan.empty() || subnet->meta.deleting) continue;
    std::vector<net::Cidr> cidrs = plan->cidrs;
    const auto& retiring = world.subnet_state(subnet->meta.name).retiring;
    cidrs.insert(cidrs.end(), retiring.begin(), retiring.end());
    for (const net::Cidr& cidr : cidrs) {
      router.policies.insert({kSubnetPolicyPriority,
                              fmt::format("{}.dst == {}", family_name(cidr.family()), cidr.to_string()),
                              "allow",
                              {}});
    }
    if (vpc.meta.name == api::kDefaultVpc && subnet->meta.name == api::kJoinSubnet) {
      for (const net::Address& gateway : plan->gateways)
        router.routes.insert({gateway.is_v4() ? "0.0.0.0/0" : "::/0", gateway.to_string(), false});
    }
  }
  for (const api::Vpc::StaticRoute& route : vpc.static_routes)
    router.routes.insert({route.cidr, route.next_hop, route.policy == "policySrc"});
  return router;
}

std::optional<api::Request> status_write(const world::World& world, const api::Vpc& vpc) {
  std::vector<std::string> subnets;
  std::string default_switch = vpc.default_subnet;
  for (const api::Subnet* subnet : world.subnets_of_vpc(vpc.meta.name)) {
    if (subnet->meta.deleting) continue;
    subnets.push_back(subnet->meta.name);
    if (default_switch.empty() && subnet->is_default) default_switch = subnet->meta.name;
  }
  std::ranges::sort(subnets);
  const bool is_default = vpc.meta.name == api::kDefaultVpc;
  api::JsonObject body{{"standby", true},
                       {"default", is_default},
                       {"router", vpc.meta.name},
                       {"defaultLogicalSwitch", is_default ? std::string(api::kDefaultSubnet) : default_switch},
                       {"subnets", api::to_json(subnets)}};
  const bool same = std::ranges::all_of(body, [&](const auto& entry) {
    const api::JsonValue* is = vpc.status.if_contains(entry.key());
    return is != nullptr && *is == entry.value();
  });
  if (same) return std::nullopt;
  api::Request request = patch(api::Kind::vpc, vpc.meta, api::JsonObject{{"status", std::move(body)}}, true);
  request.subresource = "status";
  return request;
}

bool has_switches(const world::World& world, const std::string& router) {
  return std::ranges::any_of(world.switches(), [&](const auto& entry) { return entry.second.router == router; });
}

}  // namespace

Plan reconcile_vpc(world::World& world, const std::string& name) {
  Plan plan;
  const api::Vpc* vpc = world.vpcs().find(name);
  if (vpc == nullptr) {
    if (world.routers().contains(name) && !has_switches(world, name)) plan.ovn.emplace_back(world::RemoveRouter{name});
    return plan;
  }
  if (vpc->meta.deleting) {
    // Subnets first: theirs are the ports on the router. New ones find the Vpc not ready.
    if (has_switches(world, name)) return plan;
    if (world.routers().contains(name)) {
      plan.ovn.emplace_back(world::RemoveRouter{name});
    } else if (vpc->meta.has_finalizer(api::kFinalizer)) {
      plan.writes.push_back(patch_finalizer(api::Kind::vpc, vpc->meta, false));
    }
    return plan;
  }
  if (!vpc->meta.has_finalizer(api::kFinalizer)) {
    plan.writes.push_back(patch_finalizer(api::Kind::vpc, vpc->meta, true));
    return plan;
  }
  world::LogicalRouter wanted = wanted_router(world, *vpc);
  const auto observed = world.routers().find(name);
  if (observed == world.routers().end() || !(observed->second == wanted)) {
    plan.ovn.emplace_back(world::PutRouter{std::move(wanted)});
    return plan;
  }
  if (auto write = status_write(world, *vpc)) plan.writes.push_back(std::move(*write));
  return plan;
}

}  // namespace berth::reconcile
