#include "dev/controllers/job_controller.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include <boost/json/array.hpp>

#include "dev/controllers/ownership.h"
#include "dev/controllers/pods.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::int_at;
using sim::string_at;

namespace {

constexpr std::string_view kComponent = "job-controller";
constexpr Duration kFirstBackoff = std::chrono::seconds(10);
constexpr Duration kLastBackoff = std::chrono::minutes(10);

bool has_condition(const json::object& job, std::string_view type) {
  const json::object* condition = sim::find_condition(job, type);
  return condition && string_at(*condition, {"status"}) == "True";
}

bool is_done(const json::object& job) { return has_condition(job, "Complete") || has_condition(job, "Failed"); }

// With restartPolicy OnFailure the kubelet tries again in the same pod: its restarts are failures too.
std::int64_t restarts_of(const json::object& pod) {
  std::int64_t restarts = 0;
  const json::array* statuses = sim::array_at(pod, {"status", "containerStatuses"});
  if (!statuses) return 0;
  for (const json::value& v : *statuses) restarts += v.is_object() ? int_at(v.get_object(), {"restartCount"}) : 0;
  return restarts;
}

}  // namespace

struct JobController::Round {
  sim::Object job;
  json::object status;
  std::vector<sim::Object> active;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
  std::int64_t restarts = 0;
  std::optional<WallTime> last_failure;
  std::optional<Duration> again;
};

void JobController::on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  if (resource == "jobs.batch") {
    dirty.push_back(key_of(type, *change.object));
  } else if (resource == "pods") {
    add_controller_key(*change.object, cluster_.jobs(), dirty);
  }
}

JobController::Round JobController::look(const sim::Object& job) {
  Round round;
  round.job = job;
  round.status = *sim::object_at(*job, {"status"});
  const bool restarts_in_place = string_at(*job, {"spec", "template", "spec", "restartPolicy"}) == "OnFailure";
  for (const sim::Object& pod : claim(cluster_, cluster_.pods(), *job, selector_of(*job))) {
    if (phase_of(*pod) == "Succeeded") {
      ++round.succeeded;
    } else if (phase_of(*pod) == "Failed") {
      ++round.failed;
      const auto since = sim::parse_time(string_at(*pod, {"metadata", "deletionTimestamp"}));
      const auto made = sim::parse_time(string_at(*pod, {"metadata", "creationTimestamp"}));
      round.last_failure = std::max(round.last_failure, since ? since : made);
    } else if (!sim::is_terminating(*pod)) {
      round.active.push_back(pod);
      if (restarts_in_place) round.restarts += restarts_of(*pod);
    }
  }
  // Pods may be deleted after they ended: what was counted once stays counted.
  round.succeeded = std::max(round.succeeded, int_at(round.status, {"succeeded"}));
  round.failed = std::max(round.failed, int_at(round.status, {"failed"}));
  return round;
}

