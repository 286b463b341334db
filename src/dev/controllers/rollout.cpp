#include "dev/controllers/rollout.h"

#include <algorithm>
#include <charconv>

#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;

std::int64_t resolve_share(const json::value* value, std::int64_t total, bool round_up) {
  if (!value) return 0;
  if (value->is_int64()) return value->get_int64();
  if (!value->is_string()) return 0;
  const std::string_view text = value->get_string();
  std::int64_t percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || end + 1 != text.data() + text.size() || *end != '%') return 0;
  return (total * percent + (round_up ? 99 : 0)) / 100;
}

RollingLimits rolling_limits(const json::object& deployment) {
  const std::int64_t replicas = sim::int_at(deployment, {"spec", "replicas"}, 1);
  const auto field = [&](const char* key) {
    return sim::find_at(deployment, {"spec", "strategy", "rollingUpdate", key});
  };
  RollingLimits limits{resolve_share(field("maxSurge"), replicas, true),
                       resolve_share(field("maxUnavailable"), replicas, false)};
  if (limits.max_surge == 0 && limits.max_unavailable == 0) limits.max_unavailable = 1;
  return limits;
}

std::int64_t next_new_size(std::int64_t replicas, const RollingLimits& limits, const ReplicaCount& fresh,
                           const std::vector<ReplicaCount>& old) {
  if (fresh.wanted >= replicas) return replicas;
  std::int64_t total = fresh.wanted;
  for (const ReplicaCount& set : old) total += set.wanted;
  const std::int64_t room = replicas + limits.max_surge - total;
  return room <= 0 ? fresh.wanted : fresh.wanted + std::min(room, replicas - fresh.wanted);
}

std::vector<std::int64_t> next_old_sizes(std::int64_t replicas, const RollingLimits& limits, const ReplicaCount& fresh,
                                         const std::vector<ReplicaCount>& old) {
  std::vector<std::int64_t> sizes;
  std::int64_t total = fresh.wanted;
  std::int64_t available = fresh.available;
  for (const ReplicaCount& set : old) {
    sizes.push_back(set.wanted);
    total += set.wanted;
    available += std::min(set.available, set.wanted);  // status may lag behind a scale-down
  }
  const std::int64_t min_available = replicas - limits.max_unavailable;
  const std::int64_t fresh_unavailable = fresh.wanted - fresh.available;
  std::int64_t may_go = total - min_available - fresh_unavailable;
  if (may_go <= 0) return sizes;

  // First those that serve nobody, then as many of the others as can be spared.
  for (std::size_t i = 0; i < old.size(); ++i) {
    const std::int64_t unhealthy = std::min(may_go, std::max<std::int64_t>(0, old[i].wanted - old[i].available));
    sizes[i] -= unhealthy;
    may_go -= unhealthy;
  }
  std::int64_t spare = std::min(available - min_available, may_go);
  for (std::size_t i = 0; i < old.size() && spare > 0; ++i) {
    const std::int64_t down = std::min(sizes[i], spare);
    sizes[i] -= down;
    spare -= down;
  }
  return sizes;
}

}  // namespace berth::dev
