#pragma once

// What /metrics shows, as one value taken from the world in one turn of the deciding thread, and its text.

#include <string>
#include <utility>
#include <vector>

#include "ipam/allocator.h"
#include "world/world.h"

namespace berth::controller {

struct SubnetMetrics {
  std::string name;
  std::string protocol;  // IPv4, IPv6, Dual
  std::string cidr;
  net::Uint128 available = 0;  // of Dual the lesser of both families: how many pods still fit
  net::Uint128 used = 0;
};

// One series a family, which says in its labels what there is to say; always 1.
using InfoMetric = std::vector<std::pair<std::string, std::string>>;

struct Metrics {
  world::Counters counters;
  std::size_t waiting = 0;
  std::size_t displaced = 0;
  std::uint64_t epoch = 0;  // of this process's present or last leadership
  bool leader = false;
  bool running = false;  // leads, and everything is synced
  std::vector<SubnetMetrics> subnets;
  std::vector<InfoMetric> ipam_info;         // subnet_name, cidr, free, reserved, available, using
  std::vector<InfoMetric> centralized_info;  // subnet_name, enable_ecmp, gateway_node, active_gateway, match, nexthops
};

// The sum, field by field: counters of earlier leaderships of this process go on counting.
[[nodiscard]] world::Counters operator+(const world::Counters& a, const world::Counters& b);

// Adds what the world holds: counters to counters; the rest is taken as it is.
void collect(const world::World& world, Metrics& out);

// Prometheus' text format.
[[nodiscard]] std::string to_text(const Metrics& metrics);

}  // namespace berth::controller
