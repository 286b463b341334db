#include "base/event_loop.h"

#include <time.h>

#include <utility>

namespace berth {

TimePoint boot_time() {
  timespec ts{};
  ::clock_gettime(CLOCK_BOOTTIME, &ts);
  return TimePoint(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

TimePoint EventLoop::now() const { return boot_time(); }

WallTime EventLoop::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Scheduler::TimerId EventLoop::after(Duration delay, std::function<void()> fn) {
  const TimerId id = next_timer_++;
  const TimePoint due = now() + delay;
  due_.emplace(id, due);
  timers_.emplace(std::pair(due, id), std::move(fn));
  return id;
}

void EventLoop::cancel(TimerId id) {
  const auto it = due_.find(id);
  if (it == due_.end()) return;
  timers_.erase({it->second, id});
  due_.erase(it);
}

void EventLoop::post(std::function<void()> fn) {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.push_back(std::move(fn));
  }
  wake_.notify_one();
}

void EventLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

bool EventLoop::run_due_timers() {
  // Only timers that were due when the turn began: one that re-arms itself with no delay cannot starve the mailbox.
  const TimePoint limit = now();
  bool ran = false;
  while (!timers_.empty() && timers_.begin()->first.first <= limit) {
    auto node = timers_.extract(timers_.begin());
    due_.erase(node.key().second);
    node.mapped()();
    ran = true;
  }
  return ran;
}

void EventLoop::run() {
  for (;;) {
    std::deque<std::function<void()>> batch;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return stopping_ || !mailbox_.empty(); };
      if (timers_.empty()) {
        wake_.wait(lock, ready);
      } else if (const Duration left = timers_.begin()->first.first - now(); left > Duration::zero()) {
        wake_.wait_for(lock, left, ready);
      }
      if (stopping_) return;
      batch.swap(mailbox_);
    }
    last_turn_.store(now().time_since_epoch().count(), std::memory_order_relaxed);
    for (auto& fn : batch) fn();
    (void)run_due_timers();
  }
}

}  // namespace berth
