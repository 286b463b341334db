#include "http/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "base/log.h"
#include "http/server_connection.h"

namespace berth::http {
namespace {

namespace asio = boost::asio;
using Endpoint = asio::generic::stream_protocol::endpoint;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry{100};  // out of file descriptors: they may come back

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return lower(x) == lower(y);
  });
}

Result<Endpoint> endpoint_of(const ServerOptions& options) {
  if (!options.unix_path.empty()) {
    struct stat file{};
    if (::lstat(options.unix_path.c_str(), &file) == 0) {
      if (!S_ISSOCK(file.st_mode)) {
        return fail(ErrorCode::invalid,
                    fmt::format("cannot listen on {}: it exists and is no socket", options.unix_path));
      }
      ::unlink(options.unix_path.c_str());
    }
    try {
      return Endpoint(asio::local::stream_protocol::endpoint(options.unix_path));
    } catch (const std::exception& e) {
      return fail(ErrorCode::invalid, fmt::format("cannot listen on {}: {}", options.unix_path, e.what()));
    }
  }
  error_code ec;
  const auto address = asio::ip::make_address(options.address, ec);
  if (ec) return fail(ErrorCode::invalid, fmt::format("listen address \"{}\" is not an IP address", options.address));
  return Endpoint(asio::ip::tcp::endpoint(address, options.port));
}

}  // namespace

std::string_view ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

std::string_view ServerRequest::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

bool ServerRequest::has_parameter(std::string_view name) const {
  return std::any_of(query.begin(), query.end(), [name](const auto& entry) { return entry.first == name; });
}

class Server::Impl {
 public:
  Impl(ServerOptions options, Handler handler) : core_(std::make_shared<ServerCore>()) {
    core_->options = std::move(options);
    core_->handler = std::move(handler);
  }

  Status listen() {
    const ServerOptions& options = core_->options;
    if (options.tls) {
      auto tls = TlsContext::make(*options.tls);
      if (!tls) return fail(tls.error());
      tls_ = std::move(*tls);
    }
    const auto endpoint = endpoint_of(options);
    if (!endpoint) return fail(endpoint.error());
    const bool local = !options.unix_path.empty();
    Acceptor& acceptor = listeners_.front()->acceptor;
    error_code ec;
    acceptor.open(endpoint->protocol(), ec);
    if (!ec && !local) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    // Set before bind, the mode is the new file's from its first moment.
    if (!ec && local && ::fchmod(acceptor.native_handle(), options.unix_mode) != 0) {
      ec.assign(errno, boost::system::system_category());
    }
    if (!ec) acceptor.bind(*endpoint, ec);
    if (!ec && local && ::chmod(options.unix_path.c_str(), options.unix_mode) != 0) {
      ec.assign(errno, boost::system::system_category());
    }
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {
      return fail(ErrorCode::unavailable,
                  local ? fmt::format("cannot listen on {}: {}", options.unix_path, ec.message())
                        : fmt::format("cannot listen on {} port {}: {}", options.address, options.port, ec.message()));
    }
    if (!local) {
      asio::ip::tcp::endpoint bound;
      const Endpoint actual = acceptor.local_endpoint(ec);
      std::memcpy(bound.data(), actual.data(), actual.size());
      port_ = bound.port();
    }
    return {};
  }

  Status listen_also(int listening) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    error_code ec;
    if (::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      ec.assign(errno, boost::system::system_category());
    }
    auto listener = std::make_shared<Listener>(core_->io);
    if (!ec) listener->acceptor.assign(Endpoint::protocol_type(address.ss_family, 0), listening, ec);
    if (ec) {
      ::close(listening);
      return fail(ErrorCode::invalid, fmt::format("cannot serve descriptor {}: {}", listening, ec.message()));
    }
    asio::post(core_->io, [this, listener = std::move(listener)]() mutable {
      if (shutting_down_) return;
      listeners_.push_back(std::move(listener));
      accept(*listeners_.back());
    });
    return {};
  }

  Status replace_tls(const ServerTls& tls) {
    auto context = TlsContext::make(tls);
    if (!context) return fail(context.error());
    asio::post(core_->io, [this, context = std::move(*context)]() mutable { tls_ = std::move(context); });
    return {};
  }

  void run() {
    core_->on_room = [this] {
      for (const auto& listener : listeners_) accept(*listener);
    };
    accept(*listeners_.front());
    thread_ = std::thread([this] { core_->io.run(); });
  }

  void stop() {
    {
      const std::lock_guard lock(core_->mutex);
      if (core_->stopped) return;
      core_->stopped = true;
      asio::post(core_->io, [this] { shut_down(); });
    }
    if (!thread_.joinable()) return;
    thread_.join();  // io.run() returns when the last operation has completed: nothing is left that owns the core
    core_->handler = nullptr;
    if (!core_->options.unix_path.empty()) ::unlink(core_->options.unix_path.c_str());
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), retry(io) {}

    Acceptor acceptor;
    Deadline retry;
    bool accepting = false;
  };

  void accept(Listener& listener) {
    if (listener.accepting || shutting_down_) return;
    if (core_->connections.size() >= core_->options.limits.connections) return;
    listener.accepting = true;
    listener.acceptor.async_accept([this, &listener](error_code ec, Socket socket) {
      listener.accepting = false;
      if (shutting_down_) return;
      if (ec) {
        log::warn("cannot accept a connection", {{"error", ec.message()}});
        listener.retry.set(kAcceptRetry, [this, &listener] { accept(listener); });
        return;
      }
      if (core_->options.unix_path.empty()) {
        error_code ignored;
        socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      }
      auto wire = tls_ ? tls_->wire(std::move(socket)) : plain_wire(std::move(socket));
      auto connection = std::make_shared<Connection>(core_, std::move(wire));
      core_->connections.insert(connection);
      connection->start();
      accept(listener);
    });
  }

  void shut_down() {
    shutting_down_ = true;
    error_code ignored;
    for (const auto& listener : listeners_) {
      listener->acceptor.close(ignored);
      listener->retry.clear();
    }
    work_.reset();
    const auto connections = core_->connections;
    for (const auto& connection : connections) connection->abort();
  }

  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<TlsContext> tls_;
  std::vector<std::shared_ptr<Listener>> listeners_{std::make_shared<Listener>(core_->io)};  // I/O thread, as the next
  asio::executor_work_guard<asio::io_context::executor_type> work_{core_->io.get_executor()};
  std::uint16_t port_ = 0;
  bool shutting_down_ = false;
  std::thread thread_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  if (auto listening = impl->listen(); !listening) return fail(listening.error());
  impl->run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const { return impl_->port(); }
Status Server::listen_also(int listening) { return impl_->listen_also(listening); }
Status Server::replace_tls(const ServerTls& tls) { return impl_->replace_tls(tls); }
void Server::stop() { impl_->stop(); }

}  // namespace berth::http
