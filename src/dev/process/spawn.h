#pragma once

// The fork and exec of one child; what supervisor.h promises about it, without the waiting.

#include <sys/types.h>

#include <functional>

#include "base/result.h"
#include "dev/process/supervisor.h"
#include "dev/process/unique_fd.h"

namespace berth::dev {

struct Child {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd output;  // a memory file with what the child wrote, if spec.capture
  UniqueFd error;
};

// before_exec runs in the parent with the pid while the child waits; its failure kills the child and is returned. The
// child dies with the calling thread.
[[nodiscard]] Result<Child> spawn(const ProcessSpec& spec, const std::function<Status(pid_t)>& before_exec);

}  // namespace berth::dev
