#include "dev/process/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <thread>

#include "dev/process/unique_fd.h"

namespace berth::dev::netns {

namespace {

constexpr const char* kFolder = "/run/netns";

tl::unexpected<Error> failed(std::string_view what, int error) {
  const ErrorCode code = error == EPERM || error == EACCES ? ErrorCode::forbidden
                         : error == ENOENT                 ? ErrorCode::not_found
                         : error == EEXIST                 ? ErrorCode::already_exists
                                                           : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", what, std::strerror(error)));
}

// As ip-netns(8) does: the folder is a shared mount of itself, so that names made here are seen, and can be taken away,
// in every mount namespace.
Status share_folder() {
  if (::mkdir(kFolder, 0755) != 0 && errno != EEXIST) return failed(fmt::format("make {}", kFolder), errno);
  if (::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return failed(fmt::format("share {}", kFolder), errno);
  if (::mount(kFolder, kFolder, "none", MS_BIND | MS_REC, nullptr) != 0) {
    return failed(fmt::format("mount {} on itself", kFolder), errno);
  }
  if (::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return failed(fmt::format("share {}", kFolder), errno);
  }
  return {};
}

Status raise_loopback() {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket", errno);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return failed("bring up lo", errno);
  return {};
}

Status unshare_and_name(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) return failed("unshare the network", errno);
  if (auto up = raise_loopback(); !up) return up;
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
    return failed(fmt::format("mount on {}", path), errno);
  }
  return {};
}

Status on_own_thread(const std::function<Status()>& fn) {
  Status outcome;
  std::thread([&] { outcome = fn(); }).join();
  return outcome;
}

}  // namespace

std::string path_of(std::string_view name) { return fmt::format("{}/{}", kFolder, name); }

bool exists(std::string_view name) {
  std::error_code ignored;
  return std::filesystem::exists(path_of(name), ignored);
}

Status create(const std::string& name) {
  const std::string path = path_of(name);
  UniqueFd file;
  // Another cluster, ending, may take the empty folder away between these two.
  for (int attempt = 0; attempt < 3 && !file; ++attempt) {
    if (auto shared = share_folder(); !shared) return shared;
    file.reset(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!file && errno != ENOENT) break;
  }
  if (!file) return failed(fmt::format("make network namespace {}", name), errno);
  file.reset();
  Status made = on_own_thread([&] { return unshare_and_name(path); });
  if (!made) {
    ::unlink(path.c_str());
    return fail(made.error().with_context(fmt::format("make network namespace {}", name)));
  }
  return {};
}

Status remove(const std::string& name) {
  const std::string path = path_of(name);
  // A name that a crash left before its mount is a plain file: EINVAL.
  while (::umount2(path.c_str(), MNT_DETACH) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return failed(fmt::format("unmount {}", path), errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed(fmt::format("remove {}", path), errno);
  return {};
}

std::string folder() { return kFolder; }

Status remove_folder() {
  std::error_code ignored;
  if (!std::filesystem::is_empty(kFolder, ignored)) return {};
  while (::umount2(kFolder, 0) == 0) {
  }
  if (::rmdir(kFolder) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY) {
    return failed(fmt::format("remove {}", kFolder), errno);
  }
  return {};
}

std::vector<std::string> list(std::string_view prefix) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with(prefix)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::vector<pid_t> members(const std::string& name) {
  std::vector<pid_t> found;
  struct stat wanted{};
  if (::stat(path_of(name).c_str(), &wanted) != 0) return found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string text = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid == ::getpid()) continue;
    struct stat seen{};
    if (::stat(fmt::format("/proc/{}/ns/net", pid).c_str(), &seen) != 0) continue;
    if (seen.st_ino == wanted.st_ino && seen.st_dev == wanted.st_dev) found.push_back(pid);
  }
  return found;
}

Status run_inside(const std::string& name, const std::function<Status()>& fn) {
  const UniqueFd fd(::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed(fmt::format("open network namespace {}", name), errno);
  return on_own_thread([&]() -> Status {
    if (::setns(fd.get(), CLONE_NEWNET) != 0) return failed(fmt::format("enter network namespace {}", name), errno);
    return fn();
  });
}

}  // namespace berth::dev::netns
