#include "dev/process/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "dev/process/netns.h"

namespace berth::dev {

namespace {

tl::unexpected<Error> failed(std::string_view what, int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::invalid
                         : error == EPERM || error == EACCES ? ErrorCode::forbidden
                                                             : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", what, std::strerror(error)));
}

std::vector<std::string> environment_of(const ProcessSpec& spec) {
  std::map<std::string, std::string> merged;
  const auto put = [&](const std::string& pair) { merged[pair.substr(0, pair.find('='))] = pair; };
  for (char** pair = environ; !spec.clean_env && pair != nullptr && *pair != nullptr; ++pair) put(*pair);
  for (const auto& pair : spec.env) put(pair);
  std::vector<std::string> out;
  for (auto& [name, pair] : merged) out.push_back(std::move(pair));
  return out;
}

std::string resolve(const std::string& program, const std::vector<std::string>& env) {
  if (program.contains('/')) return program;
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto& pair : env) {
    if (pair.starts_with("PATH=")) path = pair.substr(5);
  }
  // Daemons live in sbin, which an ordinary user's PATH lacks.
  path += ":/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string candidate = path.substr(begin, end - begin) + "/" + program;
    if (end > begin && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// All that the child needs, made before the fork: between fork and exec only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<std::string> argv_text;
  std::vector<std::string> env_text;
  std::vector<char*> argv;
  std::vector<char*> env;
  UniqueFd input;
  UniqueFd output;
  UniqueFd error;
  UniqueFd netns;
  std::string run_netns;
};

Result<UniqueFd> memory_file(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return failed("memfd_create", errno);
  return fd;
}

Result<UniqueFd> input_of(const ProcessSpec& spec) {
  if (spec.input.empty()) return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto fd = memory_file("stdin");
  if (!fd) return fd;
  if (::write(fd->get(), spec.input.data(), spec.input.size()) != static_cast<ssize_t>(spec.input.size())) {
    return failed("write standard input", errno);
  }
  ::lseek(fd->get(), 0, SEEK_SET);
  return fd;
}

Result<UniqueFd> output_of(const ProcessSpec& spec, const char* name) {
  if (spec.capture) return memory_file(name);
  const std::string path = spec.log_file.empty() ? "/dev/null" : spec.log_file;
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return failed(fmt::format("open {}", path), errno);
  return fd;
}

Result<Prepared> prepare(const ProcessSpec& spec) {
  Prepared out;
  if (spec.argv.empty()) return fail(ErrorCode::invalid, fmt::format("{}: no program given", spec.name));
  out.argv_text = spec.argv;
  out.env_text = environment_of(spec);
  out.program = resolve(spec.argv.front(), out.env_text);
  if (out.program.empty()) {
    return fail(ErrorCode::invalid, fmt::format("program {} is not found in PATH", spec.argv.front()));
  }
  auto input = input_of(spec);
  if (!input) return fail(input.error());
  auto output = output_of(spec, "stdout");
  if (!output) return fail(output.error());
  auto error = output_of(spec, "stderr");
  if (!error) return fail(error.error());
  out.input = std::move(*input);
  out.output = std::move(*output);
  out.error = std::move(*error);
  out.run_netns = spec.run_dir + "/netns";
  if (!spec.netns.empty()) {
    out.netns.reset(::open(netns::path_of(spec.netns).c_str(), O_RDONLY | O_CLOEXEC));
    if (!out.netns) {
      return fail(ErrorCode::not_found, fmt::format("network namespace {}: {}", spec.netns, std::strerror(errno)));
    }
  }
  out.argv = pointers(out.argv_text);
  out.env = pointers(out.env_text);
  return out;
}

// The step at which the child failed, with errno, as it crosses the gate.
struct ChildFailure {
  enum class Step : int { netns, run_dir, hostname, working_dir, exec };
  Step step = Step::exec;
  int error = 0;
};

[[noreturn]] void give_up(int gate, ChildFailure::Step step) {
  const ChildFailure failure{.step = step, .error = errno};
  (void)::write(gate, &failure, sizeof failure);
  ::_exit(127);
}

// In a mount namespace of its own. The folder of network namespaces stays visible inside, if there is one.
bool replace_run(const char* run_dir, const char* run_netns) {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("", "/", "none", MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (::access(run_netns, F_OK) == 0 && ::mount("/run/netns", run_netns, "none", MS_BIND | MS_REC, nullptr) != 0) {
    return false;
  }
  return ::mount(run_dir, "/run", "none", MS_BIND | MS_REC, nullptr) == 0;
}

[[noreturn]] void become(const ProcessSpec& spec, const Prepared& prepared, int gate, int parents_gate, pid_t parent) {
  ::close(parents_gate);
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // died before the line above took effect

  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int ignored : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(ignored, SIG_DFL);

  ::dup2(prepared.input.get(), STDIN_FILENO);
  ::dup2(prepared.output.get(), STDOUT_FILENO);
  ::dup2(prepared.error.get(), STDERR_FILENO);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);

  char go = 0;
  if (::read(gate, &go, 1) != 1) ::_exit(127);

  if (prepared.netns && ::setns(prepared.netns.get(), CLONE_NEWNET) != 0) give_up(gate, ChildFailure::Step::netns);
  if (!spec.run_dir.empty() && !replace_run(spec.run_dir.c_str(), prepared.run_netns.c_str())) {
    give_up(gate, ChildFailure::Step::run_dir);
  }
  if (!spec.hostname.empty() &&
      (::unshare(CLONE_NEWUTS) != 0 || ::sethostname(spec.hostname.data(), spec.hostname.size()) != 0)) {
    give_up(gate, ChildFailure::Step::hostname);
  }
  if (!spec.working_dir.empty() && ::chdir(spec.working_dir.c_str()) != 0)
    give_up(gate, ChildFailure::Step::working_dir);
  ::execve(prepared.program.c_str(), prepared.argv.data(), prepared.env.data());
  give_up(gate, ChildFailure::Step::exec);
}

tl::unexpected<Error> explain(const ProcessSpec& spec, const Prepared& prepared, const ChildFailure& failure) {
  switch (failure.step) {
    case ChildFailure::Step::netns:
      return failed(fmt::format("enter network namespace {}", spec.netns), failure.error);
    case ChildFailure::Step::run_dir:
      return failed(fmt::format("mount {} on /run", spec.run_dir), failure.error);
    case ChildFailure::Step::hostname:
      return failed(fmt::format("set host name {}", spec.hostname), failure.error);
    case ChildFailure::Step::working_dir:
      return failed(fmt::format("enter {}", spec.working_dir), failure.error);
    case ChildFailure::Step::exec:
      break;
  }
  return failed(fmt::format("execute {}", prepared.program), failure.error);
}

void kill_and_reap(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<Child> spawn(const ProcessSpec& spec, const std::function<Status(pid_t)>& before_exec) {
  auto prepared = prepare(spec);
  if (!prepared) return fail(prepared.error());

  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return failed("socketpair", errno);
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("fork", errno);
  if (pid == 0) become(spec, *prepared, theirs.get(), ours.get(), parent);
  theirs.reset();

  Child child;
  child.pid = pid;
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Status ready;
  if (!child.pidfd) ready = failed("pidfd_open", errno);
  if (ready && before_exec) ready = before_exec(pid);
  if (!ready) {
    kill_and_reap(pid);
    return fail(ready.error());
  }

  (void)::send(ours.get(), "!", 1, MSG_NOSIGNAL);
  // End of file: the exec closed the child's side.
  ChildFailure failure;
  ssize_t got = 0;
  while ((got = ::recv(ours.get(), &failure, sizeof failure, MSG_WAITALL)) < 0 && errno == EINTR) {
  }
  if (got == sizeof failure) {
    kill_and_reap(pid);
    return explain(spec, *prepared, failure);
  }
  if (spec.capture) {
    child.output = std::move(prepared->output);
    child.error = std::move(prepared->error);
  }
  return child;
}

}  // namespace berth::dev
