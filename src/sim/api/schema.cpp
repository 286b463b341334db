#include "sim/api/schema.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sim/api/object.h"
#include "sim/api/schema_node.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

using Node = Schema::Node;

constexpr std::pair<std::string_view, Node::Type> kTypes[] = {
    {"object", Node::Type::object},   {"array", Node::Type::array},   {"string", Node::Type::string},
    {"integer", Node::Type::integer}, {"number", Node::Type::number}, {"boolean", Node::Type::boolean},
};

std::optional<std::int64_t> count_at(const json::object& schema, std::string_view key) {
  if (!schema.if_contains(key)) return std::nullopt;
  return int_at(schema, {key});
}

std::optional<double> number_at(const json::object& schema, std::string_view key) {
  const json::value* v = schema.if_contains(key);
  if (!v || !v->is_number()) return std::nullopt;
  return v->is_double() ? v->get_double() : static_cast<double>(int_at(schema, {key}));
}

std::vector<std::string> strings_at(const json::object& schema, std::string_view key) {
  std::vector<std::string> out;
  if (const json::array* list = array_at(schema, {key})) {
    for (const json::value& v : *list) {
      if (v.is_string()) out.emplace_back(v.get_string());
    }
  }
  return out;
}

std::unique_ptr<Node> compile_node(const json::object& schema);

std::vector<Node::Ptr> compile_list(const json::object& schema, std::string_view key) {
  std::vector<Node::Ptr> out;
  if (const json::array* list = array_at(schema, {key})) {
    for (const json::value& v : *list) {
      if (v.is_object()) out.push_back(compile_node(v.get_object()));
    }
  }
  return out;
}

void compile_object(const json::object& schema, Node& node) {
  if (const json::object* properties = object_at(schema, {"properties"})) {
    for (const auto& [key, value] : *properties) {
      if (value.is_object()) node.properties.emplace(key, compile_node(value.get_object()));
    }
  }
  if (const json::value* additional = schema.if_contains("additionalProperties")) {
    if (additional->is_object()) node.additional = compile_node(additional->get_object());
    node.any_additional = additional->is_bool() && additional->get_bool();
  }
  node.required = strings_at(schema, "required");
  node.min_properties = count_at(schema, "minProperties");
  node.max_properties = count_at(schema, "maxProperties");
}

void compile_array(const json::object& schema, Node& node) {
  if (const json::object* items = object_at(schema, {"items"})) node.items = compile_node(*items);
  node.min_items = count_at(schema, "minItems");
  node.max_items = count_at(schema, "maxItems");
  node.unique = bool_at(schema, {"uniqueItems"}) || string_at(schema, {"x-kubernetes-list-type"}) == "set";
  node.map_keys = strings_at(schema, "x-kubernetes-list-map-keys");
}

