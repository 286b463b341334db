#pragma once

// The ranges that OVN holds for a subnet: the one that its spec asks for, and, after an edit, older ones that pods
// still use. A pod keeps its address, its gateway and its routes until it goes: an older range stays on the router port
// until the last pod that needs it is gone, and nobody else may have it meanwhile. New pods are given the new range
// only.

#include <string>
#include <vector>

#include "api/subnet.h"
#include "world/world.h"

namespace berth::reconcile {

// One network of the router port: "10.16.0.1/16".
struct ProgrammedRange {
  net::Cidr cidr;
  net::Address gateway;
};

// As observed in OVN: this is how Berth knows, also after a restart, which ranges a subnet holds.
[[nodiscard]] std::vector<ProgrammedRange> programmed_ranges(const world::World& world, const std::string& name);

// Of these, the plan that new pods are given addresses of; none: nothing is programmed.
[[nodiscard]] std::optional<api::SubnetPlan> plan_in_force(const world::World& world, const api::Subnet& subnet);

// Programmed ranges that the plan does not have and pods still need: their address lies in it and in no range of the
// plan, or it is their gateway.
[[nodiscard]] std::vector<ProgrammedRange> retiring_ranges(const world::World& world, const std::string& name,
                                                           const api::SubnetPlan& plan);

// Of the router port, in the order in which they are read back: IPv4 first, then as text.
[[nodiscard]] std::vector<std::string> networks_of(const api::SubnetPlan& plan,
                                                   const std::vector<ProgrammedRange>& retiring);

// For people: which ranges stay, because of whom.
[[nodiscard]] std::string retirement(const world::World& world, const std::string& name, const api::SubnetPlan& plan,
                                     const std::vector<net::Cidr>& retiring);

}  // namespace berth::reconcile
