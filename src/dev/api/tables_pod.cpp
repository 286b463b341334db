#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "dev/api/tables_builtin.h"
#include "sim/api/object.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::int_at;
using sim::object_at;
using sim::string_at;

std::string_view or_none(std::string_view text) { return text.empty() ? "<none>" : text; }

std::size_t size_at(const json::object& object, sim::Path path) {
  const json::array* array = sim::array_at(object, path);
  return array == nullptr ? 0 : array->size();
}

bool condition_is(const json::object& pod, std::string_view type, std::string_view status) {
  const json::object* condition = sim::find_condition(pod, type);
  return condition != nullptr && string_at(*condition, {"status"}) == status;
}

// Containers as their statuses tell it.
struct Tally {
  std::string reason;
  std::int64_t ready = 0;
  std::int64_t restarts = 0;
  std::optional<WallTime> last_restart;
  bool initializing = false;

  void count_restarts(const json::object& status) {
    restarts += int_at(status, {"restartCount"});
    const auto finished = sim::parse_time(string_at(status, {"lastState", "terminated", "finishedAt"}));
    if (finished && (!last_restart || *last_restart < *finished)) last_restart = finished;
  }
};

std::string end_of(const json::object& terminated) {
  if (const auto reason = string_at(terminated, {"reason"}); !reason.empty()) return std::string(reason);
  if (const auto signal = int_at(terminated, {"signal"}); signal != 0) return fmt::format("Signal:{}", signal);
  return fmt::format("ExitCode:{}", int_at(terminated, {"exitCode"}));
}

void look_at_init_containers(const json::object& pod, Tally& tally) {
  const json::array* statuses = sim::array_at(pod, {"status", "initContainerStatuses"});
  if (statuses == nullptr) return;
  for (std::size_t i = 0; i < statuses->size() && !tally.initializing; ++i) {
    const json::object* status = (*statuses)[i].if_object();
    if (status == nullptr) continue;
    tally.count_restarts(*status);
    const json::object* terminated = object_at(*status, {"state", "terminated"});
    const auto waiting = string_at(*status, {"state", "waiting", "reason"});
    if (terminated != nullptr && int_at(*terminated, {"exitCode"}) == 0) continue;
    tally.initializing = true;
    if (terminated != nullptr) {
      tally.reason = "Init:" + end_of(*terminated);
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      tally.reason = fmt::format("Init:{}", waiting);
    } else {
      tally.reason = fmt::format("Init:{}/{}", i, size_at(pod, {"spec", "initContainers"}));
    }
  }
}

void look_at_containers(const json::object& pod, Tally& tally) {
  const json::array* statuses = sim::array_at(pod, {"status", "containerStatuses"});
  tally.restarts = 0;
  bool any_running = false;
  for (std::size_t i = statuses == nullptr ? 0 : statuses->size(); i-- > 0;) {
    const json::object* status = (*statuses)[i].if_object();
    if (status == nullptr) continue;
    tally.count_restarts(*status);
    const auto waiting = string_at(*status, {"state", "waiting", "reason"});
    const json::object* terminated = object_at(*status, {"state", "terminated"});
    if (!waiting.empty()) {
      tally.reason = waiting;
    } else if (terminated != nullptr) {
      tally.reason = end_of(*terminated);
    } else if (sim::bool_at(*status, {"ready"}) && object_at(*status, {"state", "running"}) != nullptr) {
      any_running = true;
      ++tally.ready;
    }
  }
  if (tally.reason == "Completed" && any_running) {
    tally.reason = condition_is(pod, "Ready", "True") ? "Running" : "NotReady";
  }
}

std::string readiness_gates(const json::object& pod) {
  const json::array* gates = sim::array_at(pod, {"spec", "readinessGates"});
  if (gates == nullptr || gates->empty()) return "<none>";
  const auto passed = std::count_if(gates->begin(), gates->end(), [&](const json::value& gate) {
    return gate.is_object() && condition_is(pod, string_at(gate.get_object(), {"conditionType"}), "True");
  });
  return fmt::format("{}/{}", passed, gates->size());
}

}  // namespace

json::array print_pod(const json::object& pod, WallTime now) {
  Tally tally;
  const auto phase = string_at(pod, {"status", "phase"});
  const auto status_reason = string_at(pod, {"status", "reason"});
  tally.reason = status_reason.empty() ? phase : status_reason;
  if (const json::object* scheduled = sim::find_condition(pod, "PodScheduled");
      scheduled != nullptr && string_at(*scheduled, {"reason"}) == "SchedulingGated") {
    tally.reason = "SchedulingGated";
  }
  look_at_init_containers(pod, tally);
  if (!tally.initializing || condition_is(pod, "Initialized", "True")) look_at_containers(pod, tally);
  if (sim::is_terminating(pod)) {
    if (status_reason == "NodeLost") {
      tally.reason = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      tally.reason = "Terminating";
    }
  }
  std::string restarts = std::to_string(tally.restarts);
  if (tally.restarts != 0 && tally.last_restart) {
    restarts +=
        fmt::format(" ({} ago)", human_duration(std::chrono::floor<std::chrono::seconds>(now - *tally.last_restart)));
  }
  return {sim::name_of(pod),
          fmt::format("{}/{}", tally.ready, size_at(pod, {"spec", "containers"})),
          tally.reason,
          restarts,
          age_since(string_at(pod, {"metadata", "creationTimestamp"}), now),
          or_none(string_at(pod, {"status", "podIP"})),
          or_none(string_at(pod, {"spec", "nodeName"})),
          or_none(string_at(pod, {"status", "nominatedNodeName"})),
          readiness_gates(pod)};
}

}  // namespace berth::dev
