#include "dev/kubelet/hosts.h"

#include <signal.h>

namespace berth::dev {

LinuxHost::~LinuxHost() { *alive_ = false; }

Result<Host::Id> LinuxHost::start(ProcessSpec spec, OnEnd on_end) {
  return supervisor_.start(
      std::move(spec), [&scheduler = scheduler_, alive = alive_, on_end = std::move(on_end)](ProcessEnd end) mutable {
        scheduler.post([alive, on_end = std::move(on_end), end = std::move(end)] {
          if (*alive) on_end(end);
        });
      });
}

Result<Host::Id> NoHost::start(ProcessSpec, OnEnd on_end) {
  running_.emplace(++last_, std::move(on_end));
  return last_;
}

Result<Host::Id> NoHost::run(ProcessSpec, OnEnd on_end) {
  scheduler_.post([on_end = std::move(on_end)] { on_end({.code = 0}); });
  return ++last_;
}

void NoHost::stop(Id id, Duration) {
  const auto node = running_.extract(id);
  if (node) scheduler_.post([on_end = std::move(node.mapped())] { on_end({.signal = SIGTERM}); });
}

}  // namespace berth::dev
