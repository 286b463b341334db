#include "cni/exchange.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include "cni/protocol.h"

namespace berth::cni {
namespace {

using Clock = std::chrono::steady_clock;

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> unreachable(const std::string& path, std::string_view what) {
  return fail(kIoFailure, "berth-agent cannot be reached", path + ": " + std::string(what));
}

// Whether fd is ready for events before the deadline.
bool wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(left));
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
  }
}

Result<void> send_all(int fd, std::string_view text, const std::string& path, Clock::time_point deadline) {
  while (!text.empty()) {
    const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!wait_for(fd, POLLOUT, deadline)) return unreachable(path, "the request could not be sent in time");
    } else {
      return unreachable(path, std::generic_category().message(errno));
    }
  }
  return {};
}

constexpr std::size_t kMaxHeaderBytes = 16384;

// Where the answer's body begins and how long it is; none while the header is not complete.
struct Body {
  std::size_t start;
  std::size_t length;
};

Result<std::optional<Body>> find_body(std::string_view text, const std::string& path) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (text.size() > kMaxHeaderBytes) return unreachable(path, "the answer's header is too long");
    return std::optional<Body>{};
  }
  std::string header(text.substr(0, end));
  const std::string status_line = header.substr(0, header.find("\r\n"));
  if (!status_line.starts_with("HTTP/1.1 200 ")) return unreachable(path, "the agent answered " + status_line);
  for (char& c : header) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::string_view length_field = "\r\ncontent-length:";
  const auto field = header.find(length_field);
  if (field == std::string::npos) return unreachable(path, "the answer has no Content-Length");
  const auto digits = header.find_first_not_of(' ', field + length_field.size());
  std::size_t length = 0;
  if (digits == std::string::npos ||
      std::from_chars(header.data() + digits, header.data() + header.size(), length).ec != std::errc())
    return unreachable(path, "the answer's Content-Length is not a number");
  if (length > kMaxMessageBytes) return unreachable(path, "the answer is too long");
  return std::optional<Body>(Body{end + 4, length});
}

Result<std::string> read_answer(int fd, const std::string& path, Clock::time_point deadline) {
  std::string text;
  std::optional<Body> body;
  char buffer[16384];
  for (;;) {
    const auto n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) {
      text.append(buffer, static_cast<std::size_t>(n));
      if (!body) {
        auto found = find_body(text, path);
        if (!found) return tl::unexpected<Error>(found.error());
        body = *found;
      }
      if (body && text.size() >= body->start + body->length) return text.substr(body->start, body->length);
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!wait_for(fd, POLLIN, deadline)) return unreachable(path, "no answer in time");
    } else {
      return unreachable(
          path, n == 0 ? "the agent closed the connection without an answer" : std::generic_category().message(errno));
    }
  }
}

std::string http_request(const std::string& message) {
  return "POST " + std::string(kCallPath) +
         " HTTP/1.1\r\nHost: berth-agent\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
         std::to_string(message.size()) + "\r\n\r\n" + message;
}

}  // namespace

Result<std::string> exchange_message(const std::string& socket_path, const std::string& message,
                                     std::chrono::milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return unreachable(socket_path, "the path is too long");
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const Socket socket;
  if (socket.fd() < 0) return unreachable(socket_path, std::generic_category().message(errno));
  while (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    // A unix socket answers EAGAIN while the listener's queue is full, and offers nothing to wait on.
    if (errno != EAGAIN || Clock::now() >= until)
      return unreachable(socket_path, std::generic_category().message(errno));
    ::poll(nullptr, 0, 20);
  }
  if (auto sent = send_all(socket.fd(), http_request(message), socket_path, until); !sent)
    return tl::unexpected<Error>(sent.error());
  return read_answer(socket.fd(), socket_path, until);
}

}  // namespace berth::cni
