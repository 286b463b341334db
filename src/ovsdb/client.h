#pragma once

// The production Database: a connection to ovsdb-server that is kept up by itself. One I/O thread per Client reads,
// parses and holds the replica; what comes of it is posted to the Scheduler.
//
//   disconnected ──► connecting ──► Session's states ──► connected
//        ▲───────────────┴────────────────┴──────────────────┘  error, silence, leadership lost
//
// The remotes are tried in turn. From one that is not its cluster's leader the client moves on at once; after a whole
// round without success it waits, 1 s at first, up to 8 s.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/scheduler.h"
#include "ovsdb/database.h"
#include "ovsdb/session.h"

namespace berth::ovsdb {

struct ClientOptions {
  std::string remotes;   // "unix:/run/ovn/ovnnb_db.sock" or "tcp:10.0.0.1:6641,tcp:10.0.0.2:6641,…"
  std::string database;  // "OVN_Northbound", "Open_vSwitch"
  Monitored monitored;
  bool leader_only = true;
  Duration probe_interval = std::chrono::seconds(5);   // silence after which the server is asked; as long again ends it
  Duration connect_timeout = std::chrono::seconds(5);  // of one attempt, until the replica is whole
  Duration backoff_min = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::seconds(8);
};

class Client final : public Database {
 public:
  // ErrorCode::invalid: a remote that cannot be read. Never waits for a server. The scheduler must outlive the client.
  [[nodiscard]] static Result<std::unique_ptr<Client>> create(Scheduler& scheduler, ClientOptions options);

  // Ends the I/O thread; no callback runs afterwards.
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // As in Database; from the Scheduler's thread.
  void start(Observer observer) override;
  void transact(boost::json::array operations, Reply done) override;
  [[nodiscard]] bool has_column(const std::string& table, const std::string& column) const override;

  [[nodiscard]] bool connected() const { return connected_; }

 private:
  class Io;
  Client(Scheduler& scheduler, std::unique_ptr<Io> io);

  void on_connected(std::vector<RowChange> all, std::shared_ptr<const Schema> schema);
  void on_disconnected(const Error& error);

  // All of these belong to the Scheduler's thread.
  Scheduler& scheduler_;
  Observer observer_;
  std::shared_ptr<const Schema> schema_;
  bool connected_ = false;
  std::map<std::uint64_t, Reply> pending_;
  std::uint64_t next_id_ = 1;

  std::shared_ptr<Client*> self_;  // what posted callbacks reach this object by; gone with it
  std::unique_ptr<Io> io_;
};

}  // namespace berth::ovsdb
