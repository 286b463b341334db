#include "agent/netns.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace berth::agent {

Result<NetNs> NetNs::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const auto code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::internal;
    return fail(code, fmt::format("network namespace {}: {}", path, std::generic_category().message(errno)));
  }
  NetNs ns(fd);
  struct statfs filesystem{};
  if (::fstatfs(fd, &filesystem) != 0 || filesystem.f_type != NSFS_MAGIC || ::ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
    return fail(ErrorCode::invalid, fmt::format("{} is not a network namespace", path));
  struct stat theirs{};
  struct stat ours{};
  if (::fstat(fd, &theirs) != 0 || ::stat("/proc/self/ns/net", &ours) != 0)
    return fail(ErrorCode::internal,
                fmt::format("network namespace {}: {}", path, std::generic_category().message(errno)));
  if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
    return fail(ErrorCode::invalid, fmt::format("{} is the agent's own network namespace", path));
  return ns;
}

NetNs::~NetNs() {
  if (fd_ >= 0) ::close(fd_);
}

Status NetNs::run(const std::function<Status()>& fn) const {
  Status outcome;
  std::thread thread([&] {
    if (::setns(fd_, CLONE_NEWNET) != 0) {
      outcome = fail(ErrorCode::internal, fmt::format("setns: {}", std::generic_category().message(errno)));
      return;
    }
    outcome = fn();
  });
  thread.join();
  return outcome;
}

}  // namespace berth::agent
