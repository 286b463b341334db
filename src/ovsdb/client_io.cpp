#include "ovsdb/client_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/event_loop.h"
#include "base/log.h"

namespace berth::ovsdb {

namespace {

constexpr std::size_t kReadSize = 64UL << 10;
constexpr int kReadsPerTurn = 16;

Error io_error(const Remote& remote, std::string_view what, int error) {
  return {ErrorCode::unavailable, fmt::format("OVSDB {}: {}: {}", remote.text, what, std::strerror(error))};
}

}  // namespace

Client::Io::Io(std::vector<Remote> remotes, ClientOptions options)
    : remotes_(std::move(remotes)),
      options_(std::move(options)),
      session_options_{options_.database, options_.monitored, options_.leader_only, options_.probe_interval},
      backoff_(options_.backoff_min) {}

Client::Io::~Io() {
  stop();
  close_socket();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

Status Client::Io::open() {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return fail(ErrorCode::unavailable, fmt::format("OVSDB: eventfd: {}", std::strerror(errno)));
  return {};
}

void Client::Io::start(Events events) {
  events_ = std::move(events);
  thread_ = std::thread([this] { run(); });
}

void Client::Io::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void Client::Io::transact(std::uint64_t id, boost::json::array operations) {
  {
    const std::lock_guard lock(mutex_);
    mail_.emplace_back(id, std::move(operations));
  }
  wake();
}

void Client::Io::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof(one));  // full: it is awake anyway
}

void Client::Io::run() {
  due_ = boot_time();
  while (take_mail()) {
    on_deadlines();
    wait_for_events();
  }
}

bool Client::Io::take_mail() {
  std::vector<Transaction> mail;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    mail.swap(mail_);
  }
  for (auto& [id, operations] : mail) {
    if (session_ && session_->state() == Session::State::connected) {
      session_->transact(id, std::move(operations));
    } else {
      events_.on_reply(id, fail(ErrorCode::unavailable, "OVSDB: not connected"));
    }
  }
  if (!mail.empty()) flush();
  return true;
}

TimePoint Client::Io::next_deadline() const {
  if (!session_) return due_;
  return session_->state() == Session::State::connected ? session_->deadline() : std::min(due_, session_->deadline());
}

void Client::Io::wait_for_events() {
  std::array<pollfd, 2> fds{{{wake_fd_, POLLIN, 0}, {fd_, 0, 0}}};
  if (phase_ == Phase::connecting) fds[1].events = POLLOUT;
  if (phase_ == Phase::in_session) fds[1].events = static_cast<short>(POLLIN | (output_.empty() ? 0 : POLLOUT));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_deadline() - boot_time()).count();
  const auto timeout = static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left, 0, 60'000));
  if (::poll(fds.data(), phase_ == Phase::disconnected ? 1 : 2, timeout) <= 0) return;

  if ((fds[0].revents & POLLIN) != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof(count));
  }
  if (fds[1].revents == 0) return;
  if (phase_ == Phase::connecting || (fds[1].revents & POLLOUT) != 0) on_writable();
  if (phase_ == Phase::in_session && (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) on_readable();
}

void Client::Io::on_deadlines() {
  const TimePoint now = boot_time();
  if (phase_ == Phase::disconnected) {
    if (now >= due_) connect_next();
    return;
  }
  const bool whole = session_ && session_->state() == Session::State::connected;
  if (!whole && now >= due_) {
    const std::string_view step = session_ ? to_string(session_->state()) : "connecting";
    drop({ErrorCode::timeout, fmt::format("OVSDB {}: no progress while {}", remotes_[next_remote_].text, step)});
    return;
  }
  if (!session_) return;
  const auto end = session_->on_deadline(now);
  if (end) {
    drop(*end);
  } else {
    flush();
  }
}

void Client::Io::connect_next() {
  const Remote& remote = remotes_[next_remote_];
  fd_ = ::socket(remote.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return drop(io_error(remote, "socket", errno));
  phase_ = Phase::connecting;
  due_ = boot_time() + options_.connect_timeout;
  if (remote.address.ss_family != AF_UNIX) {
    const int on = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&remote.address), remote.length) == 0) return begin_session();
  if (errno != EINPROGRESS) drop(io_error(remote, "connect", errno));
}

void Client::Io::on_writable() {
  if (phase_ == Phase::in_session) return flush();
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return drop(io_error(remotes_[next_remote_], "connect", error));
  begin_session();
}

void Client::Io::begin_session() {
  phase_ = Phase::in_session;
  session_.emplace(session_options_,
                   Session::Events{
                       .on_connected =
                           [this](std::vector<RowChange> all, std::shared_ptr<const Schema> schema) {
                             connected_since_ = boot_time();
                             said_.clear();
                             log::info("OVSDB: connected",
                                       {{"database", options_.database}, {"remote", remotes_[next_remote_].text}});
                             events_.on_connected(std::move(all), std::move(schema));
                           },
                       .on_change = events_.on_change,
                       .on_reply = events_.on_reply,
                   },
                   kept_, boot_time());
  flush();
}

void Client::Io::on_readable() {
  std::array<char, kReadSize> buffer;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const auto got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0) return drop(io_error(remotes_[next_remote_], "read", errno));
    if (got == 0)
      return drop({ErrorCode::unavailable,
                   fmt::format("OVSDB {}: the server closed the connection", remotes_[next_remote_].text)});
    if (const auto end = session_->on_bytes({buffer.data(), static_cast<std::size_t>(got)}, boot_time()))
      return drop(*end);
  }
  flush();
}

void Client::Io::flush() {
  if (!session_) return;
  output_ += session_->take_output();
  std::size_t sent = 0;
  while (sent < output_.size()) {
    const auto n = ::send(fd_, output_.data() + sent, output_.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) return drop(io_error(remotes_[next_remote_], "write", errno));
    sent += static_cast<std::size_t>(n);
  }
  output_.erase(0, sent);
}

void Client::Io::close_socket() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  session_.reset();
  output_.clear();
  phase_ = Phase::disconnected;
}

// A connection that held for a while may be tried again at once; else each remote gets one try before the next wait.
void Client::Io::drop(const Error& error) {
  const TimePoint now = boot_time();
  const bool was_connected = session_ && session_->state() == Session::State::connected;
  const std::string& remote = remotes_[next_remote_].text;
  close_socket();
  next_remote_ = (next_remote_ + 1) % remotes_.size();
  if (was_connected && now - connected_since_ >= options_.backoff_min) {
    tried_ = 0;
    backoff_ = options_.backoff_min;
  } else {
    ++tried_;
  }
  due_ = now;
  const bool round_failed = tried_ >= remotes_.size();
  if (round_failed) {
    tried_ = 0;
    due_ += backoff_;
    backoff_ = std::min(backoff_ * 2, options_.backoff_max);
  }
  if ((round_failed || was_connected) && std::exchange(said_, error.message) != error.message) {
    log::warn("OVSDB: no connection", {{"database", options_.database}, {"remote", remote}, {"error", error.message}});
  }
  if (was_connected) events_.on_disconnected(error);
}

}  // namespace berth::ovsdb
