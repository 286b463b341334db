#pragma once

// The production Scheduler: one thread, a mailbox, and timers.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "base/scheduler.h"

namespace berth {

// run() executes callbacks on the calling thread until stop(). post() and stop() are safe from any thread; the rest
// belongs to the loop's thread (or to the time before run()). Callbacks still queued when stop() takes effect are
// dropped.
class EventLoop final : public Scheduler {
 public:
  void run();
  void stop();

  [[nodiscard]] TimePoint now() const override;
  [[nodiscard]] WallTime wall_now() const override;
  TimerId after(Duration delay, std::function<void()> fn) override;
  void cancel(TimerId id) override;
  void post(std::function<void()> fn) override;

  // When the loop last began a turn: a watchdog on another thread gives the Lease up when this stands still.
  [[nodiscard]] TimePoint last_turn() const { return TimePoint(Duration(last_turn_.load(std::memory_order_relaxed))); }

 private:
  [[nodiscard]] bool run_due_timers();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> mailbox_;  // guarded by mutex_
  bool stopping_ = false;                      // guarded by mutex_

  // Keyed by due time, then by id, so that equal deadlines fire in order of creation. Loop thread only.
  std::map<std::pair<TimePoint, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, TimePoint> due_;
  TimerId next_timer_ = 1;
  std::atomic<Duration::rep> last_turn_{0};
};

// CLOCK_BOOTTIME, the clock behind every TimePoint in production. Any thread.
[[nodiscard]] TimePoint boot_time();

}  // namespace berth
