#pragma once

// An asynchronous HTTP(S) client with one I/O thread: thousands of requests in flight, streams that stay open for
// hours. Over TLS it asks for HTTP/2 and shares one connection among requests; otherwise HTTP/1.1 with keep-alive.
//
// All callbacks run on the I/O thread, one at a time, never inside the call that asked for them. They must not block
// and must not destroy the client.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace berth::http {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// All PEM, in memory.
struct ClientTls {
  std::string authority;    // what signs the server's certificate; empty: what the system trusts
  std::string certificate;  // the client's, leaf first; empty: none is shown
  std::string key;
  std::string server_name;  // the name that the server's certificate must have; empty: the URL's host
  bool verify = true;
};

// Ok, or `invalid` naming the part that is no PEM, has expired, or does not fit the other.
[[nodiscard]] Status check_tls(const ClientTls& tls);

struct ClientOptions {
  ClientTls tls;
  std::string user_agent = "berth";
  std::string proxy;  // URL; empty: as the environment says (https_proxy, no_proxy), and never for this machine itself
  // Asked on the I/O thread for each request; an empty token is not sent. May be empty.
  std::function<std::string()> bearer_token;
  std::chrono::milliseconds connect_timeout{10'000};
  // Requests (not streams) on the wire at once; more wait their turn, in order.
  std::size_t requests_http1 = 64;                              // each on a connection of its own
  std::size_t requests_http2 = 100;                             // as many as most servers let share a connection
  std::size_t response_bytes = std::size_t{512} * 1024 * 1024;  // of a request; more is ErrorCode::internal
  bool http2 = true;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // absolute
  HeaderList headers;
  std::string body;  // empty: none
  // From its turn, connecting included, to the last byte of the answer. Waiting for the turn does not count: a burst
  // must not fail for being long. Zero: no limit.
  std::chrono::milliseconds timeout{30'000};
  // Asked on the I/O thread when a connection is ready, right before the request's first byte is written to it; again
  // if the request has to be repeated on another connection. An error ends the request with it, unsent. May be empty.
  std::function<Status()> before_send;
};

struct ClientResponse {
  int status = 0;
  HeaderList headers;  // names in lower case
  std::string body;    // empty in the head of a stream

  // The first value; empty if absent. The name in lower case.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct StreamHandler {
  std::function<void(const ClientResponse& head)> on_head;  // any status; once, before the first on_data
  std::function<void(std::string_view)> on_data;            // as the bytes come: boundaries mean nothing
  std::function<void(Status)> on_end;                       // last call; ok: the answer came to its proper end
};

// Errors of both: unavailable (no connection, or lost before the end: whether the server acted is unknown), timeout,
// forbidden (the server's certificate is not trusted), invalid (URL, proxy, the client's own certificate), internal
// (the answer is not HTTP, or too large), and whatever before_send said.
class Client {
 public:
  using Id = std::uint64_t;  // 0 is never one

  explicit Client(ClientOptions options);
  ~Client();  // what is in flight is cut off, without a callback
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any HTTP status is an answer, not an error. From any thread.
  Id send(ClientRequest request, std::function<void(Result<ClientResponse>)> done);

  // From any thread. timeout covers the whole stream.
  Id stream(ClientRequest request, StreamHandler handler);

  // Cuts a request or stream off; an unknown id is no error. No callback follows, except, when this is called off the
  // I/O thread, one that is just running there. From any thread.
  void cancel(Id id);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
