#pragma once

// The last of the three confirmations (design, "Delivered only if still true"): what the pod's annotations say is
// compared with the Subnet and the IP object as they are now. Pure.

#include <optional>

#include "agent/hold.h"
#include "agent/pod_network.h"
#include "api/ip.h"
#include "api/subnet.h"
#include "api/workload.h"

namespace berth::agent {

// subnet: null if there is none of that name.
[[nodiscard]] std::optional<Hold> confirm_subnet(const PodNetwork& network, const api::Subnet* subnet);

[[nodiscard]] std::optional<Hold> confirm_ip(const api::Pod& pod, const PodNetwork& network, const api::Ip& ip);

// Whether this pod may use addresses of that owner: its own UID, or its StatefulSet and ordinal.
[[nodiscard]] bool is_owner(const api::Owner& owner, const api::Pod& pod);

}  // namespace berth::agent
