#pragma once

// One container of a pod, through as many runs as it takes.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/scheduler.h"
#include "dev/kubelet/host.h"
#include "dev/kubelet/pod_spec.h"

namespace berth::dev {

struct Termination {
  int exit_code = 0;
  std::string reason{};  // Completed, Error, StartError
  std::string message{};
  WallTime started{};
  WallTime finished{};
};

// What a container's status is made of.
struct ContainerState {
  enum class Phase {
    waiting,     // not started, or between two runs: waiting_reason says why
    starting,    // it runs, its postStart hook does not yet allow to say so
    running,     // it runs
    stopping,    // it was asked to end
    terminated,  // this run is over: `ended`
  };
  Phase phase = Phase::waiting;
  std::string waiting_reason = "ContainerCreating";
  std::string waiting_message;
  WallTime started{};
  std::optional<Termination> ended;  // of this run
  std::optional<Termination> last;   // of the run before
  int runs = 0;                      // started so far
  bool ready = false;

  [[nodiscard]] bool alive() const {
    return phase == Phase::starting || phase == Phase::running || phase == Phase::stopping;
  }
};

[[nodiscard]] std::string_view to_string(ContainerState::Phase phase);

// What the containers of one pod share. Outlives them.
struct PodContext {
  Scheduler& scheduler;
  Host& host;
  PodSpec spec;
  PodPlace place;
  std::string netns;  // name of the namespace that the containers run in
  std::function<std::string(const std::string& container, int run)> log_file;
  std::function<void(bool warning, const std::string& reason, const std::string& message)> event;
  std::function<void()> changed;  // some container's state has changed; not called from within Container's functions
};

class Container {
 public:
  Container(PodContext& pod, const ContainerSpec& spec) : pod_(pod), spec_(spec) {}
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Begins a run: waiting or terminated -> starting or running, or terminated if it cannot be executed, or waiting if
  // its spec cannot be followed.
  void start();

  // Terminated -> waiting, until start().
  void wait(std::string reason, std::string message);

  // preStop hook, SIGTERM, and SIGKILL when the grace has passed; again with a shorter grace hastens it. Nothing if not
  // alive.
  void stop(Duration grace);

  [[nodiscard]] const ContainerSpec& spec() const { return spec_; }
  [[nodiscard]] const ContainerState& state() const { return state_; }

 private:
  [[nodiscard]] ProcessSpec process(const std::vector<std::string>& command) const;
  void run_post_start();
  void on_post_start(const ProcessEnd& end);
  void fail_post_start(const std::string& why);
  void become_running();
  void terminate(Duration grace);
  void on_end(const ProcessEnd& end);
  void schedule_probe(Duration delay);
  void probe();
  void on_probe(const ProcessEnd& end);

  // A callback of the present run: does nothing once that is over.
  template <typename Fn>
  auto of_this_run(Fn fn);

  PodContext& pod_;
  const ContainerSpec& spec_;
  ContainerState state_;
  std::vector<std::string> environment_;
  Host::Id process_ = 0;
  Host::Id hook_ = 0;
  bool pre_stop_begun_ = false;
  bool terminating_ = false;  // SIGTERM was sent
  TimePoint kill_at_{};       // while stopping
  int probe_streak_ = 0;      // successes in a row if positive, failures if negative
  Scheduler::TimerId timer_ = 0;
  std::shared_ptr<int> run_ = std::make_shared<int>(0);  // counts runs; callbacks hold it weakly
};

}  // namespace berth::dev
