#pragma once

// A program that is started again whenever it ends, as a Deployment or DaemonSet would.

#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/scheduler.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class KeptProcess {
 public:
  // The supervisor must outlive it. Restarts are made on the scheduler's thread; all else may be called from any other.
  KeptProcess(Scheduler& scheduler, Supervisor& supervisor, ProcessSpec spec);
  ~KeptProcess();  // stop(0)
  KeptProcess(const KeptProcess&) = delete;
  KeptProcess& operator=(const KeptProcess&) = delete;

  // The first start; its failure is final.
  [[nodiscard]] Status start();

  // SIGKILL, as in a crash; returns when the next one runs. timeout if that takes too long.
  [[nodiscard]] Status crash();

  // For good: SIGTERM, SIGKILL after the grace; returns when it has ended.
  void stop(Duration grace);

  [[nodiscard]] Supervisor::Id id() const;
  [[nodiscard]] int starts() const;

 private:
  struct State;
  static Status launch(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace berth::dev
