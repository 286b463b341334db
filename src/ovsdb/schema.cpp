#include "ovsdb/schema.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

auto bad(std::string message) { return fail(ErrorCode::invalid, std::move(message)); }

Result<AtomType> parse_atom_type(const json::value& v) {
  if (v.is_string()) {
    const std::string_view name = v.get_string();
    if (name == "integer") return AtomType::integer;
    if (name == "real") return AtomType::real;
    if (name == "boolean") return AtomType::boolean;
    if (name == "string") return AtomType::string;
    if (name == "uuid") return AtomType::uuid;
  }
  return bad("unknown atomic type");
}

Status read_integer(const json::object& o, std::string_view member, std::int64_t& out) {
  const auto* v = o.if_contains(member);
  if (v == nullptr) return {};
  if (!v->is_int64()) return bad(fmt::format("{} is not an integer", member));
  out = v->get_int64();
  return {};
}

Status read_count(const json::object& o, std::string_view member, std::uint64_t& out) {
  auto value = static_cast<std::int64_t>(out);
  if (auto ok = read_integer(o, member, value); !ok) return ok;
  if (o.contains(member) && value < 0) return bad(fmt::format("{} is negative", member));
  if (o.contains(member)) out = static_cast<std::uint64_t>(value);
  return {};
}

Status read_real(const json::object& o, std::string_view member, double& out) {
  const auto* v = o.if_contains(member);
  if (v == nullptr) return {};
  if (!v->is_number()) return bad(fmt::format("{} is not a number", member));
  out = v->to_number<double>();
  return {};
}

Result<BaseType> parse_base_type(const json::value& v) {
  BaseType out;
  const auto* o = v.if_object();
  auto type = parse_atom_type(o == nullptr ? v : o->contains("type") ? o->at("type") : json::value());
  if (!type) return fail(type.error());
  out.type = *type;
  if (o == nullptr) return out;
  if (const auto* allowed = o->if_contains("enum")) {
    ColumnType set;
    set.key.type = out.type;
    auto datum = parse_datum(*allowed, set.with_bounds(1, ColumnType::kUnlimited));
    if (!datum) return bad("enum: " + datum.error().details);
    out.allowed = std::move(datum->keys);
  }
  for (auto status : {read_integer(*o, "minInteger", out.min_integer), read_integer(*o, "maxInteger", out.max_integer),
                      read_real(*o, "minReal", out.min_real), read_real(*o, "maxReal", out.max_real),
                      read_count(*o, "minLength", out.min_length), read_count(*o, "maxLength", out.max_length)}) {
    if (!status) return fail(status.error());
  }
  if (const auto* table = o->if_contains("refTable"); table != nullptr && table->is_string())
    out.ref_table = table->get_string();
  if (const auto* kind = o->if_contains("refType"); kind != nullptr && kind->is_string())
    out.strong = kind->get_string() != "weak";
  return out;
}

Result<ColumnType> parse_column_type(const json::value& v) {
  ColumnType out;
  const auto* o = v.if_object();
  auto key = parse_base_type(o == nullptr ? v : o->contains("key") ? o->at("key") : json::value());
  if (!key) return fail(key.error());
  out.key = std::move(*key);
  if (o == nullptr) return out;
  if (const auto* value = o->if_contains("value")) {
    auto base = parse_base_type(*value);
    if (!base) return fail(base.error());
    out.value = std::move(*base);
  }
  if (auto ok = read_count(*o, "min", out.min); !ok) return fail(ok.error());
  if (const auto* max = o->if_contains("max"); max != nullptr && max->is_string() && max->get_string() == "unlimited") {
    out.max = ColumnType::kUnlimited;
  } else if (auto ok = read_count(*o, "max", out.max); !ok) {
    return fail(ok.error());
  }
  if (out.min > 1 || out.max == 0) return bad("min must be 0 or 1, max at least 1");
  return out;
}

