#pragma once

// What exists while this process leads, from winning the Lease to losing it: connections of its own, the engine, the
// recorder of events. All on the deciding thread. Destroying it at any moment is like a crash: the next one finds the
// rest.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "controller/write_counter.h"
#include "engine/engine.h"
#include "kube/client.h"
#include "kube/events.h"
#include "ovn/northbound.h"
#include "ovsdb/client.h"

namespace berth::controller {

class Leadership {
 public:
  struct Environment {
    Scheduler& scheduler;
    Random& random;
    const kube::Config& api;
    std::string ovn_nb;
    world::Settings settings;
    std::string instance;  // of this process, in events
    // Whether a write that was decided in this epoch may be sent now. Any thread.
    std::function<Status(std::uint64_t epoch)> may_write;
    // Everything is synced, keys are reconciled: again after each time that OVN was away.
    std::function<void()> on_running;
    // Another leadership is known, of this epoch or a higher one than ours: this one is of no use any more. Called
    // once, and never inside begin(); may destroy it.
    std::function<void(std::uint64_t known)> on_fenced;
  };

  // References must outlive it. Errors: unavailable (no file descriptors), invalid (ovn_nb).
  [[nodiscard]] static Result<std::unique_ptr<Leadership>> begin(Environment environment, std::uint64_t epoch);

  ~Leadership();
  Leadership(const Leadership&) = delete;
  Leadership& operator=(const Leadership&) = delete;

  [[nodiscard]] const engine::Engine* engine() const { return engine_.get(); }  // null after stop()
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  // Ends the engine; `done` follows when its API writes under way have been answered, at the latest after `patience`.
  void stop(Duration patience, std::function<void()> done);

 private:
  Leadership(Environment environment, std::uint64_t epoch);
  void start(std::unique_ptr<ovsdb::Client> database);
  void record(const reconcile::EventNote& note);
  void on_synced();
  void overtaken_by(std::uint64_t known);

  const Environment environment_;
  const std::uint64_t epoch_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool overtaken_ = false;
  kube::Client client_;
  WriteCounter transport_;
  std::unique_ptr<kube::EventRecorder> recorder_;
  std::unique_ptr<ovsdb::Client> database_;
  std::unique_ptr<ovn::Northbound> northbound_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace berth::controller
