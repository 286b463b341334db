#pragma once

// The transport below one server connection: a socket, with or without TLS. Internal to the server; I/O thread only.

#include <functional>
#include <memory>
#include <span>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/system/error_code.hpp>

#include "http/server.h"

struct ssl_ctx_st;

namespace berth::http {

using Socket = boost::asio::generic::stream_protocol::socket;

// Completions never run inside the call. At most one read, one write and one shutdown at a time. Buffers must stay
// alive until the completion. After close() pending operations complete with an error.
class Wire {
 public:
  using Done = std::function<void(boost::system::error_code)>;
  using Transferred = std::function<void(boost::system::error_code, std::size_t)>;

  virtual ~Wire() = default;
  virtual void handshake(Done done) = 0;
  virtual void read(boost::asio::mutable_buffer into, Transferred done) = 0;  // some bytes
  virtual void write(boost::asio::const_buffer bytes, Transferred done) = 0;  // some bytes
  virtual void shutdown(Done done) = 0;                                       // says that nothing more will be sent
  virtual void close() = 0;

  // Fills address, process, and what a client certificate says. After the handshake.
  virtual void describe(Peer& peer) = 0;
};

[[nodiscard]] std::unique_ptr<Wire> plain_wire(Socket socket);

// The settings that TLS connections of one server share.
class TlsContext {
 public:
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make(const ServerTls& options);
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] std::unique_ptr<Wire> wire(Socket socket) const;

 private:
  ssl_ctx_st* context_;
};

}  // namespace berth::http