std::optional<Duration> JobController::reconcile(const Key& key) {
  const sim::Object job = cluster_.get(key);
  if (!job || sim::is_terminating(*job)) return std::nullopt;
  if (is_done(*job)) return remove_when_old(*job);

  Round round = look(job);
  const bool suspended = sim::bool_at(*job, {"spec", "suspend"});
  if (!suspended && !round.status.contains("startTime")) round.status["startTime"] = sim::format_time(cluster_.now());
  const json::value* completions = sim::find_at(*job, {"spec", "completions"});
  const bool fixed = completions && completions->is_int64();
  const bool enough = fixed ? round.succeeded >= completions->get_int64() : round.succeeded > 0 && round.active.empty();
  const std::int64_t backoff_limit = int_at(*job, {"spec", "backoffLimit"}, 6);
  const std::int64_t deadline = int_at(*job, {"spec", "activeDeadlineSeconds"});
  const auto started = sim::parse_time(string_at(round.status, {"startTime"}));
  const Duration left =
      deadline > 0 && started ? *started + std::chrono::seconds(deadline) - cluster_.now() : Duration::max();

  if (enough) {
    finish(round, true, "CompletionsReached", "Reached expected number of succeeded pods");
  } else if (round.failed + round.restarts > backoff_limit) {
    finish(round, false, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
  } else if (left <= Duration::zero()) {
    finish(round, false, "DeadlineExceeded", "Job was active longer than specified deadline");
  } else {
    if (left != Duration::max()) round.again = left;
    run_pods(round);
  }
  const auto put = [&](const char* name, std::size_t n) {
    if (n > 0) {
      round.status[name] = static_cast<std::int64_t>(n);
    } else {
      round.status.erase(name);
    }
  };
  put("active", round.active.size());
  put("succeeded", static_cast<std::size_t>(round.succeeded));
  put("failed", static_cast<std::size_t>(round.failed));
  const auto ready =
      std::count_if(round.active.begin(), round.active.end(), [](const sim::Object& pod) { return is_ready(*pod); });
  round.status["ready"] = static_cast<std::int64_t>(ready);
  cluster_.set_status(cluster_.jobs(), *job, std::move(round.status));
  return round.again;
}

// As many active pods as parallelism and the completions still missing allow.
void JobController::run_pods(Round& round) {
  const json::object& job = *round.job;
  const json::value* completions = sim::find_at(job, {"spec", "completions"});
  std::int64_t wanted = sim::bool_at(job, {"spec", "suspend"}) ? 0 : int_at(job, {"spec", "parallelism"}, 1);
  if (completions && completions->is_int64()) {
    wanted = std::min(wanted, completions->get_int64() - round.succeeded);
  } else if (round.succeeded > 0) {
    wanted = static_cast<std::int64_t>(round.active.size());  // a work queue: no new pods once one has succeeded
  }
  while (static_cast<std::int64_t>(round.active.size()) > std::max<std::int64_t>(wanted, 0)) {
    if (cluster_.remove(cluster_.pods(), *round.active.back())) {
      cluster_.event(job, kNormal, "SuccessfulDelete",
                     fmt::format("Deleted pod: {}", sim::name_of(*round.active.back())), kComponent);
    }
    round.active.pop_back();
  }
  if (static_cast<std::int64_t>(round.active.size()) >= wanted) return;
  if (round.failed > 0 && round.last_failure) {
    const Duration pause =
        std::min(kLastBackoff, kFirstBackoff * (std::int64_t{1} << std::min<std::int64_t>(round.failed - 1, 6)));
    const Duration left = *round.last_failure + pause - cluster_.now();
    if (left > Duration::zero()) {
      round.again = std::min(round.again.value_or(left), left);
      return;
    }
  }
  while (static_cast<std::int64_t>(round.active.size()) < wanted) {
    json::object pod = pod_from_template(*sim::object_at(job, {"spec", "template"}), job);
    sim::metadata_of(pod)["generateName"] = fmt::format("{}-", sim::name_of(job));
    auto made = cluster_.create(cluster_.pods(), sim::namespace_of(job), std::move(pod));
    if (!made) {
      cluster_.event(job, kWarning, "FailedCreate", fmt::format("Error creating: {}", made.error().message),
                     kComponent);
      round.again = kFirstBackoff;
      return;
    }
    cluster_.event(job, kNormal, "SuccessfulCreate", fmt::format("Created pod: {}", sim::name_of(**made)), kComponent);
    round.active.push_back(std::move(*made));
  }
}

void JobController::finish(Round& round, bool success, std::string_view reason, std::string_view message) {
  for (const sim::Object& pod : round.active) cluster_.remove(cluster_.pods(), *pod);
  round.active.clear();
  json::array& conditions = sim::ensure_array(round.status, "conditions");
  // clients wait for either of the pair: the first says what will come, the second that all pods have ended
  const std::array<const char*, 2> types =
      success ? std::array{"SuccessCriteriaMet", "Complete"} : std::array{"FailureTarget", "Failed"};
  for (const char* type : types) {
    sim::set_condition(conditions, {type, true, std::string(reason), std::string(message)}, cluster_.now());
    conditions.back().get_object()["lastProbeTime"] = sim::format_time(cluster_.now());
  }
  if (success) round.status["completionTime"] = sim::format_time(cluster_.now());
  cluster_.event(*round.job, success ? kNormal : kWarning, success ? "Completed" : reason,
                 success ? "Job completed" : message, kComponent);
}

std::optional<Duration> JobController::remove_when_old(const json::object& job) {
  const json::value* ttl = sim::find_at(job, {"spec", "ttlSecondsAfterFinished"});
  if (!ttl || !ttl->is_int64()) return std::nullopt;
  const json::object* ended = sim::find_condition(job, has_condition(job, "Complete") ? "Complete" : "Failed");
  const auto since = sim::parse_time(string_at(*ended, {"lastTransitionTime"}));
  if (!since) return std::nullopt;
  const Duration left = *since + std::chrono::seconds(ttl->get_int64()) - cluster_.now();
  if (left > Duration::zero()) return left;
  cluster_.remove(cluster_.jobs(), job, {.propagation = sim::Propagation::foreground});
  return std::nullopt;
}

}  // namespace berth::dev