Result<ColumnSchema> parse_column(const json::value& v) {
  const auto* o = v.if_object();
  if (o == nullptr || !o->contains("type")) return bad("has no type");
  auto type = parse_column_type(o->at("type"));
  if (!type) return fail(type.error());
  ColumnSchema out;
  out.type = std::move(*type);
  if (const auto* m = o->if_contains("mutable"); m != nullptr && m->is_bool()) out.is_mutable = m->get_bool();
  return out;
}

Result<std::vector<std::vector<std::string>>> parse_indexes(const json::value& v, const TableSchema& table) {
  std::vector<std::vector<std::string>> out;
  if (!v.is_array()) return bad("indexes is not an array");
  for (const auto& entry : v.get_array()) {
    if (!entry.is_array()) return bad("an index is not an array");
    auto& index = out.emplace_back();
    for (const auto& column : entry.get_array()) {
      if (!column.is_string() || !table.columns.contains(std::string(column.get_string())))
        return bad("an index names no column");
      index.emplace_back(column.get_string());
    }
  }
  return out;
}

Result<TableSchema> parse_table(const json::value& v) {
  const auto* o = v.if_object();
  const auto* columns = o == nullptr ? nullptr : o->if_contains("columns");
  if (columns == nullptr || !columns->is_object()) return bad("has no columns");
  TableSchema out;
  for (const auto& [name, column] : columns->get_object()) {
    auto parsed = parse_column(column);
    if (!parsed) return fail(parsed.error().with_context(fmt::format("column {}", std::string_view(name))));
    out.columns.emplace(name, std::move(*parsed));
  }
  std::size_t position = 0;
  for (auto& [_, column] : out.columns) column.position = position++;
  if (auto ok = read_count(*o, "maxRows", out.max_rows); !ok) return fail(ok.error());
  if (const auto* root = o->if_contains("isRoot"); root != nullptr && root->is_bool()) out.is_root = root->get_bool();
  if (const auto* indexes = o->if_contains("indexes")) {
    auto parsed = parse_indexes(*indexes, out);
    if (!parsed) return fail(parsed.error());
    out.indexes = std::move(*parsed);
  }
  return out;
}

}  // namespace

const TableSchema* Schema::table(const std::string& table_name) const {
  const auto it = tables.find(table_name);
  return it == tables.end() ? nullptr : &it->second;
}

const ColumnSchema* Schema::column(const std::string& table_name, const std::string& column_name) const {
  const TableSchema* t = table(table_name);
  if (t == nullptr) return nullptr;
  const auto it = t->columns.find(column_name);
  return it == t->columns.end() ? nullptr : &it->second;
}

Result<Schema> Schema::parse(const json::object& o) {
  const auto* name = o.if_contains("name");
  const auto* tables = o.if_contains("tables");
  if (name == nullptr || !name->is_string() || tables == nullptr || !tables->is_object()) {
    return bad("OVSDB schema: name or tables missing");
  }
  Schema out;
  out.name = name->get_string();
  if (const auto* version = o.if_contains("version"); version != nullptr && version->is_string())
    out.version = version->get_string();
  bool any_root = false;
  for (const auto& [table, value] : tables->get_object()) {
    auto parsed = parse_table(value);
    if (!parsed)
      return fail(
          parsed.error().with_context(fmt::format("OVSDB schema {}: table {}", out.name, std::string_view(table))));
    any_root = any_root || parsed->is_root;
    out.tables.emplace(table, std::move(*parsed));
  }
  // RFC 7047: a schema that names no root table is of the time before isRoot; all its tables are roots.
  if (!any_root) {
    for (auto& [_, table] : out.tables) table.is_root = true;
  }
  return out;
}

Result<Schema> Schema::parse(std::string_view text) {
  boost::system::error_code ec;
  const json::value v = json::parse(text, ec);
  if (ec || !v.is_object()) return bad("OVSDB schema: not a JSON object");
  return parse(v.get_object());
}

}  // namespace berth::ovsdb
