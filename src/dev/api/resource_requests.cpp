#include "dev/api/resource_requests.h"

#include <fmt/format.h>

#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "dev/api/field_validation.h"
#include "dev/api/render.h"
#include "dev/api/reviews.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::ApiError;
using sim::ApiResult;

tl::unexpected<ApiError> refuse(ApiError error) { return tl::unexpected<ApiError>(std::move(error)); }

ApiResult<std::uint64_t> number_parameter(const http::ServerRequest& request, std::string_view name) {
  const auto text = request.parameter(name);
  std::uint64_t value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return refuse(sim::bad_request(fmt::format("{}: \"{}\" is not a number", name, text)));
  }
  return value;
}

ApiResult<bool> dry_run_of(const http::ServerRequest& request) {
  const auto value = request.parameter("dryRun");
  if (value.empty()) return false;
  if (value == "All") return true;
  return refuse(sim::bad_request(fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"", value)));
}

ApiResult<sim::ListOptions> list_options(const http::ServerRequest& request) {
  sim::ListOptions options;
  options.label_selector = request.parameter("labelSelector");
  options.field_selector = request.parameter("fieldSelector");
  options.continue_token = request.parameter("continue");
  const auto limit = number_parameter(request, "limit");
  if (!limit) return refuse(limit.error());
  options.limit = *limit;
  return options;
}

// The query's options fill what the body leaves open.
ApiResult<sim::DeleteOptions> delete_options(const http::ServerRequest& request) {
  json::object body;
  if (!request.body.empty()) {
    auto decoded = decode_object(request);
    if (!decoded) return refuse(decoded.error());
    body = std::move(*decoded);
  }
  if (const auto grace = request.parameter("gracePeriodSeconds");
      !grace.empty() && !body.contains("gracePeriodSeconds")) {
    const auto seconds = number_parameter(request, "gracePeriodSeconds");
    if (!seconds) return refuse(seconds.error());
    body["gracePeriodSeconds"] = static_cast<std::int64_t>(*seconds);
  }
  if (const auto policy = request.parameter("propagationPolicy");
      !policy.empty() && !body.contains("propagationPolicy")) {
    body["propagationPolicy"] = policy;
  }
  if (const auto orphan = request.parameter("orphanDependents");
      !orphan.empty() && !body.contains("propagationPolicy")) {
    body["propagationPolicy"] = orphan == "true" || orphan == "1" ? "Orphan" : "Background";
  }
  auto options = sim::DeleteOptions::from_object(body);
  if (!options) return refuse(options.error());
  const auto dry_run = dry_run_of(request);
  if (!dry_run) return refuse(dry_run.error());
  options->dry_run = options->dry_run || *dry_run;
  return options;
}

ApiResult<sim::PatchType> patch_type(const http::ServerRequest& request, const sim::ResourceType& type) {
  constexpr std::string_view kSupported =
      "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";
  const std::string sent = media_type(request.header("Content-Type"));
  if (sent == "application/json-patch+json") return sim::PatchType::json;
  if (sent == "application/merge-patch+json") return sim::PatchType::merge;
  if (sent == "application/strategic-merge-patch+json" && !type.custom) return sim::PatchType::strategic;
  if (sent == "application/apply-patch+yaml" || sent == "application/apply-patch+cbor") {
    return refuse({415,
                   "UnsupportedMediaType",
                   "server-side apply is not supported by this server: use client-side apply "
                   "(kubectl apply without --server-side)",
                   {}});
  }
  return refuse(unsupported_media_type(sent, type.custom ? kSupported.substr(0, kSupported.rfind(',')) : kSupported));
}

// resourceVersion and resourceVersionMatch of a list. What is stored now is always the answer; so all that is asked for
// must be satisfied by that.
ApiResult<void> check_list_version(const http::ServerRequest& request, std::uint64_t current) {
  const auto asked = number_parameter(request, "resourceVersion");
  if (!asked) return refuse(sim::bad_request("Invalid value: resourceVersion must be a number"));
  const auto match = request.parameter("resourceVersionMatch");
  if (*asked > current) {
    return refuse({504,
                   "Timeout",
                   fmt::format("Too large resource version: {}, current: {}", *asked, current),
                   {{"causes", json::array{json::object{{"reason", "ResourceVersionTooLarge"},
                                                        {"message", "Too large resource version"}}}},
                    {"retryAfterSeconds", 1}}});
  }
  if (match == "Exact" && *asked != current) {
    return refuse(sim::expired(fmt::format("The resourceVersion for the provided list is too old: {}", *asked)));
  }
  return {};
}

