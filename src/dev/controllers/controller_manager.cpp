#include "dev/controllers/controller_manager.h"

#include "dev/controllers/deployment_controller.h"
#include "dev/controllers/garbage_collector.h"
#include "dev/controllers/job_controller.h"
#include "dev/controllers/namespace_controller.h"
#include "dev/controllers/pod_scheduler.h"
#include "dev/controllers/replica_set_controller.h"
#include "dev/controllers/service_account_controller.h"
#include "dev/controllers/stateful_set_controller.h"

namespace berth::dev {

namespace {

// So that HTTP requests get the store between two slices of much work.
constexpr int kKeysPerTurn = 32;

}  // namespace

ControllerManager::ControllerManager(sim::ApiStore& store, Scheduler& scheduler)
    : ControllerManager(store, scheduler, Options{}) {}

ControllerManager::ControllerManager(sim::ApiStore& store, Scheduler& scheduler, Options options)
    : store_(store), scheduler_(scheduler), cluster_(store, scheduler) {
  controllers_.push_back(std::make_unique<ServiceAccountController>(cluster_, std::move(options.root_ca)));
  controllers_.push_back(std::make_unique<DeploymentController>(cluster_));
  controllers_.push_back(std::make_unique<ReplicaSetController>(cluster_));
  controllers_.push_back(std::make_unique<StatefulSetController>(cluster_));
  controllers_.push_back(std::make_unique<JobController>(cluster_));
  controllers_.push_back(std::make_unique<PodScheduler>(cluster_));
  controllers_.push_back(std::make_unique<GarbageCollector>(cluster_));
  controllers_.push_back(std::make_unique<NamespaceController>(cluster_));

  const std::lock_guard lock(store_.mutex());
  for (const sim::TypePtr& type : store_.types().all()) {
    if (type != store_.types().find_stored(type->group, type->plural)) continue;  // another version of the same objects
    for (const sim::Object& object : cluster_.list(*type, "")) {
      observe(*type, {sim::Change::Type::added, sim::version_of(*object), object, nullptr});
    }
  }
  observer_ =
      store_.observe([this](const sim::ResourceType& type, const sim::Change& change) { observe(type, change); });
}

ControllerManager::~ControllerManager() {
  *alive_ = false;
  for (const auto& [work, timer] : timers_) scheduler_.cancel(timer);
  const std::lock_guard lock(store_.mutex());
  store_.stop_observing(observer_);
}

void ControllerManager::observe(const sim::ResourceType& type, const sim::Change& change) {
  std::vector<Key> dirty;
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    dirty.clear();
    controllers_[i]->on_change(type, change, dirty);
    for (Key& key : dirty) mark({i, std::move(key)});
  }
}

void ControllerManager::mark(Work work) {
  if (!queued_.insert(work).second) return;
  queue_.push_back(std::move(work));
  schedule_turn();
}

void ControllerManager::schedule_turn() {
  if (turn_scheduled_) return;
  turn_scheduled_ = true;
  scheduler_.post([this, alive = alive_] {
    if (*alive) turn();
  });
}

void ControllerManager::turn() {
  const std::lock_guard lock(store_.mutex());
  turn_scheduled_ = false;
  for (int i = 0; i < kKeysPerTurn && !queue_.empty(); ++i) {
    const Work work = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(work);
    const std::optional<Duration> again = controllers_[work.first]->reconcile(work.second);
    if (const auto timer = timers_.find(work); timer != timers_.end()) {
      scheduler_.cancel(timer->second);
      timers_.erase(timer);
    }
    if (again) look_again(work, *again);
  }
  if (!queue_.empty()) schedule_turn();
}

void ControllerManager::look_again(const Work& work, Duration delay) {
  timers_[work] = scheduler_.after(delay, [this, work, alive = alive_] {
    if (!*alive) return;
    const std::lock_guard lock(store_.mutex());
    timers_.erase(work);
    mark(work);
  });
}

}  // namespace berth::dev
