#include "kube/rest.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace berth::kube {
namespace {

api::Request request_of(api::Verb verb, api::Kind kind, std::string ns = {}, std::string name = {},
                        std::string sub = {}) {
  api::Request request;
  request.verb = verb;
  request.kind = kind;
  request.ns = std::move(ns);
  request.name = std::move(name);
  request.subresource = std::move(sub);
  return request;
}

boost::json::value status_of(int code, std::string_view reason, std::string_view message) {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Failure"},
          {"code", code},     {"reason", reason},   {"message", message}};
}

TEST(Rest, Targets) {
  using enum api::Verb;
  EXPECT_EQ(target_of(request_of(get, api::Kind::pod, "web", "a-1")), "/api/v1/namespaces/web/pods/a-1");
  EXPECT_EQ(target_of(request_of(merge_patch, api::Kind::subnet, "", "s", "status")),
            "/apis/kubeovn.io/v1/subnets/s/status");
  EXPECT_EQ(target_of(request_of(create, api::Kind::ip)), "/apis/kubeovn.io/v1/ips");
  EXPECT_EQ(target_of(request_of(get, api::Kind::pod, "web", "../../secrets?x")),
            "/api/v1/namespaces/web/pods/..%2F..%2Fsecrets%3Fx");
  auto list_pods = request_of(list, api::Kind::pod);
  EXPECT_EQ(target_of(list_pods), "/api/v1/pods");
  list_pods.ns = "web";
  list_pods.label_selector = "app in (a,b),!c";
  list_pods.field_selector = "spec.nodeName=n 1";
  EXPECT_EQ(
      target_of(list_pods, {500, "ey=="}),
      "/api/v1/namespaces/web/pods?labelSelector=app%20in%20%28a%2Cb%29%2C%21c&fieldSelector=spec.nodeName%3Dn%201"
      "&limit=500&continue=ey%3D%3D");
  WatchRequest watch;
  watch.kind = api::Kind::subnet;
  watch.resource_version = "17";
  EXPECT_EQ(target_of(watch, std::chrono::seconds(300)),
            "/apis/kubeovn.io/v1/subnets?watch=true&allowWatchBookmarks=true&resourceVersion=17&timeoutSeconds=300");
}

TEST(Rest, Descriptions) {
  using enum api::Verb;
  EXPECT_EQ(describe(request_of(list, api::Kind::pod)), "list pods");
  EXPECT_EQ(describe(request_of(list, api::Kind::pod, "web")), "list pods in web");
  EXPECT_EQ(describe(request_of(merge_patch, api::Kind::pod, "web", "a", "status")), "patch pods/web/a/status");
  EXPECT_EQ(describe(request_of(update, api::Kind::subnet, "ignored", "s")), "update subnets/s");
  auto create_ip = request_of(create, api::Kind::ip);
  create_ip.body = {{"metadata", {{"name", "a.web"}}}};
  EXPECT_EQ(describe(create_ip), "create ips/a.web");
  EXPECT_EQ(describe(WatchRequest{}), "watch pods");
}

