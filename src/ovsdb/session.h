#pragma once

// One connection to an ovsdb-server, without its socket: bytes in, bytes and events out. The conversation is a state
// machine:
//
//   checking_leader ──► reading_schema ──► monitoring ──► connected
//
// In every state an error, silence, or (from the first on) the loss of leadership ends the session; whoever owns it
// closes the socket and begins anew. Not thread-safe; never calls itself back.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/scheduler.h"
#include "ovsdb/database.h"
#include "ovsdb/message_splitter.h"
#include "ovsdb/replica.h"

namespace berth::ovsdb {

// What a session leaves to the next one: with it a clustered server sends only what has changed since.
struct ReplicaState {
  std::optional<Replica> replica;
  std::string last_transaction;  // UUID; empty: unknown
};

class Session {
 public:
  enum class State { checking_leader, reading_schema, monitoring, connected };

  struct Options {
    std::string database;  // "OVN_Northbound"
    Monitored monitored;
    bool leader_only = true;  // of a cluster, stay only with the leader
    Duration probe_interval = std::chrono::seconds(5);
  };

  struct Events {
    std::function<void(std::vector<RowChange> all, std::shared_ptr<const Schema>)> on_connected;
    std::function<void(std::vector<RowChange>)> on_change;
    std::function<void(std::uint64_t id, Result<boost::json::array>)> on_reply;
  };

  // `state` must outlive the session.
  Session(const Options& options, Events events, ReplicaState& state, TimePoint now);

  // Bytes that arrived. An Error: the session is over, for this reason.
  [[nodiscard]] std::optional<Error> on_bytes(std::string_view bytes, TimePoint now);
  // To be called at deadline(): asks a silent peer for a sign of life, ends the session if none came.
  [[nodiscard]] std::optional<Error> on_deadline(TimePoint now);
  [[nodiscard]] TimePoint deadline() const { return last_heard_ + (probing_ ? 2 : 1) * options_.probe_interval; }

  // Only in State::connected. `id` comes back with on_reply; after an Error it never does.
  void transact(std::uint64_t id, boost::json::array operations);

  // Bytes to send, appended to since last taken.
  [[nodiscard]] std::string take_output() { return std::exchange(output_, {}); }
  [[nodiscard]] State state() const { return state_; }

 private:
  void on_message(std::string_view text);
  void on_request(std::string_view method, const boost::json::object& message);
  void on_response(const boost::json::object& message);
  void on_server_database(const boost::json::value* tables);
  void on_schema(const boost::json::value& result);
  void on_monitored(const boost::json::value& result);
  void on_update(const boost::json::array& params, std::size_t position);
  void on_transacted(std::uint64_t id, const boost::json::object& message);
  void request(std::string_view method, boost::json::array params, std::string_view id);
  void request_monitor(bool since);
  void end(ErrorCode code, std::string message) { end_ = Error{code, std::move(message)}; }

  const Options& options_;
  Events events_;
  ReplicaState& kept_;
  State state_ = State::checking_leader;
  MessageSplitter splitter_;
  std::optional<Error> end_;
  std::string output_;
  TimePoint last_heard_;
  bool probing_ = false;
  bool since_ = true;  // monitor_cond_since was asked; false: monitor_cond, for older servers
  std::map<std::uint64_t, boost::json::array> sent_;  // transactions without a reply
};

[[nodiscard]] std::string_view to_string(Session::State state);

}  // namespace berth::ovsdb
