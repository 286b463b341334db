#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/vpc_rows.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

constexpr std::size_t kMostRows = 150;  // of a router, in one transaction

struct VpcVerdict {
  bool ready = false;
  bool accepted = false;
  std::string reason;
  std::string message;   // empty when all is well
  std::string unlinked;  // why a peering cannot work yet; empty: all do
};

void judge(const world::World& world, const api::Vpc& vpc, const VpcVerdict& verdict,
           std::vector<api::Condition>& conditions) {
  const auto set = [&](const char* type, bool status, const std::string& reason, const std::string& message) {
    (void)api::set_condition(conditions, type, status, reason, message, world.wall_now(), vpc.meta.generation);
  };
  const bool leaving = vpc.meta.deleting;
  set("Ready", verdict.ready, verdict.reason, verdict.message);
  if (!leaving) {
    set("Validated", verdict.accepted, verdict.accepted ? "Accepted" : verdict.reason, verdict.message);
    set("Accepted", verdict.accepted, verdict.accepted ? "Accepted" : verdict.reason, verdict.message);
    set("Programmed", verdict.accepted, verdict.accepted ? "Programmed" : verdict.reason, verdict.message);
  }
  set("Error", !verdict.accepted && !leaving, verdict.reason, verdict.accepted ? "" : verdict.message);
  const std::string fields = api::join(vpc.unsupported, ", ");
  if (!fields.empty()) {
    set("Unsupported", true, "UnsupportedFields",
        fmt::format("Vpc {}: Berth does nothing about spec.{}; remove what is not needed", vpc.meta.name, fields));
  } else {
    std::erase_if(conditions, [](const api::Condition& c) { return c.type == "Unsupported"; });
  }
  if (!verdict.accepted && !leaving) {
    set("Healthy", false, verdict.reason, verdict.message);
  } else if (!verdict.unlinked.empty()) {
    set("Healthy", false, "PeeringIncomplete", verdict.unlinked);
  } else if (!fields.empty()) {
    set("Healthy", false, "UnsupportedFields", "spec." + fields);
  } else {
    set("Healthy", true, "Healthy", "");
  }
}

// The Subnets of a Vpc that have not gone yet, sorted.
std::vector<std::string> subnets_of(const world::World& world, const std::string& vpc, bool deleting_too) {
  std::vector<std::string> out;
  for (const api::Subnet* subnet : world.subnets_of_vpc(vpc)) {
    if (deleting_too || !subnet->meta.deleting) out.push_back(subnet->meta.name);
  }
  std::ranges::sort(out);
  return out;
}

api::JsonObject status_of(const world::World& world, const api::Vpc& vpc) {
  std::string default_switch = vpc.default_subnet;
  for (const api::Subnet* subnet : world.subnets_of_vpc(vpc.meta.name)) {
    if (default_switch.empty() && subnet->is_default && !subnet->meta.deleting) default_switch = subnet->meta.name;
  }
  const bool is_default = vpc.meta.name == api::kDefaultVpc;
  const auto router = world.routers().find(vpc.meta.name);
  std::vector<std::string> peers;
  if (router != world.routers().end()) {
    for (const auto& [remote, port] : router->second.peers) peers.push_back(remote);
  }
  api::JsonObject out{{"standby", router != world.routers().end()},
                      {"default", is_default},
                      {"router", vpc.meta.name},
                      {"defaultLogicalSwitch", is_default ? std::string(api::kDefaultSubnet) : default_switch},
                      {"subnets", api::to_json(subnets_of(world, vpc.meta.name, false))},
                      {"vpcPeerings", api::to_json(peers)},
                      {"enableExternal", false},
                      {"enableBfd", false},
                      {"extraExternalSubnets", api::JsonArray{}}};
  for (const char* balancer : {"tcpLoadBalancer", "tcpSessionLoadBalancer", "udpLoadBalancer", "udpSessionLoadBalancer",
                               "sctpLoadBalancer", "sctpSessionLoadBalancer"})
    out[balancer] = "";
  return out;
}

// Its list of Subnets can change often: such news waits until a second after the last.
constexpr Duration kListInterval = std::chrono::seconds(1);

