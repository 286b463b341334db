// What ovsdb-server checks and repairs when a transaction's operations have all succeeded, in its order: strong
// references, garbage, numbers of rows, weak references, unique indexes.

#include <fmt/format.h>

#include <algorithm>

#include "ovsdb/memory_transaction.h"

namespace berth::ovsdb {

namespace {

// Calls fn(base type, UUID) for every reference in the row.
template <typename Fn>
void for_each_reference(const TableSchema& table, const StoredRow& row, Fn fn) {
  for (const auto& [_, column] : table.columns) {
    const ColumnType& type = column.type;
    const Datum& datum = row[column.position];
    if (!type.key.ref_table.empty()) {
      for (const auto& atom : datum.keys) fn(type.key, std::get<Uuid>(atom).text);
    }
    if (type.value && !type.value->ref_table.empty()) {
      for (const auto& atom : datum.values) fn(*type.value, std::get<Uuid>(atom).text);
    }
  }
}

}  // namespace

Checked<void> MemoryTransaction::commit() {
  for (const auto& [key, before] : before_) {
    const TableSchema& table = *schema_.table(key.first);
    if (before) count_references(table, *before, -1);
    if (const StoredRow* now = find(key)) count_references(table, *now, +1);
  }
  if (auto ok = check_references(); !ok) return ok;
  collect_garbage();
  if (auto ok = check_max_rows(); !ok) return ok;
  if (auto ok = drop_weak_references(); !ok) return ok;
  if (auto ok = check_indexes(); !ok) return ok;
  update_bookkeeping();
  return {};
}

void MemoryTransaction::count_references(const TableSchema& table, const StoredRow& row, int by) {
  for_each_reference(table, row, [&](const BaseType& type, const std::string& uuid) {
    if (!type.strong) return;
    reference_changes_[uuid] += by;
    if (by < 0) lost_references_[uuid] = type.ref_table;
  });
}

std::ptrdiff_t MemoryTransaction::references(const std::string& uuid) const {
  const auto now = data_.strong_references.find(uuid);
  const auto change = reference_changes_.find(uuid);
  return (now == data_.strong_references.end() ? 0 : static_cast<std::ptrdiff_t>(now->second)) +
         (change == reference_changes_.end() ? 0 : change->second);
}

Checked<void> MemoryTransaction::check_references() {
  for (const auto& [key, before] : before_) {
    const StoredRow* now = find(key);
    if (now == nullptr) {
      if (before && references(key.second) > 0) {
        return violation("referential integrity violation",
                         fmt::format("cannot delete {} row {} because of {} remaining reference(s)", key.first,
                                     key.second, references(key.second)));
      }
      continue;
    }
    std::optional<std::pair<std::string, std::string>> missing;
    for_each_reference(*schema_.table(key.first), *now, [&](const BaseType& type, const std::string& uuid) {
      if (type.strong && !missing && find({type.ref_table, uuid}) == nullptr) missing.emplace(type.ref_table, uuid);
    });
    if (missing) {
      return violation("referential integrity violation",
                       fmt::format("Table {} row {} references nonexistent row {} in table {}.", key.first, key.second,
                                   missing->second, missing->first));
    }
  }
  return {};
}

void MemoryTransaction::collect_garbage() {
  std::vector<Key> candidates;
  for (const auto& [key, _] : before_) candidates.push_back(key);
  for (const auto& [uuid, table] : lost_references_) candidates.emplace_back(table, uuid);
  while (!candidates.empty()) {
    const Key key = std::move(candidates.back());
    candidates.pop_back();
    const TableSchema* table = schema_.table(key.first);
    const StoredRow* row = find(key);
    if (table == nullptr || table->is_root || row == nullptr || references(key.second) > 0) continue;
    lost_references_.clear();
    count_references(*table, *row, -1);
    for (const auto& [uuid, referred] : lost_references_) candidates.emplace_back(referred, uuid);
    touch_for_removal(key.first, key.second);
    data_.tables[key.first].erase(key.second);
  }
}

Checked<void> MemoryTransaction::check_max_rows() const {
  for (const auto& [key, _] : before_) {
    const TableSchema& table = *schema_.table(key.first);
    const auto rows = data_.tables.at(key.first).size();
    if (rows > table.max_rows) {
      return violation(
          "constraint violation",
          fmt::format(
              "transaction causes \"{}\" table to contain {} rows, greater than the schema-defined limit of {} row(s)",
              key.first, rows, table.max_rows));
    }
  }
  return {};
}

Checked<void> MemoryTransaction::drop_weak_references() {
  std::map<std::string, bool> shrunk;  // tables that lost rows
  std::vector<Key> touched;
  for (const auto& [key, before] : before_) {
    if (find(key) == nullptr) {
      if (before) shrunk[key.first] = true;
    } else {
      touched.push_back(key);
    }
  }
  for (const auto& [table, uuid] : touched) {
    const auto schema = schema_.tables.find(table);
    if (auto ok = drop_weak_references_of({schema->first, schema->second, data_.tables[table]}, uuid); !ok) return ok;
  }
  for (const auto& [name, table] : schema_.tables) {
    const bool concerned = std::ranges::any_of(table.columns, [&](const auto& column) {
      const ColumnType& type = column.second.type;
      return (!type.key.strong && shrunk.contains(type.key.ref_table)) ||
             (type.value && !type.value->strong && shrunk.contains(type.value->ref_table));
    });
    if (!concerned) continue;
    for (auto& rows = data_.tables[name]; const auto& [uuid, _] : rows) {
      if (auto ok = drop_weak_references_of({name, table, rows}, uuid); !ok) return ok;
    }
  }
  return {};
}

Checked<void> MemoryTransaction::drop_weak_references_of(const Target& target, const std::string& uuid) {
  for (const auto& [name, column] : target.schema.columns) {
    const ColumnType& type = column.type;
    const auto dangles = [&](const BaseType& base, const Atom& atom) {
      return !base.ref_table.empty() && !base.strong && find({base.ref_table, std::get<Uuid>(atom).text}) == nullptr;
    };
    const Datum& datum = target.rows.at(uuid)[column.position];
    Datum kept;
    for (std::size_t i = 0; i < datum.keys.size(); ++i) {
      if (dangles(type.key, datum.keys[i]) || (type.value && dangles(*type.value, datum.values[i]))) continue;
      kept.keys.push_back(datum.keys[i]);
      if (type.value) kept.values.push_back(datum.values[i]);
    }
    if (kept.keys.size() == datum.keys.size()) continue;
    if (kept.keys.size() < type.min) {
      return violation(
          "constraint violation",
          fmt::format("Weak references of column {} in {} row {} would leave it too few.", name, target.name, uuid));
    }
    touch(target, uuid)[column.position] = std::move(kept);
  }
  return {};
}

std::vector<Datum> MemoryTransaction::index_key(const TableSchema& table, std::size_t index,
                                                const StoredRow& row) const {
  std::vector<Datum> key;
  for (const auto& column : table.indexes[index]) key.push_back(row[table.columns.at(column).position]);
  return key;
}

Checked<void> MemoryTransaction::check_indexes() const {
  std::map<std::pair<std::string, std::size_t>, std::map<std::vector<Datum>, std::string>> fresh;
  for (const auto& [key, _] : before_) {
    const StoredRow* row = find(key);
    if (row == nullptr) continue;
    const TableSchema& table = *schema_.table(key.first);
    for (std::size_t i = 0; i < table.indexes.size(); ++i) {
      const std::pair id(key.first, i);
      auto value = index_key(table, i, *row);
      const auto index = data_.indexes.find(id);
      if (index != data_.indexes.end()) {
        const auto other = index->second.find(value);
        if (other != index->second.end() && !before_.contains({key.first, other->second})) {
          return violation("constraint violation",
                           fmt::format("Transaction causes multiple rows in \"{}\" table to have identical values for "
                                       "index on {}: {} and {}",
                                       key.first, fmt::join(table.indexes[i], ", "), key.second, other->second));
        }
      }
      const auto [other, is_new] = fresh[id].emplace(std::move(value), key.second);
      if (!is_new) {
        return violation(
            "constraint violation",
            fmt::format(
                "Transaction causes multiple rows in \"{}\" table to have identical values for index on {}: {} and {}",
                key.first, fmt::join(table.indexes[i], ", "), key.second, other->second));
      }
    }
  }
  return {};
}

void MemoryTransaction::update_bookkeeping() {
  for (const auto& [uuid, change] : reference_changes_) {
    const auto now = references(uuid);
    if (now == 0) {
      data_.strong_references.erase(uuid);
    } else if (change != 0) {
      data_.strong_references[uuid] = static_cast<std::size_t>(now);
    }
  }
  reference_changes_.clear();
  for (const auto& [key, before] : before_) {
    const TableSchema& table = *schema_.table(key.first);
    for (std::size_t i = 0; before && i < table.indexes.size(); ++i)
      data_.indexes[{key.first, i}].erase(index_key(table, i, *before));
  }
  for (const auto& [key, _] : before_) {
    const TableSchema& table = *schema_.table(key.first);
    const StoredRow* row = find(key);
    for (std::size_t i = 0; row != nullptr && i < table.indexes.size(); ++i) {
      data_.indexes[{key.first, i}][index_key(table, i, *row)] = key.second;
    }
  }
}

}  // namespace berth::ovsdb
