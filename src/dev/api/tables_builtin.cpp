#include "dev/api/tables_builtin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "sim/api/object.h"
#include "sim/api/selectors.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::array_at;
using sim::int_at;
using sim::name_of;
using sim::object_at;
using sim::string_at;

std::string_view or_none(std::string_view text) { return text.empty() ? "<none>" : text; }

std::string age(const json::object& object, WallTime now) {
  return age_since(string_at(object, {"metadata", "creationTimestamp"}), now);
}

std::size_t count_at(const json::object& object, sim::Path path) {
  const json::array* array = array_at(object, path);
  if (array != nullptr) return array->size();
  const json::object* map = object_at(object, path);
  return map == nullptr ? 0 : map->size();
}

std::string joined(const std::vector<std::string>& texts) { return fmt::format("{}", fmt::join(texts, ",")); }

// A field of each container of a pod template: its names, its images.
std::string of_containers(const json::object& workload, std::string_view field) {
  std::vector<std::string> found;
  if (const json::array* containers = array_at(workload, {"spec", "template", "spec", "containers"})) {
    for (const json::value& container : *containers) {
      if (container.is_object()) found.emplace_back(string_at(container.get_object(), {field}));
    }
  }
  return joined(found);
}

std::string selector_text(const json::object* selector) {
  if (selector == nullptr) return "<none>";
  const auto parsed = sim::LabelSelector::from_object(*selector);
  if (!parsed) return "<error>";
  const std::string text = parsed->to_string();
  return text.empty() ? "<none>" : text;
}

