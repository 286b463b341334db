#include "dev/controllers/pod_scheduler.h"

#include <fmt/core.h>

#include <boost/json/array.hpp>

#include "dev/controllers/node_filter.h"
#include "dev/controllers/pods.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

namespace {

constexpr std::string_view kName = "default-scheduler";

bool is_to_be_bound(const json::object& pod) {
  const json::array* gates = sim::array_at(pod, {"spec", "schedulingGates"});
  return string_at(pod, {"spec", "nodeName"}).empty() && is_active(pod) && (!gates || gates->empty()) &&
         string_at(pod, {"spec", "schedulerName"}) == kName;
}

// Heartbeats change a node all the time: only these parts decide about pods.
bool same_for_scheduling(const json::object& a, const json::object& b) {
  const auto same = [&](sim::Path path) {
    const json::value* x = sim::find_at(a, path);
    const json::value* y = sim::find_at(b, path);
    return x && y ? *x == *y : x == y;
  };
  const auto ready = [](const json::object& node) {
    const json::object* condition = sim::find_condition(node, "Ready");
    return condition ? string_at(*condition, {"status"}) : std::string_view();
  };
  return same({"spec"}) && same({"metadata", "labels"}) && ready(a) == ready(b);
}

}  // namespace

void PodScheduler::on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  const bool deleted = change.type == sim::Change::Type::deleted;
  bool look_at_waiting = false;
  if (resource == "pods") {
    const Key key = key_of(type, *change.object);
    if (change.previous) {
      const std::string node(string_at(*change.previous, {"spec", "nodeName"}));
      if (!node.empty()) bound_[node].erase(key);
    }
    const std::string node(string_at(*change.object, {"spec", "nodeName"}));
    const bool runs = !deleted && !node.empty() && !is_finished(*change.object);
    if (runs) bound_[node].insert(key);
    look_at_waiting = !node.empty() && !runs;  // it no longer keeps others away
    if (!deleted && is_to_be_bound(*change.object)) {
      waiting_.insert(key);
      dirty.push_back(key);
    } else {
      waiting_.erase(key);
    }
  } else if (resource == "nodes") {
    look_at_waiting = deleted || !change.previous || !same_for_scheduling(*change.previous, *change.object);
  }
  if (look_at_waiting) dirty.insert(dirty.end(), waiting_.begin(), waiting_.end());
}

std::optional<Duration> PodScheduler::reconcile(const Key& key) {
  const sim::Object pod = cluster_.get(key);
  if (!pod || !is_to_be_bound(*pod)) return std::nullopt;
  std::map<std::string, int> refusals;
  std::size_t nodes = 0;
  const std::string node = choose(*pod, refusals, nodes);
  if (node.empty()) {
    report(*pod, refusals, nodes);
  } else if (cluster_.bind(*pod, node)) {
    cluster_.event(*pod, kNormal, "Scheduled", fmt::format("Successfully assigned {}/{} to {}", key.ns, key.name, node),
                   kName);
  }
  return std::nullopt;
}

std::string PodScheduler::choose(const json::object& pod, std::map<std::string, int>& refusals,
                                 std::size_t& nodes) const {
  const std::vector<sim::Object> all = cluster_.list(cluster_.nodes(), "");
  nodes = all.size();
  std::vector<Placement> placements;
  for (const sim::Object& node : all) {
    const auto found = bound_.find(std::string(sim::name_of(*node)));
    if (found == bound_.end()) continue;
    for (const Key& key : found->second) {
      if (sim::Object other = cluster_.get(key)) placements.push_back({std::move(other), node});
    }
  }
  std::string best;
  std::size_t fewest = 0;
  for (const sim::Object& node : all) {
    std::string why = node_refuses(*node, pod);
    if (why.empty() && keeps_apart(*node, pod, placements)) why = "node(s) didn't match pod anti-affinity rules";
    if (!why.empty()) {
      ++refusals[why];
      continue;
    }
    const std::string name(sim::name_of(*node));
    const auto found = bound_.find(name);
    const std::size_t load = found == bound_.end() ? 0 : found->second.size();
    if (best.empty() || load < fewest) {
      best = name;
      fewest = load;
    }
  }
  return best;
}

void PodScheduler::report(const json::object& pod, const std::map<std::string, int>& refusals, std::size_t nodes) {
  std::string message =
      nodes == 0 ? std::string("no nodes available to schedule pods") : fmt::format("0/{} nodes are available:", nodes);
  std::string_view separator = " ";
  for (const auto& [why, count] : refusals) {
    message += fmt::format("{}{} {}", separator, count, why);
    separator = ", ";
  }
  if (nodes > 0) message += ".";
  json::object status = *sim::object_at(pod, {"status"});
  sim::set_condition(sim::ensure_array(status, "conditions"), {"PodScheduled", false, "Unschedulable", message},
                     cluster_.now());
  if (status == *sim::object_at(pod, {"status"})) return;
  cluster_.set_status(cluster_.pods(), pod, std::move(status));
  cluster_.event(pod, kWarning, "FailedScheduling", message, kName);
}

}  // namespace berth::dev
