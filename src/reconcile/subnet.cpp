#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/subnet_conflict.h"
#include "reconcile/subnet_range.h"
#include "reconcile/subnet_rows.h"
#include "reconcile/subnet_status.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

struct Rival {
  std::string name;
  std::string text;  // for people
};

bool overlap(const std::vector<net::Cidr>& a, const std::vector<net::Cidr>& b) {
  return std::ranges::any_of(
      a, [&](const net::Cidr& x) { return std::ranges::any_of(b, [&](const net::Cidr& y) { return x.overlaps(y); }); });
}

// Whether somebody holds an address of it, or is about to.
bool is_in_use(const world::World& world, const std::string& name) {
  const ipam::Allocator* allocator = world.allocator(name);
  std::size_t idle = 0;  // IP objects that people made stay, and wait for a Subnet of that name
  for (const std::string& ip : world.ips_in(name)) {
    if (!world.ips().find(ip)->is_idle()) return true;
    if (allocator != nullptr && allocator->holds(ip)) ++idle;
  }
  if (allocator != nullptr && allocator->lease_count() > idle) return true;
  // A new leader has no allocator for it, and an IP object may be gone for a moment under a pod that runs.
  return std::ranges::any_of(world.ports(), [&](const auto& entry) {
    const auto key = key_of(entry.second);
    return entry.second.switch_name == name && key && key->kind == world::KeyKind::pod;
  });
}

// "3 IP objects (first: a.shop)"
std::string holders_of(const world::World& world, const std::string& name) {
  const std::size_t count = world.ips_in(name).size();
  if (count == 0 && !world.vips_in(name).empty())
    return fmt::format("{} Vips (first: {})", world.vips_in(name).size(), *world.vips_in(name).begin());
  return count == 0 ? std::string("reservations")
                    : fmt::format("{} IP objects (first: {})", count, *world.ips_in(name).begin());
}

// Addresses of one Vpc mean nothing in another: who has one stays where it is.
std::optional<std::string> bound_to_its_vpc(const world::World& world, const api::Subnet& subnet) {
  const std::string is = world.vpc_in_force(subnet);
  if (!subnet.is_ovn() || is == subnet.effective_vpc() || !is_in_use(world, subnet.meta.name)) return std::nullopt;
  return fmt::format(
      "Subnet {}: spec.vpc \"{}\": it is in Vpc {}, where {} hold addresses of it; delete those, or set spec.vpc back "
      "to \"{}\"",
      subnet.meta.name, subnet.vpc, is, holders_of(world, subnet.meta.name), is);
}

// The range that a subnet holds in a Vpc: programmed, or about to be (its transaction is under way).
std::vector<net::Cidr> held_by(const world::World& world, const api::Subnet& subnet, const std::string& vpc) {
  std::vector<net::Cidr> out;
  const std::string& name = subnet.meta.name;
  if (world.vpc_in_force(subnet) == vpc) {
    for (const ProgrammedRange& range : programmed_ranges(world, name)) out.push_back(range.cidr);
  }
  const auto& coming = world.switch_under_way(name);
  out.insert(out.end(), coming.begin(), coming.end());
  return out;
}

// The other subnets that are in a Vpc, or want to be.
std::vector<const api::Subnet*> rivals(const world::World& world, const api::Subnet& subnet, const std::string& vpc) {
  std::vector<const api::Subnet*> out;
  for (const auto& [name, other] : world.subnets().all()) {
    if (name == subnet.meta.name || !other.is_ovn()) continue;
    if (other.effective_vpc() == vpc || world.vpc_in_force(other) == vpc) out.push_back(&other);
  }
  return out;
}

// A switch whose Subnet was removed by force (its finalizer was taken away) under pods that run on: nobody else may
// have its range until they are gone.
std::optional<Rival> orphan_in(const world::World& world, const api::Subnet& subnet, const std::string& vpc,
                               const std::vector<net::Cidr>& wanted) {
  for (const auto& [name, orphan] : world.switches()) {
    if (orphan.router != vpc || name == subnet.meta.name || world.subnets().find(name) != nullptr) continue;
    std::vector<net::Cidr> theirs;
    for (const ProgrammedRange& range : programmed_ranges(world, name)) theirs.push_back(range.cidr);
    if (overlap(wanted, theirs))
      return Rival{name,
                   fmt::format("Subnet {} ({}), which was removed under its pods,", name, api::to_string(theirs))};
  }
  return std::nullopt;
}