std::string labels_text(const json::object* labels) {
  std::vector<std::string> pairs;
  if (labels != nullptr) {
    for (const auto& [key, value] : *labels) {
      pairs.push_back(fmt::format("{}={}", std::string_view(key),
                                  value.is_string() ? std::string_view(value.get_string()) : std::string_view()));
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs.empty() ? "<none>" : joined(pairs);
}

json::array print_deployment(const json::object& o, WallTime now) {
  return {name_of(o),
          fmt::format("{}/{}", int_at(o, {"status", "readyReplicas"}), int_at(o, {"spec", "replicas"})),
          int_at(o, {"status", "updatedReplicas"}),
          int_at(o, {"status", "availableReplicas"}),
          age(o, now),
          of_containers(o, "name"),
          of_containers(o, "image"),
          selector_text(object_at(o, {"spec", "selector"}))};
}

json::array print_stateful_set(const json::object& o, WallTime now) {
  return {name_of(o), fmt::format("{}/{}", int_at(o, {"status", "readyReplicas"}), int_at(o, {"spec", "replicas"})),
          age(o, now), of_containers(o, "name"), of_containers(o, "image")};
}

json::array print_replica_set(const json::object& o, WallTime now) {
  return {name_of(o),
          int_at(o, {"spec", "replicas"}),
          int_at(o, {"status", "replicas"}),
          int_at(o, {"status", "readyReplicas"}),
          age(o, now),
          of_containers(o, "name"),
          of_containers(o, "image"),
          selector_text(object_at(o, {"spec", "selector"}))};
}

json::array print_daemon_set(const json::object& o, WallTime now) {
  return {name_of(o),
          int_at(o, {"status", "desiredNumberScheduled"}),
          int_at(o, {"status", "currentNumberScheduled"}),
          int_at(o, {"status", "numberReady"}),
          int_at(o, {"status", "updatedNumberScheduled"}),
          int_at(o, {"status", "numberAvailable"}),
          labels_text(object_at(o, {"spec", "template", "spec", "nodeSelector"})),
          age(o, now),
          of_containers(o, "name"),
          of_containers(o, "image"),
          selector_text(object_at(o, {"spec", "selector"}))};
}

bool condition_true(const json::object& object, std::string_view type) {
  const json::object* condition = sim::find_condition(object, type);
  return condition != nullptr && string_at(*condition, {"status"}) == "True";
}

std::string job_status(const json::object& o) {
  for (const char* type : {"Complete", "Failed"}) {
    if (condition_true(o, type)) return type;
  }
  if (sim::is_terminating(o)) return "Terminating";
  for (const char* type : {"Suspended", "FailureTarget", "SuccessCriteriaMet"}) {
    if (condition_true(o, type)) return type;
  }
  return "Running";
}

json::array print_job(const json::object& o, WallTime now) {
  const auto succeeded = int_at(o, {"status", "succeeded"});
  const auto parallelism = int_at(o, {"spec", "parallelism"}, 1);
  std::string completions;
  if (sim::find_at(o, {"spec", "completions"}) != nullptr) {
    completions = fmt::format("{}/{}", succeeded, int_at(o, {"spec", "completions"}));
  } else if (parallelism > 1) {
    completions = fmt::format("{}/1 of {}", succeeded, parallelism);
  } else {
    completions = fmt::format("{}/1", succeeded);
  }
  std::string duration;
  if (const auto begun = sim::parse_time(string_at(o, {"status", "startTime"}))) {
    const auto ended = sim::parse_time(string_at(o, {"status", "completionTime"})).value_or(now);
    duration = human_duration(std::chrono::floor<std::chrono::seconds>(ended - *begun));
  }
  return {name_of(o),
          job_status(o),
          completions,
          duration,
          age(o, now),
          of_containers(o, "name"),
          of_containers(o, "image"),
          selector_text(object_at(o, {"spec", "selector"}))};
}

json::array print_namespace(const json::object& o, WallTime now) {
  return {name_of(o), string_at(o, {"status", "phase"}), age(o, now)};
}

std::string node_status(const json::object& node) {
  std::string status = "Unknown";
  if (sim::find_condition(node, "Ready") != nullptr) status = condition_true(node, "Ready") ? "Ready" : "NotReady";
  if (sim::bool_at(node, {"spec", "unschedulable"})) status += ",SchedulingDisabled";
  return status;
}

std::string node_roles(const json::object& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  if (const json::object* labels = object_at(node, {"metadata", "labels"})) {
    for (const auto& [key, value] : *labels) {
      const std::string_view label = key;
      if (label.starts_with(kPrefix) && label.size() > kPrefix.size()) roles.emplace_back(label.substr(kPrefix.size()));
    }
  }
  std::sort(roles.begin(), roles.end());
  return roles.empty() ? "<none>" : joined(roles);
}

std::string_view node_address(const json::object& node, std::string_view type) {
  if (const json::array* addresses = array_at(node, {"status", "addresses"})) {
    for (const json::value& address : *addresses) {
      if (address.is_object() && string_at(address.get_object(), {"type"}) == type) {
        return string_at(address.get_object(), {"address"});
      }
    }
  }
  return "<none>";
}

std::string_view or_unknown(std::string_view text) { return text.empty() ? "<unknown>" : text; }

json::array print_node(const json::object& o, WallTime now) {
  return {name_of(o),
          node_status(o),
          node_roles(o),
          age(o, now),
          string_at(o, {"status", "nodeInfo", "kubeletVersion"}),
          node_address(o, "InternalIP"),
          node_address(o, "ExternalIP"),
          or_unknown(string_at(o, {"status", "nodeInfo", "osImage"})),
          or_unknown(string_at(o, {"status", "nodeInfo", "kernelVersion"})),
          or_unknown(string_at(o, {"status", "nodeInfo", "containerRuntimeVersion"}))};
}

std::string event_source(const json::object& o) {
  const auto first_of = [&o](sim::Path a, sim::Path b) {
    const auto text = string_at(o, a);
    return text.empty() ? string_at(o, b) : text;
  };
  const auto component = first_of({"source", "component"}, {"reportingComponent"});
  const auto host = first_of({"source", "host"}, {"reportingInstance"});
  return host.empty() ? std::string(component) : fmt::format("{}, {}", component, host);
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

json::array print_event(const json::object& o, WallTime now) {
  auto first = age_since(string_at(o, {"firstTimestamp"}), now);
  if (string_at(o, {"firstTimestamp"}).empty()) first = age_since(string_at(o, {"eventTime"}), now);
  auto last = string_at(o, {"lastTimestamp"}).empty() ? first : age_since(string_at(o, {"lastTimestamp"}), now);
  auto count = std::max<std::int64_t>(int_at(o, {"count"}), 1);
  if (const json::object* series = object_at(o, {"series"})) {
    last = age_since(string_at(*series, {"lastObservedTime"}), now);
    count = int_at(*series, {"count"});
  }
  std::string target(string_at(o, {"involvedObject", "kind"}));
  if (const auto name = string_at(o, {"involvedObject", "name"}); !name.empty()) {
    std::transform(target.begin(), target.end(), target.begin(), [](unsigned char c) { return std::tolower(c); });
    target += fmt::format("/{}", name);
  }
  return {last,
          string_at(o, {"type"}),
          string_at(o, {"reason"}),
          target,
          string_at(o, {"involvedObject", "fieldPath"}),
          event_source(o),
          trimmed(string_at(o, {"message"})),
          first,
          count,
          name_of(o)};
}

json::array print_secret(const json::object& o, WallTime now) {
  return {name_of(o), string_at(o, {"type"}), count_at(o, {"data"}), age(o, now)};
}

json::array print_config_map(const json::object& o, WallTime now) {
  return {name_of(o), count_at(o, {"data"}) + count_at(o, {"binaryData"}), age(o, now)};
}

std::string service_ports(const json::object& o) {
  std::vector<std::string> texts;
  if (const json::array* ports = array_at(o, {"spec", "ports"})) {
    for (const json::value& value : *ports) {
      if (!value.is_object()) continue;
      const json::object& port = value.get_object();
      const auto node_port = int_at(port, {"nodePort"});
      texts.push_back(node_port > 0
                          ? fmt::format("{}:{}/{}", int_at(port, {"port"}), node_port, string_at(port, {"protocol"}))
                          : fmt::format("{}/{}", int_at(port, {"port"}), string_at(port, {"protocol"})));
    }
  }
  return texts.empty() ? "<none>" : joined(texts);
}

std::string service_external(const json::object& o) {
  const auto type = string_at(o, {"spec", "type"});
  if (type == "ExternalName") return std::string(string_at(o, {"spec", "externalName"}));
  std::vector<std::string> addresses;
  if (const json::array* ingress = array_at(o, {"status", "loadBalancer", "ingress"})) {
    for (const json::value& entry : *ingress) {
      if (!entry.is_object()) continue;
      const auto ip = string_at(entry.get_object(), {"ip"});
      addresses.emplace_back(ip.empty() ? string_at(entry.get_object(), {"hostname"}) : ip);
    }
  }
  if (const json::array* external = array_at(o, {"spec", "externalIPs"})) {
    for (const json::value& entry : *external) {
      if (entry.is_string()) addresses.emplace_back(entry.get_string());
    }
  }
  if (!addresses.empty()) return joined(addresses);
  return type == "LoadBalancer" ? "<pending>" : "<none>";
}

json::array print_service(const json::object& o, WallTime now) {
  return {name_of(o),
          string_at(o, {"spec", "type"}),
          or_none(string_at(o, {"spec", "clusterIP"})),
          service_external(o),
          service_ports(o),
          age(o, now),
          labels_text(object_at(o, {"spec", "selector"}))};
}

json::array print_lease(const json::object& o, WallTime now) {
  return {name_of(o), string_at(o, {"spec", "holderIdentity"}), age(o, now)};
}

json::array print_crd(const json::object& o, WallTime) {
  return {name_of(o), string_at(o, {"metadata", "creationTimestamp"})};
}

json::array print_service_account(const json::object& o, WallTime now) {
  return {name_of(o), count_at(o, {"secrets"}), age(o, now)};
}

std::string int_or_string(const json::object& o, sim::Path path) {
  const json::value* value = sim::find_at(o, path);
  if (value == nullptr || value->is_null()) return "N/A";
  return value->is_string() ? std::string(value->get_string()) : fmt::format("{}", int_at(o, path));
}

json::array print_disruption_budget(const json::object& o, WallTime now) {
  return {name_of(o), int_or_string(o, {"spec", "minAvailable"}), int_or_string(o, {"spec", "maxUnavailable"}),
          int_at(o, {"status", "disruptionsAllowed"}), age(o, now)};
}

TableColumn text(std::string name, int priority = 0) { return {std::move(name), "string", "", "", priority}; }
TableColumn integer(std::string name, int priority = 0) { return {std::move(name), "integer", "", "", priority}; }
TableColumn name_column() { return {"Name", "string", "name", "", 0}; }

std::map<std::string, BuiltinTable, std::less<>> make_tables() {
  const TableColumn name = name_column();
  const TableColumn age = text("Age");
  const TableColumn containers = text("Containers", 1);
  const TableColumn images = text("Images", 1);
  const TableColumn selector = text("Selector", 1);
  std::map<std::string, BuiltinTable, std::less<>> tables;
  tables["pods"] = {{name, text("Ready"), text("Status"), text("Restarts"), age, text("IP", 1), text("Node", 1),
                     text("Nominated Node", 1), text("Readiness Gates", 1)},
                    print_pod};
  tables["deployments.apps"] = {
      {name, text("Ready"), integer("Up-to-date"), integer("Available"), age, containers, images, selector},
      print_deployment};
  tables["statefulsets.apps"] = {{name, text("Ready"), age, containers, images}, print_stateful_set};
  tables["replicasets.apps"] = {
      {name, integer("Desired"), integer("Current"), integer("Ready"), age, containers, images, selector},
      print_replica_set};
  tables["daemonsets.apps"] = {{name, integer("Desired"), integer("Current"), integer("Ready"), integer("Up-to-date"),
                                integer("Available"), text("Node Selector"), age, containers, images, selector},
                               print_daemon_set};
  tables["jobs.batch"] = {
      {name, text("Status"), text("Completions"), text("Duration"), age, containers, images, selector}, print_job};
  tables["namespaces"] = {{name, text("Status"), age}, print_namespace};
  tables["nodes"] = {
      {name, text("Status"), text("Roles"), age, text("Version"), text("Internal-IP", 1), text("External-IP", 1),
       text("OS-Image", 1), text("Kernel-Version", 1), text("Container-Runtime", 1)},
      print_node};
  tables["events"] = {{text("Last Seen"),
                       text("Type"),
                       text("Reason"),
                       text("Object"),
                       text("Subobject", 1),
                       text("Source", 1),
                       text("Message"),
                       text("First Seen", 1),
                       integer("Count", 1),
                       {"Name", "string", "name", "", 1}},
                      print_event};
  tables["secrets"] = {{name, text("Type"), integer("Data"), age}, print_secret};
  tables["configmaps"] = {{name, integer("Data"), age}, print_config_map};
  tables["services"] = {{name, text("Type"), text("Cluster-IP"), text("External-IP"), text("Port(s)"), age, selector},
                        print_service};
  tables["serviceaccounts"] = {{name, integer("Secrets"), age}, print_service_account};
  tables["leases.coordination.k8s.io"] = {{name, text("Holder"), age}, print_lease};
  tables["poddisruptionbudgets.policy"] = {
      {name, text("Min Available"), text("Max Unavailable"), integer("Allowed Disruptions"), age},
      print_disruption_budget};
  tables["customresourcedefinitions.apiextensions.k8s.io"] = {{name, text("Created At")}, print_crd};
  return tables;
}

}  // namespace

const BuiltinTable* find_builtin_table(const sim::ResourceType& type) {
  static const auto kTables = make_tables();
  const auto found = kTables.find(type.group_resource());
  return found == kTables.end() ? nullptr : &found->second;
}

}  // namespace berth::dev
