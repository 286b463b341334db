#include "ovsdb/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include <boost/json/array.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

using Function = Condition::Function;
using Mutator = Mutation::Mutator;

std::optional<Function> find_function(std::string_view name) {
  constexpr std::pair<std::string_view, Function> names[] = {{"==", Function::equal},
                                                             {"!=", Function::not_equal},
                                                             {"includes", Function::includes},
                                                             {"excludes", Function::excludes},
                                                             {"<", Function::less},
                                                             {"<=", Function::less_or_equal},
                                                             {">", Function::greater},
                                                             {">=", Function::greater_or_equal}};
  for (const auto& [text, function] : names) {
    if (text == name) return function;
  }
  return std::nullopt;
}

std::optional<Mutator> find_mutator(std::string_view name) {
  constexpr std::pair<std::string_view, Mutator> names[] = {
      {"+=", Mutator::add},       {"-=", Mutator::subtract},   {"*=", Mutator::multiply}, {"/=", Mutator::divide},
      {"%=", Mutator::remainder}, {"insert", Mutator::insert}, {"delete", Mutator::erase}};
  for (const auto& [text, mutator] : names) {
    if (text == name) return mutator;
  }
  return std::nullopt;
}

bool is_number(const ColumnType& type) {
  return !type.is_map() && (type.key.type == AtomType::integer || type.key.type == AtomType::real);
}

bool contains_pair(const Datum& datum, const Datum& argument, std::size_t i) {
  const auto at = datum.find(argument.keys[i]);
  return at && (argument.values.empty() || datum.values[*at] == argument.values[i]);
}

bool compare(Function function, const Atom& a, const Atom& b) {
  switch (function) {
    case Function::less:
      return a < b;
    case Function::less_or_equal:
      return a <= b;
    case Function::greater:
      return a > b;
    default:
      return a >= b;
  }
}

Checked<void> check_bounds(const Datum& datum, const ColumnType& type) {
  if (datum.keys.size() >= type.min && datum.keys.size() <= type.max) return {};
  return violation("constraint violation",
                   fmt::format("Attempted to store {} elements in {} of {} to {} elements.", datum.keys.size(),
                               type.is_map() ? "map" : "set", type.min,
                               type.max == ColumnType::kUnlimited ? "unlimited" : std::to_string(type.max)));
}

Checked<std::int64_t> calculate(Mutator mutator, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool overflow = false;
  switch (mutator) {
    case Mutator::add:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Mutator::subtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Mutator::multiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    default:
      if (b == 0) return violation("domain error", "Division by zero.");
      if (b == -1) {  // the one quotient that may not fit
        overflow = mutator == Mutator::divide && __builtin_sub_overflow(std::int64_t{0}, a, &out);
      } else {
        out = mutator == Mutator::divide ? a / b : a % b;
      }
  }
  if (overflow) return violation("range error", "Result of operation is not representable as an integer.");
  return out;
}

Checked<double> calculate(Mutator mutator, double a, double b) {
  switch (mutator) {
    case Mutator::add:
      return a + b;
    case Mutator::subtract:
      return a - b;
    case Mutator::multiply:
      return a * b;
    default:
      if (b == 0) return violation("domain error", "Division by zero.");
      return a / b;
  }
}

Checked<void> apply_arithmetic(const Mutation& mutation, Datum& datum, const ColumnType& type) {
  const Atom& by = mutation.argument.keys[0];
  for (auto& key : datum.keys) {
    if (const auto* i = std::get_if<std::int64_t>(&key)) {
      auto out = calculate(mutation.mutator, *i, std::get<std::int64_t>(by));
      if (!out) return tl::unexpected(out.error());
      key = *out;
    } else {
      auto out = calculate(mutation.mutator, std::get<double>(key), std::get<double>(by));
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

// As ovsdb-server does, which refuses even to look for a value that the column could not hold.
Checked<Datum> parse_checked(const json::value& argument, const ColumnType& type, const NamedUuids& names) {
  auto out = parse_datum(argument, type, names);
  if (!out) return out;
  if (auto ok = check_atoms(*out, type); !ok) return tl::unexpected(ok.error());
  return out;
}

Checked<Datum> parse_erased(const ColumnType& type, const json::value& argument, const NamedUuids& names) {
  const ColumnType any = type.with_bounds(0, ColumnType::kUnlimited);
  auto out = parse_checked(argument, any, names);
  if (out || !type.is_map()) return out;
  ColumnType keys = any;  // of a map, keys alone will do
  keys.value.reset();
  return parse_checked(argument, keys, names);
}

}  // namespace

Checked<Condition> parse_condition(std::string_view name, const ColumnType& type, const json::value& argument,
                                   const NamedUuids& names) {
  const auto function = find_function(name);
  if (!function) return violation("unknown function", fmt::format("No function named {}.", name));
  const bool subset = *function == Function::includes || *function == Function::excludes;
  if (*function >= Function::less && (!is_number(type) || type.max > 1)) {
    return violation("syntax error", fmt::format("Type of the column may not be an operand of {}.", name));
  }
  auto datum = parse_checked(argument, subset ? type.with_bounds(0, ColumnType::kUnlimited) : type, names);
  if (!datum) return tl::unexpected(datum.error());
  return Condition{*function, std::move(*datum)};
}

bool holds(const Condition& condition, const Datum& value) {
  const Datum& argument = condition.argument;
  switch (condition.function) {
    case Function::equal:
      return value == argument;
    case Function::not_equal:
      return value != argument;
    case Function::includes:
    case Function::excludes:
      for (std::size_t i = 0; i < argument.keys.size(); ++i) {
        if (contains_pair(value, argument, i) != (condition.function == Function::includes)) return false;
      }
      return true;
    default:
      return !value.empty() && !argument.empty() && compare(condition.function, value.keys[0], argument.keys[0]);
  }
}

Checked<Mutation> parse_mutation(std::string_view name, const ColumnType& type, const json::value& argument,
                                 const NamedUuids& names) {
  const auto mutator = find_mutator(name);
  if (!mutator) return violation("unknown mutator", fmt::format("No mutator named {}.", name));
  const bool fits = *mutator >= Mutator::insert ? !type.is_scalar() : is_number(type);
  if (!fits || (*mutator == Mutator::remainder && type.key.type == AtomType::real)) {
    return violation("syntax error", fmt::format("Mutator {} does not apply to this column's type.", name));
  }
  Checked<Datum> datum;
  if (*mutator == Mutator::erase) {
    datum = parse_erased(type, argument, names);
  } else if (*mutator == Mutator::insert) {
    datum = parse_checked(argument, type.with_bounds(0, type.max), names);
  } else {
    ColumnType scalar;
    scalar.key.type = type.key.type;
    datum = parse_datum(argument, scalar);
  }
  if (!datum) return tl::unexpected(datum.error());
  return Mutation{*mutator, std::move(*datum)};
}

Checked<void> apply(const Mutation& mutation, Datum& datum, const ColumnType& type) {
  const Datum& argument = mutation.argument;
  if (mutation.mutator < Mutator::insert) return apply_arithmetic(mutation, datum, type);
  for (std::size_t i = 0; i < argument.keys.size(); ++i) {
    if (mutation.mutator == Mutator::erase) {
      if (contains_pair(datum, argument, i)) datum.erase(argument.keys[i]);
    } else if (!datum.find(argument.keys[i])) {
      datum.put(argument.keys[i], type.is_map() ? std::optional(argument.values[i]) : std::nullopt);
    }
  }
  return check_bounds(datum, type);
}

}  // namespace berth::ovsdb
