#pragma once

// The process around the engine: takes part in the election, begins and ends leaderships, watches over the deciding
// thread, and answers probes.
//
//   deciding thread   whoever calls run(): the engine and all that it owns
//   control thread    the elector with a connection of its own, so that a busy decision cannot cost the Lease
//   I/O threads       of kube::Client, ovsdb::Client and http::Server
//
// They meet only in posts to each other's loops, in the elector's atomic deadline and epoch, and in the flag below.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/random.h"
#include "controller/leadership.h"
#include "controller/loop_thread.h"
#include "controller/metrics.h"
#include "controller/options.h"
#include "controller/probes.h"
#include "controller/webhook.h"
#include "kube/config.h"
#include "kube/leader_election.h"

namespace berth::controller {

class Controller {
 public:
  Controller(Options options, kube::Config api);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Opens the probes and the webhook. Errors: unavailable (an address cannot be bound), with the flag's name.
  [[nodiscard]] Status open();

  // Runs until it is stopped, and gives the Lease back. The process's exit status: 0, or 1 if it cannot go on.
  [[nodiscard]] int run();

  // Any thread, also before run().
  void request_stop();

 private:
  // Control thread
  void start_election();
  void on_lease_lost(kube::LeaderElector::Loss why);

  // Deciding thread
  void beat();
  void begin(std::uint64_t epoch);
  void end();
  void on_fenced(std::uint64_t known);
  void give_up(const std::string& why);
  void stop();
  void release_lease();
  [[nodiscard]] Metrics snapshot() const;

  [[nodiscard]] Status open_webhook();

  // Any thread
  [[nodiscard]] Status alive() const;
  [[nodiscard]] bool leads() const;
  [[nodiscard]] std::string own_namespace() const;

  const Options options_;
  const kube::Config api_;
  const std::string identity_;
  std::atomic<bool> in_contact_{false};  // the API server has answered once

  EventLoop loop_;  // the deciding thread's
  Random random_;
  std::unique_ptr<Leadership> leadership_;
  bool synced_ = false;      // this leadership was in sync at some time
  world::Counters counted_;  // by earlier leaderships
  std::uint64_t last_epoch_ = 0;
  int fences_ = 0;  // in a row
  TimePoint begun_{};
  bool stopping_ = false;
  int exit_status_ = 0;

  LoopThread control_;
  Random control_random_;
  std::unique_ptr<kube::Client> control_client_;  // control thread only
  std::unique_ptr<kube::LeaderElector> elector_;  // made before run(); may_write() from any thread, the rest there
  std::atomic<std::int64_t> leading_{-1};         // the epoch of the leadership that there is; -1: none
  std::unique_ptr<Probes> probes_;
  std::unique_ptr<Webhook> webhook_;
};

}  // namespace berth::controller
