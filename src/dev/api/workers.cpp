#include "dev/api/workers.h"

namespace berth::dev {

Workers::Workers(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() { stop(); }

void Workers::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Workers::post_after(std::chrono::milliseconds delay, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    later_.emplace(Clock::now() + delay, std::move(job));
  }
  wake_.notify_one();
}

void Workers::stop() {
  std::deque<std::function<void()>> dropped_ready;
  std::multimap<Clock::time_point, std::function<void()>> dropped_later;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped_ready.swap(ready_);
    dropped_later.swap(later_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!later_.empty() && later_.begin()->first <= Clock::now()) {
      ready_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (ready_.empty()) {
      if (later_.empty()) {
        wake_.wait(lock);
      } else {
        const auto due = later_.begin()->first;  // a copy: the entry may be gone when the wait ends
        wake_.wait_until(lock, due);
      }
      continue;
    }
    const std::function<void()> job = [&] {
      std::function<void()> first = std::move(ready_.front());
      ready_.pop_front();
      return first;
    }();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace berth::dev
