#include "ovsdb/memory_transaction.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "ovsdb/condition.h"

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

auto syntax_error(std::string details) { return violation("syntax error", std::move(details)); }

ColumnType uuid_type() {
  ColumnType type;
  type.key.type = AtomType::uuid;
  return type;
}

auto unknown_column(std::string_view column, const std::string& table) {
  return violation("unknown column", fmt::format("No column {} in table {}.", column, table));
}

const json::array* array_member(const json::object& op, std::string_view member) {
  const auto* v = op.if_contains(member);
  return v == nullptr ? nullptr : v->if_array();
}

json::object error_object(const Violation& v) { return {{"error", v.error}, {"details", v.details}}; }

}  // namespace

Row to_row(const TableSchema& table, const StoredRow& row) {
  Row out;
  out.reserve(table.columns.size());
  for (const auto& [name, column] : table.columns) out.emplace(name, to_json(row[column.position], column.type));
  return out;
}

json::array MemoryTransaction::run(const json::array& operations) {
  json::array results;
  bool failed = false;
  for (const auto& operation : operations) {
    if (failed) {
      results.push_back(nullptr);
      continue;
    }
    auto result = execute(operation);
    failed = !result;
    results.push_back(result ? std::move(*result) : error_object(result.error()));
  }
  if (!failed) {
    if (auto ok = commit(); !ok) {
      results.push_back(error_object(ok.error()));
      failed = true;
    }
  }
  if (failed) roll_back();
  return results;
}

std::vector<RowChange> MemoryTransaction::changes() const {
  std::vector<RowChange> out;
  for (const auto& [key, before] : before_) {
    const StoredRow* after = find(key);
    if (before ? after != nullptr && *before == *after : after == nullptr) continue;
    const TableSchema& table = *schema_.table(key.first);
    RowChange& change = out.emplace_back();
    change.table = key.first;
    change.uuid = key.second;
    if (before) change.before = to_row(table, *before);
    if (after != nullptr) change.after = to_row(table, *after);
  }
  return out;
}

Checked<json::object> MemoryTransaction::execute(const json::value& operation) {
  const auto* op = operation.if_object();
  const auto* kind = op == nullptr ? nullptr : op->if_contains("op");
  if (kind == nullptr || !kind->is_string()) return syntax_error("an operation is an object with the member \"op\"");
  const std::string_view name = kind->get_string();
  if (name == "comment" || name == "commit") return json::object{};
  if (name == "abort") return violation("aborted", "aborted by request");

  const auto* table_name = op->if_contains("table");
  if (table_name == nullptr || !table_name->is_string()) return syntax_error(fmt::format("No operation \"{}\"", name));
  const auto schema = schema_.tables.find(std::string(table_name->get_string()));
  if (schema == schema_.tables.end()) {
    return syntax_error(fmt::format("No table named {}.", std::string_view(table_name->get_string())));
  }
  const Target target{schema->first, schema->second, data_.tables[schema->first]};
  if (name == "insert") return insert(*op, target);
  if (name == "select") return select(*op, target);
  if (name == "update") return update(*op, target);
  if (name == "mutate") return mutate(*op, target);
  if (name == "delete") return remove(*op, target);
  if (name == "wait") return wait(*op, target);
  return syntax_error(fmt::format("No operation \"{}\"", name));
}

Checked<json::object> MemoryTransaction::insert(const json::object& op, Target target) {
  const auto* row = op.if_contains("row");
  if (row == nullptr) return syntax_error("Required 'row' member is missing.");
  std::string uuid;
  if (const auto* name = op.if_contains("uuid-name"); name != nullptr && name->is_string()) {
    uuid = names()(name->get_string()).text;
    if (!inserted_names_.emplace(uuid, true).second) {
      return violation("duplicate uuid-name",
                       fmt::format("This \"uuid-name\" appeared on an earlier \"insert\" operation."));
    }
  } else {
    uuid = new_uuid_();
  }
  auto columns = read_row(*row, target);
  if (!columns) return tl::unexpected(columns.error());
  StoredRow fresh(target.schema.columns.size());
  for (const auto& [_, column] : target.schema.columns) fresh[column.position] = default_datum(column.type);
  for (auto& [column, datum] : *columns) fresh[column->position] = std::move(datum);
  for (const auto& [_, column] : target.schema.columns) {  // a default may be out of bounds
    if (auto ok = check_atoms(fresh[column.position], column.type); !ok) return tl::unexpected(ok.error());
  }
  touch_for_removal(target.name, uuid);
  target.rows[uuid] = std::move(fresh);
  return json::object{{"uuid", json::array{"uuid", uuid}}};
}

Checked<json::object> MemoryTransaction::select(const json::object& op, Target target) {
  auto columns = read_columns(op, target);
  if (!columns) return tl::unexpected(columns.error());
  auto rows = matching(op, target);
  if (!rows) return tl::unexpected(rows.error());
  json::array out;
  for (const auto& uuid : *rows) out.push_back(project(target, uuid, *columns));
  return json::object{{"rows", std::move(out)}};
}

