#include "base/manual_scheduler.h"

#include <algorithm>
#include <cassert>

namespace berth {
namespace {

constexpr TimePoint kStart{std::chrono::hours(1)};
constexpr WallTime kWallStart{std::chrono::sys_days(std::chrono::year(2024) / std::chrono::January / 1)};
constexpr std::size_t kEndless = 1'000'000;

}  // namespace

ManualScheduler::ManualScheduler() : ManualScheduler(kWallStart) {}

ManualScheduler::ManualScheduler(WallTime start)
    : now_(kStart), wall_offset_(Duration(start.time_since_epoch()) - kStart.time_since_epoch()) {}

WallTime ManualScheduler::wall_now() const {
  return WallTime(std::chrono::floor<WallTime::duration>(now_.time_since_epoch() + wall_offset_));
}

Scheduler::TimerId ManualScheduler::after(Duration delay, std::function<void()> fn) {
  assert(fn);
  const TimerId id = next_id_++;
  const TimePoint due = now_ + std::max(delay, Duration::zero());
  due_.emplace(id, due);
  queue_.emplace(Key(due, id), std::move(fn));
  return id;
}

void ManualScheduler::cancel(TimerId id) {
  const auto it = due_.find(id);
  if (it == due_.end()) return;
  queue_.erase(Key(it->second, id));
  due_.erase(it);
}

void ManualScheduler::post(std::function<void()> fn) { (void)after(Duration::zero(), std::move(fn)); }

bool ManualScheduler::run_one() {
  if (queue_.empty()) return false;
  auto node = queue_.extract(queue_.begin());
  due_.erase(node.key().second);
  now_ = std::max(now_, node.key().first);
  node.mapped()();
  return true;
}

std::size_t ManualScheduler::run_until_idle() {
  std::size_t ran = 0;
  while (!queue_.empty() && queue_.begin()->first.first <= now_) {
    (void)run_one();
    ++ran;
    assert(ran < kEndless && "callbacks post one another without end");
  }
  return ran;
}

void ManualScheduler::advance(Duration by) {
  assert(by >= Duration::zero());
  const TimePoint end = now_ + by;
  while (!queue_.empty() && queue_.begin()->first.first <= end) (void)run_one();
  now_ = end;
}

std::optional<TimePoint> ManualScheduler::next_due() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first.first;
}

}  // namespace berth
