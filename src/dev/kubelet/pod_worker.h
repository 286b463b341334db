#pragma once

// The life of one pod on its node, from binding to the last trace. Does nothing to the API itself: says what to write.
//
//   sandbox   namespace and network are being made; failures are repeated after a while, in a new sandbox
//   init      init containers, one after the other
//   running   containers, started one after the other, restarted as the policy says
//   stopping  deletion was asked for, or the pod has ended: containers are being stopped
//   detaching network and namespace are being taken away; failures are repeated
//   ended     nothing is left on the node; the pod may still be in the API (Succeeded, Failed)
//
// deletion leads from any stage to stopping; only ended stays.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "dev/kubelet/container.h"
#include "dev/kubelet/host.h"
#include "dev/kubelet/pod_network.h"
#include "dev/kubelet/pod_spec.h"
#include "dev/kubelet/pod_status.h"

namespace berth::dev {

struct PodTimings {
  // Between two attempts to make a sandbox, or to take it away: doubles from first to cap.
  Duration sandbox_first = std::chrono::seconds(1);
  Duration sandbox_cap = std::chrono::seconds(10);
  // After a container's second crash (the first restart is at once): doubles, is forgotten after a run of twice the
  // cap.
  Duration crash_first = std::chrono::seconds(10);
  Duration crash_cap = std::chrono::seconds(300);
};

struct PodWorkerOptions {
  std::string node_address;
  std::string node_netns;        // for hostNetwork pods
  std::string namespace_prefix;  // of pods' namespaces: "berth-<id>-"
  PodTimings timings;
};

struct PodWorkerHooks {
  std::function<std::string(const PodSpec& pod, const std::string& container, int run)> log_file;
  std::function<void(bool warning, const std::string& reason, const std::string& message)> event;
  std::function<void()> status_changed;                         // status() may differ
  std::function<void(const std::string& text)> network_status;  // for k8s.v1.cni.cncf.io/network-status
  std::function<void()> ended;  // stage ended was reached, or a deletion was asked for in it
};

class PodWorker {
 public:
  enum class Stage { sandbox, init, running, stopping, detaching, ended };

  // References outlive it. Nothing happens before start().
  PodWorker(Scheduler& scheduler, Host& host, PodNetwork& network, PodWorkerOptions options, PodWorkerHooks hooks,
            const boost::json::object& pod);
  ~PodWorker();
  PodWorker(const PodWorker&) = delete;
  PodWorker& operator=(const PodWorker&) = delete;

  void start();

  // The pod is to end within the grace; again with a shorter grace hastens it.
  void remove(Duration grace);

  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] const PodSpec& spec() const { return context_.spec; }
  [[nodiscard]] boost::json::object status(const boost::json::array& conditions) const;

 private:
  struct Slot {
    std::unique_ptr<Container> container;
    Duration backoff{0};  // of the next restart
    TimePoint restart_at{};
    bool restart_pending = false;
  };

  void make_sandbox();
  void on_attached(Result<PodAddresses> result);
  void sandbox_failed(const Error& error);
  void discard_sandbox();  // after a failure, before the next attempt
  void advance();
  void advance_init();
  void advance_running();
  void advance_stopping();
  void detach();
  void on_detached(const Status& status);
  void end();

  // Starts the container if it is due; true while it has not ended for good, as an init container does by success.
  enum class Role { init, main };
  bool keep(Slot& slot, Role role);
  void plan_restart(Slot& slot);
  void set_timer(Duration delay, std::function<void()> fn);
  void become(Stage stage);
  [[nodiscard]] PodSnapshot snapshot() const;
  [[nodiscard]] Duration next_sandbox_delay();

  // A callback that does nothing once the worker is gone.
  template <typename Fn>
  auto guarded(Fn fn);

  PodNetwork& network_;
  PodWorkerOptions options_;
  PodWorkerHooks hooks_;
  PodContext context_;
  Stage stage_ = Stage::sandbox;
  std::vector<Slot> init_;
  std::vector<Slot> containers_;
  Sandbox sandbox_;
  int attempts_ = 0;
  bool sandbox_exists_ = false;  // namespace, or something of the network, is there
  bool attached_ = false;
  bool network_busy_ = false;  // an attach() or detach() is under way
  Duration sandbox_delay_{0};
  WallTime started_{};
  bool advancing_ = false;  // a turn of advance() is posted
  Scheduler::TimerId timer_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

[[nodiscard]] std::string_view to_string(PodWorker::Stage stage);

// What follows the prefix in the names of a pod's network namespaces, before the attempt: "0a1b2c3d-".
[[nodiscard]] std::string pod_namespace_part(const std::string& uid);

}  // namespace berth::dev
