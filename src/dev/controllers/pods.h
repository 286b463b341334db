#pragma once

// What controllers ask of a pod.

#include <optional>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"

namespace berth::dev {

[[nodiscard]] std::string_view phase_of(const boost::json::object& pod);
[[nodiscard]] bool is_finished(const boost::json::object& pod);  // Succeeded or Failed
[[nodiscard]] bool is_active(const boost::json::object& pod);    // neither finished nor being deleted
[[nodiscard]] bool is_ready(const boost::json::object& pod);     // condition Ready

// Ready for at least that long; if it is ready, but not yet long enough, `left` is lowered to what is missing.
[[nodiscard]] bool is_available(const boost::json::object& pod, std::int64_t min_ready_seconds, WallTime now,
                                std::optional<Duration>& left);

// A pod of a workload's spec.template: its labels, annotations, finalizers and spec, controlled by owner. Nameless.
[[nodiscard]] boost::json::object pod_from_template(const boost::json::object& pod_template,
                                                    const boost::json::object& owner);

// True if a is rather to be deleted than b: not scheduled, not running, not ready, younger, then by name.
[[nodiscard]] bool deleted_before(const boost::json::object& a, const boost::json::object& b);

}  // namespace berth::dev
