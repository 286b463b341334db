#pragma once

// One controller process in the simulation: the production engine over simulated transports. Destroying it is a crash.

#include <functional>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "ovn/northbound.h"
#include "ovsdb/memory_database.h"
#include "sim/faults.h"
#include "sim/transport.h"

namespace berth::sim {

class SimController {
 public:
  struct Environment {
    Scheduler& scheduler;
    ApiStore& store;
    ovsdb::MemoryStore& ovn;
    Faults& faults;
    std::uint64_t& committer;  // epoch of the process whose transaction reaches OVN now
  };

  // on_crash runs at most once, from a crash point; the owner destroys this object soon after, never inside.
  SimController(Environment environment, std::uint64_t seed, std::uint64_t epoch, world::Settings settings,
                std::function<void()> on_crash);
  ~SimController();

  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] bool fenced() const { return fenced_; }

  // From now on it believes no longer that it leads: nothing new is sent to the API. What is under way still arrives.
  void lose_lease() { holds_lease_ = false; }
  void set_api_reachable(bool reachable) { transport_.set_reachable(reachable); }
  void drop_ovn_connection() { database_.disconnect(); }

 private:
  [[nodiscard]] bool crash_at(const std::string& point);
  [[nodiscard]] ovsdb::MemoryDatabase::Fate fate_of(const boost::json::array& operations);

  Environment environment_;
  Random random_;
  std::uint64_t epoch_;
  std::function<void()> on_crash_;
  bool crashed_ = false;
  bool fenced_ = false;
  bool holds_lease_ = true;
  SimTransport transport_;
  ovsdb::MemoryDatabase database_;
  std::unique_ptr<ovn::Northbound> northbound_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace berth::sim
