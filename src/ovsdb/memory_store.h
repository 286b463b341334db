#pragma once

// A database in memory that behaves as ovsdb-server does: what MemoryDatabase connects to. Single-threaded.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "ovsdb/database.h"
#include "ovsdb/memory_transaction.h"
#include "ovsdb/schema.h"

namespace berth::ovsdb {

class MemoryStore {
 public:
  using Listener = std::function<void(const std::vector<RowChange>&)>;

  // Equal seeds give equal sequences of row UUIDs.
  explicit MemoryStore(Schema schema, std::uint64_t seed = 1);

  // Executes one transaction at once: all of it or nothing. Returns the result array of RFC 7047 section 4.1.3: one
  // entry per operation (null behind a failed one), and a further one if the commit failed. Differs from ovsdb-server
  // in that `wait` never waits, "_version" does not exist, and "assert" and the lock methods are unknown.
  boost::json::array execute(const boost::json::array& operations);

  [[nodiscard]] const Schema& schema() const { return schema_; }

  // UUID -> row, as it is now. An unknown table is empty.
  [[nodiscard]] std::map<std::string, Row> rows(const std::string& table) const;

  // Every row as an insertion, ordered by table and UUID.
  [[nodiscard]] std::vector<RowChange> snapshot() const;

  // Called inside execute(), after each transaction that changed something.
  std::uint64_t subscribe(Listener listener);
  void unsubscribe(std::uint64_t id);

  [[nodiscard]] std::uint64_t transactions() const { return transactions_; }  // that changed something

 private:
  std::string new_uuid();

  Schema schema_;
  StoredData data_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t next_listener_ = 1;
  std::uint64_t random_;
  std::uint64_t transactions_ = 0;
};

}  // namespace berth::ovsdb
