#pragma once

// What of a valid Subnet the rest of the world stands against. The reconciler asks before it programs a range, the
// admission webhook before it is stored.

#include <optional>
#include <string>

#include "api/subnet.h"
#include "world/world.h"

namespace berth::reconcile {

struct SubnetConflict {
  std::string with;     // the Subnet that holds the range, or was first to ask; empty: Services, or a node
  std::string message;  // names object, field, value, remedy
};

// Invariant 9: what holds a range keeps it; among newcomers (an edit is one too) age, then name.
[[nodiscard]] std::optional<SubnetConflict> subnet_conflict(const world::World& world, const api::Subnet& subnet,
                                                            const api::SubnetPlan& plan);

// Why an edit cannot be had as long as certain pods exist: it would make a gateway, network or broadcast address of
// what they hold. None: it can.
[[nodiscard]] std::optional<std::string> taken_from_pods(const world::World& world, const api::Subnet& subnet,
                                                         const api::SubnetPlan& plan);

}  // namespace berth::reconcile
