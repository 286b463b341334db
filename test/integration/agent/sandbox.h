#pragma once

// Network namespaces for tests. Header-only, for *_test.cpp.

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

namespace berth::agent::testing {

// A namespace without a name in /run/netns: a file of our own that it is mounted on, as runtimes do.
class TestNetNs {
 public:
  explicit TestNetNs(std::string path) : path_(std::move(path)) {
    const int fd = ::open(path_.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
    if (fd < 0) throw std::runtime_error("cannot create " + path_);
    ::close(fd);
    std::thread([this] {
      if (::unshare(CLONE_NEWNET) == 0)
        mounted_ = ::mount("/proc/thread-self/ns/net", path_.c_str(), "none", MS_BIND, nullptr) == 0;
    }).join();
    if (!mounted_) throw std::runtime_error("cannot make a network namespace: root is needed");
  }
  ~TestNetNs() { remove(); }
  TestNetNs(const TestNetNs&) = delete;
  TestNetNs& operator=(const TestNetNs&) = delete;

  void remove() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    mounted_ = false;
    ::unlink(path_.c_str());
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  // Runs fn in the namespace, on a thread of its own.
  void enter(const std::function<void()>& fn) const {
    std::thread([&] {
      const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) std::abort();
      ::close(fd);
      fn();
    }).join();
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

// Whether the interface of the caller's namespace leaves checksums to its hardware.
inline bool tx_checksum_offload(const std::string& name) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ethtool_value value{ETHTOOL_GTXCSUM, 0};
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int outcome = ::ioctl(fd, SIOCETHTOOL, &request);
  ::close(fd);
  if (outcome != 0) throw std::runtime_error("no such interface: " + name);
  return value.data != 0;
}

// A shell command's standard output and error; runs in the caller's network namespace.
inline std::string shell(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> buffer;
  while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  if (status != 0) out += "[exit " + std::to_string(WEXITSTATUS(status)) + "]";
  return out;
}

}  // namespace berth::agent::testing
