#include "controller/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

namespace berth::controller {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void StopSignals::end() {
  if (!thread_.joinable()) return;
  ending_ = true;
  ::pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void StopSignals::on_stop(std::function<void()> fn) {
  thread_ = std::thread([this, fn = std::move(fn)] { wait(fn); });
}

void StopSignals::wait(const std::function<void()>& fn) {
  const sigset_t set = stop_signals();
  for (bool first = true;; first = false) {
    int number = 0;
    if (::sigwait(&set, &number) != 0) return;
    if (ending_) return;
    if (!first) ::_exit(1);
    fn();
  }
}

}  // namespace berth::controller
