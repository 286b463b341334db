#pragma once

// One thread for work that blocks, done in order.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace berth::agent {

class Worker {
 public:
  Worker();
  ~Worker();  // what is queued is dropped; waits for what is running
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(std::function<void()> job);  // any thread

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::thread thread_;                      // last: starts when the rest exists
};

}  // namespace berth::agent
