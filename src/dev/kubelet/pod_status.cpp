#include "dev/kubelet/pod_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/json.h"
#include "api/metadata.h"

namespace berth::dev {

namespace {

using boost::json::array;
using boost::json::object;
using Phase = ContainerState::Phase;

object termination_of(const Termination& ended, const std::string& container_id) {
  object out{{"exitCode", ended.exit_code},
             {"reason", ended.reason},
             {"startedAt", api::format_time(ended.started)},
             {"finishedAt", api::format_time(ended.finished)},
             {"containerID", container_id}};
  if (!ended.message.empty()) out["message"] = ended.message;
  return out;
}

std::string container_id(const PodSpec& pod, const ContainerSpec& container, int run) {
  return fmt::format("berth://{}-{}-{}", pod.uid, container.name, run);
}

object state_of(const PodSpec& pod, const ContainerSpec& container, const ContainerState& state) {
  switch (state.phase) {
    case Phase::running:
    case Phase::stopping:
      return {{"running", object{{"startedAt", api::format_time(state.started)}}}};
    case Phase::terminated:
      return {{"terminated", termination_of(*state.ended, container_id(pod, container, state.runs))}};
    case Phase::starting:
      return {{"waiting", object{{"reason", "ContainerCreating"}}}};
    case Phase::waiting:
      break;
  }
  object waiting{{"reason", state.waiting_reason}};
  if (!state.waiting_message.empty()) waiting["message"] = state.waiting_message;
  return {{"waiting", std::move(waiting)}};
}

array container_statuses(const PodSpec& pod, const std::vector<ContainerSpec>& specs,
                         const std::vector<ContainerState>& states) {
  array out;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& state = states[i];
    object status{{"name", specs[i].name},
                  {"image", specs[i].image},
                  {"imageID", ""},
                  {"ready", state.ready},
                  {"started", state.phase == Phase::running},
                  {"restartCount", std::max(state.runs - 1, 0)},
                  {"state", state_of(pod, specs[i], state)},
                  {"lastState", object{}}};
    if (state.runs > 0) status["containerID"] = container_id(pod, specs[i], state.runs);
    if (state.last) {
      status["lastState"] =
          object{{"terminated", termination_of(*state.last, container_id(pod, specs[i], state.runs - 1))}};
    }
    out.emplace_back(std::move(status));
  }
  return out;
}

struct Wanted {
  std::string_view type;
  bool status;
  std::string reason;
  std::string message;
};

const object* condition_of(const array& conditions, std::string_view type) {
  for (const auto& condition : conditions) {
    if (condition.is_object() && api::string_at(condition.get_object(), {"type"}) == type)
      return &condition.get_object();
  }
  return nullptr;
}

std::vector<std::string> unready(const PodSnapshot& pod) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    if (!pod.containers[i].ready) names.push_back(pod.spec->containers[i].name);
  }
  return names;
}

Wanted containers_ready(const PodSnapshot& pod, std::string_view type, const std::string& phase) {
  if (phase == "Succeeded") return {type, false, "PodCompleted", ""};
  if (phase == "Failed") return {type, false, "PodFailed", ""};
  const auto names = unready(pod);
  if (names.empty()) return {type, true, "", ""};
  return {type, false, "ContainersNotReady",
          fmt::format("containers with unready status: [{}]", fmt::join(names, " "))};
}

Wanted pod_ready(const PodSnapshot& pod, const array& conditions, const std::string& phase) {
  Wanted out = containers_ready(pod, "Ready", phase);
  for (const auto& gate : pod.spec->readiness_gates) {
    const auto* condition = condition_of(conditions, gate);
    if (out.status && (condition == nullptr || api::string_at(*condition, {"status"}) != "True")) {
      return {"Ready", false, "ReadinessGatesNotReady",
              fmt::format("corresponding condition of pod readiness gate \"{}\" is not True", gate)};
    }
  }
  return out;
}

Wanted init_done(const PodSnapshot& pod) {
  if (initialized(pod)) return {"Initialized", true, "", ""};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < pod.init.size(); ++i) {
    if (!pod.init[i].ended || pod.init[i].ended->exit_code != 0) names.push_back(pod.spec->init_containers[i].name);
  }
  return {"Initialized", false, "ContainersNotInitialized",
          fmt::format("containers with incomplete status: [{}]", fmt::join(names, " "))};
}

