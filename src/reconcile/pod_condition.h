#pragma once

// The condition berth.io/Addressed of a pod: False, with reason and message, while something that people must mend
// stands in the way of its addresses; True once they are there. A pod that never met anything has no such condition, so
// that an ordinary pod costs no write.

#include <optional>
#include <string>

#include "api/request.h"
#include "api/workload.h"

namespace berth::reconcile {

[[nodiscard]] bool has_addressed_condition(const api::Pod& pod);

// The write that makes it so; none: it is so already.
[[nodiscard]] std::optional<api::Request> addressed_condition(const api::Pod& pod, bool status,
                                                              const std::string& reason, const std::string& message,
                                                              WallTime now);

}  // namespace berth::reconcile