// RFC 7234, 5.5: clients show these to their users.
ApiResult<http::ServerResponse> warn(ApiResult<http::ServerResponse> answer, const std::vector<std::string>& warnings) {
  if (!answer) return answer;
  for (const std::string& text : warnings) {
    answer->headers.emplace_back("Warning", fmt::format("299 - {}", json::serialize(json::value(text))));
  }
  return answer;
}

}  // namespace

ApiError not_allowed(const http::ServerRequest& request) {
  return sim::method_not_allowed(fmt::format("the server does not allow this method on the requested resource: {} {}",
                                             request.method, request.path));
}

ApiResult<void> check_version_match(const http::ServerRequest& request, bool watch) {
  const auto invalid_options = [](sim::Cause cause) {
    sim::ResourceType type;
    type.group = "meta.k8s.io";
    type.kind = "ListOptions";
    return tl::unexpected(sim::invalid(type, "", {std::move(cause)}));
  };
  const auto forbid = [&](std::string_view why) {
    return invalid_options(sim::forbidden_field("resourceVersionMatch", why));
  };
  const auto match = request.parameter("resourceVersionMatch");
  const bool initial = request.has_parameter("sendInitialEvents");
  if (watch) {
    if (initial && match != "NotOlderThan") {
      return forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!initial && !match.empty()) {
      return forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    return {};
  }
  if (match.empty()) return {};
  if (request.parameter("resourceVersion").empty()) {
    return forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (match != "Exact" && match != "NotOlderThan") {
    return invalid_options(
        sim::not_supported("resourceVersionMatch", json::string(match), {"Exact", "NotOlderThan", ""}));
  }
  return {};
}

ResourceRequests::Answer ResourceRequests::show(const ResourceRequest& request, int status,
                                                const json::object& object) const {
  const auto form = negotiate(request.http.header("Accept"), {Form::table, Form::partial});
  if (!form) return refuse(form.error());
  // A Scale or a Status has no table of its own.
  const bool own_kind = sim::string_at(object, {"kind"}) == request.type->kind;
  const Renderer renderer(own_kind ? *form : Form::object, request.type,
                          std::string(request.http.parameter("includeObject")));
  return json_response(status, renderer.object(object, now_()));
}

ResourceRequests::Answer ResourceRequests::get(const ResourceRequest& request) const {
  const auto object = [&] {
    const std::lock_guard lock(store_.mutex());
    return request.path.subresource.empty()
               ? store_.get(*request.type, request.path.ns, request.path.name)
               : store_.get_subresource(*request.type, request.path.ns, request.path.name, request.path.subresource);
  }();
  if (!object) return refuse(object.error());
  return show(request, 200, **object);
}

ResourceRequests::Answer ResourceRequests::list(const ResourceRequest& request) const {
  const auto form = negotiate(request.http.header("Accept"), {Form::table, Form::partial});
  if (!form) return refuse(form.error());
  if (const auto fits = check_version_match(request.http, false); !fits) return refuse(fits.error());
  const auto options = list_options(request.http);
  if (!options) return refuse(options.error());
  const auto found = [&]() -> ApiResult<sim::ObjectList> {
    const std::lock_guard lock(store_.mutex());
    if (const auto fits = check_list_version(request.http, store_.version()); !fits) return refuse(fits.error());
    return store_.list(*request.type, request.path.ns, *options);
  }();
  if (!found) return refuse(found.error());
  const Renderer renderer(*form, request.type, std::string(request.http.parameter("includeObject")));
  return json_response(200, renderer.list(*found, now_()));
}

ResourceRequests::Answer ResourceRequests::create(const ResourceRequest& request) const {
  auto body = decode_object(request.http);
  if (!body) return refuse(body.error());
  if (is_review(*request.type)) {
    return show(request, 201, answer_review(*request.type, std::move(*body), request.http.peer));
  }
  const auto dry_run = dry_run_of(request.http);
  if (!dry_run) return refuse(dry_run.error());
  if (request.type->namespaced && request.path.ns.empty()) return refuse(not_allowed(request.http));
  const auto warnings = validate_fields(request.http, *request.type, *body, false);
  if (!warnings) return refuse(warnings.error());
  const auto made = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.create(*request.type, request.path.ns, std::move(*body), {.dry_run = *dry_run});
  }();
  if (!made) return refuse(made.error());
  return warn(show(request, 201, **made), *warnings);
}

ResourceRequests::Answer ResourceRequests::create_below(const ResourceRequest& request) const {
  const auto body = decode_object(request.http);
  if (!body) return refuse(body.error());
  const auto done = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.create_subresource(*request.type, request.path.ns, request.path.name, request.path.subresource,
                                     *body);
  }();
  if (!done) return refuse(done.error());
  return show(request, 201, *done);
}

