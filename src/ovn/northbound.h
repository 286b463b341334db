#pragma once

// OVN's northbound database in Berth's vocabulary: applies OvnChanges as the smallest difference to what is there,
// fenced by the leader's epoch, and reports what is observed. Runs the same over a real server and over
// ovsdb::MemoryDatabase.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scheduler.h"
#include "ovsdb/database.h"
#include "world/logical_network.h"

namespace berth::ovn {

// What a Northbound reads: table -> columns; for whoever opens the connection.
[[nodiscard]] const std::map<std::string, std::vector<std::string>>& monitored_columns();

class Northbound {
 public:
  struct Observer {
    std::function<void()> on_synced{};  // everything observed so far has been reported; sent again after each reconnect
    std::function<void(Error)> on_lost{};  // not connected any more; reconnecting goes on by itself
    // The object of that name as it now is; absent: gone. Only what carries vendor=kube-ovn in its external_ids.
    std::function<void(const std::string& name, std::optional<world::LogicalRouter>)> on_router{};
    std::function<void(const std::string& name, std::optional<world::LogicalSwitch>)> on_switch{};
    std::function<void(const std::string& name, std::optional<world::LogicalPort>)> on_port{};
    std::function<void(const std::string& name, std::optional<world::AddressSet>)> on_address_set{};
  };

  // Both references must outlive this object.
  Northbound(Scheduler& scheduler, ovsdb::Database& database);
  ~Northbound();
  Northbound(const Northbound&) = delete;
  Northbound& operator=(const Northbound&) = delete;

  void start(Observer observer);

  // Writes NB_Global.external_ids:berth-epoch if it is lower; ErrorCode::fenced if it is higher already. From then on
  // commit() is fenced by this epoch.
  void raise_epoch(std::uint64_t epoch, std::function<void(Status)> done);

  // The epoch that the database was last seen to hold; 0: none. From the Scheduler's thread.
  [[nodiscard]] std::uint64_t stored_epoch() const;

  // Applies changes in order, as one transaction with those of other calls made in the same turn (at most 200 rows
  // each; one call is never split). A call whose difference is empty succeeds without a transaction. Errors: fenced;
  // unavailable (nothing is known about the outcome); conflict (the replica was behind, or the router of a switch or
  // the switch of a port is not there yet: try again); invalid, with the server's words, or because a row of that name
  // exists that Berth does not own. A call that fails does not fail the others of its transaction. RemoveSwitch takes
  // its ports along. Whoever asks for an object again after an error gets the difference to what is there then.
  void commit(std::vector<world::OvnChange> changes, std::function<void(Status)> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::ovn
