#pragma once

// The annotations that tell the agent, and everybody else, what a pod was given (kube-ovn-behaviour section 2.3).

#include <string>
#include <vector>

#include "api/ip.h"
#include "api/json.h"
#include "api/workload.h"
#include "world/world.h"

namespace berth::reconcile {

struct Granted {
  std::string provider;
  api::Ip ip;
};

// The merge patch for metadata.annotations that makes the pod say these grants, with their binding record; empty if it
// does.
[[nodiscard]] api::JsonObject announcement(const world::World& world, const api::Pod& pod,
                                           const std::vector<Granted>& grants);

// The merge patch that takes back what Berth announced on this very pod; the user's own words are put back. Empty if
// there is nothing.
[[nodiscard]] api::JsonObject withdrawal(const api::Pod& pod);

}  // namespace berth::reconcile
