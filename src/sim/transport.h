#pragma once

// kube::Transport over the in-memory API store: every message takes its time, some are lost, watches break and repeat
// themselves. A request that was sent is carried out even if its sender has died meanwhile.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kube/transport.h"
#include "sim/api_store.h"
#include "sim/faults.h"

namespace berth::sim {

class SimTransport final : public kube::Transport {
 public:
  // crash is told the name of each crash point that is reached ("before create IP", "after create IP"); if it says
  // true, the process is about to die there: nothing more is sent, or the reply never arrives.
  using CrashPoint = std::function<bool(const std::string& point)>;

  SimTransport(Scheduler& scheduler, ApiStore& store, Faults& faults, CrashPoint crash);
  ~SimTransport() override;

  void send(api::Request request, Reply done) override;
  WatchId watch(kube::WatchRequest request, WatchHandler handler) override;
  void stop_watch(WatchId id) override;

  // While unreachable every request fails and watches break.
  void set_reachable(bool reachable);

 private:
  struct OpenWatch;
  void open(WatchId id);
  void pump(const std::shared_ptr<OpenWatch>& watch);
  void deliver(const std::shared_ptr<OpenWatch>& watch, std::function<void(OpenWatch&)> fn);
  void end(const std::shared_ptr<OpenWatch>& watch, Error error);

  Scheduler& scheduler_;
  ApiStore& store_;
  Faults& faults_;
  CrashPoint crash_;
  bool reachable_ = true;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::map<WatchId, std::shared_ptr<OpenWatch>> watches_;
  WatchId next_watch_ = 1;
};

// Carries a request out now.
[[nodiscard]] Result<boost::json::value> execute(ApiStore& store, const api::Request& request);

}  // namespace berth::sim
