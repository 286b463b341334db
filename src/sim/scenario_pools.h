#pragma once

#include "base/random.h"
#include "sim/scenario.h"

namespace berth::sim {

// Where IPPools and Vips may be set: the namespaces and since when they are there, and the range of the Subnet s0.
struct Stage {
  std::vector<std::string> namespaces;
  std::vector<Duration> namespace_at;
  std::string cidr;
  Duration spread{};
};

// IPPools and Vips in s0 and the pods that name them, created, edited, deleted and created again in any order. Takes
// its own dice: seeds without them stay as they are.
void add_pools_and_vips(Random random, const Stage& stage, Scenario& scenario);

}  // namespace berth::sim
