#include "ovsdb/replica.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json/array.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

auto broken(std::string message) { return fail(ErrorCode::internal, "OVSDB update: " + std::move(message)); }

}  // namespace

Replica::Replica(Schema schema, const Monitored& monitored) : schema_(std::move(schema)) {
  for (const auto& [name, columns] : monitored) {
    const TableSchema* table = schema_.table(name);
    if (table == nullptr) continue;
    Columns& wanted = monitored_[name];
    if (columns.empty()) wanted.insert(table->columns.begin(), table->columns.end());
    for (const auto& column : columns) {
      if (const ColumnSchema* c = schema_.column(name, column)) wanted.emplace(column, *c);
    }
  }
}

json::object Replica::monitor_requests() const {
  json::object out;
  for (const auto& [table, columns] : monitored_) {
    json::array names;
    for (const auto& [name, _] : columns) names.emplace_back(name);
    json::array requests;
    requests.push_back(json::object{{"columns", std::move(names)}});
    out.emplace(table, std::move(requests));
  }
  return out;
}

std::vector<RowChange> Replica::snapshot() const {
  std::vector<RowChange> out;
  for (const auto& [table, rows] : rows_) {
    for (const auto& [uuid, row] : rows) out.push_back({table, uuid, std::nullopt, row});
  }
  return out;
}

Result<std::vector<RowChange>> Replica::apply(const json::object& table_updates) {
  std::vector<RowChange> out;
  for (const auto& [table_key, updates] : table_updates) {
    const std::string table(table_key);
    if (!monitored_.contains(table)) continue;
    if (!updates.is_object()) return broken(fmt::format("table {} is not an object", table));
    for (const auto& [uuid, update] : updates.get_object()) {
      if (!update.is_object()) return broken(fmt::format("row {} is not an object", std::string_view(uuid)));
      if (auto ok = apply_row(table, std::string(uuid), update.get_object(), out); !ok) {
        return fail(ok.error().with_context(fmt::format("{} {}", table, std::string_view(uuid))));
      }
    }
  }
  return out;
}

// update: {"old", "new"}; update2 and update3: one of "initial", "insert", "modify", "delete".
Result<void> Replica::apply_row(const std::string& table, const std::string& uuid, const json::object& update,
                                std::vector<RowChange>& out) {
  const Columns& columns = monitored_.at(table);
  Rows& rows = rows_[table];
  const auto held = rows.find(uuid);
  const auto member = [&update](std::string_view name) -> const json::object* {
    const auto* v = update.if_contains(name);
    return v == nullptr ? nullptr : v->if_object();
  };

  RowChange change{table, uuid, std::nullopt, std::nullopt};
  if (held != rows.end()) change.before = std::move(held->second);  // put back below, or erased
  if (const auto* differences = member("modify")) {
    if (!change.before) return broken("modifies a row that is not there");
    Row row = *change.before;
    if (auto ok = modify(columns, row, *differences); !ok) return ok;
    change.after = std::move(row);
  } else if (const auto* whole = member("insert") != nullptr    ? member("insert")
                                 : member("initial") != nullptr ? member("initial")
                                                                : member("new")) {
    auto row = read_row(columns, *whole);
    if (!row) return fail(row.error());
    change.after = std::move(*row);
  } else if (!update.contains("delete") && !update.contains("old")) {
    return broken("says neither what is new nor what is gone");
  }

  if (change.after) {
    rows[uuid] = *change.after;
  } else if (held == rows.end()) {
    return broken("deletes a row that is not there");
  } else {
    rows.erase(held);
  }
  if (change.before != change.after) out.push_back(std::move(change));
  return {};
}

Result<Row> Replica::read_row(const Columns& columns, const json::object& update) const {
  Row out;
  out.reserve(columns.size());
  for (const auto& [name, column] : columns) {
    const auto* value = update.if_contains(name);
    if (value == nullptr) {
      out.emplace(name, to_json(default_datum(column.type), column.type));
      continue;
    }
    auto datum = parse_datum(*value, column.type);
    if (!datum) return broken(fmt::format("column {}: {}", name, datum.error().details));
    out.emplace(name, to_json(*datum, column.type));
  }
  return out;
}

Status Replica::modify(const Columns& columns, Row& row, const json::object& differences) const {
  for (const auto& [name, value] : differences) {
    const auto column = columns.find(std::string_view(name));
    if (column == columns.end()) continue;
    const ColumnType& type = column->second.type;
    auto datum = parse_datum(value, type.is_composite() ? type.with_bounds(0, ColumnType::kUnlimited) : type);
    if (!datum) return broken(fmt::format("column {}: {}", column->first, datum.error().details));
    if (type.is_composite()) {
      auto old = parse_datum(row.at(name), type);
      if (!old) return broken(fmt::format("column {}: {}", column->first, old.error().details));
      datum = apply_difference(std::move(*old), *datum);
    }
    row[name] = to_json(*datum, type);
  }
  return {};
}

}  // namespace berth::ovsdb
