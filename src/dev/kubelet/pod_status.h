#pragma once

// The status of a pod, from what its worker knows. Pure.

#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "dev/kubelet/container.h"
#include "dev/kubelet/pod_spec.h"

namespace berth::dev {

struct PodSnapshot {
  const PodSpec* spec = nullptr;
  PodPlace place;
  WallTime started{};
  bool sandbox_ready = false;              // with addresses
  std::vector<ContainerState> init;        // as in spec->init_containers
  std::vector<ContainerState> containers;  // as in spec->containers
};

// Pending, Running, Succeeded or Failed, as kubelet words it: see its getPhase.
[[nodiscard]] std::string phase_of(const PodSnapshot& pod);

// Whether all init containers have succeeded.
[[nodiscard]] bool initialized(const PodSnapshot& pod);

// Whether a container whose run is over is to run again.
[[nodiscard]] bool to_be_restarted(RestartPolicy policy, const Termination& ended);

// The whole of .status that the kubelet owns. `conditions` are those that the API has now: of foreign types they are
// kept, and a condition's lastTransitionTime changes only with its status.
[[nodiscard]] boost::json::object status_of(const PodSnapshot& pod, const boost::json::array& conditions, WallTime now);

}  // namespace berth::dev