std::optional<std::string> node_inside(const world::World& world, const api::SubnetPlan& plan) {
  for (const auto& [name, node] : world.nodes().all()) {
    for (const std::string& text : node.internal_ips) {
      const auto ip = net::Address::parse(text);
      if (ip && std::ranges::any_of(plan.cidrs, [&](const net::Cidr& c) { return c.contains(*ip); }))
        return fmt::format("{} of node {}", text, name);
    }
  }
  return std::nullopt;
}

// Whether all of it is programmed already.
bool holds(const world::World& world, const api::Subnet& subnet, const api::SubnetPlan& plan) {
  const auto mine = programmed_ranges(world, subnet.meta.name);
  return world.vpc_in_force(subnet) == subnet.effective_vpc() &&
         std::ranges::all_of(plan.cidrs, [&](const net::Cidr& c) {
           return std::ranges::find(mine, c, &ProgrammedRange::cidr) != mine.end();
         });
}

// What of the cluster itself stands against a range: Services, and nodes that were there first.
std::optional<std::string> taken_by_the_cluster(const world::World& world, const api::Subnet& subnet,
                                                const api::SubnetPlan& plan) {
  if (subnet.effective_vpc() != api::kDefaultVpc || !subnet.vlan.empty()) return std::nullopt;
  for (const net::Cidr& service : world.settings().service_cidr) {
    if (overlap(plan.cidrs, {service}))
      return fmt::format("overlaps {}, the range of Services; choose another range", service.to_string());
  }
  if (holds(world, subnet, plan)) return std::nullopt;
  if (const auto node = node_inside(world, plan))
    return fmt::format("contains the address {}; choose another range", *node);
  return std::nullopt;
}

// Whether a range is out of the question already, because somebody else holds part of it, or its Subnet is refused for
// another reason, or may not move: then it stands in nobody's way.
bool is_beaten(const world::World& world, const api::Subnet& subnet, const api::SubnetPlan& plan) {
  const std::string vpc = subnet.effective_vpc();
  const std::vector<net::Cidr>& wanted = plan.cidrs;
  if (bound_to_its_vpc(world, subnet) || orphan_in(world, subnet, vpc, wanted)) return true;
  if (taken_by_the_cluster(world, subnet, plan) || vpc_mismatch(world, subnet)) return true;
  if (taken_from_pods(world, subnet, plan)) return true;
  return std::ranges::any_of(rivals(world, subnet, vpc),
                             [&](const api::Subnet* other) { return overlap(wanted, held_by(world, *other, vpc)); });
}

// Invariant 9: what holds a range keeps it; among newcomers (an edit is one too) age, then name.
std::optional<Rival> loses_against(const world::World& world, const api::Subnet& subnet, const api::SubnetPlan& plan) {
  const std::string vpc = subnet.effective_vpc();
  if (holds(world, subnet, plan)) return std::nullopt;
  if (auto orphan = orphan_in(world, subnet, vpc, plan.cidrs)) return orphan;
  const auto others = rivals(world, subnet, vpc);
  for (const api::Subnet* other : others) {
    if (other->vlan != subnet.vlan) continue;
    const auto theirs = held_by(world, *other, vpc);
    const bool displaces = !world.safeguards().holder_keeps_range && subnet.meta.older_than(other->meta);
    if (overlap(plan.cidrs, theirs) && !displaces)
      return Rival{other->meta.name, fmt::format("Subnet {} ({})", other->meta.name, api::to_string(theirs))};
  }
  for (const api::Subnet* other : others) {
    if (other->vlan != subnet.vlan || other->effective_vpc() != vpc || other->meta.deleting ||
        !other->meta.older_than(subnet.meta))
      continue;
    const auto newcomer = api::plan_subnet(*other);
    if (newcomer && overlap(plan.cidrs, newcomer->cidrs) && !is_beaten(world, *other, *newcomer)) {
      return Rival{other->meta.name,
                   fmt::format("Subnet {} ({}), which is older", other->meta.name, api::to_string(newcomer->cidrs))};
    }
  }
  return std::nullopt;
}

// Addresses that nobody in a subnet of this plan may have: gateways, and each range's network and broadcast address.
std::vector<net::Address> never_given(const api::SubnetPlan& plan) {
  std::vector<net::Address> out = plan.gateways;
  for (const net::Cidr& cidr : plan.cidrs) {
    if (cidr.prefix_length() >= cidr.network().width() - 1) continue;
    out.push_back(cidr.network());
    if (cidr.family() == net::Family::v4) out.push_back(cidr.last());
  }
  return out;
}

