#include "api/yaml.h"

#include <gtest/gtest.h>

#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::api {
namespace {

namespace json = boost::json;

json::value one(std::string_view text) {
  auto documents = parse_yaml(text);
  if (!documents || documents->size() != 1) {
    ADD_FAILURE() << (documents ? "not one document" : documents.error().message);
    return nullptr;
  }
  return documents->front();
}

std::string why(std::string_view text) {
  auto documents = parse_yaml(text);
  if (documents) return "";
  EXPECT_EQ(documents.error().code, ErrorCode::invalid);
  return documents.error().message;
}

TEST(Yaml, ScalarsFollowTheCoreSchema) {
  EXPECT_EQ(one("[a, 1, -2, +3, 0x1f, 0o17, 1.5, -1e3, .5, 1., true, False, null, ~, ]"),
            json::parse(R"(["a", 1, -2, 3, 31, 15, 1.5, -1000.0, 0.5, 1.0, true, false, null, null])"));
}

TEST(Yaml, WordsThatOlderYamlTookForBooleansAreStrings) {
  EXPECT_EQ(one("[yes, no, on, off, y, n]"), json::parse(R"(["yes", "no", "on", "off", "y", "n"])"));
}

TEST(Yaml, QuotedScalarsAreStrings) {
  EXPECT_EQ(one(R"(["1", 'true', "", '~', !!str 5])"), json::parse(R"(["1", "true", "", "~", "5"])"));
}

TEST(Yaml, NearNumbersAreStrings) {
  EXPECT_EQ(one("[1.2.3, 10.0.0.1, 1e, 0x, 0xg, '.', -, ++1, 1_000, 00:00:5e]"),
            json::parse(R"(["1.2.3", "10.0.0.1", "1e", "0x", "0xg", ".", "-", "++1", "1_000", "00:00:5e"])"));
}

TEST(Yaml, WideIntegersKeepTheirValue) {
  EXPECT_EQ(one("18446744073709551615"), json::value(std::uint64_t{18446744073709551615U}));
  EXPECT_EQ(one("-9223372036854775808"), json::value(std::int64_t{INT64_MIN}));
  EXPECT_EQ(one("18446744073709551616"), json::value(18446744073709551616.0));
}

TEST(Yaml, MapsKeepTheirOrderAndBlockScalarsTheirLines) {
  EXPECT_EQ(json::serialize(one("b: |\n  x\n  y\na: {c: []}\n")), R"({"b":"x\ny\n","a":{"c":[]}})");
}

TEST(Yaml, AStreamHoldsSeveralDocumentsAndEmptyOnesAreLeftOut) {
  auto documents = parse_yaml("# nothing\n---\na: 1\n---\n# again nothing\n---\n- 2\n");
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ(json::serialize((*documents)[0]), R"({"a":1})");
  EXPECT_EQ(json::serialize((*documents)[1]), "[2]");
}

TEST(Yaml, AliasesAreExpanded) {
  EXPECT_EQ(json::serialize(one("a: &x {k: 1}\nb: *x\n")), R"({"a":{"k":1},"b":{"k":1}})");
}

TEST(Yaml, ErrorsNameThePlace) {
  EXPECT_EQ(why("a: 1\na: 2\n"), "not valid YAML: the key a stands twice in one map (line 2, column 1)");
  EXPECT_NE(why("a: [1, 2\n").find("line 2"), std::string::npos);
  EXPECT_NE(why("a:\n\t- 1\n").find("line 2"), std::string::npos);
  EXPECT_NE(why("{a: 1}: 2").find("a key must be a string"), std::string::npos);
  EXPECT_NE(why("b: {<<: {a: 1}}").find("merge keys"), std::string::npos);
  EXPECT_NE(why("!weird x").find("unknown tag !weird"), std::string::npos);
}

TEST(Yaml, AliasesOfAliasesDoNotEatTheMemory) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 12; ++level) {
    bomb += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [";
    for (int copy = 0; copy < 10; ++copy) bomb += (copy ? ", *a" : "*a") + std::to_string(level - 1);
    bomb += "]\n";
  }
  EXPECT_NE(why(bomb).find("more than 1000000 nodes"), std::string::npos);
}

TEST(Yaml, DeepNestingIsRefused) {
  EXPECT_NE(why(std::string(300, '[') + std::string(300, ']')).find("more than 200 levels"), std::string::npos);
}

}  // namespace
}  // namespace berth::api
