#pragma once

#include "sim/scenario.h"

namespace berth::sim {

// Situations that the general scenario comes across too rarely to prove anything about them: two Subnets after one
// range, a claim that changes hands while pods are being wired, a Vip in a subnet that is full, Subnets whose names and
// ages disagree, a Subnet deleted under pods that have just come, a Vpc that is edited, deleted and made again, a burst
// of pods that fills two Subnets and their IPPools exactly. Each has namespaces and ranges of its own, and only some
// are played in one run.
void add_corners(Random& random, Scenario& scenario);

}  // namespace berth::sim
