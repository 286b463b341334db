#pragma once

// An EventLoop on a thread of its own.

#include <functional>
#include <future>
#include <thread>

#include "base/event_loop.h"

namespace berth::controller {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}

  // Callbacks still queued are dropped.
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  [[nodiscard]] EventLoop& loop() { return loop_; }

  // Runs fn on the thread and returns when it is done. Not from that thread.
  void run(const std::function<void()>& fn) {
    std::promise<void> done;
    loop_.post([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  EventLoop loop_;
  std::thread thread_;
};

}  // namespace berth::controller
