#pragma once

// The tables of the built-in kinds, after kubernetes/pkg/printers/internalversion.

#include <functional>
#include <vector>

#include "dev/api/tables.h"

namespace berth::dev {

struct BuiltinTable {
  std::vector<TableColumn> columns;
  std::function<boost::json::array(const boost::json::object&, WallTime)> print;
};

// Null: the kind has no table of its own.
[[nodiscard]] const BuiltinTable* find_builtin_table(const sim::ResourceType& type);

[[nodiscard]] boost::json::array print_pod(const boost::json::object& pod, WallTime now);

}  // namespace berth::dev
