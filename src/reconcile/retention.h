#pragma once

// What becomes of an address when its pod is gone: given back, kept for the next pod of that name, or kept because a
// person says so.

#include <string>

#include "api/ip.h"
#include "api/workload.h"
#include "reconcile/plan.h"

namespace berth::reconcile {

// Who is to own the addresses of a pod.
[[nodiscard]] api::Owner owner_of(const api::Pod& pod);

// Brings an IP object that a person made, or wants kept, to what it should be without a pod: its address is checked,
// drawn if none is given, held, and written; what stands in the way is an event about the object. True: nothing is left
// to do.
[[nodiscard]] bool hold_reserved(world::World& world, const api::Ip& ip, Random& random, Plan& plan);

// Takes a port from its pod: a reserved IP object stays, without it; all else is taken back. True: nothing is left.
// unclaimed_only: see take_back.
[[nodiscard]] bool let_go(world::World& world, const std::string& port, bool unclaimed_only, Plan& plan);

// No living pod of that key: everything is taken back that its owner has left, and kept what is to be kept.
// finished: the pod's object, if it is still there.
[[nodiscard]] Plan release_pod(world::World& world, const std::string& key, const api::Pod* finished, Random& random);

}  // namespace berth::reconcile
