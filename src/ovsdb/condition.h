#pragma once

// The functions of "where" clauses and the mutators of "mutate" (RFC 7047, section 5.1), on typed values.

#include <string_view>

#include <boost/json/value.hpp>

#include "ovsdb/schema.h"
#include "ovsdb/value.h"

namespace berth::ovsdb {

// [column, function, value] with the column already found.
[[nodiscard]] Checked<bool> holds(std::string_view function, const Datum& column_value, const ColumnType& type,
                                  const boost::json::value& argument, const NamedUuids& names);

// [column, mutator, value] applied to `datum`, which then obeys the column's bounds.
[[nodiscard]] Checked<void> apply_mutation(std::string_view mutator, Datum& datum, const ColumnType& type,
                                           const boost::json::value& argument, const NamedUuids& names);

}  // namespace berth::ovsdb
