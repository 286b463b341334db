#pragma once

// Which of several processes may write: the holder of one Lease (coordination.k8s.io/v1), as `kubectl get lease` shows
// it.
//
// Each leadership has an epoch, the Lease's spec.leaseTransitions, which rises at every start of a leadership: by
// another process, by the same one after a restart, and also without election. What a leader writes is fenced by its
// epoch and by its deadline.
//
// Why two leaders never are within their deadlines at once: a leader counts its deadline (renew_deadline) from the
// moment it *sent* the last renewal that succeeded; the others wait lease_duration, which is longer, from the moment
// they *saw* the last change, by their own clocks. So only the rates of the clocks must agree, to within
// (lease_duration - renew_deadline). A Lease that a person deletes under a living leader is not covered; the epoch is
// (see raise_epoch_floor).

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/random.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "kube/transport.h"

namespace berth::kube {

// Runs on its Scheduler's thread, which in production is not the deciding one, so that a busy decision cannot cost the
// Lease.
class LeaderElector {
 public:
  enum class State {
    idle,       // start() was not called, or stop() has ended.      start -> reading
    reading,    // a candidate reads the Lease.                      free -> taking; held, failed -> waiting
    taking,     // writes itself into the Lease.                     done -> leading; lost the race, failed -> waiting
    waiting,    // a candidate waits for the next look.              due -> reading
    leading,    // leads; renews every retry_period.                 deadline passed, taken over, unhealthy -> waiting
    releasing,  // no longer leads, empties spec.holderIdentity.     done, failed, too slow -> idle
  };

  enum class Loss {
    released,         // stop() was called
    renewal_failed,   // the deadline passed
    taken_over,       // the Lease names another holder or a higher epoch
    unhealthy,        // Options::healthy said so; the Lease is left to expire
    epoch_overtaken,  // raise_epoch_floor(): the same process starts anew, with a higher epoch
  };

  struct Options {
    std::string ns = "kube-system";
    std::string name = "berth-controller";
    // spec.holderIdentity. A Lease that already names it is taken at once, so no two processes alive may share it: the
    // pod's name is right (its containers run one after another), the node's name is not.
    std::string identity;
    // false: the Lease is taken from whoever holds it, and deadline() never passes. For a single replica.
    bool elect = true;
    Duration lease_duration = std::chrono::seconds(15);
    Duration renew_deadline = std::chrono::seconds(10);
    Duration retry_period = std::chrono::seconds(2);
    // Asked before each renewal and each taking; false gives the leadership up. May be empty.
    std::function<bool()> healthy;
  };

  // All on the Scheduler's thread; they may call stop() but not destroy the elector. Any may be empty.
  struct Callbacks {
    std::function<void(std::int64_t epoch)> on_started;
    std::function<void(Loss)> on_stopped;                   // after it, on_started may come again
    std::function<void(const std::string&)> on_new_holder;  // for the log: another process leads
    std::function<void(const Error&)> on_error;             // for the log: once for each message in a row
  };

  // lease_duration > renew_deadline > retry_period > 0, names not empty. invalid, and which of them, if not.
  [[nodiscard]] static Status check(const Options& options);

  // The options must pass check(); references must outlive the elector. Destruction sends nothing: the Lease then
  // expires.
  LeaderElector(Transport& transport, Scheduler& scheduler, Random& random, Options options, Callbacks callbacks);
  ~LeaderElector();
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  void start();

  // Gives the leadership up and empties the Lease, so that the next leader need not wait. First let writes in flight
  // end: another leader may start at once. `done` follows in any case, at the latest after renew_deadline +
  // retry_period.
  void stop(std::function<void()> done = {});

  // An epoch that another leadership left elsewhere (in OVN, on an IP object). Later epochs are above it; if the
  // present one is not, because the Lease was deleted meanwhile and counted from the start again, this leadership ends
  // and the next begins at once.
  void raise_epoch_floor(std::int64_t floor);

  [[nodiscard]] State state() const { return state_; }

  // Until when this process may write; TimePoint::min() when it does not lead. On the Scheduler's clock (CLOCK_BOOTTIME
  // in production). Any thread.
  [[nodiscard]] TimePoint deadline() const { return TimePoint(Duration(deadline_.load(std::memory_order_acquire))); }

  // Of the present leadership, else of the last one; 0 before the first. Any thread.
  [[nodiscard]] std::int64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // Ok if a write decided in that epoch may be sent now, else `fenced`. Any thread.
  [[nodiscard]] Status may_write(std::int64_t epoch, TimePoint now) const;

 private:
  struct Lease;

  using Handler = void (LeaderElector::*)(Result<boost::json::value>);

  void read();
  void on_read(Result<boost::json::value> reply);
  void on_candidate_read(Result<boost::json::value> reply);
  void on_leader_read(Result<boost::json::value> reply);
  void observe(const Lease& lease);
  [[nodiscard]] Duration left_to_holder() const;
  void take();
  void on_taken(Result<boost::json::value> reply);
  void renew();
  void on_renewed(Result<boost::json::value> reply);
  void begin_release();
  void release();
  void on_release_written(Result<boost::json::value> reply);
  void on_release_read(Result<boost::json::value> reply);
  void end_stop();
  void step_down(Loss why);
  void arm_deadline();
  void wait(Duration delay);
  void ask(api::Verb verb, boost::json::value body, Handler handler);
  void report(const Error& error);
  [[nodiscard]] bool healthy() const { return !options_.healthy || options_.healthy(); }
  [[nodiscard]] bool leads() const { return state_ == State::leading; }
  [[nodiscard]] boost::json::value filled(std::int64_t epoch, bool taking) const;

  Transport& transport_;
  Scheduler& scheduler_;
  Random& random_;
  Options options_;
  Callbacks callbacks_;

  State state_ = State::idle;
  // Counts requests and waits; an answer to an earlier one is void. Shared with callbacks, which outlive *this.
  std::shared_ptr<std::uint64_t> turn_ = std::make_shared<std::uint64_t>(0);
  Scheduler::TimerId timer_ = 0;           // the next look or renewal, or the limit of the request under way
  Scheduler::TimerId deadline_timer_ = 0;  // while leading
  TimePoint sent_{};                       // when the request under way was sent
  TimePoint release_by_{};                 // while releasing
  std::function<void()> stopped_;          // what stop() was given; set from then until idle
  bool stopping_ = false;

  boost::json::value lease_;      // as last read or written; null: there is none
  boost::json::value seen_spec_;  // the spec that others are judged by, and since when it has stood
  TimePoint seen_at_{};
  Duration seen_duration_{};
  std::string seen_holder_;
  std::int64_t floor_ = 0;   // the highest epoch known from anywhere
  std::int64_t taking_ = 0;  // the epoch being taken
  std::string last_error_;

  std::atomic<Duration::rep> deadline_{Duration::min().count()};
  std::atomic<std::int64_t> epoch_{0};
};

[[nodiscard]] std::string_view to_string(LeaderElector::State state);
[[nodiscard]] std::string_view to_string(LeaderElector::Loss loss);

}  // namespace berth::kube
