#pragma once

// Runs the built-in controllers of the embedded cluster on one Scheduler, driven by the store's changes.

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/scheduler.h"
#include "dev/controllers/cluster.h"
#include "dev/controllers/controller.h"
#include "sim/api_store.h"

namespace berth::dev {

// Every change marks keys dirty, inside the write, on whatever thread writes; a turn on the scheduler's thread, holding
// the store's mutex, then reconciles them in the order in which they became dirty. A key is in the queue once, however
// often it is marked.
class ControllerManager {
 public:
  struct Options {
    std::string root_ca;  // PEM; if set, every namespace gets it as ConfigMap kube-root-ca.crt
  };

  // Store and scheduler must outlive it. Takes the store's mutex for a moment, as each turn does: do not hold it
  // (ApiServer::with_store may only hand out the store's address). Construct and destroy it on the scheduler's thread,
  // or while that does not run.
  ControllerManager(sim::ApiStore& store, Scheduler& scheduler);
  ControllerManager(sim::ApiStore& store, Scheduler& scheduler, Options options);
  ~ControllerManager();
  ControllerManager(const ControllerManager&) = delete;
  ControllerManager& operator=(const ControllerManager&) = delete;

 private:
  using Work = std::pair<std::size_t, Key>;  // index in controllers_, key

  void observe(const sim::ResourceType& type, const sim::Change& change);
  void mark(Work work);
  void schedule_turn();
  void turn();
  void look_again(const Work& work, Duration delay);

  sim::ApiStore& store_;
  Scheduler& scheduler_;
  Cluster cluster_;
  std::vector<std::unique_ptr<Controller>> controllers_;
  sim::ApiStore::ObserverId observer_ = 0;

  // Guarded by the store's mutex.
  std::deque<Work> queue_;
  std::set<Work> queued_;
  bool turn_scheduled_ = false;

  std::map<Work, Scheduler::TimerId> timers_;  // scheduler's thread only
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::dev
