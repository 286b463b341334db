#pragma once

// The loop: events in, world updated, dirty keys reconciled, Plans carried out, results back in as events. One thread
// (the Scheduler's) runs all of it; transports do their I/O elsewhere. The simulator runs this very class.
//
// An Engine lives for one leadership, from start() to destruction. Destroying it at any moment is like a crash:
// whatever was under way is found again by the next one.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/scheduler.h"
#include "kube/reflector.h"
#include "kube/transport.h"
#include "ovn/northbound.h"
#include "reconcile/plan.h"
#include "world/world.h"

namespace berth::engine {

struct Options {
  world::Settings settings;
  Duration sweep_interval = std::chrono::seconds(60);
  Duration fresh_read_interval = std::chrono::milliseconds(250);  // between the starts of two consistent reads
  std::size_t keys_per_turn = 256;
};

struct Hooks {
  std::function<void(const reconcile::EventNote&)> on_event;  // to be recorded as a Kubernetes Event
  std::function<Status()> may_write;                          // asked right before each API write; empty: always
  std::function<void(Error)> on_fenced;                       // another leader has taken over: destroy this engine soon
  std::function<void()> on_running;                           // first time that everything is synced
};

class Engine {
 public:
  // All references must outlive the engine. northbound must not have been started.
  Engine(Scheduler& scheduler, Random& random, kube::Transport& transport, ovn::Northbound& northbound, Options options,
         Hooks hooks);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Connects to OVN, raises its epoch, lists everything, rebuilds what is held, and only then decides and writes.
  // Whatever is down is waited for and said in the log; it goes on by itself.
  void start(std::uint64_t epoch);

  [[nodiscard]] const world::World& world() const { return world_; }
  [[nodiscard]] bool running() const { return running_; }
  // Nothing dirty, nothing in flight, no read under way. Timers may be set.
  [[nodiscard]] bool quiet() const;

 private:
  enum class Ovn { connecting, fencing, ready };
  struct InFlight {
    reconcile::Plan plan;
    std::size_t next_write = 0;
  };

  // Wraps a callback: nothing happens after the engine is gone; the world's clock is set before it runs.
  template <typename F>
  auto guarded(F fn);

  void enter();
  void connect_ovn();
  void on_ovn_synced();
  void watch_everything();
  void on_kube(api::Kind kind, kube::ReflectorEvent event);
  void run_if_ready();

  void schedule_turn();
  void run_turn();
  void carry_out(const world::Key& key, reconcile::Plan plan);
  void send_next_write(const world::Key& key);
  void on_written(const world::Key& key, const api::Request& request, Result<boost::json::value> reply);
  void learn(const api::Request& request, const boost::json::value& reply);
  // Reads the object of a write whose outcome is unknown, or that was refused for being out of date, until the server
  // answers.
  void clear_up(const world::Key& key, const api::Request& request);
  void finish(const world::Key& key, const Error* failure);
  void retry_later(const world::Key& key, const Error& failure);
  void prove_pod(const world::Key& key, const std::string& pod, const std::string& uid);
  void wake_at(const world::Key& key, TimePoint when);

  void start_fresh_read();
  void send_fresh_read();
  void on_fresh_part(const std::shared_ptr<struct FreshRead>& read, api::Kind kind, const std::string& ns,
                     Result<boost::json::value> reply);

  void audit();
  void sweep();

  Scheduler& scheduler_;
  Random& random_;
  kube::Transport& transport_;
  ovn::Northbound& northbound_;
  Options options_;
  Hooks hooks_;
  world::World world_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::uint64_t epoch_ = 0;
  Ovn ovn_ = Ovn::connecting;
  bool running_ = false;  // everything synced: keys are reconciled
  bool fenced_ = false;
  std::vector<std::unique_ptr<kube::Reflector>> reflectors_;
  std::set<api::Kind> unsynced_;

  bool turn_scheduled_ = false;
  std::map<world::Key, InFlight> in_flight_;
  std::set<world::Key> again_;  // dirtied while in flight
  std::map<world::Key, int> failures_;
  std::map<world::Key, int> restless_;  // steps since the key was last at rest
  std::map<world::Key, std::pair<TimePoint, Scheduler::TimerId>> wake_timers_;

  std::set<std::string> read_wanted_;  // namespaces that a consistent read is wanted for
  bool read_in_flight_ = false;
  std::optional<TimePoint> last_read_;
  Scheduler::TimerId read_timer_ = 0;
};

}  // namespace berth::engine
