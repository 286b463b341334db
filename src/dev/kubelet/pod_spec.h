#pragma once

// A Pod as the small kubelet reads it. Pure. What it does not support is left out here, or kept as `unsupported` where
// running the container without it would be a lie.

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/scheduler.h"

namespace berth::dev {

// An exec action, or what stands in its place.
struct HookSpec {
  std::vector<std::string> command;  // exec, and sleep as a command
  std::string unsupported;           // "httpGet": the hook fails
};

// Only exec probes run; a container with any other kind is ready while it runs.
struct ProbeSpec {
  std::vector<std::string> command;
  Duration initial_delay{0};
  Duration period = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(1);
  int successes = 1;
  int failures = 3;
};

struct EnvSpec {
  std::string name;
  std::string value;
  std::string field;        // valueFrom.fieldRef.fieldPath
  std::string unsupported;  // another valueFrom, not optional: "secretKeyRef"
};

struct ContainerSpec {
  std::string name;
  std::string image;
  std::vector<std::string> command;  // command and args; `sleep infinity` if there is neither, since images are not run
  std::vector<EnvSpec> env;
  std::string working_dir;
  std::optional<HookSpec> post_start;
  std::optional<HookSpec> pre_stop;
  std::optional<ProbeSpec> readiness;
};

enum class RestartPolicy { always, on_failure, never };

struct PodSpec {
  std::string ns;
  std::string name;
  std::string uid;
  std::string node;
  std::string hostname;
  std::string service_account;
  bool host_network = false;
  RestartPolicy restart_policy = RestartPolicy::always;
  Duration grace = std::chrono::seconds(30);
  std::vector<ContainerSpec> init_containers;
  std::vector<ContainerSpec> containers;
  std::vector<std::string> readiness_gates;  // condition types
  boost::json::object metadata;              // for fieldRef

  [[nodiscard]] static PodSpec parse(const boost::json::object& pod);
  [[nodiscard]] std::string key() const { return ns + "/" + name; }
};

// Where a pod runs: what the downward API tells of it.
struct PodPlace {
  std::string host_ip{};
  std::vector<std::string> pod_ips{};
};

// "NAME=value", in order, with $(OTHER) replaced as Kubernetes does. Error invalid: something unsupported is asked for.
[[nodiscard]] Result<std::vector<std::string>> environment_of(const PodSpec& pod, const ContainerSpec& container,
                                                              const PodPlace& place);

// The command with $(NAME) replaced from that environment; $$(NAME) is $(NAME), an unknown name stays.
[[nodiscard]] std::vector<std::string> expand_command(const std::vector<std::string>& command,
                                                      const std::vector<std::string>& environment);

}  // namespace berth::dev
