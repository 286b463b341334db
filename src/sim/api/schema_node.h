#pragma once

// The compiled tree behind Schema; for schema*.cpp only.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "sim/api/schema.h"

namespace berth::sim {

struct Schema::Node {
  using Ptr = std::unique_ptr<const Node>;

  enum class Type { any, object, array, string, integer, number, boolean };

  Type type = Type::any;
  bool nullable = false;
  bool int_or_string = false;
  bool preserve_unknown = false;   // x-kubernetes-preserve-unknown-fields
  bool embedded_resource = false;  // x-kubernetes-embedded-resource: apiVersion, kind and metadata always stay
  std::optional<boost::json::value> default_value;

  // Objects. additional: the schema of fields that properties does not name; any_additional: they may be anything.
  std::map<std::string, Ptr, std::less<>> properties;
  Ptr additional;
  bool any_additional = false;
  std::vector<std::string> required;
  std::optional<std::int64_t> min_properties, max_properties;

  // Arrays. map_keys: x-kubernetes-list-map-keys of list type "map".
  Ptr items;
  std::optional<std::int64_t> min_items, max_items;
  bool unique = false;  // uniqueItems, or list type "set"
  std::vector<std::string> map_keys;

  // Scalars.
  boost::json::array allowed;  // enum
  std::string pattern_text;
  std::optional<std::regex> pattern;
  std::string format;
  std::optional<std::int64_t> min_length, max_length;
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;

  std::vector<Ptr> all_of, any_of, one_of;
  Ptr none_of;  // "not"

  // Anything below an object that no property describes is kept.
  [[nodiscard]] bool keeps_unknown() const { return preserve_unknown || any_additional; }
  [[nodiscard]] const Node* property(std::string_view key) const {
    const auto found = properties.find(key);
    if (found != properties.end()) return found->second.get();
    return additional.get();
  }
};

// "string", "integer", ... as an error message names the type of a value.
[[nodiscard]] std::string_view type_name(const boost::json::value& value);

// Broken rules of value at path under node. Lives in schema_validate.cpp.
void validate_node(const Schema::Node& node, const boost::json::value& value, const std::string& path, bool at_root,
                   Causes& causes);

}  // namespace berth::sim
