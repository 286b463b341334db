#include "api/workload.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/condition.h"

namespace berth::api {

Pod Pod::parse(const JsonObject& object) {
  Pod pod;
  pod.meta = ObjectMeta::parse(object);
  pod.node_name = string_at(object, {"spec", "nodeName"});
  pod.host_network = bool_at(object, {"spec", "hostNetwork"});
  pod.restart_policy = string_at(object, {"spec", "restartPolicy"});
  pod.phase = string_at(object, {"status", "phase"});
  pod.reason = string_at(object, {"status", "reason"});
  if (const JsonArray* ips = find_array(object, {"status", "podIPs"})) {
    for (const JsonValue& ip : *ips) {
      if (const JsonObject* o = ip.if_object()) pod.pod_ips.push_back(string_at(*o, {"ip"}));
    }
  }
  for (const std::string_view list : {"containerStatuses", "initContainerStatuses"}) {
    const JsonArray* statuses = find_array(object, {"status", list});
    if (statuses == nullptr) continue;
    pod.container_started |= std::ranges::any_of(*statuses, [](const JsonValue& item) {
      const JsonObject* s = item.if_object();
      return s != nullptr &&
             (find_object(*s, {"state", "running"}) != nullptr || find_object(*s, {"state", "terminated"}) != nullptr);
    });
  }
  if (const JsonArray* conditions = find_array(object, {"status", "conditions"})) pod.conditions = *conditions;
  return pod;
}

Namespace Namespace::parse(const JsonObject& object) {
  Namespace ns;
  ns.meta = ObjectMeta::parse(object);
  ns.terminating = ns.meta.deleting || string_at(object, {"status", "phase"}) == "Terminating";
  return ns;
}

Node Node::parse(const JsonObject& object) {
  Node node;
  node.meta = ObjectMeta::parse(object);
  if (const JsonArray* addresses = find_array(object, {"status", "addresses"})) {
    for (const JsonValue& item : *addresses) {
      const JsonObject* a = item.if_object();
      if (a != nullptr && string_at(*a, {"type"}) == "InternalIP")
        node.internal_ips.push_back(string_at(*a, {"address"}));
    }
  }
  for (const Condition& condition : parse_conditions(object)) {
    if (condition.type == "Ready") node.ready = condition.status == "True";
  }
  return node;
}

StatefulSet StatefulSet::parse(const JsonObject& object) {
  StatefulSet set;
  set.meta = ObjectMeta::parse(object);
  set.replicas = int_at(object, {"spec", "replicas"}, 1);
  set.start = int_at(object, {"spec", "ordinals", "start"}, 0);
  return set;
}

NetworkAttachmentDefinition NetworkAttachmentDefinition::parse(const JsonObject& object) {
  NetworkAttachmentDefinition nad;
  nad.meta = ObjectMeta::parse(object);
  const auto config = parse_json(string_at(object, {"spec", "config"}));
  if (!config || !config->is_object()) return nad;
  const auto ours = [](const std::string& type) { return type == "kube-ovn" || type == "berth-cni"; };
  const auto attach = [&](const JsonObject& plugin) {
    if (ours(string_at(plugin, {"type"}))) {
      nad.provider = fmt::format("{}.{}.ovn", nad.meta.name, nad.meta.ns);
    } else if (nad.provider.empty() && ours(string_at(plugin, {"ipam", "type"}))) {
      nad.provider = fmt::format("{}.{}", nad.meta.name, nad.meta.ns);
    }
  };
  attach(config->get_object());
  if (const JsonArray* plugins = find_array(config->get_object(), {"plugins"})) {
    for (const JsonValue& plugin : *plugins) {
      if (plugin.is_object()) attach(plugin.get_object());
    }
  }
  return nad;
}

Result<std::vector<NetworkSelection>> parse_network_selections(std::string_view text, std::string_view default_ns) {
  std::vector<NetworkSelection> out;
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return out;
  if (text[first] == '[') {
    const auto value = parse_json(text);
    if (!value || !value->is_array()) {
      return fail(ErrorCode::invalid,
                  fmt::format("annotation {}: \"{}\" is not a JSON list of networks; write [{{\"name\": \"net1\"}}]",
                              kNetworksAnnotation, text));
    }
    for (const JsonValue& item : value->get_array()) {
      const JsonObject* o = item.if_object();
      if (o == nullptr || string_at(*o, {"name"}).empty()) {
        return fail(ErrorCode::invalid,
                    fmt::format("annotation {}: each network needs a name; write [{{\"name\": \"net1\"}}]",
                                kNetworksAnnotation));
      }
      std::string ns = string_at(*o, {"namespace"});
      out.push_back({ns.empty() ? std::string(default_ns) : ns, string_at(*o, {"name"}), string_at(*o, {"interface"}),
                     strings_at(*o, {"ips"}), string_at(*o, {"mac"})});
    }
    return out;
  }
  for (std::string item : split_list(text)) {
    NetworkSelection s;
    if (const auto at = item.find('@'); at != std::string::npos) {
      s.interface = item.substr(at + 1);
      item.resize(at);
    }
    const auto slash = item.find('/');
    s.ns = slash == std::string::npos ? std::string(default_ns) : item.substr(0, slash);
    s.name = slash == std::string::npos ? item : item.substr(slash + 1);
    if (s.name.empty())
      return fail(ErrorCode::invalid,
                  fmt::format("annotation {}: \"{}\" names no network; write \"[<namespace>/]<name>[@<interface>]\"",
                              kNetworksAnnotation, text));
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace berth::api
