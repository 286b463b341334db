#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/scheduler.h"

namespace berth::api {

// A condition of a custom resource, in Kube-OVN's form (lastUpdateTime beside lastTransitionTime).
struct Condition {
  std::string type;    // "Ready", "Validated", "Error"
  std::string status;  // "True", "False", "Unknown"
  std::string reason;
  std::string message;
  std::string last_update;               // RFC 3339
  std::string last_transition;           // RFC 3339
  std::int64_t observed_generation = 0;  // of the object that was judged; 0: not said
  bool operator==(const Condition&) const = default;
};

[[nodiscard]] std::vector<Condition> parse_conditions(const JsonObject& object);  // from .status.conditions
[[nodiscard]] JsonArray to_json(const std::vector<Condition>& conditions);

// Whether they say the same to programs: all but the messages and times.
[[nodiscard]] bool same_but_for_words(const std::vector<Condition>& a, const std::vector<Condition>& b);

// Sets type to status, reason and message. Returns false, and changes nothing, if that is what it says already;
// otherwise bumps lastUpdateTime, and lastTransitionTime only when the status changes. A generation that was not judged
// yet is news too.
bool set_condition(std::vector<Condition>& conditions, const std::string& type, bool status, const std::string& reason,
                   const std::string& message, WallTime now, std::int64_t generation = 0);

}  // namespace berth::api
