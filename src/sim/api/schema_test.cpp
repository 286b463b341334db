#include "sim/api/schema.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::sim {
namespace {

namespace json = boost::json;

json::object parse(std::string_view text) { return json::parse(text).as_object(); }

std::shared_ptr<const Schema> schema_of_spec(std::string_view spec_properties, std::string_view more = "") {
  return Schema::compile(parse(std::string(R"({"type":"object","properties":{"spec":{"type":"object","properties":)") +
                               std::string(spec_properties) + std::string(more) + "}}}"),
                         false);
}

json::object with_spec(std::string_view spec) {
  return {{"apiVersion", "x.io/v1"},
          {"kind", "Foo"},
          {"metadata", {{"name", "a"}, {"odd", 1}}},
          {"spec", json::parse(spec)}};
}

struct Row {
  const char* name;
  const char* properties;  // of spec
  const char* spec;        // what is sent
  const char* result;      // what is stored: pruned and defaulted
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

class SchemaStores : public ::testing::TestWithParam<Row> {};

TEST_P(SchemaStores, PrunedAndDefaulted) {
  const Row& row = GetParam();
  const auto schema = schema_of_spec(row.properties);
  json::object object = with_spec(row.spec);
  object["stray"] = 1;
  schema->prune(object);
  schema->apply_defaults(object);
  EXPECT_EQ(object, with_spec(row.result)) << json::serialize(object);
}

constexpr Row kStored[] = {
    {"UnknownFieldsGo", R"({"a":{"type":"string"}})", R"({"a":"x","b":"y"})", R"({"a":"x"})"},
    {"AlsoInLists", R"({"l":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}}})",
     R"({"l":[{"a":"x","b":1}]})", R"({"l":[{"a":"x"}]})"},
    {"PreservedWhereAsked", R"({"o":{"type":"object","x-kubernetes-preserve-unknown-fields":true}})",
     R"({"o":{"b":{"c":1}}})", R"({"o":{"b":{"c":1}}})"},
    {"AdditionalPropertiesAreKnown",
     R"({"m":{"type":"object","additionalProperties":{"type":"object","properties":{"a":{"type":"string"}}}}})",
     R"({"m":{"k":{"a":"x","b":1}}})", R"({"m":{"k":{"a":"x"}}})"},
    {"DefaultsFill", R"({"n":{"type":"integer","default":3}})", R"({})", R"({"n":3})"},
    {"DefaultsDoNotOverwrite", R"({"n":{"type":"integer","default":3}})", R"({"n":4})", R"({"n":4})"},
    {"DefaultsReachIntoDefaults",
     R"({"o":{"type":"object","default":{},"properties":{"n":{"type":"integer","default":3}}}})", R"({})",
     R"({"o":{"n":3}})"},
    {"DefaultsDoNotMakeParents", R"({"o":{"type":"object","properties":{"n":{"type":"integer","default":3}}}})",
     R"({})", R"({})"},
    {"DefaultsInListItems",
     R"({"l":{"type":"array","items":{"type":"object","properties":{"n":{"type":"integer","default":3}}}}})",
     R"({"l":[{}]})", R"({"l":[{"n":3}]})"},
    {"NullTakesTheDefault", R"({"n":{"type":"integer","default":3}})", R"({"n":null})", R"({"n":3})"},
    {"NullIsAbsentWhereNotAllowed", R"({"n":{"type":"integer"}})", R"({"n":null})", R"({})"},
    {"NullStaysWhereAllowed", R"({"n":{"type":"integer","default":3,"nullable":true}})", R"({"n":null})",
     R"({"n":null})"},
    {"IntegralNumbersBecomeIntegers", R"({"n":{"type":"integer"}})", R"({"n":2.0})", R"({"n":2})"},
};
INSTANTIATE_TEST_SUITE_P(Table, SchemaStores, ::testing::ValuesIn(kStored),
                         [](const auto& row) { return std::string(row.param.name); });

struct Refusal {
  const char* name;
  const char* properties;
  const char* spec;
  const char* field;    // null: accepted
  const char* message;  // how the cause begins
};
std::ostream& operator<<(std::ostream& out, const Refusal& row) { return out << row.name; }

class SchemaValidates : public ::testing::TestWithParam<Refusal> {};

TEST_P(SchemaValidates, NamesTheField) {
  const Refusal& row = GetParam();
  const Causes causes = schema_of_spec(row.properties)->validate(with_spec(row.spec));
  if (!row.field) {
    EXPECT_TRUE(causes.empty()) << causes[0].field << ": " << causes[0].message;
    return;
  }
  ASSERT_FALSE(causes.empty());
  EXPECT_EQ(causes[0].field, row.field);
  EXPECT_TRUE(causes[0].message.starts_with(row.message)) << causes[0].message;
}

constexpr Refusal kRefusals[] = {
    {"Type", R"({"n":{"type":"integer"}})", R"({"n":"x"})", "spec.n",
     "Invalid value: \"string\": spec.n in body must be of type integer: \"string\""},
    {"Fraction", R"({"n":{"type":"integer"}})", R"({"n":1.5})", "spec.n",
     "Invalid value: \"number\": spec.n in body must be of type integer: \"number\""},
    {"NumberTakesIntegers", R"({"n":{"type":"number"}})", R"({"n":1})", nullptr, nullptr},
    {"ItemType", R"({"l":{"type":"array","items":{"type":"string"}}})", R"({"l":["a",1]})", "spec.l[1]",
     "Invalid value: \"integer\""},
    {"ValueType", R"({"m":{"type":"object","additionalProperties":{"type":"string"}}})", R"({"m":{"k":1}})", "spec.m.k",
     "Invalid value: \"integer\": spec.m.k in body must be of type string"},
    {"Enum", R"({"p":{"type":"string","enum":["A","B"]}})", R"({"p":"C"})", "spec.p",
     "Unsupported value: \"C\": supported values: \"A\", \"B\""},
    {"EnumHolds", R"({"p":{"type":"string","enum":["A","B"]}})", R"({"p":"B"})", nullptr, nullptr},
    {"Pattern", R"({"p":{"type":"string","pattern":"^a+$"}})", R"({"p":"ab"})", "spec.p",
     "Invalid value: \"ab\": spec.p in body should match '^a+$'"},
    {"PatternIsNotAnchored", R"({"p":{"type":"string","pattern":"b"}})", R"({"p":"abc"})", nullptr, nullptr},
    {"Minimum", R"({"n":{"type":"integer","minimum":1}})", R"({"n":0})", "spec.n",
     "Invalid value: 0: spec.n in body should be greater than or equal to 1"},
    {"MinimumItself", R"({"n":{"type":"integer","minimum":1}})", R"({"n":1})", nullptr, nullptr},
    {"ExclusiveMaximum", R"({"n":{"type":"integer","maximum":5,"exclusiveMaximum":true}})", R"({"n":5})", "spec.n",
     "Invalid value: 5: spec.n in body should be less than 5"},
    {"MaxLengthCountsCharacters", R"({"p":{"type":"string","maxLength":2}})", R"({"p":"öö"})", nullptr, nullptr},
    {"MaxLength", R"({"p":{"type":"string","maxLength":2}})", R"({"p":"abc"})", "spec.p",
     "Too long: may not be more than 2 bytes"},
    {"MaxItems", R"({"l":{"type":"array","maxItems":1,"items":{"type":"string"}}})", R"({"l":["a","b"]})", "spec.l",
     "Too many: 2: must have at most 1 items"},
    {"SetItems", R"({"l":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}})",
     R"({"l":["a","b","a"]})", "spec.l[2]", "Duplicate value: \"a\""},
    {"MapKeys",
     R"({"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"}}}}})",
     R"({"l":[{"k":"a","v":1},{"k":"a","v":2}]})", "spec.l[1]", "Duplicate value: {\"k\":\"a\"}"},
    {"IntOrString", R"({"v":{"x-kubernetes-int-or-string":true}})", R"({"v":true})", "spec.v",
     "Invalid value: \"boolean\": spec.v in body must be of type integer,string"},
    {"IntOrStringTakesBoth", R"({"v":{"x-kubernetes-int-or-string":true},"w":{"x-kubernetes-int-or-string":true}})",
     R"({"v":1,"w":"25%"})", nullptr, nullptr},
    {"Null", R"({"p":{"type":"string"}})", R"({"p":null})", "spec.p", "Invalid value: \"null\""},
    {"Nullable", R"({"p":{"type":"string","nullable":true}})", R"({"p":null})", nullptr, nullptr},
    {"AnyOf", R"({"p":{"type":"string","anyOf":[{"minLength":3},{"pattern":"^q"}]}})", R"({"p":"zz"})", "spec.p",
     "Invalid value: \"zz\": spec.p in body must validate at least one schema (anyOf)"},
    {"AnyOfHolds", R"({"p":{"type":"string","anyOf":[{"minLength":3},{"pattern":"^q"}]}})", R"({"p":"qz"})", nullptr,
     nullptr},
    {"OneOf", R"({"p":{"type":"string","oneOf":[{"minLength":2},{"pattern":"^q"}]}})", R"({"p":"qz"})", "spec.p",
     "Invalid value: \"qz\": spec.p in body must validate one and only one schema (oneOf)"},
    {"Cidr", R"({"p":{"type":"string","format":"cidr"}})", R"({"p":"10.0.0.0/33"})", "spec.p",
     "Invalid value: \"10.0.0.0/33\""},
    {"CidrHolds", R"({"p":{"type":"string","format":"cidr"}})", R"({"p":"fd00::/8"})", nullptr, nullptr},
};
INSTANTIATE_TEST_SUITE_P(Table, SchemaValidates, ::testing::ValuesIn(kRefusals),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(SchemaTest, RequiredFieldsAreNamed) {
  const auto schema = schema_of_spec(R"({"cidr":{"type":"string"}})", R"(,"required":["cidr"])");
  const Causes causes = schema->validate(with_spec("{}"));
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0].field, "spec.cidr");
  EXPECT_EQ(causes[0].reason, "FieldValueRequired");
}

TEST(SchemaTest, AllBrokenRulesAreReported) {
  const auto schema = schema_of_spec(R"({"a":{"type":"string"},"b":{"type":"integer","minimum":1}})");
  EXPECT_EQ(schema->validate(with_spec(R"({"a":1,"b":0})")).size(), 2u);
}

TEST(SchemaTest, StructuralSchemasNameAType) {
  const Causes none =
      check_structural(parse(R"({"type":"object","properties":{"a":{"x-kubernetes-int-or-string":true}}})"), "s");
  EXPECT_TRUE(none.empty());
  const Causes causes = check_structural(parse(R"({"type":"object","properties":{"a":{},"b":{"type":"obj"}}})"), "s");
  ASSERT_EQ(causes.size(), 2u);
  EXPECT_EQ(causes[0].field, "s.properties[a].type");
  EXPECT_EQ(causes[1].reason, "FieldValueNotSupported");
}

}  // namespace
}  // namespace berth::sim
