#include "dev/controllers/replica_set_controller.h"

#include <fmt/core.h>

#include <algorithm>

#include <boost/json/array.hpp>

#include "dev/controllers/ownership.h"
#include "dev/controllers/pods.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;

namespace {

constexpr std::string_view kComponent = "replicaset-controller";
constexpr Duration kRetry = std::chrono::seconds(2);

std::vector<sim::Object> active_of(const std::vector<sim::Object>& pods) {
  std::vector<sim::Object> out;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(out),
               [](const sim::Object& pod) { return is_active(*pod); });
  return out;
}

}  // namespace

void ReplicaSetController::on_change(const sim::ResourceType& type, const sim::Change& change,
                                     std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  if (resource == "replicasets.apps") {
    Key key = key_of(type, *change.object);
    if (change.type == sim::Change::Type::deleted) {
      known_.erase(key);
    } else {
      known_.insert(key);
    }
    dirty.push_back(std::move(key));
    return;
  }
  if (resource != "pods") return;
  add_controller_key(*change.object, cluster_.replica_sets(), dirty);
  if (change.previous) add_controller_key(*change.previous, cluster_.replica_sets(), dirty);
  if (controller_of(*change.object) || change.type == sim::Change::Type::deleted) return;
  const std::string ns(sim::namespace_of(*change.object));
  for (auto at = known_.lower_bound({"replicasets.apps", ns, ""}); at != known_.end() && at->ns == ns; ++at)
    dirty.push_back(*at);
}

std::optional<Duration> ReplicaSetController::reconcile(const Key& key) {
  const sim::Object set = cluster_.get(key);
  if (!set) return std::nullopt;
  const sim::LabelSelector selector = selector_of(*set);
  const std::vector<sim::Object> before = active_of(claim(cluster_, cluster_.pods(), *set, selector));
  const bool done = sim::is_terminating(*set) || scale(*set, before);
  const std::optional<Duration> again = write_status(*set, active_of(claim(cluster_, cluster_.pods(), *set, selector)));
  return done ? again : kRetry;
}

bool ReplicaSetController::scale(const json::object& set, const std::vector<sim::Object>& pods) {
  const auto wanted = static_cast<std::size_t>(sim::int_at(set, {"spec", "replicas"}, 1));
  for (std::size_t i = pods.size(); i < wanted; ++i) {
    json::object pod = pod_from_template(*sim::object_at(set, {"spec", "template"}), set);
    sim::metadata_of(pod)["generateName"] = std::string(sim::name_of(set)) + "-";
    const auto made = cluster_.create(cluster_.pods(), sim::namespace_of(set), std::move(pod));
    if (!made) {
      cluster_.event(set, kWarning, "FailedCreate", fmt::format("Error creating: {}", made.error().message),
                     kComponent);
      return false;
    }
    cluster_.event(set, kNormal, "SuccessfulCreate", fmt::format("Created pod: {}", sim::name_of(**made)), kComponent);
  }
  if (pods.size() <= wanted) return true;
  std::vector<sim::Object> ranked = pods;
  std::sort(ranked.begin(), ranked.end(),
            [](const sim::Object& a, const sim::Object& b) { return deleted_before(*a, *b); });
  for (std::size_t i = 0; i < pods.size() - wanted; ++i) {
    if (!cluster_.remove(cluster_.pods(), *ranked[i])) continue;
    cluster_.event(set, kNormal, "SuccessfulDelete", fmt::format("Deleted pod: {}", sim::name_of(*ranked[i])),
                   kComponent);
  }
  return true;
}

std::optional<Duration> ReplicaSetController::write_status(const json::object& set,
                                                           const std::vector<sim::Object>& pods) {
  const std::int64_t min_ready = sim::int_at(set, {"spec", "minReadySeconds"});
  const json::object* labels = sim::object_at(set, {"spec", "template", "metadata", "labels"});
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::int64_t fully_labeled = 0;
  std::optional<Duration> again;
  for (const sim::Object& pod : pods) {
    ready += is_ready(*pod) ? 1 : 0;
    available += is_available(*pod, min_ready, cluster_.now(), again) ? 1 : 0;
    const json::object* own = sim::object_at(*pod, {"metadata", "labels"});
    const bool all = !labels || std::all_of(labels->begin(), labels->end(), [&](const auto& label) {
      const json::value* v = own ? own->if_contains(label.key()) : nullptr;
      return v && *v == label.value();
    });
    fully_labeled += all ? 1 : 0;
  }
  json::object status{{"replicas", static_cast<std::int64_t>(pods.size())},
                      {"observedGeneration", sim::int_at(set, {"metadata", "generation"})}};
  const auto put = [&](const char* key, std::int64_t n) {
    if (n > 0) status[key] = n;
  };
  put("fullyLabeledReplicas", fully_labeled);
  put("readyReplicas", ready);
  put("availableReplicas", available);
  cluster_.set_status(cluster_.replica_sets(), set, std::move(status));
  return again;
}

}  // namespace berth::dev
