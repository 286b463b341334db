#include "dev/kubelet/container.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace berth::dev {

namespace {

using Phase = ContainerState::Phase;

// What a process gets between SIGTERM and SIGKILL even if its preStop hook used the grace up.
constexpr Duration kLeastGrace = std::chrono::seconds(2);

std::string tail(const ProcessEnd& end) {
  std::string text = end.output + end.error;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  constexpr std::size_t kMost = 1024;
  return text.size() > kMost ? text.substr(text.size() - kMost) : text;
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::waiting:
      return "waiting";
    case Phase::starting:
      return "starting";
    case Phase::running:
      return "running";
    case Phase::stopping:
      return "stopping";
    case Phase::terminated:
      return "terminated";
  }
  return "";
}

Container::~Container() { pod_.scheduler.cancel(timer_); }

template <typename Fn>
auto Container::of_this_run(Fn fn) {
  return [this, weak = std::weak_ptr<int>(run_), run = *run_, fn = std::move(fn)](const ProcessEnd& end) {
    const auto now = weak.lock();
    if (!now || *now != run) return;
    fn(end);
    pod_.changed();
  };
}

ProcessSpec Container::process(const std::vector<std::string>& command) const {
  return {.name = fmt::format("{}/{}/{}", pod_.spec.ns, pod_.spec.name, spec_.name),
          .argv = command,
          .env = environment_,
          .clean_env = true,
          .netns = pod_.netns,
          .hostname = pod_.spec.host_network ? "" : pod_.spec.hostname,
          .working_dir = spec_.working_dir};
}

void Container::start() {
  auto environment = environment_of(pod_.spec, spec_, pod_.place);
  if (!environment) {
    pod_.event(true, "Failed", "Error: " + environment.error().message);
    state_.phase = Phase::waiting;
    state_.waiting_reason = "CreateContainerConfigError";
    state_.waiting_message = environment.error().message;
    return;
  }
  environment_ = std::move(*environment);
  ++*run_;
  if (state_.ended) state_.last = std::exchange(state_.ended, std::nullopt);
  state_.started = pod_.scheduler.wall_now();
  pre_stop_begun_ = false;
  terminating_ = false;
  probe_streak_ = 0;

  ProcessSpec process_spec = process(expand_command(spec_.command, environment_));
  process_spec.log_file = pod_.log_file(spec_.name, state_.runs);
  ++state_.runs;
  auto started = pod_.host.start(std::move(process_spec), of_this_run([this](const ProcessEnd& end) { on_end(end); }));
  if (!started) {
    pod_.event(true, "Failed", "Error: " + started.error().message);
    state_.phase = Phase::terminated;
    state_.ended = Termination{.exit_code = 128,
                               .reason = "StartError",
                               .message = started.error().message,
                               .started = state_.started,
                               .finished = state_.started};
    return;
  }
  process_ = *started;
  state_.phase = Phase::starting;
  pod_.event(false, "Started", fmt::format("Started container {}", spec_.name));
  if (spec_.post_start) {
    run_post_start();
  } else {
    become_running();
  }
}

void Container::wait(std::string reason, std::string message) {
  if (state_.ended) state_.last = state_.ended;
  state_.phase = Phase::waiting;
  state_.waiting_reason = std::move(reason);
  state_.waiting_message = std::move(message);
}

void Container::run_post_start() {
  if (!spec_.post_start->unsupported.empty()) {
    return fail_post_start(fmt::format("{} hooks are not supported here", spec_.post_start->unsupported));
  }
  ProcessSpec hook = process(expand_command(spec_.post_start->command, environment_));
  hook.capture = true;
  auto started = pod_.host.run(std::move(hook), of_this_run([this](const ProcessEnd& end) { on_post_start(end); }));
  if (!started) return fail_post_start(started.error().message);
  hook_ = *started;
}

