#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <boost/json/serialize.hpp>

#include "sim/api/object.h"
#include "sim/api/schema_node.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

using Node = Schema::Node;

std::string below(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

// Characters, not bytes: UTF-8 continuation bytes do not count.
std::int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

bool is_ip(std::string_view text, int family) {
  unsigned char buffer[16];
  return inet_pton(family, std::string(text).c_str(), buffer) == 1;
}

bool is_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  int bits = -1;
  const std::string_view tail = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), bits);
  if (error != std::errc() || end != tail.data() + tail.size() || bits < 0) return false;
  return (is_ip(text.substr(0, slash), AF_INET) && bits <= 32) ||
         (is_ip(text.substr(0, slash), AF_INET6) && bits <= 128);
}

bool has_format(std::string_view text, std::string_view format) {
  if (format == "ipv4") return is_ip(text, AF_INET);
  if (format == "ipv6") return is_ip(text, AF_INET6);
  if (format == "cidr") return is_cidr(text);
  if (format == "date-time") return parse_time(text).has_value();
  return true;  // other formats are not checked
}

double number_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  return value.get_double();
}

bool is_integer(const json::value& value) {
  return value.is_int64() || value.is_uint64() ||
         (value.is_double() && std::trunc(value.get_double()) == value.get_double());
}

bool has_type(const Node& node, const json::value& value) {
  if (node.int_or_string) return value.is_string() || is_integer(value);
  switch (node.type) {
    case Node::Type::any:
      return true;
    case Node::Type::object:
      return value.is_object();
    case Node::Type::array:
      return value.is_array();
    case Node::Type::string:
      return value.is_string();
    case Node::Type::integer:
      return is_integer(value);
    case Node::Type::number:
      return value.is_number();
    case Node::Type::boolean:
      return value.is_bool();
  }
  return false;
}

std::string_view wanted_name(const Node& node) {
  if (node.int_or_string) return "integer,string";
  switch (node.type) {
    case Node::Type::object:
      return "object";
    case Node::Type::array:
      return "array";
    case Node::Type::string:
      return "string";
    case Node::Type::integer:
      return "integer";
    case Node::Type::number:
      return "number";
    case Node::Type::boolean:
      return "boolean";
    case Node::Type::any:
      break;
  }
  return "any";
}

Cause broken(const std::string& path, const json::value& value, const std::string& rule) {
  return invalid_value(path, value, fmt::format("{} in body {}", path, rule));
}

void check_string(const Node& node, const json::value& value, const std::string& path, Causes& causes) {
  const std::string_view text = value.get_string();
  if (node.min_length && length_of(text) < *node.min_length) {
    causes.push_back(broken(path, value, fmt::format("should be at least {} chars long", *node.min_length)));
  }
  if (node.max_length && length_of(text) > *node.max_length) {
    causes.push_back(
        {path, "FieldValueTooLong", fmt::format("Too long: may not be more than {} bytes", *node.max_length)});
  }
  if (node.pattern && !std::regex_search(text.begin(), text.end(), *node.pattern)) {
    causes.push_back(broken(path, value, fmt::format("should match '{}'", node.pattern_text)));
  }
  if (!node.format.empty() && !has_format(text, node.format)) {
    causes.push_back(broken(path, value, fmt::format("must be of type {}: {}", node.format, json::serialize(value))));
  }
}

void check_number(const Node& node, const json::value& value, const std::string& path, Causes& causes) {
  const double number = number_of(value);
  if (node.minimum && (number < *node.minimum || (node.exclusive_minimum && number == *node.minimum))) {
    causes.push_back(broken(
        path, value,
        fmt::format("should be greater than {}{}", node.exclusive_minimum ? "" : "or equal to ", *node.minimum)));
  }
  if (node.maximum && (number > *node.maximum || (node.exclusive_maximum && number == *node.maximum))) {
    causes.push_back(
        broken(path, value,
               fmt::format("should be less than {}{}", node.exclusive_maximum ? "" : "or equal to ", *node.maximum)));
  }
  if (node.multiple_of && std::fmod(number, *node.multiple_of) != 0) {
    causes.push_back(broken(path, value, fmt::format("should be a multiple of {}", *node.multiple_of)));
  }
}

