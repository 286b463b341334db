#pragma once

// OVSDB values (RFC 7047, section 5.1) and the types that columns give them. Scalars, optional scalars, sets and maps
// are all one thing, a Datum; its column's type says how it is written in JSON.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace berth::ovsdb {

enum class AtomType : std::uint8_t { integer, real, boolean, string, uuid };

struct Uuid {
  std::string text;  // 8-4-4-4-12, lower case
  auto operator<=>(const Uuid&) const = default;
};

using Atom = std::variant<std::int64_t, double, bool, std::string, Uuid>;  // in the order of AtomType

// Invariant: keys ascend and are unique; values is empty (scalar, set) or as long as keys (map).
struct Datum {
  std::vector<Atom> keys;
  std::vector<Atom> values;

  [[nodiscard]] bool empty() const { return keys.empty(); }
  [[nodiscard]] std::optional<std::size_t> find(const Atom& key) const;
  void put(Atom key, std::optional<Atom> value);  // replaces the value of a key that is there
  void erase(const Atom& key);                    // no error if absent

  bool operator==(const Datum&) const = default;
  bool operator<(const Datum& o) const { return keys != o.keys ? keys < o.keys : values < o.values; }
};

struct BaseType {
  AtomType type = AtomType::string;
  std::vector<Atom> allowed;  // enum; empty: any
  std::int64_t min_integer = std::numeric_limits<std::int64_t>::min();
  std::int64_t max_integer = std::numeric_limits<std::int64_t>::max();
  double min_real = std::numeric_limits<double>::lowest();
  double max_real = std::numeric_limits<double>::max();
  std::uint64_t min_length = 0;  // of strings, bytes
  std::uint64_t max_length = std::numeric_limits<std::uint64_t>::max();
  std::string ref_table;  // type uuid only; empty: refers to nothing
  bool strong = true;     // of the reference
};

struct ColumnType {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

  BaseType key;
  std::optional<BaseType> value;  // present: a map
  std::uint64_t min = 1;
  std::uint64_t max = 1;

  [[nodiscard]] bool is_map() const { return value.has_value(); }
  [[nodiscard]] bool is_scalar() const { return !value && min == 1 && max == 1; }
  // update2 and update3 send the difference of such columns, the new value of all others.
  [[nodiscard]] bool is_composite() const { return max > 1; }

  [[nodiscard]] ColumnType with_bounds(std::uint64_t new_min, std::uint64_t new_max) const;
};

// Gives the UUID that ["named-uuid", name] stands for.
using NamedUuids = std::function<Uuid(std::string_view name)>;

// What is wrong with a value or an operation, in the words of RFC 7047: error is one of its fixed strings.
struct Violation {
  std::string error;    // "syntax error", "constraint violation", …
  std::string details;  // for people
};

template <typename T>
using Checked = tl::expected<T, Violation>;

[[nodiscard]] inline tl::unexpected<Violation> violation(std::string error, std::string details) {
  return tl::unexpected<Violation>(Violation{std::move(error), std::move(details)});
}

// Accepts a bare atom for a set of one. Without `names` a named UUID is a syntax error.
[[nodiscard]] Checked<Datum> parse_datum(const boost::json::value& json, const ColumnType& type,
                                         const NamedUuids& names = {});

// Whether every atom obeys the type's enumeration, range and length.
[[nodiscard]] Checked<void> check_atoms(const Datum& datum, const ColumnType& type);

// Canonical form: a scalar bare; everything else as ["set", […]] or ["map", […]] with ascending keys.
[[nodiscard]] boost::json::value to_json(const Datum& datum, const ColumnType& type);
[[nodiscard]] boost::json::value to_json(const Atom& atom);

// What a column holds that an insert does not mention. It need not obey the type's enumeration or range.
[[nodiscard]] Datum default_datum(const ColumnType& type);

// Applies what update2 and update3 send as `modify` of a composite column.
[[nodiscard]] Datum apply_difference(Datum old, const Datum& difference);

[[nodiscard]] bool is_uuid(std::string_view text);

}  // namespace berth::ovsdb
