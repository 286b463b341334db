#pragma once

// What OVN should hold of a Vpc, with Kube-OVN's names, priorities and external_ids.

#include "world/logical_network.h"
#include "world/world.h"

namespace berth::reconcile {

// The router with what its Subnets and nodes need, and what the Vpc's own spec asks for. While that is invalid, what of
// it OVN holds already stays.
[[nodiscard]] world::LogicalRouter wanted_router(const world::World& world, const api::Vpc& vpc, bool valid);

// The next step from what is there to what is wanted: no more than about `most` routes and policies at a time, so that
// a transaction stays small however many nodes and Subnets there are.
[[nodiscard]] world::LogicalRouter step_towards(const world::LogicalRouter& wanted, const world::LogicalRouter& is,
                                                std::size_t most);

}  // namespace berth::reconcile
