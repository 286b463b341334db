#include "dev/controllers/deployment_controller.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include <boost/json/array.hpp>

#include "dev/controllers/deployment_status.h"
#include "dev/controllers/ownership.h"
#include "dev/controllers/pods.h"
#include "dev/controllers/rollout.h"
#include "dev/controllers/template_hash.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::int_at;
using sim::string_at;

namespace {

constexpr std::string_view kComponent = "deployment-controller";
constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kDesired = "deployment.kubernetes.io/desired-replicas";
constexpr std::string_view kMax = "deployment.kubernetes.io/max-replicas";
constexpr std::string_view kHash = "pod-template-hash";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

std::int64_t wanted_of(const json::object& set) { return int_at(set, {"spec", "replicas"}); }

std::int64_t revision_of(const json::object& object) {
  const std::string_view text = string_at(object, {"metadata", "annotations", kRevision});
  std::int64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

json::object template_without_hash(const json::object& object) {
  json::object out = *sim::object_at(object, {"spec", "template"});
  if (json::value* labels = sim::metadata_of(out).if_contains("labels"); labels && labels->is_object()) {
    labels->get_object().erase(kHash);
  }
  return out;
}

bool older(const sim::Object& a, const sim::Object& b) {
  const std::string_view made_a = string_at(*a, {"metadata", "creationTimestamp"});
  const std::string_view made_b = string_at(*b, {"metadata", "creationTimestamp"});
  return made_a != made_b ? made_a < made_b : sim::name_of(*a) < sim::name_of(*b);
}

bool is_rolling(const json::object& deployment) {
  return string_at(deployment, {"spec", "strategy", "type"}) != "Recreate";
}

ReplicaCount count_of(const json::object& set) {
  return {wanted_of(set), int_at(set, {"status", "availableReplicas"})};
}

// The annotations that a ReplicaSet shares with its Deployment, and its own bookkeeping.
json::object set_annotations(const json::object& deployment, std::int64_t revision) {
  json::object out;
  if (const json::object* own = sim::object_at(deployment, {"metadata", "annotations"})) {
    for (const auto& [key, value] : *own) {
      if (key != kLastApplied && !std::string_view(key).starts_with("deployment.kubernetes.io/")) out[key] = value;
    }
  }
  const std::int64_t replicas = wanted_of(deployment);
  out[kRevision] = std::to_string(revision);
  out[kDesired] = std::to_string(replicas);
  out[kMax] = std::to_string(replicas + (is_rolling(deployment) ? rolling_limits(deployment).max_surge : 0));
  return out;
}

}  // namespace

struct DeploymentController::Rollout {
  sim::Object deployment;
  sim::Object fresh;             // the set of the present template; null if it is still to be made
  std::vector<sim::Object> old;  // oldest first
};

void DeploymentController::on_change(const sim::ResourceType& type, const sim::Change& change,
                                     std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  if (resource == "deployments.apps") {
    Key key = key_of(type, *change.object);
    if (change.type == sim::Change::Type::deleted) {
      known_.erase(key);
    } else {
      known_.insert(key);
    }
    dirty.push_back(std::move(key));
  } else if (resource == "replicasets.apps") {
    add_controller_key(*change.object, cluster_.deployments(), dirty);
    if (change.previous) add_controller_key(*change.previous, cluster_.deployments(), dirty);
    if (controller_of(*change.object) || change.type == sim::Change::Type::deleted) return;
    const std::string ns(sim::namespace_of(*change.object));
    for (auto at = known_.lower_bound({"deployments.apps", ns, ""}); at != known_.end() && at->ns == ns; ++at)
      dirty.push_back(*at);
  } else if (resource == "pods" && change.type == sim::Change::Type::deleted) {
    // Recreate waits for the last old pod, which its set's status no longer counts.
    add_controller_key(*change.object, cluster_.replica_sets(), dirty);
  }
}

std::optional<Duration> DeploymentController::reconcile(const Key& key) {
  sim::Object deployment = cluster_.get(key);
  if (deployment && key.resource == "replicasets.apps") {
    const json::object* controller = controller_of(*deployment);
    if (!controller || string_at(*controller, {"kind"}) != "Deployment") return std::nullopt;
    deployment = cluster_.get(cluster_.deployments(), key.ns, string_at(*controller, {"name"}));
  }
  if (!deployment) return std::nullopt;
  Rollout rollout = look(deployment);
  if (!sim::is_terminating(*deployment)) {
    if (sim::bool_at(*deployment, {"spec", "paused"})) {
      const bool one = std::all_of(rollout.old.begin(), rollout.old.end(),
                                   [](const sim::Object& set) { return wanted_of(*set) == 0; });
      if (rollout.fresh && one) scale(rollout, rollout.fresh, wanted_of(*deployment));
    } else if (is_rolling(*deployment)) {
      roll(rollout);
    } else {
      recreate(rollout);
    }
    drop_history(rollout);
  }
  const sim::Object now = cluster_.get(cluster_.deployments(), key.ns, sim::name_of(*deployment));
  return now ? write_status(look(now)) : std::nullopt;
}

DeploymentController::Rollout DeploymentController::look(const sim::Object& deployment) {
  Rollout rollout{deployment, nullptr, claim(cluster_, cluster_.replica_sets(), *deployment, selector_of(*deployment))};
  std::sort(rollout.old.begin(), rollout.old.end(), older);
  const json::object wanted = template_without_hash(*deployment);
  const auto fresh = std::find_if(rollout.old.begin(), rollout.old.end(),
                                  [&](const sim::Object& set) { return template_without_hash(*set) == wanted; });
  if (fresh != rollout.old.end()) {
    rollout.fresh = *fresh;
    rollout.old.erase(fresh);
  }
  return rollout;
}

// The ReplicaSet of the present template, with no pods yet.
sim::Object DeploymentController::make_new_set(const Rollout& rollout) {
  const json::object& deployment = *rollout.deployment;
  const std::int64_t collisions = int_at(deployment, {"status", "collisionCount"});
  json::object pod_template = template_without_hash(deployment);
  const std::string hash = template_hash(pod_template, collisions);
  json::object& labels = sim::ensure_object(sim::metadata_of(pod_template), "labels");
  labels[kHash] = hash;
  json::object selector = *sim::object_at(deployment, {"spec", "selector"});
  sim::ensure_object(selector, "matchLabels")[kHash] = hash;
  std::int64_t revision = 0;
  for (const sim::Object& set : rollout.old) revision = std::max(revision, revision_of(*set));

  json::object spec{{"replicas", 0}, {"selector", std::move(selector)}};
  if (const json::value* seconds = sim::find_at(deployment, {"spec", "minReadySeconds"}))
    spec["minReadySeconds"] = *seconds;
  json::object meta{{"name", fmt::format("{}-{}", sim::name_of(deployment), hash)},
                    {"labels", labels},
                    {"annotations", set_annotations(deployment, revision + 1)},
                    {"ownerReferences", json::array{controller_reference(deployment)}}};
  spec["template"] = std::move(pod_template);
  auto made = cluster_.create(cluster_.replica_sets(), sim::namespace_of(deployment),
                              {{"metadata", std::move(meta)}, {"spec", std::move(spec)}});
  if (made) return *made;
  if (made.error().reason == "AlreadyExists") {
    // Somebody else's set has the name: the next attempt hashes with another salt.
    json::object status = *sim::object_at(deployment, {"status"});
    status["collisionCount"] = collisions + 1;
    cluster_.set_status(cluster_.deployments(), deployment, std::move(status));
  } else {
    cluster_.event(deployment, kWarning, "ReplicaSetCreateError",
                   fmt::format("Failed to create new replica set: {}", made.error().message), kComponent);
  }
  return nullptr;
}

// Makes the new set if need be, and gives it the highest revision, which the Deployment shows too.
void DeploymentController::number_revision(Rollout& rollout) {
  if (!rollout.fresh) rollout.fresh = make_new_set(rollout);
  if (!rollout.fresh) return;
  std::int64_t revision = 0;
  for (const sim::Object& set : rollout.old) revision = std::max(revision, revision_of(*set));
  revision = std::max(revision + 1, revision_of(*rollout.fresh));
  const json::object annotations = set_annotations(*rollout.deployment, revision);
  if (sim::Object set =
          cluster_.patch(cluster_.replica_sets(), *rollout.fresh, {{"metadata", {{"annotations", annotations}}}})) {
    rollout.fresh = std::move(set);
  }
  if (revision_of(*rollout.deployment) == revision) return;
  const json::object shown{{"metadata", {{"annotations", {{kRevision, std::to_string(revision)}}}}}};
  if (sim::Object next = cluster_.patch(cluster_.deployments(), *rollout.deployment, shown))
    rollout.deployment = std::move(next);
}

void DeploymentController::roll(Rollout& rollout) {
  number_revision(rollout);
  if (!rollout.fresh) return;
  const std::int64_t replicas = wanted_of(*rollout.deployment);
  const RollingLimits limits = rolling_limits(*rollout.deployment);
  std::vector<ReplicaCount> old;
  for (const sim::Object& set : rollout.old) old.push_back(count_of(*set));
  const ReplicaCount fresh = count_of(*rollout.fresh);
  const std::int64_t grown = next_new_size(replicas, limits, fresh, old);
  if (grown != fresh.wanted) {
    scale(rollout, rollout.fresh, grown);
    return;  // the sets' status brings the next step
  }
  const std::vector<std::int64_t> sizes = next_old_sizes(replicas, limits, fresh, old);
  for (std::size_t i = 0; i < sizes.size(); ++i) scale(rollout, rollout.old[i], sizes[i]);
}

void DeploymentController::recreate(Rollout& rollout) {
  bool waiting = false;
  for (sim::Object& set : rollout.old) {
    scale(rollout, set, 0);
    const sim::LabelSelector selector = selector_of(*set);
    for (const sim::Object& pod : cluster_.list(cluster_.pods(), sim::namespace_of(*set))) {
      waiting = waiting || (is_controlled_by(*pod, *set) && !is_finished(*pod));
    }
  }
  if (waiting) return;
  number_revision(rollout);
  if (rollout.fresh) scale(rollout, rollout.fresh, wanted_of(*rollout.deployment));
}

void DeploymentController::scale(Rollout& rollout, sim::Object& set, std::int64_t size) {
  const std::int64_t before = wanted_of(*set);
  if (before == size) return;
  sim::Object next = cluster_.patch(cluster_.replica_sets(), *set, {{"spec", {{"replicas", size}}}});
  if (!next) return;
  set = std::move(next);
  cluster_.event(*rollout.deployment, kNormal, "ScalingReplicaSet",
                 fmt::format("Scaled {} replica set {} from {} to {}", before < size ? "up" : "down",
                             sim::name_of(*set), before, size),
                 kComponent);
}

// Old sets without pods, beyond revisionHistoryLimit, oldest revision first, once the rollout is done.
void DeploymentController::drop_history(const Rollout& rollout) {
  if (!rollout.fresh || !is_complete(*rollout.deployment)) return;
  std::vector<sim::Object> empty;
  for (const sim::Object& set : rollout.old) {
    if (wanted_of(*set) == 0 && int_at(*set, {"status", "replicas"}) == 0 && !sim::is_terminating(*set))
      empty.push_back(set);
  }
  std::sort(empty.begin(), empty.end(),
            [](const sim::Object& a, const sim::Object& b) { return revision_of(*a) < revision_of(*b); });
  const auto keep = static_cast<std::size_t>(int_at(*rollout.deployment, {"spec", "revisionHistoryLimit"}, 10));
  for (std::size_t i = 0; i + keep < empty.size(); ++i) cluster_.remove(cluster_.replica_sets(), *empty[i]);
}

std::optional<Duration> DeploymentController::write_status(const Rollout& rollout) {
  std::optional<Duration> again;
  json::object status = next_status(*rollout.deployment, rollout.fresh.get(), rollout.old, cluster_.now(), again);
  cluster_.set_status(cluster_.deployments(), *rollout.deployment, std::move(status));
  return again;
}

}  // namespace berth::dev
