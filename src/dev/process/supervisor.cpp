#include "dev/process/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/event_loop.h"
#include "dev/process/spawn.h"

namespace berth::dev {

namespace {

constexpr std::size_t kCaptured = std::size_t{1} << 20;

std::string contents(const UniqueFd& fd) {
  std::string text;
  if (!fd) return text;
  text.resize(kCaptured);
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string ProcessEnd::describe() const {
  if (timed_out) return "timed out";
  if (signal != 0) return fmt::format("killed by signal {}", signal);
  return fmt::format("exit status {}", code);
}

class Supervisor::Impl {
 public:
  explicit Impl(Ledger* ledger)
      : ledger_(ledger), epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    post([this] { stopping_ = true; });
    thread_.join();
  }

  Result<Id> start(ProcessSpec spec, OnEnd on_end) {
    if (std::this_thread::get_id() == thread_.get_id()) return launch(std::move(spec), std::move(on_end));
    std::promise<Result<Id>> promise;
    auto future = promise.get_future();
    post([&] { promise.set_value(launch(std::move(spec), std::move(on_end))); });
    return future.get();
  }

  void signal(Id id, int number) {
    const std::lock_guard lock(mutex_);
    send(id, number);
  }

  void stop(Id id, Duration grace) {
    post([this, id, grace] {
      const std::lock_guard lock(mutex_);
      const auto found = running_.find(id);
      if (found == running_.end()) return;
      if (grace <= Duration::zero()) return send(id, SIGKILL);
      if (!found->second.kill_at) send(id, SIGTERM);
      const TimePoint at = boot_time() + grace;
      found->second.kill_at = found->second.kill_at ? std::min(*found->second.kill_at, at) : at;
    });
  }

  void wait(const std::vector<Id>& ids) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return std::ranges::none_of(ids, [&](Id id) { return running_.contains(id); }); });
  }

  pid_t pid_of(Id id) const {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    return found == running_.end() || found->second.reaped ? 0 : found->second.child.pid;
  }

 private:
  struct Process {
    Child child{};
    OnEnd on_end{};
    std::optional<Ledger::Entry> entry{};
    std::optional<TimePoint> kill_at{};    // stop()'s grace
    std::optional<TimePoint> times_out{};  // spec.timeout
    bool timed_out = false;
    bool reaped = false;  // its pid may be somebody else's by now; listed until on_end has run
  };

  void post(std::function<void()> fn) {
    {
      const std::lock_guard lock(mutex_);
      mailbox_.push_back(std::move(fn));
    }
    const std::uint64_t one = 1;
    (void)::write(wake_.get(), &one, sizeof one);
  }

  Result<Id> launch(ProcessSpec spec, OnEnd on_end) {
    Process process;
    process.on_end = std::move(on_end);
    auto child = spawn(spec, [&](pid_t pid) -> Status {
      if (ledger_ == nullptr) return {};
      const auto start = process_start(pid);
      if (!start) return fail(start.error());
      auto entry = ledger_->add({.kind = LedgerRecord::Kind::process, .name = spec.name, .pid = pid, .start = *start});
      if (!entry) return fail(entry.error());
      process.entry = *entry;
      return {};
    });
    if (!child) {
      if (process.entry) ledger_->remove(*process.entry);
      return fail(child.error().with_context(spec.name));
    }
    process.child = std::move(*child);
    if (spec.timeout > Duration::zero()) process.times_out = boot_time() + spec.timeout;
    const std::lock_guard lock(mutex_);
    const Id id = next_++;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.child.pidfd.get(), &event);
    running_.emplace(id, std::move(process));
    return id;
  }

  // Needs mutex_, which also keeps the process from being reaped, and its pid from being used again, meanwhile.
  void send(Id id, int number) {
    const auto found = running_.find(id);
    if (found == running_.end() || found->second.reaped) return;
    if (::kill(-found->second.child.pid, number) != 0) ::kill(found->second.child.pid, number);
  }

  void run() {
    while (true) {
      epoll_event events[16];
      const int count = ::epoll_wait(epoll_.get(), events, 16, next_timeout());
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 != 0) reap(events[i].data.u64);
      }
      run_mailbox();
      kill_overdue();
      if (stopping_) break;
    }
    end_all();
  }

  void run_mailbox() {
    std::uint64_t ignored = 0;
    (void)::read(wake_.get(), &ignored, sizeof ignored);
    std::deque<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(mailbox_);
    }
    for (auto& fn : work) fn();
  }

  // Milliseconds for epoll_wait; -1 is for ever.
  int next_timeout() {
    const std::lock_guard lock(mutex_);
    std::optional<TimePoint> first;
    for (const auto& [id, process] : running_) {
      for (const auto& at : {process.kill_at, process.times_out}) {
        if (at && (!first || *at < *first)) first = at;
      }
    }
    if (!first) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*first - boot_time()).count();
    return static_cast<int>(std::clamp<long>(left, 0, 60'000));
  }

  void kill_overdue() {
    const std::lock_guard lock(mutex_);
    const TimePoint now = boot_time();
    for (auto& [id, process] : running_) {
      const bool overdue = process.times_out && *process.times_out <= now;
      if (!overdue && !(process.kill_at && *process.kill_at <= now)) continue;
      process.timed_out = process.timed_out || overdue;
      process.times_out.reset();
      process.kill_at.reset();
      send(id, SIGKILL);
    }
  }

  void reap(Id id) {
    Process process;
    ProcessEnd end;
    {
      const std::lock_guard lock(mutex_);
      const auto found = running_.find(id);
      if (found == running_.end()) return;
      siginfo_t info{};
      const auto pidfd = static_cast<id_t>(found->second.child.pidfd.get());
      if (::waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
      // While the leader is a zombie its pid, and so the group's id, cannot be anybody else's.
      ::kill(-found->second.child.pid, SIGKILL);
      ::waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG);
      if (info.si_code == CLD_EXITED) {
        end.code = info.si_status;
      } else {
        end.signal = info.si_status;
      }
      process = std::exchange(found->second, Process{.reaped = true});
    }
    if (process.entry) ledger_->remove(*process.entry);
    end.timed_out = process.timed_out;
    end.output = contents(process.child.output);
    end.error = contents(process.child.error);
    if (process.on_end && !stopping_) process.on_end(std::move(end));
    const std::lock_guard lock(mutex_);
    running_.erase(id);
    ended_.notify_all();
  }

  void end_all() {
    while (true) {
      std::vector<Id> left;
      {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, process] : running_) {
          left.push_back(id);
          send(id, SIGKILL);
        }
      }
      if (left.empty()) return;
      epoll_event events[16];
      const int count = ::epoll_wait(epoll_.get(), events, 16, 1000);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 != 0) reap(events[i].data.u64);
      }
      run_mailbox();
    }
  }

  Ledger* ledger_;
  UniqueFd epoll_;
  UniqueFd wake_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> mailbox_;  // guarded by mutex_
  std::map<Id, Process> running_;              // guarded by mutex_
  Id next_ = 1;                                // guarded by mutex_
  bool stopping_ = false;                      // the thread's own
  std::thread thread_;
};

