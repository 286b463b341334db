#include "kube/rest.h"

#include <fmt/core.h>

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "api/json.h"
#include "http/url.h"

namespace berth::kube {
namespace {

constexpr std::size_t kMaxDepth = 256;
constexpr std::size_t kQuotedBody = 200;

std::string escaped_path(api::Kind kind, std::string_view ns, std::string_view name, std::string_view subresource) {
  return api::path_of(kind, http::percent_encode(ns), http::percent_encode(name), subresource);
}

class Query {
 public:
  void add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    text_ += fmt::format("{}{}={}", text_.empty() ? '?' : '&', key, http::percent_encode(value));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string place(std::string_view ns, std::string_view name) {
  if (name.empty()) return ns.empty() ? std::string() : fmt::format(" in {}", ns);
  return ns.empty() ? fmt::format("/{}", name) : fmt::format("/{}/{}", ns, name);
}

std::string_view name_of(api::Verb verb) {
  switch (verb) {
    case api::Verb::get:
      return "get";
    case api::Verb::list:
      return "list";
    case api::Verb::create:
      return "create";
    case api::Verb::update:
      return "update";
    case api::Verb::merge_patch:
      return "patch";
    case api::Verb::remove:
      return "delete";
  }
  return "call";
}

// Whether one of the causes of a refusal says so; key: "reason" or "field".
bool has_cause(const boost::json::object& status, std::string_view key, std::string_view value) {
  const auto* causes = api::find_array(status, {"details", "causes"});
  return causes != nullptr && std::ranges::any_of(*causes, [&](const boost::json::value& cause) {
           return cause.is_object() && api::string_at(cause.as_object(), {key}) == value;
         });
}

ErrorCode code_of(int http_status, std::string_view reason) {
  switch (http_status) {
    case 401:
    case 403:
      return ErrorCode::forbidden;
    case 404:
      return ErrorCode::not_found;
    case 408:
      return ErrorCode::timeout;
    case 409:
      return reason == "AlreadyExists" ? ErrorCode::already_exists : ErrorCode::conflict;
    case 410:
      return ErrorCode::gone;
    case 429:
      return ErrorCode::unavailable;
    default:
      break;
  }
  if (http_status >= 500) return ErrorCode::unavailable;
  return http_status >= 400 ? ErrorCode::invalid : ErrorCode::internal;
}

}  // namespace

std::string_view method_of(api::Verb verb) {
  switch (verb) {
    case api::Verb::get:
    case api::Verb::list:
      return "GET";
    case api::Verb::create:
      return "POST";
    case api::Verb::update:
      return "PUT";
    case api::Verb::merge_patch:
      return "PATCH";
    case api::Verb::remove:
      return "DELETE";
  }
  return "GET";
}

std::string_view content_type_of(api::Verb verb) {
  return verb == api::Verb::merge_patch ? "application/merge-patch+json" : "application/json";
}

std::string target_of(const api::Request& request, const Page& page) {
  std::string target = escaped_path(request.kind, request.ns, request.name, request.subresource);
  if (request.verb != api::Verb::list) return target;
  Query query;
  query.add("labelSelector", request.label_selector);
  query.add("fieldSelector", request.field_selector);
  if (page.limit > 0) query.add("limit", std::to_string(page.limit));
  query.add("continue", page.next);
  return target + query.text();
}

std::string target_of(const WatchRequest& request, std::chrono::seconds server_timeout) {
  Query query;
  query.add("watch", "true");
  query.add("allowWatchBookmarks", "true");
  query.add("labelSelector", request.label_selector);
  query.add("fieldSelector", request.field_selector);
  query.add("resourceVersion", request.resource_version);
  query.add("timeoutSeconds", std::to_string(server_timeout.count()));
  return escaped_path(request.kind, request.ns, {}, {}) + query.text();
}

std::string describe(const api::Request& request) {
  const auto& resource = api::resource_of(request.kind);
  // A create has its name in the body.
  std::string name = request.name;
  if (name.empty() && request.body.is_object()) name = api::string_at(request.body.as_object(), {"metadata", "name"});
  return fmt::format("{} {}{}{}{}", name_of(request.verb), resource.plural,
                     place(resource.namespaced ? std::string_view(request.ns) : std::string_view(), name),
                     request.subresource.empty() ? "" : "/", request.subresource);
}

std::string describe(const WatchRequest& request) {
  return fmt::format("watch {}{}", api::resource_of(request.kind).plural, place(request.ns, {}));
}

Error error_of(int http_status, const boost::json::value& status) {
  const auto* object = status.if_object();
  if (object == nullptr || api::string_at(*object, {"kind"}) != "Status") {
    return {code_of(http_status, {}), fmt::format("HTTP status {}", http_status)};
  }
  const auto reason = api::string_at(*object, {"reason"});
  auto message = api::string_at(*object, {"message"});
  if (message.empty()) message = reason;
  if (message.empty()) message = fmt::format("HTTP status {}", http_status);
  const bool from_the_future = has_cause(*object, "reason", "ResourceVersionTooLarge");
  if (from_the_future) return {ErrorCode::gone, std::move(message)};
  // A PATCH that insists on a UID which the name no longer has is 422 on the server; it is a conflict by any other
  // name.
  const bool another_object = http_status == 422 && has_cause(*object, "field", "metadata.uid");
  return {another_object ? ErrorCode::conflict : code_of(http_status, reason), std::move(message)};
}

Error error_of_body(int http_status, std::string_view body) {
  if (const auto status = parse_body(body); status && status->is_object()) return error_of(http_status, *status);
  std::string text(body.substr(0, kQuotedBody));
  text.erase(text.find_last_not_of(" \r\n\t") + 1);
  return {code_of(http_status, {}), text.empty() ? fmt::format("HTTP status {}", http_status)
                                                 : fmt::format("HTTP status {}: {}", http_status, text)};
}

Result<boost::json::value> parse_body(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::error_code ec;
  auto value = boost::json::parse(text, ec, {}, options);
  if (ec) return fail(ErrorCode::internal, fmt::format("the answer is not JSON: {}", ec.message()));
  return value;
}

void slim(boost::json::value& object) {
  auto* top = object.if_object();
  auto* metadata = top == nullptr ? nullptr : top->if_contains("metadata");
  if (metadata != nullptr && metadata->is_object()) metadata->as_object().erase("managedFields");
}

Result<std::string> append_page(boost::json::value& whole, boost::json::value page, api::Kind kind) {
  const auto& resource = api::resource_of(kind);
  auto* top = page.if_object();
  auto* items = top == nullptr ? nullptr : top->if_contains("items");
  if (items == nullptr || !(items->is_array() || items->is_null())) {
    return fail(ErrorCode::internal, "the answer is no list");
  }
  if (items->is_null()) *items = boost::json::array();
  for (auto& item : items->as_array()) {
    slim(item);
    if (auto* object = item.if_object()) {
      if (!object->contains("apiVersion")) (*object)["apiVersion"] = api::api_version_of(kind);
      if (!object->contains("kind")) (*object)["kind"] = resource.name;
    }
  }
  const std::string next = api::string_at(*top, {"metadata", "continue"});
  if (whole.is_null()) {
    whole = std::move(page);
    if (auto* metadata = whole.as_object().if_contains("metadata"); metadata != nullptr && metadata->is_object()) {
      metadata->as_object().erase("continue");
      metadata->as_object().erase("remainingItemCount");
    }
  } else {
    auto& all = whole.as_object()["items"].as_array();
    all.reserve(all.size() + items->as_array().size());
    for (auto& item : items->as_array()) all.push_back(std::move(item));
  }
  return next;
}

Result<WatchEvent> parse_event(std::string_view line) {
  auto value = parse_body(line);
  if (!value) return fail(std::move(value.error()));
  auto* event = value->if_object();
  auto* object = event == nullptr ? nullptr : event->if_contains("object");
  if (object == nullptr || !object->is_object()) return fail(ErrorCode::internal, "a watch event has no object");
  const std::string type = api::string_at(*event, {"type"});
  if (type == "ERROR")
    return fail(error_of(static_cast<int>(api::int_at(object->as_object(), {"code"}, 500)), *object));
  WatchEvent out;
  if (type == "ADDED") {
    out.type = WatchEvent::Type::added;
  } else if (type == "MODIFIED") {
    out.type = WatchEvent::Type::modified;
  } else if (type == "DELETED") {
    out.type = WatchEvent::Type::deleted;
  } else if (type == "BOOKMARK") {
    out.type = WatchEvent::Type::bookmark;
  } else {
    return fail(ErrorCode::internal, fmt::format("a watch event has the unknown type \"{}\"", type));
  }
  out.object = std::move(*object);
  slim(out.object);
  return out;
}

}  // namespace berth::kube
