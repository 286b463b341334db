#include "dev/process/ovsdb_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "dev/process/unique_fd.h"

namespace berth::dev {

namespace {

constexpr std::chrono::seconds kStartsWithin{20};

Result<bool> accepts(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid,
                fmt::format("socket path {} is longer than {} bytes", path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Status await_socket(Supervisor& supervisor, Supervisor::Id process, const std::string& path,
                    std::chrono::milliseconds deadline) {
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ::inotify_add_watch(watch.get(), std::filesystem::path(path).parent_path().c_str(), IN_CREATE);
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (true) {
    const auto open = accepts(path);
    if (!open) return fail(open.error());
    if (*open) return {};
    if (!supervisor.running(process)) {
      return fail(ErrorCode::unavailable, fmt::format("the process ended before it listened on {}", path));
    }
    if (std::chrono::steady_clock::now() >= end) {
      return fail(ErrorCode::timeout, fmt::format("nobody listens on {}", path));
    }
    // The file is there a moment before the server listens: look again soon, not only at the next event.
    pollfd poll{.fd = watch.get(), .events = POLLIN, .revents = 0};
    ::poll(&poll, 1, 10);
    char events[1024];
    (void)::read(watch.get(), events, sizeof events);
  }
}

Result<Supervisor::Id> start_ovsdb(Supervisor& supervisor, const OvsdbProcess& spec) {
  if (::access(spec.schema.c_str(), R_OK) != 0) {
    return fail(ErrorCode::invalid, fmt::format("{}: {} (is it installed?)", spec.schema, std::strerror(errno)));
  }
  auto made = run_command(
      supervisor,
      {.name = "ovsdb-tool", .argv = {"ovsdb-tool", "create", spec.database, spec.schema}, .timeout = kStartsWithin});
  if (!made) return fail(made.error());
  auto id = supervisor.start({.name = spec.name,
                              .argv = {"ovsdb-server", "--remote=punix:" + spec.socket, "--unixctl=" + spec.control,
                                       "--no-chdir", spec.database},
                              .log_file = spec.log_file},
                             {});
  if (!id) return id;
  if (auto ready = await_socket(supervisor, *id, spec.socket, kStartsWithin); !ready) {
    supervisor.stop_and_wait({*id}, Duration::zero());
    return fail(ready.error().with_context(fmt::format("{} (see {})", spec.name, spec.log_file)));
  }
  return id;
}

}  // namespace berth::dev