Supervisor::Supervisor(Ledger* ledger) : impl_(std::make_unique<Impl>(ledger)) {}
Supervisor::~Supervisor() = default;

Result<Supervisor::Id> Supervisor::start(ProcessSpec spec, OnEnd on_end) {
  return impl_->start(std::move(spec), std::move(on_end));
}

void Supervisor::signal(Id id, int signal_number) { impl_->signal(id, signal_number); }

void Supervisor::stop(Id id, Duration grace) { impl_->stop(id, grace); }

void Supervisor::stop_and_wait(const std::vector<Id>& ids, Duration grace) {
  for (const Id id : ids) impl_->stop(id, grace);
  impl_->wait(ids);
}

bool Supervisor::running(Id id) const { return impl_->pid_of(id) != 0; }

pid_t Supervisor::pid_of(Id id) const { return impl_->pid_of(id); }

Result<ProcessEnd> Supervisor::run(ProcessSpec spec) {
  std::promise<ProcessEnd> promise;
  auto future = promise.get_future();
  auto started = start(std::move(spec), [&promise](ProcessEnd end) { promise.set_value(std::move(end)); });
  if (!started) return fail(started.error());
  return future.get();
}

Result<std::string> run_command(Supervisor& supervisor, ProcessSpec spec) {
  spec.capture = true;
  const std::string command = fmt::format("{}", fmt::join(spec.argv, " "));
  auto end = supervisor.run(std::move(spec));
  if (!end) return fail(end.error());
  if (end->ok()) return std::move(end->output);
  return fail(end->timed_out ? ErrorCode::timeout : ErrorCode::unavailable,
              fmt::format("`{}`: {}: {}", command, end->describe(), trimmed(end->error)));
}

}  // namespace berth::dev
