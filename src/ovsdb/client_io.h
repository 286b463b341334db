#pragma once

// The half of a Client that runs on its I/O thread.

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ovsdb/client.h"
#include "ovsdb/remote.h"
#include "ovsdb/session.h"

namespace berth::ovsdb {

class Client::Io {
 public:
  struct Events {  // called on the I/O thread
    std::function<void(std::vector<RowChange> all, std::shared_ptr<const Schema>)> on_connected;
    std::function<void(std::vector<RowChange>)> on_change;
    std::function<void(std::uint64_t id, Result<boost::json::array>)> on_reply;
    std::function<void(Error)> on_disconnected;  // only after on_connected; nothing that is pending will be replied to
  };

  Io(std::vector<Remote> remotes, ClientOptions options);
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  [[nodiscard]] Status open();
  void start(Events events);
  void stop();                                                     // joins
  void transact(std::uint64_t id, boost::json::array operations);  // any thread

 private:
  // What else is the case while connected to a socket, Session::state() says.
  enum class Phase { disconnected, connecting, in_session };
  using Transaction = std::pair<std::uint64_t, boost::json::array>;

  void run();
  bool take_mail();  // false: stop
  void wait_for_events();
  [[nodiscard]] TimePoint next_deadline() const;
  void on_deadlines();
  void connect_next();
  void on_writable();
  void on_readable();
  void begin_session();
  void flush();
  void drop(const Error& error);
  void close_socket();
  void wake();

  const std::vector<Remote> remotes_;
  const ClientOptions options_;
  const Session::Options session_options_;
  Events events_;
  std::thread thread_;
  int wake_fd_ = -1;

  std::mutex mutex_;
  std::vector<Transaction> mail_;  // guarded by mutex_
  bool stopping_ = false;          // guarded by mutex_

  // I/O thread only.
  Phase phase_ = Phase::disconnected;
  int fd_ = -1;
  std::size_t next_remote_ = 0;
  std::size_t tried_ = 0;  // remotes since the last success or wait
  TimePoint due_;          // disconnected: of the next attempt; else until when the replica must be whole
  TimePoint connected_since_;
  Duration backoff_;
  std::string said_;  // the failure that was logged last
  ReplicaState kept_;
  std::optional<Session> session_;
  std::string output_;
};

}  // namespace berth::ovsdb
