#pragma once

// One OVSDB database (RFC 7047) as its user sees it: transactions, and a replica kept up to date. Production:
// ovsdb::Client over a unix or TCP socket. Simulation and tests: ovsdb::MemoryDatabase, which executes the same
// operations in memory. Callbacks run on the Scheduler's thread, never inside the call that caused them.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/result.h"

namespace berth::ovsdb {

// Column name -> value in RFC 7047 notation, sets always in ["set", [...]] form and maps in ["map", [...]] form as
// monitored (a one-element set, which servers send bare, is normalised by the replica). Without _uuid and _version.
using Row = boost::json::object;

struct RowChange {
  std::string table;
  std::string uuid;
  std::optional<Row> before;  // absent: inserted
  std::optional<Row> after;   // absent: deleted
};

class Database {
 public:
  // Per operation its result object; a failed operation or a failed commit is an Error that names operation and
  // details. ErrorCode::fenced: the first operation is a `wait` and did not hold. conflict: a later `wait` did not
  // hold, or the commit broke a unique index or a reference. unavailable: not connected, or the connection broke before
  // the reply, in which case it is open whether the transaction happened. invalid: all else that the server refuses.
  using Reply = std::function<void(Result<boost::json::array>)>;

  struct Observer {
    // The replica is whole; everything known before is void. Sent again after each reconnect, with all rows.
    std::function<void(std::vector<RowChange> all)> on_snapshot;
    std::function<void(std::vector<RowChange>)> on_change;  // one transaction's changes
    std::function<void(Error)> on_disconnect;               // reconnecting goes on by itself
  };

  virtual ~Database() = default;

  virtual void start(Observer observer) = 0;
  virtual void transact(boost::json::array operations, Reply done) = 0;

  // Whether the server's schema has this column (or, with an empty column, this table). Valid after the first snapshot.
  [[nodiscard]] virtual bool has_column(const std::string& table, const std::string& column) const = 0;
};

}  // namespace berth::ovsdb