// The port that holds an address of a subnet; none: nobody does.
std::optional<std::string> holder_of(const world::World& world, const std::string& subnet,
                                     const net::Address& address) {
  if (const ipam::Allocator* allocator = world.allocator(subnet)) {
    const auto holder = allocator->holder_of(address);
    return holder ? std::optional<std::string>(*holder) : std::nullopt;
  }
  for (const std::string& name : world.ips_in(subnet)) {
    const api::Ip* ip = world.ips().find(name);
    if (std::ranges::find(ip->addresses, address) != ip->addresses.end()) return name;
  }
  return std::nullopt;
}

class SubnetReconciler {
 public:
  SubnetReconciler(world::World& world, const api::Subnet& subnet)
      : world_(world), subnet_(subnet), name_(subnet.meta.name) {}

  Plan run() {
    world_.note_switch_under_way(name_, {});  // one Plan at a time: what was under way has ended
    if (subnet_.meta.deleting) {
      world_.note_refusal(name_, "", "");
      return retire();
    }
    const auto plan = api::plan_subnet(subnet_);
    if (!plan) return stand_by("ValidateLogicalSwitchFailed", plan.error().message);
    if (auto problem = bound_to_its_vpc(world_, subnet_)) return stand_by("ValidateLogicalSwitchFailed", *problem);
    if (auto problem = vpc_mismatch(world_, subnet_)) return stand_by("ValidateLogicalSwitchFailed", *problem);
    if (auto problem = taken_from_pods(world_, subnet_, *plan))
      return stand_by("ValidateLogicalSwitchFailed", *problem);
    // Last: only who lost is told of what others do.
    if (auto problem = subnet_conflict(world_, subnet_, *plan))
      return stand_by("ValidateLogicalSwitchFailed", problem->message, problem->with);

    api::JsonObject body;
    if (api::JsonObject spec = api::normalisation_patch(subnet_, *plan); !spec.empty()) body["spec"] = std::move(spec);
    if (!subnet_.meta.has_finalizer(api::kFinalizer)) add_finalizer(body, subnet_.meta);
    if (const auto is = plan_in_force(world_, subnet_);
        subnet_.meta.annotation(api::kCidrInForceAnnotation) && is && is->cidrs == plan->cidrs) {
      announce_in_force(body, nullptr);
    }
    if (!body.empty()) {
      not_ready("its text is being normalised");
      plan_.writes.push_back(patch(api::Kind::subnet, subnet_.meta, std::move(body), true));
      return std::move(plan_);
    }
    if (!subnet_.is_ovn()) {
      world_.note_refusal(name_, "", "");
      return in_force(*plan, "SetNonOvnSubnetSuccess");
    }

    const std::string vpc = subnet_.effective_vpc();
    if (!world_.vpc_ready(vpc)) {
      const bool exists = world_.vpcs().find(vpc) != nullptr;
      return stand_by("VpcNotReady",
                      fmt::format("Subnet {}: spec.vpc \"{}\": that Vpc {}; {}", name_, vpc,
                                  exists ? "is not ready" : "does not exist",
                                  exists ? "it is being set up or deleted" : "create it, or correct the name"));
    }
    world_.note_refusal(name_, "", "");
    const auto retiring = retiring_ranges(world_, name_, *plan);
    world::LogicalSwitch wanted = wanted_switch(world_, subnet_, *plan, retiring);
    const auto observed = world_.switches().find(name_);
    if (observed == world_.switches().end() || !(observed->second == wanted)) {
      if (observed == world_.switches().end()) not_ready("its logical switch is being made");
      if (world_.vpc_in_force(subnet_) != vpc) not_ready(fmt::format("it moves to Vpc {}", vpc));
      note_ports(observed == world_.switches().end() ? world::LogicalSwitch() : observed->second);
      withhold(*plan);
      plan_.ovn.emplace_back(world::PutSwitch{std::move(wanted)});
      world_.note_switch_under_way(name_, plan->cidrs);
      return std::move(plan_);
    }
    for (const ProgrammedRange& range : retiring) retiring_.push_back(range.cidr);
    return in_force(*plan, subnet_.private_ ? "SetPrivateLogicalSwitchSuccess" : "ResetLogicalSwitchAclSuccess");
  }

 private:
  // While the edit is on its way, nobody may be given what it will reserve.
  void withhold(const api::SubnetPlan& plan) {
    const ipam::Allocator* allocator = world_.allocator(name_);
    if (allocator == nullptr) return;
    ipam::Config config = allocator->config();
    for (const net::Address& address : never_given(plan)) {
      if (std::ranges::find(config.gateways, address) == config.gateways.end()) config.gateways.push_back(address);
    }
    world_.configure_allocator(name_, config);
  }