void write_status(world::World& world, const api::Vpc& vpc, const VpcVerdict& verdict, Plan& plan) {
  std::vector<api::Condition> conditions = vpc.conditions;
  judge(world, vpc, verdict, conditions);
  api::JsonObject body = status_of(world, vpc);
  const bool news = conditions != vpc.conditions;
  const bool same = !news && std::ranges::all_of(body, [&](const auto& entry) {
    const api::JsonValue* is = vpc.status.if_contains(entry.key());
    return is != nullptr && *is == entry.value();
  });
  if (same) return;
  const std::string key = "Vpc/" + vpc.meta.name;
  const TimePoint last = world.status_written(key);
  const bool urgent = news && !api::same_but_for_words(conditions, vpc.conditions);
  if (!urgent && last != TimePoint::min() && world.now() - last < kListInterval)
    return plan.wake_no_later_than(last + kListInterval);
  world.note_status_written(key);
  if (news) {
    body["conditions"] = api::to_json(conditions);
    if (!verdict.message.empty()) {
      plan.events.push_back(
          {api::Kind::vpc, "", vpc.meta.name, vpc.meta.uid, !vpc.meta.deleting, verdict.reason, verdict.message});
    }
  }
  plan.writes.push_back(patch(api::Kind::vpc, vpc.meta, api::JsonObject{{"status", std::move(body)}}, true));
  plan.writes.back().subresource = "status";
}

bool has_switches(const world::World& world, const std::string& router) {
  return std::ranges::any_of(world.switches(), [&](const auto& entry) { return entry.second.router == router; });
}

// Subnets first: theirs are the ports on the router. New ones find the Vpc not ready.
Plan retire(world::World& world, const api::Vpc& vpc) {
  Plan plan;
  const std::string& name = vpc.meta.name;
  if (has_switches(world, name)) {
    const auto left = subnets_of(world, name, true);
    write_status(world, vpc,
                 {false, true, "WaitingForSubnets",
                  fmt::format("Vpc {}: deleted as soon as its Subnets are gone: {}; delete those", name,
                              left.empty() ? "(their switches are being removed)" : api::join(left, ", ")),
                  ""},
                 plan);
  } else if (world.routers().contains(name)) {
    plan.ovn.emplace_back(world::RemoveRouter{name});
  } else if (is_finalized(vpc.meta)) {
    plan.writes.push_back(patch_finalizer(api::Kind::vpc, vpc.meta, false));
  }
  return plan;
}

std::string unlinked(const world::World& world, const api::Vpc& vpc) {
  for (const api::Vpc::Peering& peering : vpc.peerings) {
    const api::Vpc* remote = world.vpcs().find(peering.remote);
    if (remote == nullptr)
      return fmt::format("Vpc {}: spec.vpcPeerings: Vpc {} does not exist; create it, or correct the name",
                         vpc.meta.name, peering.remote);
    if (std::ranges::find(remote->peerings, vpc.meta.name, &api::Vpc::Peering::remote) == remote->peerings.end())
      return fmt::format("Vpc {}: spec.vpcPeerings: Vpc {} does not name this one; add it there too", vpc.meta.name,
                         peering.remote);
  }
  return {};
}

}  // namespace

Plan reconcile_vpc(world::World& world, const std::string& name) {
  Plan plan;
  const api::Vpc* vpc = world.vpcs().find(name);
  if (vpc == nullptr) {
    if (world.routers().contains(name) && !has_switches(world, name)) plan.ovn.emplace_back(world::RemoveRouter{name});
    return plan;
  }
  if (vpc->meta.deleting) return retire(world, *vpc);
  if (!vpc->meta.has_finalizer(api::kFinalizer)) {
    plan.writes.push_back(patch_finalizer(api::Kind::vpc, vpc->meta, true));
    return plan;
  }
  const Status valid = api::check_vpc(*vpc);
  const world::LogicalRouter wanted = wanted_router(world, *vpc, valid.has_value());
  const auto observed = world.routers().find(name);
  const world::LogicalRouter is = observed == world.routers().end() ? world::LogicalRouter{} : observed->second;
  if (!(is == wanted)) {
    plan.ovn.emplace_back(world::PutRouter{step_towards(wanted, is, kMostRows)});
    return plan;
  }
  VpcVerdict verdict{true, valid.has_value(), "Programmed", "", unlinked(world, *vpc)};
  if (!valid) {
    verdict.reason = "ValidateVpcFailed";
    verdict.message = valid.error().message;
    verdict.ready = false;
  }
  write_status(world, *vpc, verdict, plan);
  return plan;
}

}  // namespace berth::reconcile
