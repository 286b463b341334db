#pragma once

#include <string>

#include "world/world.h"

namespace berth::reconcile {

// Whether a pod that is recorded as waiting could be bound now. Called when nothing is dirty or in flight: every yes is
// a wake-up that was missed, a bug, counted in berth_missed_wakeups_total.
[[nodiscard]] bool could_bind(const world::World& world, const std::string& pod_key);

}  // namespace berth::reconcile