TEST(Rest, StatusesMeanErrorCodes) {
  struct {
    int http;
    const char* reason;
    ErrorCode code;
  } const cases[] = {{400, "BadRequest", ErrorCode::invalid},
                     {401, "Unauthorized", ErrorCode::forbidden},
                     {403, "Forbidden", ErrorCode::forbidden},
                     {404, "NotFound", ErrorCode::not_found},
                     {405, "MethodNotAllowed", ErrorCode::invalid},
                     {408, "Timeout", ErrorCode::timeout},
                     {409, "AlreadyExists", ErrorCode::already_exists},
                     {409, "Conflict", ErrorCode::conflict},
                     {410, "Expired", ErrorCode::gone},
                     {413, "RequestEntityTooLarge", ErrorCode::invalid},
                     {415, "UnsupportedMediaType", ErrorCode::invalid},
                     {422, "Invalid", ErrorCode::invalid},
                     {429, "TooManyRequests", ErrorCode::unavailable},
                     {500, "InternalError", ErrorCode::unavailable},
                     {503, "ServiceUnavailable", ErrorCode::unavailable},
                     {504, "Timeout", ErrorCode::unavailable},
                     {302, "", ErrorCode::internal}};
  for (const auto& c : cases) {
    const auto status = status_of(c.http, c.reason, "some words");
    EXPECT_EQ(error_of(c.http, status), (Error{c.code, "some words"})) << c.http;
    EXPECT_EQ(error_of_body(c.http, boost::json::serialize(status)), (Error{c.code, "some words"})) << c.http;
  }
  EXPECT_EQ(error_of_body(404, "404 page not found\n"),
            (Error{ErrorCode::not_found, "HTTP status 404: 404 page not found"}));
  EXPECT_EQ(error_of_body(503, ""), (Error{ErrorCode::unavailable, "HTTP status 503"}));
  EXPECT_EQ(error_of_body(409, "{}"), (Error{ErrorCode::conflict, "HTTP status 409"}));
  EXPECT_LT(error_of_body(500, std::string(10'000, 'x')).message.size(), 300U);
}

TEST(Rest, APatchOfAnotherObjectOfThatNameIsAConflict) {
  auto status = status_of(422, "Invalid", "metadata.uid: Invalid value: \"x\": field is immutable");
  status.as_object()["details"] = {{"causes", {{{"reason", "FieldValueInvalid"}, {"field", "metadata.uid"}}}}};
  EXPECT_EQ(error_of(422, status).code, ErrorCode::conflict);
  status.as_object()["details"] = {{"causes", {{{"reason", "FieldValueInvalid"}, {"field", "spec.cidrBlock"}}}}};
  EXPECT_EQ(error_of(422, status).code, ErrorCode::invalid);
}

TEST(Rest, AVersionFromTheFutureAsksForANewList) {
  auto status = status_of(504, "Timeout", "Timeout: Too large resource version: 99, current: 7");
  status.as_object()["details"] = {{"causes", {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large"}}}}};
  EXPECT_EQ(error_of(504, status).code, ErrorCode::gone);
}

TEST(Rest, PagesBecomeOneList) {
  const auto page = [](std::string_view next, boost::json::array items) {
    return boost::json::value{{"kind", "IPList"},
                              {"metadata", {{"resourceVersion", "7"}, {"continue", next}, {"remainingItemCount", 2}}},
                              {"items", std::move(items)}};
  };
  boost::json::value whole;
  EXPECT_EQ(append_page(whole, page("n1", {{{"metadata", {{"name", "a"}, {"managedFields", {1, 2}}}}}}), api::Kind::ip),
            "n1");
  EXPECT_EQ(append_page(whole, page("n2", {}), api::Kind::ip), "n2");
  EXPECT_EQ(append_page(whole, page("", {{{"kind", "Own"}, {"metadata", {{"name", "b"}}}}}), api::Kind::ip), "");
  EXPECT_EQ(whole, (boost::json::value{
                       {"kind", "IPList"},
                       {"metadata", {{"resourceVersion", "7"}}},
                       {"items",
                        {{{"metadata", {{"name", "a"}}}, {"apiVersion", "kubeovn.io/v1"}, {"kind", "IP"}},
                         {{"kind", "Own"}, {"metadata", {{"name", "b"}}}, {"apiVersion", "kubeovn.io/v1"}}}}}));
  boost::json::value empty;
  EXPECT_EQ(append_page(empty, {{"metadata", {{"resourceVersion", "1"}}}, {"items", nullptr}}, api::Kind::ip), "");
  EXPECT_TRUE(empty.at("items").as_array().empty());
  for (boost::json::value bad :
       {boost::json::value(nullptr), boost::json::value{{"items", 1}}, boost::json::value{{"a", 1}}}) {
    boost::json::value target;
    EXPECT_EQ(append_page(target, bad, api::Kind::ip).error().code, ErrorCode::internal);
  }
}

TEST(Rest, Events) {
  const auto line = [](std::string_view type) {
    return fmt::format(R"({{"type":"{}","object":{{"kind":"Pod","metadata":{{"name":"a","managedFields":[]}}}}}})",
                       type);
  };
  const std::pair<const char*, WatchEvent::Type> types[] = {{"ADDED", WatchEvent::Type::added},
                                                            {"MODIFIED", WatchEvent::Type::modified},
                                                            {"DELETED", WatchEvent::Type::deleted},
                                                            {"BOOKMARK", WatchEvent::Type::bookmark}};
  for (const auto& [word, type] : types) {
    const auto event = parse_event(line(word));
    ASSERT_TRUE(event) << word;
    EXPECT_EQ(event->type, type);
    EXPECT_EQ(event->object, (boost::json::value{{"kind", "Pod"}, {"metadata", {{"name", "a"}}}}));
  }
  EXPECT_EQ(parse_event(line("SOMETHING")).error().code, ErrorCode::internal);
  EXPECT_EQ(parse_event("not json").error().code, ErrorCode::internal);
  EXPECT_EQ(parse_event(R"({"type":"ADDED"})").error().code, ErrorCode::internal);
  EXPECT_EQ(parse_event(R"(["ADDED"])").error().code, ErrorCode::internal);
  const boost::json::value error{{"type", "ERROR"}, {"object", status_of(410, "Expired", "too old resource version")}};
  EXPECT_EQ(parse_event(boost::json::serialize(error)).error(), (Error{ErrorCode::gone, "too old resource version"}));
}

TEST(Rest, NestingIsLimited) {
  EXPECT_TRUE(parse_body(std::string(200, '[') + std::string(200, ']')));
  EXPECT_EQ(parse_body(std::string(100'000, '[')).error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace berth::kube