void check_array(const Node& node, const json::array& list, const std::string& path, Causes& causes) {
  const auto size = static_cast<std::int64_t>(list.size());
  if (node.min_items && size < *node.min_items) {
    causes.push_back(broken(path, size, fmt::format("should have at least {} items", *node.min_items)));
  }
  if (node.max_items && size > *node.max_items) {
    causes.push_back(
        {path, "FieldValueTooMany", fmt::format("Too many: {}: must have at most {} items", size, *node.max_items)});
  }
  const auto key_of = [&](const json::value& v) {
    if (node.map_keys.empty() || !v.is_object()) return v;
    json::object key;
    for (const std::string& k : node.map_keys) {
      if (const json::value* part = v.get_object().if_contains(k)) key[k] = *part;
    }
    return json::value(std::move(key));
  };
  if (node.unique || !node.map_keys.empty()) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto end = list.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::none_of(list.begin(), end, [&](const json::value& v) { return key_of(v) == key_of(list[i]); })) continue;
      causes.push_back({fmt::format("{}[{}]", path, i), "FieldValueDuplicate",
                        fmt::format("Duplicate value: {}", json::serialize(key_of(list[i])))});
    }
  }
  if (!node.items) return;
  for (std::size_t i = 0; i < list.size(); ++i) {
    validate_node(*node.items, list[i], fmt::format("{}[{}]", path, i), false, causes);
  }
}

void check_object(const Node& node, const json::object& object, const std::string& path, bool at_root, Causes& causes) {
  for (const std::string& key : node.required) {
    if (!object.contains(key)) causes.push_back(required(below(path, key), ""));
  }
  const auto size = static_cast<std::int64_t>(object.size());
  if (node.min_properties && size < *node.min_properties) {
    causes.push_back(broken(path, size, fmt::format("should have at least {} properties", *node.min_properties)));
  }
  if (node.max_properties && size > *node.max_properties) {
    causes.push_back({path, "FieldValueTooMany",
                      fmt::format("Too many: {}: must have at most {} items", size, *node.max_properties)});
  }
  for (const auto& [key, value] : object) {
    const std::string_view k = key;
    if (at_root && (k == "apiVersion" || k == "kind" || k == "metadata")) continue;
    if (const Node* property = node.property(k)) validate_node(*property, value, below(path, k), false, causes);
  }
}

bool fits(const Node& node, const json::value& value, const std::string& path) {
  Causes causes;
  validate_node(node, value, path, path.empty(), causes);
  return causes.empty();
}

void check_combinations(const Node& node, const json::value& value, const std::string& path, bool at_root,
                        Causes& causes) {
  for (const Node::Ptr& part : node.all_of) validate_node(*part, value, path, at_root, causes);
  const auto fitting = [&](const std::vector<Node::Ptr>& list) {
    return std::count_if(list.begin(), list.end(), [&](const Node::Ptr& part) { return fits(*part, value, path); });
  };
  if (!node.any_of.empty() && fitting(node.any_of) == 0) {
    causes.push_back(broken(path, value, "must validate at least one schema (anyOf)"));
  }
  if (!node.one_of.empty() && fitting(node.one_of) != 1) {
    causes.push_back(broken(path, value, "must validate one and only one schema (oneOf)"));
  }
  if (node.none_of && fits(*node.none_of, value, path)) {
    causes.push_back(broken(path, value, "must not validate the schema (not)"));
  }
}

}  // namespace

std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "integer";
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "unknown";
}

void validate_node(const Node& node, const json::value& value, const std::string& path, bool at_root, Causes& causes) {
  if (value.is_null() && node.nullable) return;
  if (!has_type(node, value)) {
    const std::string_view is = type_name(value);
    causes.push_back(
        {path, "FieldValueTypeInvalid",
         fmt::format("Invalid value: \"{}\": {} in body must be of type {}: \"{}\"", is, path, wanted_name(node), is)});
    return;
  }
  if (!node.allowed.empty() && std::find(node.allowed.begin(), node.allowed.end(), value) == node.allowed.end()) {
    causes.push_back(not_supported(path, value, node.allowed));
  }
  if (value.is_string()) check_string(node, value, path, causes);
  if (value.is_number()) check_number(node, value, path, causes);
  if (value.is_array()) check_array(node, value.get_array(), path, causes);
  if (value.is_object()) check_object(node, value.get_object(), path, at_root, causes);
  check_combinations(node, value, path, at_root, causes);
}

}  // namespace berth::sim
