#include "dev/controllers/stateful_set_controller.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include <boost/json/array.hpp>

#include "dev/controllers/ownership.h"
#include "dev/controllers/pods.h"
#include "dev/controllers/template_hash.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::int_at;
using sim::string_at;

namespace {

constexpr std::string_view kComponent = "statefulset-controller";
constexpr std::string_view kRevisionLabel = "controller-revision-hash";
constexpr std::string_view kPodNameLabel = "statefulset.kubernetes.io/pod-name";
constexpr std::string_view kPodIndexLabel = "apps.kubernetes.io/pod-index";
constexpr Duration kRetry = std::chrono::seconds(2);

// The ordinal in a pod's name, if the name is "<set>-<ordinal>".
std::optional<std::int64_t> ordinal_of(const json::object& set, const json::object& pod) {
  std::string_view name = sim::name_of(pod);
  const std::string prefix = std::string(sim::name_of(set)) + "-";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::int64_t ordinal = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), ordinal);
  if (error != std::errc() || end != name.data() + name.size() || std::to_string(ordinal) != name) return std::nullopt;
  return ordinal;
}

std::string_view revision_of(const json::object& pod) { return string_at(pod, {"metadata", "labels", kRevisionLabel}); }

}  // namespace

struct StatefulSetController::Round {
  sim::Object set;
  std::map<std::int64_t, sim::Object> pods;  // by ordinal, those beyond spec.replicas too
  std::string current;                       // revision that a finished rollout left behind
  std::string update;                        // revision of the present template
  std::int64_t first = 0;                    // spec.ordinals.start
  std::int64_t replicas = 0;
  bool ordered = true;  // OrderedReady
  WallTime now;
  bool failed = false;  // a pod could not be made
  std::optional<Duration> again;

  [[nodiscard]] bool healthy(const json::object& pod) {
    const std::int64_t min_ready = int_at(*set, {"spec", "minReadySeconds"});
    return !sim::is_terminating(pod) && phase_of(pod) == "Running" && is_available(pod, min_ready, now, again);
  }
  [[nodiscard]] bool wanted(std::int64_t ordinal) const { return ordinal >= first && ordinal < first + replicas; }
  [[nodiscard]] std::int64_t partition() const {
    return int_at(*set, {"spec", "updateStrategy", "rollingUpdate", "partition"});
  }
  [[nodiscard]] bool rolls() const { return string_at(*set, {"spec", "updateStrategy", "type"}) != "OnDelete"; }
};

