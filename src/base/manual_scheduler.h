#pragma once

// A Scheduler on a virtual clock, for unit tests and the simulator: nothing runs until it is told to, and time passes
// only when it is told to.

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "base/scheduler.h"

namespace berth {

// Timers and posts share one queue, ordered by due time, then by insertion; a post is due at once. So the same calls
// give the same order, always. While a callback runs, now() is its due time. Unlike other Schedulers it is for one
// thread: post() too. Callbacks must not call the functions that run callbacks.
class ManualScheduler final : public Scheduler {
 public:
  // Both clocks start away from zero, so that a default TimePoint or WallTime is in the past.
  ManualScheduler();
  explicit ManualScheduler(WallTime start);

  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] WallTime wall_now() const override;
  TimerId after(Duration delay, std::function<void()> fn) override;
  void cancel(TimerId id) override;
  void post(std::function<void()> fn) override;

  // Runs the next callback, moving the clock to its due time; false if there is none.
  bool run_one();

  // Runs what is due now, and what that makes due now, without moving the clock; returns how many ran. More than a
  // million is a loop without end and asserts.
  std::size_t run_until_idle();

  // Moves the clock by that much and runs, each at its own time, all that falls due meanwhile, the last instant
  // included.
  void advance(Duration by);

  // Runs callback after callback, moving the clock, until the condition holds; false if it does not within that time
  // (the clock has then moved by `within`).
  template <typename Condition>
  bool run_until(Condition condition, Duration within) {
    const TimePoint limit = now_ + within;
    while (!condition()) {
      if (queue_.empty() || queue_.begin()->first.first > limit) {
        now_ = limit;
        return false;
      }
      (void)run_one();
    }
    return true;
  }

  [[nodiscard]] std::optional<TimePoint> next_due() const;
  [[nodiscard]] std::size_t pending() const { return queue_.size(); }

  // Steps calendar time alone, as NTP or an administrator does.
  void shift_wall_clock(Duration by) { wall_offset_ += by; }

 private:
  using Key = std::pair<TimePoint, TimerId>;

  TimePoint now_;
  Duration wall_offset_;  // calendar time minus now_
  std::map<Key, std::function<void()>> queue_;
  std::map<TimerId, TimePoint> due_;  // the same entries as queue_, by id
  TimerId next_id_ = 1;
};

}  // namespace berth
