#pragma once

#include <optional>
#include <string>

#include "reconcile/plan.h"

namespace berth::reconcile {

struct SubnetVerdict {
  bool ready = false;
  bool valid = false;
  std::string reason;     // Kube-OVN's words: "ValidateLogicalSwitchFailed", "ResetLogicalSwitchAclSuccess"
  std::string message;    // empty when all is well
  bool accepted = false;  // the text as it stands is what is in force; false: message says why not
};

struct StatusWrite {
  std::optional<api::Request> request;
  std::optional<EventNote> event;
  std::optional<TimePoint> again_at;  // it was written less than a second ago: look again then
};

// The status write that is due: conditions at once; counters, all from one snapshot of the allocator, on the leading
// edge and then at most once a second; nothing if the stored status says it already.
[[nodiscard]] StatusWrite subnet_status(world::World& world, const api::Subnet& subnet, const SubnetVerdict& verdict);

// Whether every field of the patch is stored already. Numbers are compared as the server stores them.
[[nodiscard]] bool says_already(const api::JsonObject& status, const api::JsonObject& patch);

// A count as the API server stores it: an integer up to 2^53, beyond that the nearest double.
[[nodiscard]] api::JsonValue count_json(net::Uint128 count);

}  // namespace berth::reconcile
