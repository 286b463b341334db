#pragma once

// A copy of the monitored part of a database, kept up to date from `update`, `update2` and `update3` notifications
// (RFC 7047 section 4.1.6; ovsdb-server(7)). Holds rows in the canonical form that Row promises.

#include <map>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "ovsdb/database.h"
#include "ovsdb/schema.h"

namespace berth::ovsdb {

// Table -> columns; no columns means all of them. What the schema lacks is left out.
using Monitored = std::map<std::string, std::vector<std::string>>;

class Replica {
 public:
  Replica() = default;
  Replica(Schema schema, const Monitored& monitored);

  // The <table-updates> of any of the three notifications, or of a monitor method's reply. Columns outside the
  // monitored ones are ignored. ErrorCode::internal: the update fits neither the schema nor what is held; the replica
  // is then of no further use.
  [[nodiscard]] Result<std::vector<RowChange>> apply(const boost::json::object& table_updates);

  // Everything as insertions.
  [[nodiscard]] std::vector<RowChange> snapshot() const;

  // The <monitor-requests> that ask for just this.
  [[nodiscard]] boost::json::object monitor_requests() const;

  [[nodiscard]] const Schema& schema() const { return schema_; }
  void clear() { rows_.clear(); }

 private:
  using Columns = std::map<std::string, ColumnSchema, std::less<>>;
  using Rows = std::map<std::string, Row>;

  Result<void> apply_row(const std::string& table, const std::string& uuid, const boost::json::object& update,
                         std::vector<RowChange>& out);
  [[nodiscard]] Result<Row> read_row(const Columns& columns, const boost::json::object& json) const;
  [[nodiscard]] Status modify(const Columns& columns, Row& row, const boost::json::object& differences) const;

  Schema schema_;
  std::map<std::string, Columns> monitored_;
  std::map<std::string, Rows> rows_;
};

}  // namespace berth::ovsdb
