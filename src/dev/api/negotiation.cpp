#include "dev/api/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include <boost/json/parse.hpp>

#include "api/yaml.h"
#include "dev/api/protobuf.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

std::string_view trim(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

template <typename Fn>
void for_each_part(std::string_view text, char separator, Fn&& fn) {
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(separator));
    fn(trim(part));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
  }
}

// One clause of an Accept header.
struct Clause {
  std::string type;
  std::string as;
  std::string group;
  std::string version;
};

Clause parse_clause(std::string_view text) {
  Clause clause;
  bool first = true;
  for_each_part(text, ';', [&](std::string_view part) {
    const auto equals = part.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    if (std::exchange(first, false)) {
      clause.type = media_type(part);
    } else if (part.starts_with("as=")) {
      clause.as = value;
    } else if (part.starts_with("g=")) {
      clause.group = value;
    } else if (part.starts_with("v=")) {
      clause.version = value;
    }
  });
  return clause;
}

std::optional<Form> form_of(const Clause& clause) {
  if (clause.type != "application/json" && clause.type != "application/*" && clause.type != "*/*") return std::nullopt;
  if (clause.as.empty()) return Form::object;
  if (clause.type != "application/json") return std::nullopt;
  if (clause.group == "meta.k8s.io" && clause.version == "v1") {
    if (clause.as == "Table") return Form::table;
    if (clause.as == "PartialObjectMetadata" || clause.as == "PartialObjectMetadataList") return Form::partial;
  }
  if (clause.group == "apidiscovery.k8s.io" && clause.version == "v2" && clause.as == "APIGroupDiscoveryList") {
    return Form::aggregated_discovery;
  }
  return std::nullopt;
}

}  // namespace

std::string media_type(std::string_view header) {
  std::string type(trim(header.substr(0, header.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type;
}

sim::ApiResult<Form> negotiate(std::string_view accept, const std::vector<Form>& offered) {
  if (trim(accept).empty()) return Form::object;
  std::optional<Form> chosen;
  for_each_part(accept, ',', [&](std::string_view text) {
    if (chosen) return;
    const auto form = form_of(parse_clause(text));
    if (form && (*form == Form::object || std::find(offered.begin(), offered.end(), *form) != offered.end())) {
      chosen = form;
    }
  });
  if (chosen) return *chosen;
  return tl::unexpected(
      sim::ApiError{406, "NotAcceptable", "only the following media types are accepted: application/json", {}});
}

sim::ApiError unsupported_media_type(std::string_view sent, std::string_view supported) {
  return {415,
          "UnsupportedMediaType",
          fmt::format("the body of the request was in an unknown format ({}) - accepted media types include: {}", sent,
                      supported),
          {}};
}

sim::ApiResult<json::value> decode_body(const http::ServerRequest& request) {
  const std::string type = media_type(request.header("Content-Type"));
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml") {
    auto documents = api::parse_yaml(request.body);
    if (!documents) return tl::unexpected(sim::bad_request(documents.error().message));
    if (documents->size() != 1) {
      return tl::unexpected(
          sim::bad_request(fmt::format("the body holds {} YAML documents, not one", documents->size())));
    }
    return std::move(documents->front());
  }
  if (type == "application/vnd.kubernetes.protobuf") {
    auto object = decode_protobuf(request.body);
    if (!object) return tl::unexpected(sim::bad_request(object.error().message));
    return json::value(std::move(*object));
  }
  if (!type.empty() && type != "application/json" && !type.ends_with("+json")) {
    return tl::unexpected(unsupported_media_type(type, "application/json, application/yaml"));
  }
  boost::system::error_code ec;
  json::parse_options options;
  options.max_depth = 256;
  json::value value = json::parse(request.body, ec, {}, options);
  if (ec) return tl::unexpected(sim::bad_request(fmt::format("the body is not JSON: {}", ec.message())));
  return value;
}

sim::ApiResult<json::object> decode_object(const http::ServerRequest& request) {
  auto value = decode_body(request);
  if (!value) return tl::unexpected(value.error());
  if (!value->is_object()) return tl::unexpected(sim::bad_request("the body must be an object"));
  return std::move(value->as_object());
}

}  // namespace berth::dev
