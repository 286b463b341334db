#pragma once

// What the small kubelet does to its machine. Production: LinuxHost; without a data path: NoHost (both in hosts.h);
// tests: a fake. All on the Scheduler's thread; callbacks never inside the call that caused them.

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/scheduler.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class Host {
 public:
  using Id = std::uint64_t;  // 0 is never a process
  using OnEnd = std::function<void(ProcessEnd)>;

  virtual ~Host() = default;

  // A container: runs until it ends by itself or is stopped. on_end comes after the whole process group is gone.
  virtual Result<Id> start(ProcessSpec spec, OnEnd on_end) = 0;

  // A hook, probe or plugin: expected to end soon.
  virtual Result<Id> run(ProcessSpec spec, OnEnd on_end) = 0;

  // SIGTERM, then SIGKILL when the grace has passed; again with a shorter grace hastens it. on_end tells.
  virtual void stop(Id id, Duration grace) = 0;

  virtual Status make_namespace(const std::string& name) = 0;

  // With all that runs in it. None of that name is no error.
  virtual Status remove_namespace(const std::string& name) = 0;
};

}  // namespace berth::dev