Checked<json::object> MemoryTransaction::update(const json::object& op, Target target) {
  const auto* row = op.if_contains("row");
  if (row == nullptr) return syntax_error("Required 'row' member is missing.");
  auto columns = read_row(*row, target);
  if (!columns) return tl::unexpected(columns.error());
  for (const auto& [column, _] : *columns) {
    if (!column->is_mutable) return violation("constraint violation", "Cannot update immutable column.");
  }
  auto rows = matching(op, target);
  if (!rows) return tl::unexpected(rows.error());
  for (const auto& uuid : *rows) {
    StoredRow& stored = touch(target, uuid);
    for (const auto& [column, datum] : *columns) stored[column->position] = datum;
  }
  return json::object{{"count", rows->size()}};
}

Checked<json::object> MemoryTransaction::mutate(const json::object& op, Target target) {
  const auto* mutations = array_member(op, "mutations");
  if (mutations == nullptr) return syntax_error("Required 'mutations' member is missing.");
  std::vector<std::pair<const ColumnSchema*, Mutation>> parsed;
  for (const auto& mutation : *mutations) {
    const auto* m = mutation.if_array();
    if (m == nullptr || m->size() != 3 || !(*m)[0].is_string() || !(*m)[1].is_string()) {
      return syntax_error("a mutation is [column, mutator, value]");
    }
    const auto column = target.schema.columns.find(std::string((*m)[0].get_string()));
    if (column == target.schema.columns.end()) return unknown_column((*m)[0].get_string(), target.name);
    if (!column->second.is_mutable) return violation("constraint violation", "Cannot mutate immutable column.");
    auto one = parse_mutation((*m)[1].get_string(), column->second.type, (*m)[2], names());
    if (!one) return tl::unexpected(one.error());
    parsed.emplace_back(&column->second, std::move(*one));
  }
  auto rows = matching(op, target);
  if (!rows) return tl::unexpected(rows.error());
  for (const auto& uuid : *rows) {
    StoredRow& row = touch(target, uuid);
    for (const auto& [column, mutation] : parsed) {
      if (auto ok = apply(mutation, row[column->position], column->type); !ok) return tl::unexpected(ok.error());
    }
  }
  return json::object{{"count", rows->size()}};
}

Checked<json::object> MemoryTransaction::remove(const json::object& op, Target target) {
  auto rows = matching(op, target);
  if (!rows) return tl::unexpected(rows.error());
  for (const auto& uuid : *rows) {
    touch_for_removal(target.name, uuid);
    target.rows.erase(uuid);
  }
  return json::object{{"count", rows->size()}};
}

// Whatever the timeout, the condition is tested once: nothing else can change the store meanwhile.
Checked<json::object> MemoryTransaction::wait(const json::object& op, Target target) {
  const auto* until = op.if_contains("until");
  const auto* expected_rows = array_member(op, "rows");
  if (until == nullptr || !until->is_string() || (until->get_string() != "==" && until->get_string() != "!=")) {
    return syntax_error("\"until\" must be \"==\" or \"!=\"");
  }
  if (expected_rows == nullptr) return syntax_error("Required 'rows' member is missing.");
  auto columns = read_columns(op, target);
  if (!columns) return tl::unexpected(columns.error());
  auto rows = matching(op, target);
  if (!rows) return tl::unexpected(rows.error());

  std::vector<std::string> actual;
  for (const auto& uuid : *rows) actual.push_back(json::serialize(project(target, uuid, *columns)));
  std::vector<std::string> expected;
  for (const auto& row : *expected_rows) {
    if (!row.is_object()) return syntax_error("a row is an object");
    json::object canonical;
    for (const auto& name : *columns) {
      const auto* value = row.get_object().if_contains(name);
      const auto column = target.schema.columns.find(name);
      const ColumnType type = name == "_uuid" ? uuid_type() : column->second.type;
      Checked<Datum> datum =
          value == nullptr ? Checked<Datum>(default_datum(type)) : parse_datum(*value, type, names());
      if (!datum) return tl::unexpected(datum.error());
      canonical.emplace(name, to_json(*datum, type));
    }
    expected.push_back(json::serialize(canonical));
  }
  for (auto* list : {&actual, &expected}) {
    std::ranges::sort(*list);
    list->erase(std::ranges::unique(*list).begin(), list->end());
  }
  if ((actual == expected) == (until->get_string() == "==")) return json::object{};
  return violation("timed out", "\"where\" clause test failed");
}

