#pragma once

// A database schema as get_schema returns it and *.ovsschema files hold it (RFC 7047, section 3.2).

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "ovsdb/value.h"

namespace berth::ovsdb {

struct ColumnSchema {
  ColumnType type;
  bool is_mutable = true;
  std::size_t position = 0;  // among the table's columns, in order of name
};

struct TableSchema {
  std::map<std::string, ColumnSchema> columns;  // without _uuid and _version
  std::vector<std::vector<std::string>> indexes;
  std::uint64_t max_rows = ColumnType::kUnlimited;
  bool is_root = false;  // rows of other tables live only as long as a strong reference to them
};

struct Schema {
  std::string name;     // "OVN_Northbound"
  std::string version;  // "7.0.0"
  std::map<std::string, TableSchema> tables;

  [[nodiscard]] const TableSchema* table(const std::string& name) const;
  [[nodiscard]] const ColumnSchema* column(const std::string& table, const std::string& column) const;

  // ErrorCode::invalid names the table and the column that cannot be read.
  [[nodiscard]] static Result<Schema> parse(const boost::json::object& json);
  [[nodiscard]] static Result<Schema> parse(std::string_view text);
};

}  // namespace berth::ovsdb
