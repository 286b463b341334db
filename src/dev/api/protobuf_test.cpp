#include "dev/api/protobuf.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::dev {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string number(std::uint32_t field, std::int64_t value) {
  return varint(field << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string bytes(std::uint32_t field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}
std::string entry(std::uint32_t field, std::string_view key, std::string_view value) {
  return bytes(field, bytes(1, key) + bytes(2, value));
}

std::string envelope(std::string_view api_version, std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, api_version) + bytes(2, kind)) + bytes(2, raw) + bytes(3, "") +
         bytes(4, "");
}

// As a Go client encodes it: the fields that are no pointers are there even when they are zero.
std::string object_meta(std::string_view name) {
  return bytes(1, name) + bytes(2, "") + bytes(3, "ns") + bytes(4, "") + bytes(5, "") + bytes(6, "") + number(7, 0) +
         bytes(8, "") + entry(11, "app", "web") + entry(11, "empty", "") + bytes(14, "a") + bytes(14, "b");
}

std::string decode(std::string_view api_version, std::string_view kind, std::string_view raw) {
  const auto decoded = decode_protobuf(envelope(api_version, kind, raw));
  return decoded ? boost::json::serialize(*decoded) : decoded.error().message;
}

TEST(Protobuf, SecretKeepsItsBytes) {
  const std::string raw =
      bytes(1, object_meta("s")) + entry(2, "key", std::string("\0\xff", 2)) + bytes(3, "Opaque") + number(5, 0);
  EXPECT_EQ(
      decode("v1", "Secret", raw),
      R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"ns",)"
      R"("labels":{"app":"web","empty":""},"finalizers":["a","b"]},"data":{"key":"AP8="},"type":"Opaque","immutable":false})");
}

TEST(Protobuf, DeploymentKeepsAnExplicitZero) {
  const std::string container =
      bytes(1, "c") + bytes(2, "image") + bytes(6, number(3, 8080) + bytes(4, "") + number(2, 0));
  const std::string volume = bytes(1, "v") + bytes(2, bytes(2, bytes(1, "")));
  const std::string pod = bytes(1, bytes(1, "")) + bytes(2, bytes(1, volume) + bytes(2, container));
  const std::string strategy =
      bytes(2, bytes(1, number(1, 1) + number(2, 0) + bytes(3, "25%")) + bytes(2, number(1, 0) + number(2, 1)));
  const std::string spec = number(1, 0) + bytes(3, pod) + bytes(4, strategy) + number(5, 0) + number(7, 0);
  EXPECT_EQ(decode("apps/v1", "Deployment", bytes(1, bytes(1, "d")) + bytes(2, spec)),
            R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":0,)"
            R"("template":{"metadata":{},"spec":{"volumes":[{"name":"v","emptyDir":{}}],)"
            R"("containers":[{"name":"c","image":"image","ports":[{"containerPort":8080}]}]}},)"
            R"("strategy":{"rollingUpdate":{"maxUnavailable":"25%","maxSurge":1}}}})");
}

TEST(Protobuf, TimesAndQuantities) {
  const std::string meta = bytes(1, "q") + bytes(8, number(1, 1'700'000'000) + number(2, 0));
  const std::string hard = bytes(1, bytes(1, "cpu") + bytes(2, bytes(1, "500m")));
  EXPECT_EQ(
      decode("v1", "ResourceQuota", bytes(1, meta) + bytes(2, hard)),
      R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q","creationTimestamp":"2023-11-14T22:13:20Z"},)"
      R"("spec":{"hard":{"cpu":"500m"}}})");
}

TEST(Protobuf, DeleteOptionsOfAnyGroup) {
  EXPECT_EQ(
      decode("apps/v1", "DeleteOptions", number(1, 0) + bytes(4, "Foreground")),
      R"({"apiVersion":"apps/v1","kind":"DeleteOptions","gracePeriodSeconds":0,"propagationPolicy":"Foreground"})");
}

TEST(Protobuf, NegativeNumbersAndUnknownFields) {
  EXPECT_EQ(decode("scheduling.k8s.io/v1", "PriorityClass", number(2, -5) + bytes(99, "future")),
            R"({"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","value":-5})");
}

TEST(Protobuf, SaysWhatIsWrong) {
  EXPECT_NE(decode("v1", "Unheard", "").find("Unheard"), std::string::npos);
  EXPECT_FALSE(decode_protobuf("{}"));
  EXPECT_FALSE(decode_protobuf(std::string("k8s\0\x0a\xff", 6)));
  EXPECT_NE(decode("v1", "Secret", number(1, 5)).find("malformed"), std::string::npos);
}

RC_GTEST_PROP(Protobuf, SurvivesAnyBytes, (const std::string& raw)) {
  for (const char* kind : {"Pod", "Service", "Event"}) (void)decode_protobuf(envelope("v1", kind, raw));
  (void)decode_protobuf(std::string("k8s\0", 4) + raw);
}

}  // namespace
}  // namespace berth::dev
