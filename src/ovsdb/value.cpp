#include "ovsdb/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

auto syntax_error(std::string details) { return violation("syntax error", std::move(details)); }

// ["tag", payload] with a string tag, as sets, maps and UUIDs are written.
const json::value* tagged(const json::value& v, std::string_view tag) {
  const auto* a = v.if_array();
  if (a == nullptr || a->size() != 2 || !(*a)[0].is_string() || (*a)[0].get_string() != tag) return nullptr;
  return &(*a)[1];
}

Checked<Atom> parse_uuid(const json::value& v, const NamedUuids& names) {
  if (const auto* text = tagged(v, "uuid"); text != nullptr && text->is_string()) {
    const std::string_view s = text->get_string();
    if (!is_uuid(s)) return syntax_error(fmt::format("\"{}\" is not a valid UUID", s));
    std::string lower(s);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    return Atom(Uuid{std::move(lower)});
  }
  if (const auto* name = tagged(v, "named-uuid"); name != nullptr && name->is_string() && names) {
    return Atom(names(name->get_string()));
  }
  return syntax_error("expected a UUID");
}

Checked<Atom> parse_atom(const json::value& v, AtomType type, const NamedUuids& names) {
  switch (type) {
    case AtomType::integer:
      if (v.is_int64()) return Atom(v.get_int64());
      if (v.is_uint64() && v.get_uint64() <= std::numeric_limits<std::int64_t>::max())
        return Atom(static_cast<std::int64_t>(v.get_uint64()));
      if (v.is_double() && std::nearbyint(v.get_double()) == v.get_double() && std::abs(v.get_double()) < 9e15) {
        return Atom(static_cast<std::int64_t>(v.get_double()));
      }
      return syntax_error("expected integer");
    case AtomType::real:
      if (v.is_double()) return Atom(v.get_double());
      if (v.is_int64()) return Atom(static_cast<double>(v.get_int64()));
      if (v.is_uint64()) return Atom(static_cast<double>(v.get_uint64()));
      return syntax_error("expected real");
    case AtomType::boolean:
      if (v.is_bool()) return Atom(v.get_bool());
      return syntax_error("expected boolean");
    case AtomType::string:
      if (v.is_string()) return Atom(std::string(v.get_string()));
      return syntax_error("expected string");
    case AtomType::uuid:
      return parse_uuid(v, names);
  }
  return syntax_error("unknown atomic type");
}

Checked<void> check_count(const Datum& datum, const ColumnType& type) {
  if (datum.keys.size() >= type.min && datum.keys.size() <= type.max) return {};
  return syntax_error(fmt::format("{} must have {} to {} members but {} are present", type.is_map() ? "map" : "set",
                                  type.min, type.max == ColumnType::kUnlimited ? "unlimited" : std::to_string(type.max),
                                  datum.keys.size()));
}

Checked<Datum> parse_map(const json::value& pairs, const ColumnType& type, const NamedUuids& names) {
  if (!pairs.is_array()) return syntax_error("expected an array of pairs");
  std::vector<std::pair<Atom, Atom>> parsed;
  for (const auto& pair : pairs.get_array()) {
    const auto* p = pair.if_array();
    if (p == nullptr || p->size() != 2) return syntax_error("expected a pair");
    auto key = parse_atom((*p)[0], type.key.type, names);
    if (!key) return tl::unexpected(key.error());
    auto value = parse_atom((*p)[1], type.value->type, names);
    if (!value) return tl::unexpected(value.error());
    parsed.emplace_back(std::move(*key), std::move(*value));
  }
  std::ranges::sort(parsed, [](const auto& a, const auto& b) { return a.first < b.first; });
  Datum out;
  for (auto& [key, value] : parsed) {
    if (!out.keys.empty() && out.keys.back() == key)
      return violation("constraint violation", "map contains duplicate key");
    out.keys.push_back(std::move(key));
    out.values.push_back(std::move(value));
  }
  return out;
}

Checked<Datum> parse_set(const json::value& members, const ColumnType& type, const NamedUuids& names) {
  if (!members.is_array()) return syntax_error("expected an array of members");
  Datum out;
  for (const auto& member : members.get_array()) {
    auto atom = parse_atom(member, type.key.type, names);
    if (!atom) return tl::unexpected(atom.error());
    out.keys.push_back(std::move(*atom));
  }
  std::ranges::sort(out.keys);
  if (std::ranges::adjacent_find(out.keys) != out.keys.end())
    return violation("constraint violation", "set contains duplicate");
  return out;
}

Checked<void> check_atom(const Atom& atom, const BaseType& type) {
  const auto out_of_range = [](const std::string& value, const std::string& low, const std::string& high) {
    return violation("constraint violation",
                     fmt::format("{} is not in the valid range {} to {} (inclusive)", value, low, high));
  };
  if (!type.allowed.empty() && std::ranges::find(type.allowed, atom) == type.allowed.end()) {
    return violation("constraint violation",
                     fmt::format("{} is not one of the allowed values", json::serialize(to_json(atom))));
  }
  if (const auto* i = std::get_if<std::int64_t>(&atom);
      i != nullptr && (*i < type.min_integer || *i > type.max_integer)) {
    return out_of_range(std::to_string(*i), std::to_string(type.min_integer), std::to_string(type.max_integer));
  }
  if (const auto* r = std::get_if<double>(&atom); r != nullptr && (*r < type.min_real || *r > type.max_real)) {
    return out_of_range(fmt::format("{}", *r), fmt::format("{}", type.min_real), fmt::format("{}", type.max_real));
  }
  if (const auto* s = std::get_if<std::string>(&atom);
      s != nullptr && (s->size() < type.min_length || s->size() > type.max_length)) {
    return violation("constraint violation",
                     fmt::format("\"{}\" has a length outside {} to {}", *s, type.min_length, type.max_length));
  }
  return {};
}

