#pragma once

// Time and turn-taking as the deciding code sees them. One thread runs all callbacks of a Scheduler, one after another;
// production gives EventLoop (event_loop.h), the simulator a virtual clock. Nothing above this header reads a clock.

#include <chrono>
#include <cstdint>
#include <functional>

namespace berth {

using Duration = std::chrono::nanoseconds;

// Monotonic and running through suspend (CLOCK_BOOTTIME in production): for deadlines and waiting times.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Calendar time, UTC: only for timestamps that people and other programs read.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

class Scheduler {
 public:
  using TimerId = std::uint64_t;  // 0 is never a timer

  virtual ~Scheduler() = default;

  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;

  // Runs fn once on the loop's thread, not before now() + delay, and never inside this call. Only from the loop's
  // thread.
  virtual TimerId after(Duration delay, std::function<void()> fn) = 0;

  // Forgets a timer; one that ran already, or 0, is no error. Only from the loop's thread.
  virtual void cancel(TimerId id) = 0;

  // Runs fn soon on the loop's thread, in order of posting, never inside this call. From any thread.
  virtual void post(std::function<void()> fn) = 0;
};

}  // namespace berth