void compile_scalar(const json::object& schema, Node& node) {
  if (const json::array* allowed = array_at(schema, {"enum"})) node.allowed = *allowed;
  node.format = string_at(schema, {"format"});
  node.min_length = count_at(schema, "minLength");
  node.max_length = count_at(schema, "maxLength");
  node.minimum = number_at(schema, "minimum");
  node.maximum = number_at(schema, "maximum");
  node.multiple_of = number_at(schema, "multipleOf");
  node.exclusive_minimum = bool_at(schema, {"exclusiveMinimum"});
  node.exclusive_maximum = bool_at(schema, {"exclusiveMaximum"});
  node.pattern_text = string_at(schema, {"pattern"});
  if (node.pattern_text.empty()) return;
  try {
    node.pattern.emplace(node.pattern_text, std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    // A pattern of Go's syntax that ECMAScript does not know holds nothing back.
  }
}

std::unique_ptr<Node> compile_node(const json::object& schema) {
  auto node = std::make_unique<Node>();
  const std::string_view type = string_at(schema, {"type"});
  for (const auto& [name, value] : kTypes) {
    if (type == name) node->type = value;
  }
  node->nullable = bool_at(schema, {"nullable"});
  node->int_or_string = bool_at(schema, {"x-kubernetes-int-or-string"});
  node->preserve_unknown = bool_at(schema, {"x-kubernetes-preserve-unknown-fields"});
  node->embedded_resource = bool_at(schema, {"x-kubernetes-embedded-resource"});
  if (const json::value* value = schema.if_contains("default"); value && !value->is_null())
    node->default_value = *value;
  compile_object(schema, *node);
  compile_array(schema, *node);
  compile_scalar(schema, *node);
  node->all_of = compile_list(schema, "allOf");
  node->any_of = compile_list(schema, "anyOf");
  node->one_of = compile_list(schema, "oneOf");
  if (const json::object* none = object_at(schema, {"not"})) node->none_of = compile_node(*none);
  return node;
}

bool belongs_to_every_object(std::string_view key) { return key == "apiVersion" || key == "kind" || key == "metadata"; }

void prune_value(const Node& node, json::value& value, bool is_resource) {
  if (json::array* list = value.if_array()) {
    if (!node.items) return;
    for (json::value& v : *list) prune_value(*node.items, v, false);
    return;
  }
  json::object* object = value.if_object();
  if (!object) return;
  json::object kept;
  for (auto& [key, v] : *object) {
    if (is_resource && belongs_to_every_object(key)) {
      kept.emplace(key, std::move(v));
      continue;
    }
    const Node* property = node.property(key);
    if (!property && !node.keeps_unknown()) continue;
    if (property) prune_value(*property, v, property->embedded_resource);
    kept.emplace(key, std::move(v));
  }
  *object = std::move(kept);
}

// A null where the schema allows none counts as absent.
void drop_nulls(const Node& node, json::object& object, bool at_root) {
  std::vector<std::string> nulls;
  for (const auto& [key, v] : object) {
    if (at_root && belongs_to_every_object(key)) continue;
    const Node* property = node.property(key);
    if (v.is_null() && property && !property->nullable && property->type != Node::Type::any) nulls.emplace_back(key);
  }
  for (const std::string& key : nulls) object.erase(key);
}

void default_value(const Node& node, json::value& value, bool at_root) {
  if (node.type == Node::Type::integer && value.is_double()) {
    const double number = value.get_double();
    if (std::trunc(number) == number && std::abs(number) < 9e15) value = static_cast<std::int64_t>(number);
    return;
  }
  if (json::array* list = value.if_array()) {
    if (!node.items) return;
    for (json::value& v : *list) default_value(*node.items, v, false);
    return;
  }
  json::object* object = value.if_object();
  if (!object) return;
  drop_nulls(node, *object, at_root);
  for (const auto& [key, property] : node.properties) {
    if (at_root && belongs_to_every_object(key)) continue;
    if (property->default_value && !object->contains(key)) (*object)[key] = *property->default_value;
  }
  for (auto& [key, v] : *object) {
    if (at_root && belongs_to_every_object(key)) continue;
    if (const Node* property = node.property(key)) default_value(*property, v, false);
  }
}

// Runs fn on an object as if it were a value, without copying it.
template <typename Fn>
void as_value(json::object& object, Fn fn) {
  json::value value(std::move(object));
  fn(value);
  object = std::move(value.get_object());
}

}  // namespace

Schema::Schema(std::unique_ptr<const Node> root) : root_(std::move(root)) {}

Schema::~Schema() = default;

std::shared_ptr<const Schema> Schema::compile(const json::object& schema, bool preserve_unknown) {
  std::unique_ptr<Node> root = compile_node(schema);
  root->preserve_unknown |= preserve_unknown;
  return std::shared_ptr<const Schema>(new Schema(std::move(root)));
}

void Schema::prune(json::object& object) const {
  as_value(object, [&](json::value& v) { prune_value(*root_, v, true); });
}

void Schema::apply_defaults(json::object& object) const {
  as_value(object, [&](json::value& v) { default_value(*root_, v, true); });
}

Causes Schema::validate(const json::object& object) const {
  Causes causes;
  validate_node(*root_, json::value(object), "", true, causes);
  return causes;
}

Causes check_structural(const json::object& schema, const std::string& path) {
  Causes causes;
  const std::string_view type = string_at(schema, {"type"});
  const bool known = std::any_of(std::begin(kTypes), std::end(kTypes), [&](const auto& t) { return t.first == type; });
  if (type.empty()) {
    if (!bool_at(schema, {"x-kubernetes-int-or-string"}) &&
        !bool_at(schema, {"x-kubernetes-preserve-unknown-fields"})) {
      causes.push_back(required(path + ".type", "must not be empty for specified object fields"));
    }
  } else if (!known) {
    json::array names;
    for (const auto& t : kTypes) names.emplace_back(t.first);
    causes.push_back(not_supported(path + ".type", json::string(type), names));
  }
  const auto descend = [&](const json::value& child, const std::string& where) {
    if (!child.is_object()) return;
    for (Cause& cause : check_structural(child.get_object(), where)) causes.push_back(std::move(cause));
  };
  if (const json::object* properties = object_at(schema, {"properties"})) {
    for (const auto& [key, value] : *properties) {
      descend(value, fmt::format("{}.properties[{}]", path, std::string_view(key)));
    }
  }
  if (const json::value* items = schema.if_contains("items")) descend(*items, path + ".items");
  if (const json::value* more = schema.if_contains("additionalProperties"))
    descend(*more, path + ".additionalProperties");
  return causes;
}

}  // namespace berth::sim
