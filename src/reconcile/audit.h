#pragma once

#include <optional>
#include <string>

#include "world/world.h"

namespace berth::reconcile {

// Looks at one wired port with fresh eyes: the claimed IP object against its Subnet, its pod, the OVN port, and the
// decision made anew. The text says what is wrong; none: nothing, or nothing that can be judged (its pod is gone
// already). Each finding is an address delivered that should not have been: berth_wrong_subnet_delivered_total.
[[nodiscard]] std::optional<std::string> audit(const world::World& world, const std::string& port);

}  // namespace berth::reconcile
