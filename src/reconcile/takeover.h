#pragma once

// Pods that Kube-OVN wired before Berth was there. Their IP objects have no owner, the pods no record; what they run
// with stays theirs.

#include <optional>

#include "api/ip.h"
#include "binding/decision.h"
#include "world/world.h"

namespace berth::reconcile {

// What a pod runs with on that network by its annotations, which are Kube-OVN's truth; where these lack something, by
// its IP object. blank: an IP object of that pod and port without addresses. None: Kube-OVN did not wire it, or Berth
// has bound it since.
[[nodiscard]] std::optional<api::Ip> wired_by_kube_ovn(const world::World& world, const api::Pod& pod,
                                                       const binding::NetworkRequest& request,
                                                       const binding::Decision& decision, api::Ip blank);

// An IP object that Kube-OVN kept for a StatefulSet's pod that is not there now: with its owner. None: nobody's.
[[nodiscard]] std::optional<api::Ip> kept_by_kube_ovn(const world::World& world, const api::Ip& ip);

}  // namespace berth::reconcile
