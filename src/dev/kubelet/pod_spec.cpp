#include "dev/kubelet/pod_spec.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "api/json.h"

namespace berth::dev {

namespace {

using api::find_array;
using api::find_object;
using api::int_at;
using api::string_at;
using api::strings_at;
using boost::json::object;

Duration seconds_at(const object& in, std::initializer_list<std::string_view> path, std::int64_t otherwise) {
  return std::chrono::seconds(int_at(in, path, otherwise));
}

std::optional<HookSpec> hook_at(const object& container, std::string_view which) {
  const auto* hook = find_object(container, {"lifecycle", which});
  if (hook == nullptr || hook->empty()) return std::nullopt;
  HookSpec out;
  if (hook->contains("exec")) {
    out.command = strings_at(*hook, {"exec", "command"});
  } else if (hook->contains("sleep")) {
    out.command = {"sleep", std::to_string(int_at(*hook, {"sleep", "seconds"}))};
  } else {
    out.unsupported = std::string(hook->begin()->key());
  }
  return out;
}

std::optional<ProbeSpec> probe_at(const object& container, std::string_view which) {
  const auto* probe = find_object(container, {which});
  if (probe == nullptr || !probe->contains("exec")) return std::nullopt;
  return ProbeSpec{.command = strings_at(*probe, {"exec", "command"}),
                   .initial_delay = seconds_at(*probe, {"initialDelaySeconds"}, 0),
                   .period = seconds_at(*probe, {"periodSeconds"}, 10),
                   .timeout = seconds_at(*probe, {"timeoutSeconds"}, 1),
                   .successes = static_cast<int>(int_at(*probe, {"successThreshold"}, 1)),
                   .failures = static_cast<int>(int_at(*probe, {"failureThreshold"}, 3))};
}

EnvSpec env_of(const object& in) {
  EnvSpec out{.name = string_at(in, {"name"}),
              .value = string_at(in, {"value"}),
              .field = string_at(in, {"valueFrom", "fieldRef", "fieldPath"}),
              .unsupported = {}};
  if (const auto* from = find_object(in, {"valueFrom"}); from != nullptr && out.field.empty()) {
    for (const auto& source : *from) {
      const bool optional = source.value().is_object() && api::bool_at(source.value().get_object(), {"optional"});
      if (!optional) out.unsupported = std::string(source.key());
    }
  }
  return out;
}

ContainerSpec container_of(const object& in) {
  ContainerSpec out;
  out.name = string_at(in, {"name"});
  out.image = string_at(in, {"image"});
  out.command = strings_at(in, {"command"});
  for (auto& argument : strings_at(in, {"args"})) out.command.push_back(std::move(argument));
  if (out.command.empty()) out.command = {"sleep", "infinity"};
  if (const auto* env = find_array(in, {"env"})) {
    for (const auto& item : *env) {
      if (item.is_object()) out.env.push_back(env_of(item.get_object()));
    }
  }
  out.working_dir = string_at(in, {"workingDir"});
  out.post_start = hook_at(in, "postStart");
  out.pre_stop = hook_at(in, "preStop");
  out.readiness = probe_at(in, "readinessProbe");
  return out;
}

std::vector<ContainerSpec> containers_at(const object& pod, std::string_view list) {
  std::vector<ContainerSpec> out;
  if (const auto* items = find_array(pod, {"spec", list})) {
    for (const auto& item : *items) {
      if (item.is_object()) out.push_back(container_of(item.get_object()));
    }
  }
  return out;
}

RestartPolicy policy_of(std::string_view text) {
  if (text == "Never") return RestartPolicy::never;
  if (text == "OnFailure") return RestartPolicy::on_failure;
  return RestartPolicy::always;
}

Result<std::string> field_value(const PodSpec& pod, const PodPlace& place, const std::string& path) {
  for (const std::string_view map : {"labels", "annotations"}) {
    const std::string prefix = fmt::format("metadata.{}['", map);
    if (path.starts_with(prefix) && path.ends_with("']")) {
      return string_at(pod.metadata, {map, path.substr(prefix.size(), path.size() - prefix.size() - 2)});
    }
  }
  const std::map<std::string_view, std::string> known = {
      {"metadata.name", pod.name},
      {"metadata.namespace", pod.ns},
      {"metadata.uid", pod.uid},
      {"spec.nodeName", pod.node},
      {"spec.serviceAccountName", pod.service_account},
      {"status.hostIP", place.host_ip},
      {"status.hostIPs", place.host_ip},
      {"status.podIP", place.pod_ips.empty() ? "" : place.pod_ips.front()},
      {"status.podIPs", api::join(place.pod_ips, ",")},
  };
  const auto found = known.find(path);
  if (found == known.end()) return fail(ErrorCode::invalid, fmt::format("fieldRef {} is not supported", path));
  return found->second;
}

using Values = std::map<std::string, std::string, std::less<>>;

std::string expand(std::string_view text, const Values& values) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const auto end = text[i + 1] == '(' ? text.find(')', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += '$';
      continue;
    }
    const auto found = values.find(text.substr(i + 2, end - i - 2));
    out += found != values.end() ? found->second : std::string(text.substr(i, end - i + 1));
    i = end;
  }
  return out;
}

}  // namespace

