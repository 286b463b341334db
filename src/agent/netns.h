#pragma once

// Network namespaces of containers.

#include <functional>
#include <string>
#include <utility>

#include "base/result.h"

namespace berth::agent {

// A network namespace held open: what its path points to later does not matter any more.
class NetNs {
 public:
  // Errors: not_found (no such file), invalid (not a network namespace, or the caller's own), internal.
  [[nodiscard]] static Result<NetNs> open(const std::string& path);

  NetNs(NetNs&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  NetNs& operator=(NetNs&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~NetNs();

  [[nodiscard]] int fd() const { return fd_; }

  // Runs fn inside the namespace, on a thread that lives only for that, and returns what it returns. Blocks. The
  // thread's view of /proc/sys/net is the namespace's.
  [[nodiscard]] Status run(const std::function<Status()>& fn) const;

 private:
  explicit NetNs(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace berth::agent
