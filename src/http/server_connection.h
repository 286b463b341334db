#pragma once

// One server connection as a state machine. Internal to the server.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/server_wire.h"

namespace berth::http {

class Connection;

// What all connections of a server share. It outlives the server while a Responder or Stream lives.
struct ServerCore {
  boost::asio::io_context io{1};
  ServerOptions options;
  Handler handler;
  std::unordered_set<std::shared_ptr<Connection>> connections;  // I/O thread only
  std::function<void()> on_room;                                // I/O thread: a connection has gone

  std::mutex mutex;
  bool stopped = false;  // guarded by mutex; then nothing is posted any more, and io runs out of work

  // Runs fn on the I/O thread, in order of posting; dropped once the server has stopped. asio::post alone does not keep
  // that order: what the I/O thread posts itself it queues apart until its present handler returns, so that another
  // thread could overtake it, and a chunk its head.
  void post(std::function<void()> fn);

 private:
  void drain();

  std::vector<std::function<void()>> mailbox_;  // guarded by mutex; a drain() is under way while it is not empty
};

// A timer that can be set again and again; fires at most once per set().
class Deadline {
 public:
  explicit Deadline(boost::asio::io_context& io) : timer_(io) {}
  void set(std::chrono::milliseconds after, std::function<void()> fn);  // zero: no deadline
  void clear();

 private:
  boost::asio::steady_timer timer_;
  std::uint64_t generation_ = 0;
};

// States: handshake, then for each request: reading (until it is complete), handling (until the answer is complete),
// flushing (until the kernel has it), and reading again, or closing (what the client still sends is discarded), closed.
// One read is outstanding in every state but closed, unless kReadAhead bytes wait to be parsed: so a leaving client is
// noticed. All functions on the I/O thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, std::unique_ptr<Wire> wire);

  void start();
  void abort();  // at once, without goodbye

  // Called by the Exchange in this order: answer(), or begin() chunk()* end(). cut(): the answer will never be
  // complete.
  void answer(ServerResponse response);
  void begin(int status, const HeaderList& headers);
  void chunk(std::string bytes);
  void end();
  void cut();

 private:
  enum class State { handshake, reading, handling, flushing, closing, closed };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  struct Outgoing {
    std::string bytes;
    std::size_t counted;  // of them, those that a Stream counts as pending
  };

  void next_request();
  void read_some();
  void on_read(boost::system::error_code ec, std::size_t size);
  void parse();
  void dispatch();
  void reject(int status, std::string_view why);
  void enqueue(std::string bytes, std::size_t counted = 0);
  void write_some();
  void on_written(boost::system::error_code ec, std::size_t size);
  void answered();
  void say_goodbye();
  std::string head(int status, const HeaderList& headers, std::string_view framing) const;

  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Wire> wire_;
  State state_ = State::handshake;
  Peer peer_;

  std::array<char, 8 * 1024> read_buffer_;  // apart from in_, which moves its bytes while a read is outstanding
  boost::beast::flat_buffer in_;
  bool read_pending_ = false;
  std::optional<Parser> parser_;
  bool continue_sent_ = false;
  Deadline read_deadline_;

  std::deque<Outgoing> out_;
  std::size_t out_sent_ = 0;  // of out_.front()
  bool write_pending_ = false;
  Deadline write_deadline_;

  std::weak_ptr<Exchange> exchange_;
  bool keep_alive_ = true;
  bool chunked_ = true;  // HTTP/1.0 clients get the bare bytes and the end of the connection
  bool head_only_ = false;
};

// The rendezvous of a request's Responder and Stream (any thread) with its Connection (I/O thread).
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<ServerCore> core, std::weak_ptr<Connection> connection);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  // For Responder and Stream.
  void send(ServerResponse response);
  void start(int status, HeaderList headers);
  void write(std::string bytes);
  void finish();
  void on_gone(std::function<void()> fn);
  void on_drained(std::function<void()> fn);
  [[nodiscard]] bool gone() const;
  [[nodiscard]] std::size_t pending() const;

  // For Connection.
  void client_gone();
  void sent(std::size_t bytes);

 private:
  enum class State { waiting, streaming, complete };

  void post(std::function<void(Connection&)> fn) const;

  std::shared_ptr<ServerCore> core_;
  std::weak_ptr<Connection> connection_;
  mutable std::mutex mutex_;
  State state_ = State::waiting;
  bool gone_ = false;
  std::size_t pending_ = 0;
  std::function<void()> on_gone_;
  std::shared_ptr<std::function<void()>> on_drained_;
};

}  // namespace berth::http