PodSpec PodSpec::parse(const object& pod) {
  PodSpec out;
  out.ns = string_at(pod, {"metadata", "namespace"});
  out.name = string_at(pod, {"metadata", "name"});
  out.uid = string_at(pod, {"metadata", "uid"});
  out.node = string_at(pod, {"spec", "nodeName"});
  out.hostname = string_at(pod, {"spec", "hostname"});
  if (out.hostname.empty()) out.hostname = out.name.substr(0, 63);
  out.service_account = string_at(pod, {"spec", "serviceAccountName"});
  out.host_network = api::bool_at(pod, {"spec", "hostNetwork"});
  out.restart_policy = policy_of(string_at(pod, {"spec", "restartPolicy"}));
  out.grace = seconds_at(pod, {"spec", "terminationGracePeriodSeconds"}, 30);
  out.init_containers = containers_at(pod, "initContainers");
  out.containers = containers_at(pod, "containers");
  if (const auto* gates = find_array(pod, {"spec", "readinessGates"})) {
    for (const auto& gate : *gates) {
      if (gate.is_object()) out.readiness_gates.push_back(string_at(gate.get_object(), {"conditionType"}));
    }
  }
  if (const auto* metadata = find_object(pod, {"metadata"})) out.metadata = *metadata;
  return out;
}

Result<std::vector<std::string>> environment_of(const PodSpec& pod, const ContainerSpec& container,
                                                const PodPlace& place) {
  std::vector<std::string> out = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                  "HOSTNAME=" + (pod.host_network ? pod.node : pod.hostname), "HOME=/"};
  Values values;
  for (const auto& variable : container.env) {
    std::string value = expand(variable.value, values);
    if (!variable.unsupported.empty()) {
      return fail(ErrorCode::invalid, fmt::format("env {} of container {}: valueFrom.{} is not supported",
                                                  variable.name, container.name, variable.unsupported));
    }
    if (!variable.field.empty()) {
      auto field = field_value(pod, place, variable.field);
      if (!field) return fail(field.error().with_context(fmt::format("env {}", variable.name)));
      value = std::move(*field);
    }
    out.push_back(variable.name + "=" + value);
    values[variable.name] = std::move(value);
  }
  return out;
}

std::vector<std::string> expand_command(const std::vector<std::string>& command,
                                        const std::vector<std::string>& environment) {
  Values values;
  for (const auto& pair : environment) {
    const auto equals = pair.find('=');
    values[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  std::vector<std::string> out;
  for (const auto& word : command) out.push_back(expand(word, values));
  return out;
}

}  // namespace berth::dev
