#include "dev/api/negotiation.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace berth::dev {
namespace {

std::string choose(std::string_view accept) {
  const auto form = negotiate(accept, {Form::table, Form::partial, Form::aggregated_discovery});
  if (!form) return std::to_string(form.error().code);
  switch (*form) {
    case Form::object:
      return "object";
    case Form::table:
      return "table";
    case Form::partial:
      return "partial";
    case Form::aggregated_discovery:
      return "discovery";
  }
  return "?";
}

TEST(Negotiation, TakesTheFirstFormThatIsOffered) {
  EXPECT_EQ(choose(""), "object");
  EXPECT_EQ(choose("*/*"), "object");
  EXPECT_EQ(choose("application/json"), "object");
  EXPECT_EQ(choose("application/vnd.kubernetes.protobuf,application/json"), "object");
  EXPECT_EQ(choose("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,"
                   "application/json"),
            "table");
  EXPECT_EQ(choose("application/json;as=Table;v=v1beta1;g=meta.k8s.io, application/json"), "object");
  EXPECT_EQ(choose("application/json; as=PartialObjectMetadataList; g=meta.k8s.io; v=v1"), "partial");
  EXPECT_EQ(choose("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
            "discovery");
}

TEST(Negotiation, RefusesWhatItCannotMake) {
  EXPECT_EQ(choose("application/vnd.kubernetes.protobuf"), "406");
  EXPECT_EQ(choose("text/html"), "406");
  const auto plain = negotiate("application/json;as=Table;v=v1;g=meta.k8s.io", {});
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().code, 406);
}

http::ServerRequest body(std::string type, std::string text) {
  http::ServerRequest request;
  if (!type.empty()) request.headers = {{"Content-Type", std::move(type)}};
  request.body = std::move(text);
  return request;
}

TEST(Negotiation, ReadsJsonAndYaml) {
  EXPECT_EQ(boost::json::serialize(*decode_object(body("application/json; charset=utf-8", R"({"a":1})"))),
            R"({"a":1})");
  EXPECT_EQ(boost::json::serialize(*decode_object(body("", R"({"a":1})"))), R"({"a":1})");
  EXPECT_EQ(boost::json::serialize(*decode_object(body("application/yaml", "a: [x, 'no']\n"))), R"({"a":["x","no"]})");
}

TEST(Negotiation, SaysWhatIsWrongWithABody) {
  EXPECT_EQ(decode_object(body("application/json", "{")).error().code, 400);
  EXPECT_EQ(decode_object(body("application/json", "[1]")).error().code, 400);
  EXPECT_EQ(decode_object(body("application/json", std::string(1000, '['))).error().code, 400);
  EXPECT_EQ(decode_object(body("application/yaml", "a: 1\n---\nb: 2\n")).error().code, 400);
  EXPECT_EQ(decode_object(body("application/cbor", "x")).error().code, 415);
  EXPECT_EQ(decode_object(body("application/vnd.kubernetes.protobuf", "x")).error().code, 400);
}

}  // namespace
}  // namespace berth::dev
