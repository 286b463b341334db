#pragma once

// Comparing what is there with what a scenario expects of it.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "net/address.h"
#include "net/range.h"

namespace berth::scenarios {

namespace json = boost::json;

// Gives the row that a reference of an OVN table stands for, as an object; null: it is none.
using Resolve = std::function<const json::object*(std::string_view uuid)>;

// What differs, with the place ("spec.gateway: expected …, saw …"); nothing if it is as expected.
//
// A map is matched by the keys that it names, null stands for "not there", a list item by item. A map with one key that
// begins with '$' is a matcher: README.md lists them. saw: null if it is not there. With a Resolve, a text that names
// a row is matched as that row where a map is expected, and a list or map of one is matched against a plain value,
// because that is how OVSDB prints sets.
[[nodiscard]] std::optional<std::string> mismatch(const json::value& expected, const json::value* saw,
                                                  const Resolve& resolve = {}, const std::string& place = {});

// Whether mismatch() would understand every matcher in it; the text names the one that it would not.
[[nodiscard]] std::optional<std::string> malformed(const json::value& expected);

// "10.1.0.0/24", "10.1.0.5", "10.1.0.5..10.1.0.9".
[[nodiscard]] Result<net::Range> parse_range(std::string_view text);

// "10.1.0.5,fd00::5" against "10.1.0.0/24,fd00::/64": as many addresses as ranges, each range with one of its own.
[[nodiscard]] bool lies_in(std::string_view addresses, std::string_view ranges);

using Variables = std::map<std::string, std::string>;

// Replaces each <name> in all texts, keys among them. Names that are not known are left, and collected in `unknown`.
[[nodiscard]] json::value substitute(const json::value& value, const Variables& variables,
                                     std::vector<std::string>* unknown = nullptr);
[[nodiscard]] std::string substitute(std::string_view text, const Variables& variables,
                                     std::vector<std::string>* unknown = nullptr);

}  // namespace berth::scenarios
