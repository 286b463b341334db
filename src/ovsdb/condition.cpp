#include "ovsdb/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include <boost/json/array.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

bool contains_pair(const Datum& datum, const Datum& argument, std::size_t i) {
  const auto at = datum.find(argument.keys[i]);
  return at && (argument.values.empty() || datum.values[*at] == argument.values[i]);
}

Checked<bool> compare(std::string_view function, const Datum& value, const Datum& argument) {
  if (value.keys.size() != 1 || argument.keys.size() != 1) return false;
  const Atom& a = value.keys[0];
  const Atom& b = argument.keys[0];
  if (function == "<") return a < b;
  if (function == "<=") return a <= b;
  if (function == ">") return a > b;
  return a >= b;
}

Checked<void> check_bounds(const Datum& datum, const ColumnType& type) {
  if (datum.keys.size() >= type.min && datum.keys.size() <= type.max) return {};
  return violation("constraint violation",
                   fmt::format("Attempted to store {} elements in {} of {} to {} elements.", datum.keys.size(),
                               type.is_map() ? "map" : "set", type.min,
                               type.max == ColumnType::kUnlimited ? "unlimited" : std::to_string(type.max)));
}

Checked<std::int64_t> calculate(std::string_view mutator, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool overflow = false;
  if (mutator == "+=") {
    overflow = __builtin_add_overflow(a, b, &out);
  } else if (mutator == "-=") {
    overflow = __builtin_sub_overflow(a, b, &out);
  } else if (mutator == "*=") {
    overflow = __builtin_mul_overflow(a, b, &out);
  } else {
    if (b == 0) return violation("domain error", "Division by zero.");
    if (b == -1) {
      overflow = mutator == "/=" && __builtin_sub_overflow(std::int64_t{0}, a, &out);
    } else {
      out = mutator == "/=" ? a / b : a % b;
    }
  }
  if (overflow) return violation("range error", "Result of operation is not representable as an integer.");
  return out;
}

Checked<double> calculate(std::string_view mutator, double a, double b) {
  if (mutator == "+=") return a + b;
  if (mutator == "-=") return a - b;
  if (mutator == "*=") return a * b;
  if (mutator == "%=") return violation("syntax error", "\"%=\" does not apply to reals");
  if (b == 0) return violation("domain error", "Division by zero.");
  return a / b;
}

Checked<void> arithmetic(std::string_view mutator, Datum& datum, const ColumnType& type, const json::value& argument) {
  if (type.is_map() || (type.key.type != AtomType::integer && type.key.type != AtomType::real)) {
    return violation("constraint violation", fmt::format("mutator {} does not apply to this column's type", mutator));
  }
  ColumnType scalar;
  scalar.key.type = type.key.type;
  auto by = parse_datum(argument, scalar);
  if (!by) return tl::unexpected(by.error());
  for (auto& key : datum.keys) {
    if (auto* i = std::get_if<std::int64_t>(&key)) {
      auto out = calculate(mutator, *i, std::get<std::int64_t>(by->keys[0]));
      if (!out) return tl::unexpected(out.error());
      *i = *out;
    } else {
      auto out = calculate(mutator, std::get<double>(key), std::get<double>(by->keys[0]));
      if (!out) return tl::unexpected(out.error());
      key = *out;
    }
  }
  std::ranges::sort(datum.keys);
  if (std::ranges::adjacent_find(datum.keys) != datum.keys.end()) {
    return violation("constraint violation", "set contains duplicate");
  }
  return check_atoms(datum, type);
}

Checked<void> insert(Datum& datum, const ColumnType& type, const json::value& argument, const NamedUuids& names) {
  auto more = parse_datum(argument, type.with_bounds(0, type.max), names);
  if (!more) return tl::unexpected(more.error());
  if (auto ok = check_atoms(*more, type); !ok) return ok;
  for (std::size_t i = 0; i < more->keys.size(); ++i) {
    if (datum.find(more->keys[i])) continue;
    datum.put(more->keys[i], type.is_map() ? std::optional(more->values[i]) : std::nullopt);
  }
  return check_bounds(datum, type);
}

Checked<void> erase(Datum& datum, const ColumnType& type, const json::value& argument, const NamedUuids& names) {
  auto less = parse_datum(argument, type.with_bounds(0, ColumnType::kUnlimited), names);
  if (!less && type.is_map()) {
    ColumnType keys = type.with_bounds(0, ColumnType::kUnlimited);
    keys.value.reset();
    less = parse_datum(argument, keys, names);
  }
  if (!less) return tl::unexpected(less.error());
  for (std::size_t i = 0; i < less->keys.size(); ++i) {
    if (contains_pair(datum, *less, i)) datum.erase(less->keys[i]);
  }
  return check_bounds(datum, type);
}

}  // namespace

Checked<bool> holds(std::string_view function, const Datum& value, const ColumnType& type, const json::value& argument,
                    const NamedUuids& names) {
  const bool includes = function == "includes";
  const bool excludes = function == "excludes";
  if (includes || excludes) {
    auto parsed = parse_datum(argument, type.with_bounds(0, ColumnType::kUnlimited), names);
    if (!parsed) return tl::unexpected(parsed.error());
    for (std::size_t i = 0; i < parsed->keys.size(); ++i) {
      if (contains_pair(value, *parsed, i) != includes) return false;
    }
    return true;
  }
  auto parsed = parse_datum(argument, type, names);
  if (!parsed) return tl::unexpected(parsed.error());
  if (function == "==") return value == *parsed;
  if (function == "!=") return value != *parsed;
  if (function != "<" && function != "<=" && function != ">" && function != ">=") {
    return violation("unknown function", fmt::format("No function named {}.", function));
  }
  if (type.is_map() || type.max > 1 || (type.key.type != AtomType::integer && type.key.type != AtomType::real)) {
    return violation("syntax error", fmt::format("Type of the column may not be an operand of {}.", function));
  }
  return compare(function, value, *parsed);
}

Checked<void> apply_mutation(std::string_view mutator, Datum& datum, const ColumnType& type,
                             const json::value& argument, const NamedUuids& names) {
  if (mutator == "insert" || mutator == "delete") {
    if (type.is_scalar())
      return violation("syntax error", fmt::format("Mutator {} does not apply to a scalar.", mutator));
    return mutator == "insert" ? insert(datum, type, argument, names) : erase(datum, type, argument, names);
  }
  if (mutator == "+=" || mutator == "-=" || mutator == "*=" || mutator == "/=" || mutator == "%=") {
    return arithmetic(mutator, datum, type, argument);
  }
  return violation("unknown mutator", fmt::format("No mutator named {}.", mutator));
}

}  // namespace berth::ovsdb
