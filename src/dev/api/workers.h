#pragma once

// A few threads that carry out jobs, at once or later.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace berth::dev {

// Any thread may post; jobs run in order of posting, several at a time. Jobs that have not begun when stop() is called,
// or are posted later, are dropped.
class Workers {
 public:
  explicit Workers(int threads);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();  // stop()

  void post(std::function<void()> job);
  void post_after(std::chrono::milliseconds delay, std::function<void()> job);

  // Waits for the jobs that run. Not from a job.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> ready_;
  std::multimap<Clock::time_point, std::function<void()>> later_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace berth::dev