  // Valid and programmed: the allocator follows, pods may come.
  Plan in_force(const api::SubnetPlan& plan, const std::string& reason) {
    ipam::Config config{name_, plan.cidrs, plan.gateways, plan.excludes,
                        subnet_.is_ovn() ? router_mac(world_, subnet_.effective_vpc(), name_) : net::Mac()};
    world_.configure_allocator(name_, config);
    world::SubnetState state{true, "", plan, retiring_};
    SubnetVerdict verdict{true, true, reason, retiring_.empty() ? "" : retirement(world_, name_, plan, retiring_)};
    if (is_centralized(subnet_, world_.vpc_in_force(subnet_))) {
      GatewayChoice choice = choose_gateway(world_, subnet_);
      state.gateway = choice.node;
      if (choice.node.empty()) {
        verdict.ready = false;
        verdict.reason = "NoReadyGateway";
        verdict.message = fmt::format("Subnet {}: {}", name_, choice.problem);
      }
    }
    state.gateway_type = subnet_.gateway_type;
    note_ports_in(state, world_.switches().contains(name_) ? world_.switches().at(name_) : world::LogicalSwitch());
    tell_of_gateway(state);
    world_.set_subnet_state(name_, std::move(state));
    verdict.accepted = true;
    write_status(verdict);
    return std::move(plan_);
  }

  // Kube-OVN's events. A new leader knows from status which node it was.
  void tell_of_gateway(const world::SubnetState& state) {
    const world::SubnetState& before = world_.subnet_state(name_);
    const bool known = before.in_force.has_value();
    const std::string node = known ? before.gateway : api::string_at(subnet_.status, {"activateGateway"});
    const auto tell = [&](const char* reason, const char* what, const std::string& from, const std::string& to) {
      plan_.events.push_back({api::Kind::subnet, "", name_, subnet_.meta.uid, false, reason,
                              fmt::format("Subnet {}: {} changes from \"{}\" to \"{}\"", name_, what, from, to)});
    };
    if (known && before.gateway_type != state.gateway_type)
      tell("SubnetGatewayTypeChanged", "gateway type", before.gateway_type, state.gateway_type);
    if (node != state.gateway && (known || !node.empty()))
      tell("SubnetGatewayNodeChanged", "gateway node", node, state.gateway);
  }

  // What its ports may refer to: only what OVN holds.
  void note_ports_in(world::SubnetState& state, const world::LogicalSwitch& observed) const {
    state.dhcp_v4 = observed.dhcp_v4.has_value();
    state.dhcp_v6 = observed.dhcp_v6.has_value();
    state.distributed = is_distributed(subnet_, world_.vpc_in_force(subnet_));
  }
  void note_ports(const world::LogicalSwitch& observed) {
    world::SubnetState state = world_.subnet_state(name_);
    note_ports_in(state, observed);
    world_.set_subnet_state(name_, std::move(state));
  }

  // Wrong or not possible yet. What is programmed stays in force and goes on serving.
  Plan stand_by(const std::string& reason, const std::string& message, const std::string& rival = "") {
    world_.note_refusal(name_, message, rival);
    const auto before = plan_in_force(world_, subnet_);
    const std::string vpc = world_.vpc_in_force(subnet_);
    if (before && world_.vpc_ready(vpc)) {
      api::SubnetPlan old = *before;
      if (const auto& known = world_.subnet_state(name_).in_force; known && known->cidrs == old.cidrs) old = *known;
      world_.configure_allocator(name_, {name_, old.cidrs, old.gateways, old.excludes, router_mac(world_, vpc, name_)});
      world::SubnetState state = world_.subnet_state(name_);  // rows beside the range stay as they are
      state.ready = true;
      state.unready.clear();
      state.in_force = old;
      note_ports_in(state, world_.switches().at(name_));
      world_.set_subnet_state(name_, std::move(state));
      if (const std::string text = api::to_string(old.cidrs); subnet_.cidr_in_force() != text) {
        api::JsonObject body;
        announce_in_force(body, api::JsonValue(text));
        plan_.writes.push_back(patch(api::Kind::subnet, subnet_.meta, std::move(body), false));
      }
      write_status({false, false, reason, fmt::format("{} ({} stays in force)", message, api::to_string(old.cidrs))});
    } else {
      not_ready(message);
      write_status({false, reason != "ValidateLogicalSwitchFailed", reason, message});
    }
    return std::move(plan_);
  }

