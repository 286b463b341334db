#pragma once

// The functions of "where" clauses and the mutators of "mutate" (RFC 7047, section 5.1), on typed values.

#include <string_view>

#include <boost/json/value.hpp>

#include "ovsdb/schema.h"
#include "ovsdb/value.h"

namespace berth::ovsdb {

// Parsing is apart from applying: an operation that is wrong fails although no row matches it.
struct Condition {
  enum class Function { equal, not_equal, includes, excludes, less, less_or_equal, greater, greater_or_equal };
  Function function = Function::equal;
  Datum argument;
};

struct Mutation {
  enum class Mutator { add, subtract, multiply, divide, remainder, insert, erase };
  Mutator mutator = Mutator::insert;
  Datum argument;
};

// The function and value of [column, function, value], for a column of that type.
[[nodiscard]] Checked<Condition> parse_condition(std::string_view function, const ColumnType& type,
                                                 const boost::json::value& argument, const NamedUuids& names);
[[nodiscard]] bool holds(const Condition& condition, const Datum& value);

// The mutator and value of [column, mutator, value]. After apply() the value obeys the column's bounds.
[[nodiscard]] Checked<Mutation> parse_mutation(std::string_view mutator, const ColumnType& type,
                                               const boost::json::value& argument, const NamedUuids& names);
[[nodiscard]] Checked<void> apply(const Mutation& mutation, Datum& value, const ColumnType& type);

}  // namespace berth::ovsdb