Atom default_atom(AtomType type) {
  switch (type) {
    case AtomType::integer:
      return std::int64_t{0};
    case AtomType::real:
      return 0.0;
    case AtomType::boolean:
      return false;
    case AtomType::string:
      return std::string();
    case AtomType::uuid:
      break;
  }
  return Uuid{"00000000-0000-0000-0000-000000000000"};
}

}  // namespace

std::optional<std::size_t> Datum::find(const Atom& key) const {
  const auto it = std::ranges::lower_bound(keys, key);
  if (it == keys.end() || *it != key) return std::nullopt;
  return static_cast<std::size_t>(it - keys.begin());
}

void Datum::put(Atom key, std::optional<Atom> value) {
  const auto it = std::ranges::lower_bound(keys, key);
  const auto at = it - keys.begin();
  if (it != keys.end() && *it == key) {
    if (value) values[static_cast<std::size_t>(at)] = std::move(*value);
    return;
  }
  keys.insert(it, std::move(key));
  if (value) values.insert(values.begin() + at, std::move(*value));
}

void Datum::erase(const Atom& key) {
  const auto at = find(key);
  if (!at) return;
  if (!values.empty()) values.erase(values.begin() + static_cast<std::ptrdiff_t>(*at));
  keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(*at));
}

ColumnType ColumnType::with_bounds(std::uint64_t new_min, std::uint64_t new_max) const {
  ColumnType out = *this;
  out.min = new_min;
  out.max = new_max;
  return out;
}

Checked<Datum> parse_datum(const json::value& v, const ColumnType& type, const NamedUuids& names) {
  Checked<Datum> out;
  if (type.is_map()) {
    const auto* pairs = tagged(v, "map");
    // An empty set is accepted where a map is meant, as ovsdb-server does.
    if (pairs == nullptr && tagged(v, "set") != nullptr && tagged(v, "set")->is_array() &&
        tagged(v, "set")->get_array().empty()) {
      out = Datum{};
    } else if (pairs == nullptr) {
      return syntax_error("expected a map");
    } else {
      out = parse_map(*pairs, type, names);
    }
  } else if (const auto* members = tagged(v, "set")) {
    out = parse_set(*members, type, names);
  } else {
    auto atom = parse_atom(v, type.key.type, names);
    if (!atom) return tl::unexpected(atom.error());
    out->keys.push_back(std::move(*atom));
  }
  if (!out) return out;
  if (auto count = check_count(*out, type); !count) return tl::unexpected(count.error());
  return out;
}

Checked<void> check_atoms(const Datum& datum, const ColumnType& type) {
  for (const auto& key : datum.keys) {
    if (auto ok = check_atom(key, type.key); !ok) return ok;
  }
  for (const auto& value : datum.values) {
    if (auto ok = check_atom(value, *type.value); !ok) return ok;
  }
  return {};
}

json::value to_json(const Atom& atom) {
  if (const auto* uuid = std::get_if<Uuid>(&atom)) return json::array{"uuid", uuid->text};
  if (const auto* s = std::get_if<std::string>(&atom)) return json::value(*s);
  if (const auto* i = std::get_if<std::int64_t>(&atom)) return *i;
  if (const auto* r = std::get_if<double>(&atom)) return *r;
  return std::get<bool>(atom);
}

json::value to_json(const Datum& datum, const ColumnType& type) {
  if (type.is_scalar() && datum.keys.size() == 1) return to_json(datum.keys[0]);
  json::array members;
  members.reserve(datum.keys.size());
  for (std::size_t i = 0; i < datum.keys.size(); ++i) {
    if (type.is_map()) {
      members.push_back(json::array{to_json(datum.keys[i]), to_json(datum.values[i])});
    } else {
      members.push_back(to_json(datum.keys[i]));
    }
  }
  return json::array{type.is_map() ? "map" : "set", std::move(members)};
}

Datum default_datum(const ColumnType& type) {
  Datum out;
  if (type.min == 0) return out;
  out.keys.push_back(default_atom(type.key.type));
  if (type.is_map()) out.values.push_back(default_atom(type.value->type));
  return out;
}

Datum apply_difference(Datum old, const Datum& difference) {
  for (std::size_t i = 0; i < difference.keys.size(); ++i) {
    const Atom& key = difference.keys[i];
    const bool has_value = !difference.values.empty();
    const auto at = old.find(key);
    if (at && (!has_value || old.values[*at] == difference.values[i])) {
      old.erase(key);
    } else {
      old.put(key, has_value ? std::optional(difference.values[i]) : std::nullopt);
    }
  }
  return old;
}

bool is_uuid(std::string_view s) {
  if (s.size() != 36) return false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = s[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace berth::ovsdb
