#include "dev/api/field_validation.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "sim/api/schema.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

void compare(const json::value& before, const json::value& after, const std::string& path,
             std::vector<std::string>& dropped) {
  if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : before.get_object()) {
      const std::string below = path.empty() ? std::string(key) : fmt::format("{}.{}", path, std::string_view(key));
      const json::value* kept = after.get_object().if_contains(key);
      if (kept != nullptr) {
        compare(value, *kept, below, dropped);
      } else if (!value.is_null()) {
        dropped.push_back(below);
      }
    }
  } else if (before.is_array() && after.is_array() && before.get_array().size() == after.get_array().size()) {
    for (std::size_t i = 0; i < before.get_array().size(); ++i) {
      compare(before.get_array()[i], after.get_array()[i], fmt::format("{}[{}]", path, i), dropped);
    }
  }
}

}  // namespace

std::vector<std::string> unknown_fields(const sim::ResourceType& type, const json::object& object) {
  std::vector<std::string> dropped;
  if (!type.schema) return dropped;
  json::object pruned = object;
  type.schema->prune(pruned);
  compare(json::value(object), json::value(std::move(pruned)), "", dropped);
  return dropped;
}

sim::ApiResult<std::vector<std::string>> validate_fields(const http::ServerRequest& request,
                                                         const sim::ResourceType& type, const json::object& body,
                                                         bool is_patch) {
  const auto mode = request.parameter("fieldValidation");
  if (mode == "Ignore") return {};
  if (!mode.empty() && mode != "Warn" && mode != "Strict") {
    return tl::unexpected(sim::bad_request(fmt::format(
        "fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", \"Strict\", \"Warn\"", mode)));
  }
  std::vector<std::string> texts;
  for (const std::string& path : unknown_fields(type, body)) texts.push_back(fmt::format("unknown field \"{}\"", path));
  if (texts.empty() || mode != "Strict") return texts;
  const std::string problem = fmt::format("strict decoding error: {}", fmt::join(texts, ", "));
  if (is_patch) return tl::unexpected(sim::invalid(type, "", {sim::invalid_value("patch", body, problem)}));
  return tl::unexpected(sim::bad_request(
      fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", type.kind, type.version, type.kind, problem)));
}

}  // namespace berth::dev
