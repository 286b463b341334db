#include "api/json.h"

#include <fmt/core.h>

namespace berth::api {

const JsonValue* find(const JsonObject& object, std::initializer_list<std::string_view> path) {
  const JsonObject* at = &object;
  const JsonValue* value = nullptr;
  for (const std::string_view key : path) {
    if (at == nullptr) return nullptr;
    value = at->if_contains(key);
    if (value == nullptr) return nullptr;
    at = value->if_object();
  }
  return value;
}

const JsonObject* find_object(const JsonObject& object, std::initializer_list<std::string_view> path) {
  const JsonValue* value = find(object, path);
  return value == nullptr ? nullptr : value->if_object();
}

const JsonArray* find_array(const JsonObject& object, std::initializer_list<std::string_view> path) {
  const JsonValue* value = find(object, path);
  return value == nullptr ? nullptr : value->if_array();
}

std::string string_at(const JsonObject& object, std::initializer_list<std::string_view> path) {
  const JsonValue* value = find(object, path);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string());
}

bool bool_at(const JsonObject& object, std::initializer_list<std::string_view> path, bool otherwise) {
  const JsonValue* value = find(object, path);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

std::int64_t int_at(const JsonObject& object, std::initializer_list<std::string_view> path, std::int64_t otherwise) {
  const JsonValue* value = find(object, path);
  if (value == nullptr) return otherwise;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
  return otherwise;
}

std::vector<std::string> strings_at(const JsonObject& object, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  if (const JsonArray* array = find_array(object, path)) {
    for (const JsonValue& item : *array) {
      if (item.is_string()) out.emplace_back(item.get_string());
    }
  }
  return out;
}

std::map<std::string, std::string> string_map_at(const JsonObject& object,
                                                 std::initializer_list<std::string_view> path) {
  std::map<std::string, std::string> out;
  if (const JsonObject* map = find_object(object, path)) {
    for (const auto& [key, value] : *map) {
      if (value.is_string()) out.emplace(key, value.get_string());
    }
  }
  return out;
}

JsonArray to_json(const std::vector<std::string>& strings) {
  JsonArray out;
  for (const std::string& s : strings) out.emplace_back(s);
  return out;
}

JsonObject to_json(const std::map<std::string, std::string>& map) {
  JsonObject out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

Result<JsonValue> parse_json(std::string_view text) {
  boost::json::error_code ec;
  boost::json::stream_parser parser;
  const std::size_t used = parser.write_some(text, ec);
  if (!ec && used != text.size())
    return fail(ErrorCode::invalid, fmt::format("JSON: text after the value at byte {}", used));
  if (!ec) parser.finish(ec);
  if (ec) return fail(ErrorCode::invalid, fmt::format("JSON: {} at byte {}", ec.message(), used));
  return parser.release();
}

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto cut = text.find(separator);
    std::string_view item = text.substr(0, cut);
    text = cut == std::string_view::npos ? std::string_view{} : text.substr(cut + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (!item.empty()) out.emplace_back(item);
  }
  return out;
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {  // an empty item is one too: lists are read by position
    if (i > 0) out += separator;
    out += items[i];
  }
  return out;
}

}  // namespace berth::api