object to_json(const Wanted& wanted, const object* before, WallTime now) {
  const std::string status = wanted.status ? "True" : "False";
  object out{{"type", wanted.type}, {"status", status}, {"lastProbeTime", nullptr}};
  const bool same = before != nullptr && api::string_at(*before, {"status"}) == status;
  out["lastTransitionTime"] = same ? api::string_at(*before, {"lastTransitionTime"}) : api::format_time(now);
  if (!wanted.reason.empty()) out["reason"] = wanted.reason;
  if (!wanted.message.empty()) out["message"] = wanted.message;
  return out;
}

array conditions_of(const PodSnapshot& pod, const array& before, const std::string& phase, WallTime now) {
  const Wanted own[] = {{"PodReadyToStartContainers", pod.sandbox_ready, "", ""},
                        init_done(pod),
                        pod_ready(pod, before, phase),
                        containers_ready(pod, "ContainersReady", phase)};
  array out;
  for (const auto& wanted : own) out.emplace_back(to_json(wanted, condition_of(before, wanted.type), now));
  // Whoever set spec.nodeName by hand has scheduled the pod.
  if (condition_of(before, "PodScheduled") == nullptr)
    out.emplace_back(to_json({"PodScheduled", true, "", ""}, nullptr, now));
  for (const auto& condition : before) {
    if (!condition.is_object()) continue;
    const std::string type = api::string_at(condition.get_object(), {"type"});
    if (std::ranges::none_of(own, [&](const Wanted& wanted) { return wanted.type == type; })) out.push_back(condition);
  }
  return out;
}

}  // namespace

bool to_be_restarted(RestartPolicy policy, const Termination& ended) {
  return policy == RestartPolicy::always || (policy == RestartPolicy::on_failure && ended.exit_code != 0);
}

bool initialized(const PodSnapshot& pod) {
  return std::ranges::all_of(pod.init, [](const ContainerState& state) {
    return state.phase == Phase::terminated && state.ended->exit_code == 0;
  });
}

std::string phase_of(const PodSnapshot& pod) {
  const RestartPolicy policy = pod.spec->restart_policy;
  for (const auto& state : pod.init) {
    if (state.phase != Phase::terminated) continue;
    if (state.ended->exit_code != 0 && policy == RestartPolicy::never) return "Failed";
  }
  if (!initialized(pod)) return "Pending";
  bool running = false;
  bool waiting = false;
  bool restarting = false;
  bool failed = false;
  for (const auto& state : pod.containers) {
    switch (state.phase) {
      case Phase::running:
      case Phase::stopping:
        running = true;
        break;
      case Phase::starting:
        (state.last ? running : waiting) = true;
        break;
      case Phase::waiting:
        (state.last ? restarting : waiting) = true;
        break;
      case Phase::terminated:
        restarting = restarting || to_be_restarted(policy, *state.ended);
        failed = failed || state.ended->exit_code != 0;
        break;
    }
  }
  if (waiting) return "Pending";
  if (running || restarting) return "Running";
  if (pod.containers.empty()) return "Pending";
  return failed ? "Failed" : "Succeeded";
}

object status_of(const PodSnapshot& pod, const array& conditions, WallTime now) {
  const std::string phase = phase_of(pod);
  object out{{"phase", phase},
             {"startTime", api::format_time(pod.started)},
             {"hostIP", pod.place.host_ip},
             {"hostIPs", array{object{{"ip", pod.place.host_ip}}}},
             {"conditions", conditions_of(pod, conditions, phase, now)},
             {"containerStatuses", container_statuses(*pod.spec, pod.spec->containers, pod.containers)}};
  if (!pod.init.empty()) {
    out["initContainerStatuses"] = container_statuses(*pod.spec, pod.spec->init_containers, pod.init);
  }
  if (!pod.place.pod_ips.empty()) {
    out["podIP"] = pod.place.pod_ips.front();
    array ips;
    for (const auto& address : pod.place.pod_ips) ips.emplace_back(object{{"ip", address}});
    out["podIPs"] = std::move(ips);
  }
  return out;
}

}  // namespace berth::dev
