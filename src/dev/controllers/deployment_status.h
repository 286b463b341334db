#pragma once

// A Deployment's status as a function of its ReplicaSets. Pure.

#include <optional>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "sim/api/object.h"

namespace berth::dev {

// The whole status: counters, collisionCount, conditions Available and Progressing (with the progress deadline; again
// is when that would pass). fresh is the ReplicaSet of the present template, null if there is none yet.
[[nodiscard]] boost::json::object next_status(const boost::json::object& deployment, const boost::json::object* fresh,
                                              const std::vector<sim::Object>& old, WallTime now,
                                              std::optional<Duration>& again);

// By its status: all replicas are of the present template and available, and none is left over.
[[nodiscard]] bool is_complete(const boost::json::object& deployment);

}  // namespace berth::dev
