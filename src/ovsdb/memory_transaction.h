#pragma once

// One OVSDB transaction executed on tables in memory; the working half of MemoryStore. Operations change the tables in
// place and remember what they found; commit() checks the whole, or everything is put back.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "ovsdb/database.h"
#include "ovsdb/schema.h"

namespace berth::ovsdb {

using StoredRow = std::vector<Datum>;  // by ColumnSchema::position
using StoredTable = std::map<std::string, StoredRow>;

struct StoredData {
  std::map<std::string, StoredTable> tables;
  std::unordered_map<std::string, std::size_t> strong_references;  // row -> how many point at it; 0 is absent
  std::map<std::pair<std::string, std::size_t>, std::map<std::vector<Datum>, std::string>>
      indexes;  // (table, index) -> key -> row
};

[[nodiscard]] Row to_row(const TableSchema& table, const StoredRow& row);

class MemoryTransaction {
 public:
  MemoryTransaction(const Schema& schema, StoredData& data, std::function<std::string()> new_uuid)
      : schema_(schema), data_(data), new_uuid_(std::move(new_uuid)) {}

  // The result array of RFC 7047 section 4.1.3. Afterwards the tables are changed as a whole or not at all.
  [[nodiscard]] boost::json::array run(const boost::json::array& operations);

  // What run() changed, by table and UUID; empty if it failed.
  [[nodiscard]] std::vector<RowChange> changes() const;

 private:
  using Key = std::pair<std::string, std::string>;  // table, UUID
  struct Target {
    const std::string& name;
    const TableSchema& schema;
    StoredTable& rows;
  };

  Checked<boost::json::object> execute(const boost::json::value& operation);
  Checked<boost::json::object> insert(const boost::json::object& op, Target target);
  Checked<boost::json::object> select(const boost::json::object& op, Target target);
  Checked<boost::json::object> update(const boost::json::object& op, Target target);
  Checked<boost::json::object> mutate(const boost::json::object& op, Target target);
  Checked<boost::json::object> remove(const boost::json::object& op, Target target);
  Checked<boost::json::object> wait(const boost::json::object& op, Target target);

  Checked<std::vector<std::string>> matching(const boost::json::object& op, const Target& target);
  Checked<std::vector<std::string>> read_columns(const boost::json::object& op, const Target& target) const;
  Checked<std::vector<std::pair<const ColumnSchema*, Datum>>> read_row(const boost::json::value& json,
                                                                       const Target& target);
  [[nodiscard]] boost::json::object project(const Target& target, const std::string& uuid,
                                            const std::vector<std::string>& columns) const;

  StoredRow& touch(const Target& target, const std::string& uuid);
  void touch_for_removal(const std::string& table, const std::string& uuid);
  void roll_back();
  NamedUuids names();

  Checked<void> commit();
  void count_references(const TableSchema& table, const StoredRow& row, int by);
  [[nodiscard]] std::ptrdiff_t references(const std::string& uuid) const;
  Checked<void> check_references();
  void collect_garbage();
  Checked<void> drop_weak_references();
  Checked<void> drop_weak_references_of(const Target& target, const std::string& uuid);
  Checked<void> check_max_rows() const;
  Checked<void> check_indexes() const;
  void update_bookkeeping();
  [[nodiscard]] std::vector<Datum> index_key(const TableSchema& table, std::size_t index, const StoredRow& row) const;
  [[nodiscard]] const StoredRow* find(const Key& key) const;

  const Schema& schema_;
  StoredData& data_;
  std::function<std::string()> new_uuid_;
  std::map<Key, std::optional<StoredRow>> before_;         // every row touched; absent: was not there
  std::map<std::string, std::string, std::less<>> named_;  // uuid-name -> UUID
  std::map<std::string, bool> inserted_names_;
  std::map<std::string, std::ptrdiff_t> reference_changes_;
  std::map<std::string, std::string> lost_references_;  // row that lost a strong reference -> its table
};

}  // namespace berth::ovsdb
