#include "sim/api/error.h"

#include <fmt/core.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "sim/api/resource_type.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

json::object details_of(const ResourceType& type, std::string_view name) {
  json::object details;
  if (!name.empty()) details["name"] = name;
  if (!type.group.empty()) details["group"] = type.group;
  details["kind"] = type.plural;
  return details;
}

}  // namespace

json::object ApiError::to_status() const {
  json::object status{{"kind", "Status"},
                      {"apiVersion", "v1"},
                      {"metadata", json::object()},
                      {"status", "Failure"},
                      {"message", message}};
  if (!reason.empty()) status["reason"] = reason;
  if (!details.empty()) status["details"] = details;
  status["code"] = code;
  return status;
}

Cause required(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueRequired",
          detail.empty() ? std::string("Required value") : fmt::format("Required value: {}", detail)};
}

Cause invalid_value(std::string field, const json::value& value, std::string_view detail) {
  return {std::move(field), "FieldValueInvalid",
          fmt::format("Invalid value: {}{}{}", json::serialize(value), detail.empty() ? "" : ": ", detail)};
}

Cause forbidden_field(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueForbidden", fmt::format("Forbidden: {}", detail)};
}

Cause not_supported(std::string field, const json::value& value, const json::array& allowed) {
  std::string list;
  for (const json::value& v : allowed) list += (list.empty() ? "" : ", ") + json::serialize(v);
  return {std::move(field), "FieldValueNotSupported",
          fmt::format("Unsupported value: {}: supported values: {}", json::serialize(value), list)};
}

ApiError not_found(const ResourceType& type, std::string_view name) {
  return {404, "NotFound", fmt::format("{} \"{}\" not found", type.group_resource(), name), details_of(type, name)};
}

ApiError already_exists(const ResourceType& type, std::string_view name) {
  return {409, "AlreadyExists", fmt::format("{} \"{}\" already exists", type.group_resource(), name),
          details_of(type, name)};
}

ApiError conflict(const ResourceType& type, std::string_view name, std::string_view why) {
  return {409, "Conflict",
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", type.group_resource(), name, why),
          details_of(type, name)};
}

ApiError modified(const ResourceType& type, std::string_view name) {
  return conflict(type, name,
                  "the object has been modified; please apply your changes to the latest version and try again");
}

ApiError forbidden(const ResourceType& type, std::string_view name, std::string_view why) {
  return {403, "Forbidden",
          name.empty() ? fmt::format("{} is forbidden: {}", type.group_resource(), why)
                       : fmt::format("{} \"{}\" is forbidden: {}", type.group_resource(), name, why),
          details_of(type, name)};
}

ApiError invalid(const ResourceType& type, std::string_view name, const Causes& causes) {
  std::string text;
  json::array list;
  for (const Cause& c : causes) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", c.field, c.message);
    list.emplace_back(json::object{{"reason", c.reason}, {"message", c.message}, {"field", c.field}});
  }
  if (causes.size() > 1) text = "[" + text + "]";
  const std::string kind = type.group.empty() ? type.kind : type.kind + "." + type.group;
  json::object details = details_of(type, name);
  details["kind"] = type.kind;
  details["causes"] = std::move(list);
  return {422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", kind, name, text), std::move(details)};
}

ApiError bad_request(std::string message) { return {400, "BadRequest", std::move(message), {}}; }

ApiError unprocessable(std::string message) {
  return {
      422, "Invalid", fmt::format("the server rejected our request due to an error in our request: {}", message), {}};
}

ApiError internal(std::string message) { return {500, "", std::move(message), {}}; }

ApiError expired(std::string message) { return {410, "Expired", std::move(message), {}}; }

ApiError method_not_allowed(std::string message) { return {405, "MethodNotAllowed", std::move(message), {}}; }

ApiError no_such_resource() { return {404, "NotFound", "the server could not find the requested resource", {}}; }

}  // namespace berth::sim