Checked<std::vector<std::string>> MemoryTransaction::matching(const json::object& op, const Target& target) {
  const auto* where = array_member(op, "where");
  if (where == nullptr) return syntax_error("Required 'where' member is missing.");
  std::vector<std::pair<const ColumnSchema*, Condition>> conditions;  // nullptr: _uuid
  for (const auto& condition : *where) {
    const auto* c = condition.if_array();
    if (c == nullptr || c->size() != 3 || !(*c)[0].is_string() || !(*c)[1].is_string()) {
      return syntax_error("a condition is [column, function, value]");
    }
    const std::string name((*c)[0].get_string());
    const auto column = target.schema.columns.find(name);
    if (name != "_uuid" && column == target.schema.columns.end()) return unknown_column(name, target.name);
    const ColumnSchema* found = name == "_uuid" ? nullptr : &column->second;
    auto one = parse_condition((*c)[1].get_string(), found == nullptr ? uuid_type() : found->type, (*c)[2], names());
    if (!one) return tl::unexpected(one.error());
    conditions.emplace_back(found, std::move(*one));
  }

  std::vector<std::string> out;
  const auto test = [&](const std::string& id, const StoredRow& row) {
    const bool all = std::ranges::all_of(conditions, [&](const auto& c) {
      return c.first == nullptr ? holds(c.second, Datum{{Uuid{id}}, {}}) : holds(c.second, row[c.first->position]);
    });
    if (all) out.push_back(id);
  };
  // Most operations name their row.
  const auto named = std::ranges::find_if(
      conditions, [](const auto& c) { return c.first == nullptr && c.second.function == Condition::Function::equal; });
  if (named != conditions.end()) {
    const auto row = target.rows.find(std::get<Uuid>(named->second.argument.keys[0]).text);
    if (row != target.rows.end()) test(row->first, row->second);
    return out;
  }
  for (const auto& [id, row] : target.rows) test(id, row);
  return out;
}

Checked<std::vector<std::string>> MemoryTransaction::read_columns(const json::object& op, const Target& target) const {
  std::vector<std::string> out;
  const auto* columns = op.if_contains("columns");
  if (columns == nullptr) {
    out.emplace_back("_uuid");
    for (const auto& [name, _] : target.schema.columns) out.push_back(name);
    return out;
  }
  if (!columns->is_array()) return syntax_error("\"columns\" must be an array");
  for (const auto& column : columns->get_array()) {
    if (!column.is_string()) return syntax_error("a column's name must be a string");
    const std::string name(column.get_string());
    if (name != "_uuid" && !target.schema.columns.contains(name)) {
      return syntax_error(fmt::format("{} is not a valid column name", name));
    }
    out.push_back(name);
  }
  return out;
}

Checked<std::vector<std::pair<const ColumnSchema*, Datum>>> MemoryTransaction::read_row(const json::value& v,
                                                                                        const Target& target) {
  if (!v.is_object()) return syntax_error("\"row\" must be an object");
  std::vector<std::pair<const ColumnSchema*, Datum>> out;
  for (const auto& [name, value] : v.get_object()) {
    const auto column = target.schema.columns.find(std::string(name));
    if (column == target.schema.columns.end()) {
      return unknown_column(name, target.name);
    }
    auto datum = parse_datum(value, column->second.type, names());
    if (!datum) return tl::unexpected(datum.error());
    if (auto ok = check_atoms(*datum, column->second.type); !ok) return tl::unexpected(ok.error());
    out.emplace_back(&column->second, std::move(*datum));
  }
  return out;
}

json::object MemoryTransaction::project(const Target& target, const std::string& uuid,
                                        const std::vector<std::string>& columns) const {
  const StoredRow& row = target.rows.at(uuid);
  json::object out;
  for (const auto& name : columns) {
    if (name == "_uuid") {
      out.emplace(name, json::array{"uuid", uuid});
    } else {
      const ColumnSchema& column = target.schema.columns.at(name);
      out.emplace(name, to_json(row[column.position], column.type));
    }
  }
  return out;
}

StoredRow& MemoryTransaction::touch(const Target& target, const std::string& uuid) {
  StoredRow& row = target.rows.at(uuid);
  before_.try_emplace(Key(target.name, uuid), row);
  return row;
}

void MemoryTransaction::touch_for_removal(const std::string& table, const std::string& uuid) {
  const StoredRow* row = find({table, uuid});
  before_.try_emplace(Key(table, uuid), row == nullptr ? std::nullopt : std::optional(*row));
}

void MemoryTransaction::roll_back() {
  for (auto& [key, row] : before_) {
    if (row) {
      data_.tables[key.first][key.second] = std::move(*row);
    } else {
      data_.tables[key.first].erase(key.second);
    }
  }
  before_.clear();
}

NamedUuids MemoryTransaction::names() {
  return [this](std::string_view name) {
    auto it = named_.find(name);
    if (it == named_.end()) it = named_.emplace(std::string(name), new_uuid_()).first;
    return Uuid{it->second};
  };
}

const StoredRow* MemoryTransaction::find(const Key& key) const {
  const auto table = data_.tables.find(key.first);
  if (table == data_.tables.end()) return nullptr;
  const auto row = table->second.find(key.second);
  return row == table->second.end() ? nullptr : &row->second;
}

}  // namespace berth::ovsdb
