#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <thread>

namespace berth::controller {

// SIGTERM and SIGINT as a call: the first runs fn on a thread of its own, the second ends the process at once, with
// status 1. Made before any other thread, so that all of them leave the signals to this one; SIGPIPE is ignored.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals() { end(); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // From then on signals are taken; what came before was kept. fn must be callable until end(). Once.
  void on_stop(std::function<void()> fn);

  // fn is not called any more.
  void end();

 private:
  void wait(const std::function<void()>& fn);

  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace berth::controller