void StatefulSetController::on_change(const sim::ResourceType& type, const sim::Change& change,
                                      std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  if (resource == "statefulsets.apps") {
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
  add_controller_key(*change.object, cluster_.stateful_sets(), dirty);
  if (change.previous) add_controller_key(*change.previous, cluster_.stateful_sets(), dirty);
  if (controller_of(*change.object) && change.type != sim::Change::Type::deleted) return;
  // A pod that nobody controls may be adopted, or may have held a name that a set needs.
  const std::string ns(sim::namespace_of(*change.object));
  for (auto at = known_.lower_bound({"statefulsets.apps", ns, ""}); at != known_.end() && at->ns == ns; ++at)
    dirty.push_back(*at);
}

std::optional<Duration> StatefulSetController::reconcile(const Key& key) {
  const sim::Object set = cluster_.get(key);
  if (!set) return std::nullopt;
  Round round = look(set);
  if (!sim::is_terminating(*set) && !fill(round) && !shrink(round)) update(round);
  Round after = look(set);
  write_status(after);
  drop_history(after);
  if (round.failed) return kRetry;
  return after.again ? after.again : round.again;
}

StatefulSetController::Round StatefulSetController::look(const sim::Object& set) {
  Round round;
  round.set = set;
  round.now = cluster_.now();
  round.replicas = int_at(*set, {"spec", "replicas"}, 1);
  round.first = int_at(*set, {"spec", "ordinals", "start"});
  round.ordered = string_at(*set, {"spec", "podManagementPolicy"}) != "Parallel";
  round.update = record_revision(*set);
  round.current = string_at(*set, {"status", "currentRevision"});
  if (round.current.empty()) round.current = round.update;
  for (const sim::Object& pod : claim(cluster_, cluster_.pods(), *set, selector_of(*set))) {
    if (const auto ordinal = ordinal_of(*set, *pod)) round.pods[*ordinal] = pod;
  }
  return round;
}

// Makes sure that the present template is kept as a ControllerRevision; answers its name, "<set>-<hash>".
std::string StatefulSetController::record_revision(const json::object& set) {
  const json::object& pod_template = *sim::object_at(set, {"spec", "template"});
  const std::string name = fmt::format("{}-{}", sim::name_of(set), template_hash(pod_template, 0));
  std::int64_t latest = 0;
  sim::Object own;
  for (const sim::Object& revision : cluster_.list(cluster_.controller_revisions(), sim::namespace_of(set))) {
    if (!is_controlled_by(*revision, set)) continue;
    if (sim::name_of(*revision) == name) {
      own = revision;
    } else {
      latest = std::max(latest, int_at(*revision, {"revision"}));
    }
  }
  if (own) {
    // A template that comes back (rollback) is the newest again.
    if (int_at(*own, {"revision"}) <= latest)
      cluster_.patch(cluster_.controller_revisions(), *own, {{"revision", latest + 1}});
    return name;
  }
  json::object labels = *sim::object_at(pod_template, {"metadata", "labels"});
  labels["controller.kubernetes.io/hash"] = name.substr(sim::name_of(set).size() + 1);
  json::object data = pod_template;
  data["$patch"] = "replace";
  (void)cluster_.create(
      cluster_.controller_revisions(), sim::namespace_of(set),
      {{"metadata",
        {{"name", name}, {"labels", std::move(labels)}, {"ownerReferences", json::array{controller_reference(set)}}}},
       {"data", {{"spec", {{"template", std::move(data)}}}}},
       {"revision", latest + 1}});
  return name;
}

json::object StatefulSetController::template_of(const json::object& set, const std::string& revision) const {
  const sim::Object kept = cluster_.get(cluster_.controller_revisions(), sim::namespace_of(set), revision);
  const json::object* old = kept ? sim::object_at(*kept, {"data", "spec", "template"}) : nullptr;
  json::object out = old ? *old : *sim::object_at(set, {"spec", "template"});
  out.erase("$patch");
  return out;
}

bool StatefulSetController::fill(Round& round) {
  bool waits = false;
  for (std::int64_t ordinal = round.first; ordinal < round.first + round.replicas; ++ordinal) {
    const auto found = round.pods.find(ordinal);
    if (found == round.pods.end()) {
      round.failed = !create_pod(round, ordinal);
      if (round.ordered || round.failed) return true;
      continue;
    }
    const json::object& pod = *found->second;
    if (is_finished(pod) && !sim::is_terminating(pod)) {
      remove_pod(round, pod);
      waits = true;  // its end brings us back here, to make it anew
    }
    if (round.ordered && !round.healthy(pod)) return true;
  }
  return waits;
}

bool StatefulSetController::shrink(Round& round) {
  bool any = false;
  for (auto at = round.pods.rbegin(); at != round.pods.rend(); ++at) {
    if (round.wanted(at->first)) continue;
    any = true;
    if (!sim::is_terminating(*at->second)) remove_pod(round, *at->second);
    if (round.ordered) return true;
  }
  return any;
}

void StatefulSetController::update(Round& round) {
  if (!round.rolls()) return;
  for (auto at = round.pods.rbegin(); at != round.pods.rend(); ++at) {
    if (at->first < round.partition()) return;
    const json::object& pod = *at->second;
    if (revision_of(pod) != round.update && !sim::is_terminating(pod)) {
      remove_pod(round, pod);
      return;
    }
    if (!round.healthy(pod)) return;
  }
}

bool StatefulSetController::create_pod(Round& round, std::int64_t ordinal) {
  const json::object& set = *round.set;
  const std::string& revision = round.rolls() && ordinal < round.partition() ? round.current : round.update;
  json::object pod = pod_from_template(template_of(set, revision), set);
  const std::string name = fmt::format("{}-{}", sim::name_of(set), ordinal);
  json::object& meta = sim::metadata_of(pod);
  meta["name"] = name;
  json::object& labels = sim::ensure_object(meta, "labels");
  labels[kPodNameLabel] = name;
  labels[kPodIndexLabel] = std::to_string(ordinal);
  labels[kRevisionLabel] = revision;
  json::object& spec = sim::ensure_object(pod, "spec");
  spec["hostname"] = name;
  if (const std::string_view service = string_at(set, {"spec", "serviceName"}); !service.empty())
    spec["subdomain"] = service;
  const auto made = cluster_.create(cluster_.pods(), sim::namespace_of(set), std::move(pod));
  if (made) {
    round.pods[ordinal] = *made;
    cluster_.event(set, kNormal, "SuccessfulCreate",
                   fmt::format("create Pod {} in StatefulSet {} successful", name, sim::name_of(set)), kComponent);
  } else {
    cluster_.event(
        set, kWarning, "FailedCreate",
        fmt::format("create Pod {} in StatefulSet {} failed error: {}", name, sim::name_of(set), made.error().message),
        kComponent);
  }
  return made.has_value();
}

void StatefulSetController::remove_pod(Round& round, const json::object& pod) {
  if (!cluster_.remove(cluster_.pods(), pod)) return;
  cluster_.event(*round.set, kNormal, "SuccessfulDelete",
                 fmt::format("delete Pod {} in StatefulSet {} successful", sim::name_of(pod), sim::name_of(*round.set)),
                 kComponent);
}

void StatefulSetController::write_status(const Round& round) {
  const json::object& set = *round.set;
  const std::int64_t min_ready = int_at(set, {"spec", "minReadySeconds"});
  std::int64_t replicas = 0;
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::int64_t of_current = 0;
  std::int64_t of_update = 0;
  std::optional<Duration> left;
  for (const auto& [ordinal, pod] : round.pods) {
    ++replicas;
    ready += phase_of(*pod) == "Running" && is_ready(*pod) ? 1 : 0;
    available += phase_of(*pod) == "Running" && is_available(*pod, min_ready, round.now, left) ? 1 : 0;
    if (sim::is_terminating(*pod)) continue;
    of_current += revision_of(*pod) == round.current ? 1 : 0;
    of_update += revision_of(*pod) == round.update ? 1 : 0;
  }
  std::string current = round.current;
  const bool done =
      round.rolls() && of_update == round.replicas && replicas == round.replicas && ready == round.replicas;
  if (done) {
    current = round.update;
    of_current = of_update;
  }
  json::object status{{"observedGeneration", int_at(set, {"metadata", "generation"})},
                      {"replicas", replicas},
                      {"availableReplicas", available},
                      {"currentRevision", current},
                      {"updateRevision", round.update},
                      {"collisionCount", 0}};
  const auto put = [&](const char* key, std::int64_t n) {
    if (n > 0) status[key] = n;
  };
  put("readyReplicas", ready);
  put("currentReplicas", of_current);
  put("updatedReplicas", of_update);
  cluster_.set_status(cluster_.stateful_sets(), set, std::move(status));
}

void StatefulSetController::drop_history(const Round& round) {
  std::vector<sim::Object> unused;
  for (const sim::Object& revision : cluster_.list(cluster_.controller_revisions(), sim::namespace_of(*round.set))) {
    if (!is_controlled_by(*revision, *round.set)) continue;
    const std::string_view name = sim::name_of(*revision);
    const bool used = name == round.current || name == round.update ||
                      std::any_of(round.pods.begin(), round.pods.end(),
                                  [&](const auto& p) { return revision_of(*p.second) == name; });
    if (!used) unused.push_back(revision);
  }
  std::sort(unused.begin(), unused.end(), [](const sim::Object& a, const sim::Object& b) {
    return int_at(*a, {"revision"}) < int_at(*b, {"revision"});
  });
  const auto keep = static_cast<std::size_t>(int_at(*round.set, {"spec", "revisionHistoryLimit"}, 10));
  for (std::size_t i = 0; i + keep < unused.size(); ++i) cluster_.remove(cluster_.controller_revisions(), *unused[i]);
}

}  // namespace berth::dev
