#pragma once

// An HTTP/1.1 server with one I/O thread: TCP or a unix socket, with or without TLS, keep-alive, chunked streams.
//
// The handler runs on the I/O thread and must not block; it answers through the Responder, at once or later from any
// thread. A connection handles one request at a time, in order; pipelined requests wait. While a request is being
// handled the connection goes on reading, so that a client that leaves is noticed.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/certificates.h"

namespace berth::http {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// Who is on the other side. user is empty for an anonymous caller.
struct Peer {
  std::string address;              // "127.0.0.1:4711"; "unix" for a unix socket
  std::string user;                 // common name of a verified client certificate, or the user of a bearer token
  std::vector<std::string> groups;  // organizations of that certificate, or the groups of that token
  std::string refused;              // why a certificate or token that was presented is not accepted; empty: it is

  struct Process {
    pid_t pid;
    uid_t uid;
    gid_t gid;
  };
  std::optional<Process> process;  // unix sockets: SO_PEERCRED, taken when the client connected
};

struct ServerRequest {
  std::string method;
  std::string target;  // as sent: path and query
  std::string path;    // percent-decoded
  std::vector<std::pair<std::string, std::string>>
      query;  // decoded, in order; a parameter without '=' has an empty value
  HeaderList headers;
  std::string body;
  Peer peer;

  // The first value of a header (case-insensitive) or of a query parameter; empty if absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
  [[nodiscard]] bool has_parameter(std::string_view name) const;
};

// Content-Length, Transfer-Encoding and Connection are the server's own and must not be among the headers.
struct ServerResponse {
  int status = 200;
  HeaderList headers;
  std::string body;
};

class Exchange;  // one request and its answer; internal

// A chunked answer in progress. A handle: copies mean the same stream. All functions may be called from any thread.
// When the last copy goes without finish() the connection is cut, so that the client sees that the answer is not
// complete.
class Stream {
 public:
  explicit Stream(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void write(std::string bytes) const;  // one chunk; dropped once the client is gone
  void finish() const;                  // the end; what was written before is still sent

  // Bytes written here that the kernel has not yet taken: the measure for back-pressure.
  [[nodiscard]] std::size_t pending() const;
  [[nodiscard]] bool gone() const;

  // Called on the I/O thread whenever pending() has fallen to 0. Set it before the first write. fn may own the stream:
  // it is destroyed when the stream is finished or the client gone.
  void on_drained(std::function<void()> fn) const;

 private:
  std::shared_ptr<Exchange> exchange_;
};

// The right to answer one request, once. A handle; any thread. When the last copy goes unused the client gets a 500.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void send(ServerResponse response) const;
  [[nodiscard]] Stream start(int status, HeaderList headers) const;

  // Called once, on the I/O thread, when the client goes away, or the server stops, before the answer is complete. At
  // once if it is gone already. Not called after a complete answer. fn is destroyed with the exchange and must not own
  // the Responder.
  void on_gone(std::function<void()> fn) const;
  [[nodiscard]] bool gone() const;

 private:
  std::shared_ptr<Exchange> exchange_;
};

using Handler = std::function<void(ServerRequest, Responder)>;

struct ServerTls {
  KeyPair identity;              // the certificate may be a chain, leaf first
  std::string client_authority;  // PEM; empty: client certificates are not asked for
};

struct BearerToken {
  std::string token;
  std::string user;
  std::vector<std::string> groups;
};

// Times in real time. Zero means no limit.
struct ServerLimits {
  std::size_t header_bytes = 64 * 1024;
  std::size_t body_bytes = 8 * 1024 * 1024;  // larger: 413
  std::size_t connections = 4096;            // more wait in the kernel's backlog
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds request{30'000};  // from the first byte of a request to its last
  std::chrono::milliseconds idle{300'000};    // between requests
  std::chrono::milliseconds write{60'000};    // without progress, while bytes wait
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // IP literal; ignored with unix_path
  std::uint16_t port = 0;             // 0: any free one
  std::string unix_path;              // a stale socket at this path is replaced, any other file is an error
  mode_t unix_mode = 0600;
  std::optional<ServerTls> tls;
  std::vector<BearerToken> tokens;
  ServerLimits limits;
};

class Server {
 public:
  // Listens and serves when it returns. Errors: invalid (address, PEM), unavailable (cannot bind).
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();  // stop()

  [[nodiscard]] std::uint16_t port() const;  // 0 for a unix socket

  // Serves a socket that the caller made and that listens already, in the same way: it may belong to another network
  // namespace. Owned by the server from now on, also on failure. From any thread.
  [[nodiscard]] Status listen_also(int listening);

  // Connections from now on are served with these settings; those that are open keep theirs. From any thread. Errors:
  // invalid (PEM).
  [[nodiscard]] Status replace_tls(const ServerTls& tls);

  // Closes the listeners and all connections, and joins the I/O thread; the handler is not called after it returns.
  // Responders and Streams may outlive the server: what they are told is dropped. Not from the handler.
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
