#pragma once

// Reading JSON that an API server has checked against a schema: what is absent or of another type reads as "not set",
// so that one odd object can never stop the others. Nothing here throws.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"

namespace berth::api {

using JsonValue = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// The value at a path of keys; null if any step is missing. find_array and find_object also if it is of another type.
[[nodiscard]] const JsonValue* find(const JsonObject& object, std::initializer_list<std::string_view> path);
[[nodiscard]] const JsonObject* find_object(const JsonObject& object, std::initializer_list<std::string_view> path);
[[nodiscard]] const JsonArray* find_array(const JsonObject& object, std::initializer_list<std::string_view> path);

[[nodiscard]] std::string string_at(const JsonObject& object, std::initializer_list<std::string_view> path);
[[nodiscard]] bool bool_at(const JsonObject& object, std::initializer_list<std::string_view> path,
                           bool otherwise = false);
[[nodiscard]] std::int64_t int_at(const JsonObject& object, std::initializer_list<std::string_view> path,
                                  std::int64_t otherwise = 0);
[[nodiscard]] std::vector<std::string> strings_at(const JsonObject& object,
                                                  std::initializer_list<std::string_view> path);
[[nodiscard]] std::map<std::string, std::string> string_map_at(const JsonObject& object,
                                                               std::initializer_list<std::string_view> path);

[[nodiscard]] JsonArray to_json(const std::vector<std::string>& strings);
[[nodiscard]] JsonObject to_json(const std::map<std::string, std::string>& map);

// JSON text; errors name the position.
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text);

// Splits at a separator and trims blanks; empty items are dropped.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text, char separator = ',');
[[nodiscard]] std::string join(const std::vector<std::string>& items, std::string_view separator);

}  // namespace berth::api