void Container::on_post_start(const ProcessEnd& end) {
  hook_ = 0;
  if (state_.phase != Phase::starting) return;
  if (end.ok()) return become_running();
  fail_post_start(fmt::format("command '{}' ended with {}, message: \"{}\"", spec_.post_start->command.front(),
                              end.describe(), tail(end)));
}

void Container::fail_post_start(const std::string& why) {
  pod_.event(true, "FailedPostStartHook", fmt::format("PostStartHook of container {} failed: {}", spec_.name, why));
  stop(pod_.spec.grace);
}

void Container::become_running() {
  state_.phase = Phase::running;
  state_.ready = !spec_.readiness;
  if (spec_.readiness) schedule_probe(spec_.readiness->initial_delay);
}

void Container::stop(Duration grace) {
  if (!state_.alive()) return;
  const TimePoint kill_at = pod_.scheduler.now() + grace;
  const bool again = state_.phase == Phase::stopping;
  if (again && kill_at >= kill_at_) return;
  kill_at_ = kill_at;
  if (again) {
    if (terminating_ || grace <= Duration::zero()) terminate(grace);
    return;
  }
  state_.phase = Phase::stopping;
  state_.ready = false;
  pod_.event(false, "Killing", fmt::format("Stopping container {}", spec_.name));
  const bool hook = spec_.pre_stop && spec_.pre_stop->unsupported.empty() && grace > Duration::zero();
  if (!hook || std::exchange(pre_stop_begun_, true)) return terminate(grace);

  ProcessSpec command = process(expand_command(spec_.pre_stop->command, environment_));
  command.capture = true;
  command.timeout = grace;
  auto started = pod_.host.run(
      std::move(command), of_this_run([this](const ProcessEnd& end) {
        hook_ = 0;
        if (!end.ok()) {
          pod_.event(true, "FailedPreStopHook",
                     fmt::format("PreStopHook of container {} failed: {}: {}", spec_.name, end.describe(), tail(end)));
        }
        if (!terminating_) terminate(std::max(kill_at_ - pod_.scheduler.now(), kLeastGrace));
      }));
  if (!started) return terminate(grace);
  hook_ = *started;
}

void Container::terminate(Duration grace) {
  terminating_ = true;
  pod_.host.stop(process_, grace);
}

void Container::on_end(const ProcessEnd& end) {
  ++*run_;  // voids what the hook and the probe still have to say
  pod_.scheduler.cancel(std::exchange(timer_, 0));
  if (hook_ != 0) pod_.host.stop(std::exchange(hook_, 0), Duration::zero());
  process_ = 0;
  state_.phase = Phase::terminated;
  state_.ready = false;
  state_.ended = Termination{.exit_code = end.shell_status(),
                             .reason = end.ok() ? "Completed" : "Error",
                             .message = {},
                             .started = state_.started,
                             .finished = pod_.scheduler.wall_now()};
}

void Container::schedule_probe(Duration delay) {
  timer_ = pod_.scheduler.after(delay, [this] {
    timer_ = 0;
    probe();
  });
}

void Container::probe() {
  ProcessSpec command = process(expand_command(spec_.readiness->command, environment_));
  command.capture = true;
  command.timeout = spec_.readiness->timeout;
  auto started = pod_.host.run(std::move(command), of_this_run([this](const ProcessEnd& end) { on_probe(end); }));
  if (!started) on_probe({.error = started.error().message});
}

void Container::on_probe(const ProcessEnd& end) {
  if (state_.phase != Phase::running) return;
  if (end.ok()) {
    probe_streak_ = std::max(probe_streak_, 0) + 1;
    if (probe_streak_ >= spec_.readiness->successes) state_.ready = true;
  } else {
    pod_.event(true, "Unhealthy", fmt::format("Readiness probe failed: {} {}", end.describe(), tail(end)));
    probe_streak_ = std::min(probe_streak_, 0) - 1;
    if (-probe_streak_ >= spec_.readiness->failures) state_.ready = false;
  }
  schedule_probe(spec_.readiness->period);
}

}  // namespace berth::dev