ResourceRequests::Answer ResourceRequests::update(const ResourceRequest& request) const {
  auto body = decode_object(request.http);
  if (!body) return refuse(body.error());
  const auto dry_run = dry_run_of(request.http);
  if (!dry_run) return refuse(dry_run.error());
  const auto warnings = validate_fields(request.http, *request.type, *body, false);
  if (!warnings) return refuse(warnings.error());
  const auto written = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.update(*request.type, request.path.ns, request.path.name, std::move(*body), request.path.subresource,
                         {.dry_run = *dry_run});
  }();
  if (!written) return refuse(written.error());
  return warn(show(request, 200, **written), *warnings);
}

ResourceRequests::Answer ResourceRequests::patch(const ResourceRequest& request) const {
  const auto kind = patch_type(request.http, *request.type);
  if (!kind) return refuse(kind.error());
  const auto body = decode_body(request.http);
  if (!body) return refuse(body.error());
  const auto dry_run = dry_run_of(request.http);
  if (!dry_run) return refuse(dry_run.error());
  const auto warnings =
      validate_fields(request.http, *request.type, body->is_object() ? body->get_object() : json::object(), true);
  if (!warnings) return refuse(warnings.error());
  const auto written = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.patch(*request.type, request.path.ns, request.path.name, *kind, *body, request.path.subresource,
                        {.dry_run = *dry_run});
  }();
  if (!written) return refuse(written.error());
  return warn(show(request, 200, **written), *warnings);
}

ResourceRequests::Answer ResourceRequests::remove(const ResourceRequest& request) const {
  const auto options = delete_options(request.http);
  if (!options) return refuse(options.error());
  const auto deleted = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.remove(*request.type, request.path.ns, request.path.name, *options);
  }();
  if (!deleted) return refuse(deleted.error());
  return show(request, 200, deleted->reply(*request.type));
}

ResourceRequests::Answer ResourceRequests::remove_collection(const ResourceRequest& request) const {
  const auto options = delete_options(request.http);
  if (!options) return refuse(options.error());
  const auto selection = list_options(request.http);
  if (!selection) return refuse(selection.error());
  if (request.type->namespaced && request.path.ns.empty()) return refuse(not_allowed(request.http));
  auto deleted = [&]() -> ApiResult<sim::ObjectList> {
    const std::lock_guard lock(store_.mutex());
    auto objects = store_.remove_collection(*request.type, request.path.ns, *selection, *options);
    if (!objects) return refuse(objects.error());
    return sim::ObjectList{std::move(*objects), store_.version(), {}, 0};
  }();
  if (!deleted) return refuse(deleted.error());
  return json_response(200, Renderer(Form::object, request.type, {}).list(*deleted, now_()));
}

ResourceRequests::Answer ResourceRequests::dispatch(const ResourceRequest& request) const {
  const std::string& method = request.http.method;
  const ApiPath& path = request.path;
  const bool named = !path.name.empty();
  if (is_review(*request.type) && (method != "POST" || named)) return refuse(not_allowed(request.http));
  if (!path.rest.empty() || (!path.subresource.empty() && !request.type->has_subresource(path.subresource))) {
    return refuse(sim::no_such_resource());
  }
  if (request.type->namespaced ? named && path.ns.empty() : !path.ns.empty()) return refuse(sim::no_such_resource());
  if (method == "GET" || method == "HEAD") return named ? get(request) : list(request);
  if (method == "POST") {
    if (!named) return create(request);
    return path.subresource.empty() ? Answer(refuse(not_allowed(request.http))) : create_below(request);
  }
  if (method == "DELETE" && path.subresource.empty()) return named ? remove(request) : remove_collection(request);
  if (method == "PUT" && named) return update(request);
  if (method == "PATCH" && named) return patch(request);
  return refuse(not_allowed(request.http));
}

http::ServerResponse ResourceRequests::answer(const ResourceRequest& request) const {
  auto response = dispatch(request);
  return response ? std::move(*response) : error_response(response.error());
}

}  // namespace berth::dev
