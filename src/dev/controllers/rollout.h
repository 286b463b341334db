#pragma once

// The arithmetic of a Deployment's rolling update (k8s.io/kubernetes/pkg/controller/deployment): how far the new
// ReplicaSet may grow and the old ones must shrink now, so that never more than maxSurge pods are too many nor more
// than maxUnavailable too few. Pure.

#include <cstdint>
#include <vector>

#include <boost/json/value.hpp>

namespace berth::dev {

// An int-or-string field against a total: 3 is 3, "25%" a quarter of it, rounded up or down. Anything else is 0.
[[nodiscard]] std::int64_t resolve_share(const boost::json::value* value, std::int64_t total, bool round_up);

struct RollingLimits {
  std::int64_t max_surge = 0;
  std::int64_t max_unavailable = 0;
};

// From spec.strategy.rollingUpdate; both may not come out as 0, else nothing could move: then max_unavailable is 1.
[[nodiscard]] RollingLimits rolling_limits(const boost::json::object& deployment);

struct ReplicaCount {
  std::int64_t wanted = 0;     // spec.replicas
  std::int64_t available = 0;  // status.availableReplicas
};

// What the new set's spec.replicas should be now.
[[nodiscard]] std::int64_t next_new_size(std::int64_t replicas, const RollingLimits& limits, const ReplicaCount& fresh,
                                         const std::vector<ReplicaCount>& old);

// What each old set's spec.replicas should be now; old is oldest first.
[[nodiscard]] std::vector<std::int64_t> next_old_sizes(std::int64_t replicas, const RollingLimits& limits,
                                                       const ReplicaCount& fresh, const std::vector<ReplicaCount>& old);

}  // namespace berth::dev
