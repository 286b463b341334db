#include "dev/controllers/deployment_status.h"

#include <fmt/core.h>

#include <boost/json/array.hpp>

#include "dev/controllers/rollout.h"

namespace berth::dev {

namespace json = boost::json;
using sim::int_at;
using sim::string_at;

namespace {

struct Totals {
  std::int64_t replicas = 0;
  std::int64_t updated = 0;
  std::int64_t ready = 0;
  std::int64_t available = 0;

  void add(const json::object& set) {
    replicas += int_at(set, {"status", "replicas"});
    ready += int_at(set, {"status", "readyReplicas"});
    available += int_at(set, {"status", "availableReplicas"});
  }
};

// Sets a condition as Deployments have them: lastUpdateTime moves with every change, lastTransitionTime with the
// status.
void put_condition(json::array& conditions, const sim::Condition& condition, WallTime now) {
  for (json::value& v : conditions) {
    json::object& c = v.get_object();
    if (string_at(c, {"type"}) != condition.type) continue;
    const bool same = string_at(c, {"reason"}) == condition.reason && string_at(c, {"message"}) == condition.message &&
                      (string_at(c, {"status"}) == "True") == condition.status;
    if (!same) c["lastUpdateTime"] = sim::format_time(now);
    sim::set_condition(conditions, condition, now);
    return;
  }
  sim::set_condition(conditions, condition, now);
  conditions.back().get_object()["lastUpdateTime"] = sim::format_time(now);
}

json::object* condition_in(json::array& conditions, std::string_view type) {
  for (json::value& v : conditions) {
    if (v.is_object() && string_at(v.get_object(), {"type"}) == type) return &v.get_object();
  }
  return nullptr;
}

bool complete(const json::object& deployment, const Totals& totals) {
  const std::int64_t wanted = int_at(deployment, {"spec", "replicas"});
  return totals.updated == wanted && totals.replicas == wanted && totals.available == wanted;
}

bool progressed(const json::object& deployment, const Totals& totals) {
  const auto old = [&](const char* key) { return int_at(deployment, {"status", key}); };
  const std::int64_t old_not_updated = old("replicas") - old("updatedReplicas");
  return totals.updated > old("updatedReplicas") || totals.replicas - totals.updated < old_not_updated ||
         totals.ready > old("readyReplicas") || totals.available > old("availableReplicas");
}

void judge_progress(const json::object& deployment, const json::object* fresh, const Totals& totals, WallTime now,
                    json::array& conditions, std::optional<Duration>& again) {
  const std::string subject = fresh ? fmt::format("ReplicaSet \"{}\"", sim::name_of(*fresh))
                                    : fmt::format("Deployment \"{}\"", sim::name_of(deployment));
  json::object* progressing = condition_in(conditions, "Progressing");
  const bool settled = progressing && string_at(*progressing, {"reason"}) == "NewReplicaSetAvailable";
  const bool observed =
      int_at(deployment, {"status", "observedGeneration"}) == int_at(deployment, {"metadata", "generation"});
  if (complete(deployment, totals)) {
    put_condition(conditions,
                  {"Progressing", true, "NewReplicaSetAvailable", subject + " has successfully progressed."}, now);
    return;
  }
  // A finished rollout whose pods come and go is not a rollout again.
  if (settled && observed && totals.updated == int_at(deployment, {"status", "updatedReplicas"})) return;
  if (!progressing || (settled && !observed) || progressed(deployment, totals)) {
    put_condition(conditions, {"Progressing", true, "ReplicaSetUpdated", subject + " is progressing."}, now);
    condition_in(conditions, "Progressing")->insert_or_assign("lastUpdateTime", sim::format_time(now));
  }
  const std::int64_t deadline = int_at(deployment, {"spec", "progressDeadlineSeconds"}, 600);
  progressing = condition_in(conditions, "Progressing");
  const auto since = sim::parse_time(string_at(*progressing, {"lastUpdateTime"}));
  if (!since || string_at(*progressing, {"status"}) == "False" || sim::bool_at(deployment, {"spec", "paused"})) return;
  const Duration left = *since + std::chrono::seconds(deadline) - now;
  if (left > Duration::zero()) {
    again = left;
    return;
  }
  put_condition(conditions, {"Progressing", false, "ProgressDeadlineExceeded", subject + " has timed out progressing."},
                now);
}

}  // namespace

json::object next_status(const json::object& deployment, const json::object* fresh, const std::vector<sim::Object>& old,
                         WallTime now, std::optional<Duration>& again) {
  Totals totals;
  for (const sim::Object& set : old) totals.add(*set);
  if (fresh) {
    totals.add(*fresh);
    totals.updated = int_at(*fresh, {"status", "replicas"});
  }
  const std::int64_t wanted = int_at(deployment, {"spec", "replicas"});

  json::object status{{"observedGeneration", int_at(deployment, {"metadata", "generation"})}};
  const auto put = [&](const char* key, std::int64_t n) {
    if (n > 0) status[key] = n;
  };
  put("replicas", totals.replicas);
  put("updatedReplicas", totals.updated);
  put("readyReplicas", totals.ready);
  put("availableReplicas", totals.available);
  put("unavailableReplicas", std::max(totals.replicas, wanted) - totals.available);
  put("collisionCount", int_at(deployment, {"status", "collisionCount"}));

  const json::array* before = sim::array_at(deployment, {"status", "conditions"});
  json::array conditions = before ? *before : json::array();
  if (totals.available >= wanted - rolling_limits(deployment).max_unavailable) {
    put_condition(conditions, {"Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability."},
                  now);
  } else {
    put_condition(conditions,
                  {"Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."},
                  now);
  }
  judge_progress(deployment, fresh, totals, now, conditions, again);
  status["conditions"] = std::move(conditions);
  return status;
}

bool is_complete(const json::object& deployment) {
  Totals totals{int_at(deployment, {"status", "replicas"}), int_at(deployment, {"status", "updatedReplicas"}),
                int_at(deployment, {"status", "readyReplicas"}), int_at(deployment, {"status", "availableReplicas"})};
  return int_at(deployment, {"status", "observedGeneration"}) == int_at(deployment, {"metadata", "generation"}) &&
         complete(deployment, totals);
}

}  // namespace berth::dev
