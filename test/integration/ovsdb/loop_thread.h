#pragma once

// An EventLoop on a thread of its own, and a test beside it that runs closures on it and waits for conditions.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "base/event_loop.h"

namespace berth::test {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  [[nodiscard]] EventLoop& loop() { return loop_; }

  // Runs fn on the loop's thread and returns when it is done.
  void run(const std::function<void()>& fn) {
    std::promise<void> done;
    loop_.post([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }

  // Whether the condition, tested on the loop's thread, comes true within that time.
  [[nodiscard]] bool eventually(std::function<bool()> condition, Duration within = std::chrono::seconds(20)) {
    std::promise<bool> result;
    loop_.post([&, this] { check(std::move(condition), loop_.now() + within, result); });
    return result.get_future().get();
  }

 private:
  void check(std::function<bool()> condition, TimePoint limit, std::promise<bool>& result) {
    if (condition()) return result.set_value(true);
    if (loop_.now() > limit) return result.set_value(false);
    loop_.after(std::chrono::milliseconds(5),
                [this, condition = std::move(condition), limit, &result] { check(condition, limit, result); });
  }

  EventLoop loop_;
  std::thread thread_;
};

}  // namespace berth::test