  // Agents compare addresses with this while spec.cidrBlock says something that is not in force.
  static void announce_in_force(api::JsonObject& body, api::JsonValue value) {
    api::JsonValue& metadata = body["metadata"];
    if (!metadata.is_object()) metadata.emplace_object();
    metadata.get_object()["annotations"] = api::JsonObject{{api::kCidrInForceAnnotation, std::move(value)}};
  }

  void not_ready(const std::string& why) {
    world::SubnetState state = world_.subnet_state(name_);
    state.ready = false;
    state.unready = why;
    world_.set_subnet_state(name_, std::move(state));
  }

  // Being deleted: goes when nobody holds, or is about to hold, an address. Nothing else about the Subnet matters any
  // more.
  Plan retire() {
    not_ready("it is being deleted");
    if (in_use()) {
      write_status(
          {false, true, "Terminating",
           fmt::format("Subnet {}: deleted as soon as its {} are released", name_, holders_of(world_, name_))});
      return std::move(plan_);
    }
    if (world_.switches().contains(name_)) {
      plan_.ovn.emplace_back(world::RemoveSwitch{name_});
    } else if (is_finalized(subnet_.meta)) {
      world_.drop_allocator(name_);
      plan_.writes.push_back(patch_finalizer(api::Kind::subnet, subnet_.meta, false));
    }
    return std::move(plan_);
  }

  [[nodiscard]] bool in_use() const {
    if (!world_.safeguards().finalizer_by_owners)
      return api::int_at(subnet_.status, {"v4usingIPs"}) + api::int_at(subnet_.status, {"v6usingIPs"}) > 0;
    return is_in_use(world_, name_);
  }

  void write_status(const SubnetVerdict& verdict) {
    StatusWrite write = subnet_status(world_, subnet_, verdict);
    if (write.request) plan_.writes.push_back(std::move(*write.request));
    if (write.event) plan_.events.push_back(std::move(*write.event));
    if (write.again_at) plan_.wake_no_later_than(*write.again_at);
  }

  world::World& world_;
  const api::Subnet& subnet_;
  const std::string& name_;
  std::vector<net::Cidr> retiring_;
  Plan plan_;
};

// The object is gone: so is what OVN holds of it, and its allocator, once the last lease is back.
Plan forget(world::World& world, const std::string& name) {
  Plan plan;
  world.note_switch_under_way(name, {});
  if (is_in_use(world, name)) return plan;
  if (world.switches().contains(name)) plan.ovn.emplace_back(world::RemoveSwitch{name});
  world.drop_allocator(name);
  return plan;
}

}  // namespace

std::optional<SubnetConflict> subnet_conflict(const world::World& world, const api::Subnet& subnet,
                                              const api::SubnetPlan& plan) {
  if (!subnet.is_ovn()) return std::nullopt;
  const std::string& name = subnet.meta.name;
  const auto wrong = [&](const std::string& with, const std::string& why) {
    return SubnetConflict{with, fmt::format("Subnet {}: spec.cidrBlock \"{}\": {}", name, subnet.cidr_block, why)};
  };
  if (const auto problem = taken_by_the_cluster(world, subnet, plan)) return wrong("", *problem);
  if (const auto other = loses_against(world, subnet, plan)) {
    return wrong(other->name, fmt::format("overlaps {} in Vpc {}; choose another range, or delete that Subnet",
                                          other->text, subnet.effective_vpc()));
  }
  return std::nullopt;
}

std::optional<std::string> taken_from_pods(const world::World& world, const api::Subnet& subnet,
                                           const api::SubnetPlan& plan) {
  const std::string& name = subnet.meta.name;
  const auto mine = plan_in_force(world, subnet);
  if (mine && mine->cidrs == plan.cidrs && mine->gateways == plan.gateways) return std::nullopt;
  for (const net::Address& address : never_given(plan)) {
    const auto holder = holder_of(world, name, address);
    if (!holder) continue;
    const bool gateway = std::ranges::find(plan.gateways, address) != plan.gateways.end();
    return fmt::format(
        "Subnet {}: spec.{} \"{}\": {} would be {}, but IP {} holds it; choose another, or delete that pod first", name,
        gateway ? "gateway" : "cidrBlock", gateway ? subnet.gateway : subnet.cidr_block, address.to_string(),
        gateway ? "the gateway" : "the range's network or broadcast address", *holder);
  }
  return std::nullopt;
}

Plan reconcile_subnet(world::World& world, const std::string& name) {
  const api::Subnet* subnet = world.subnets().find(name);
  if (subnet == nullptr) return forget(world, name);
  return SubnetReconciler(world, *subnet).run();
}

}  // namespace berth::reconcile
