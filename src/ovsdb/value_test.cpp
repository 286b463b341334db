#include "ovsdb/value.h"

#include <gtest/gtest.h>

#include <random>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ovsdb/schema.h"

namespace berth::ovsdb {
namespace {

namespace json = boost::json;

ColumnType type(AtomType key, std::uint64_t min, std::uint64_t max) {
  ColumnType out;
  out.key.type = key;
  return out.with_bounds(min, max);
}

ColumnType map_type() {
  ColumnType out = type(AtomType::string, 0, ColumnType::kUnlimited);
  out.value = BaseType{};
  return out;
}

std::string canonical(std::string_view text, const ColumnType& t) {
  const auto datum = parse_datum(json::parse(text), t);
  return datum ? json::serialize(to_json(*datum, t)) : datum.error().error;
}

TEST(ValueTest, OneFormForEachValue) {
  const auto scalar = type(AtomType::string, 1, 1);
  const auto optional = type(AtomType::integer, 0, 1);
  const auto set = type(AtomType::string, 0, ColumnType::kUnlimited);
  const auto ids = type(AtomType::uuid, 0, ColumnType::kUnlimited);
  EXPECT_EQ(canonical(R"("a")", scalar), R"("a")");
  EXPECT_EQ(canonical(R"(["set",["a"]])", scalar), R"("a")");
  EXPECT_EQ(canonical("5", optional), R"(["set",[5]])");
  EXPECT_EQ(canonical(R"(["set",[]])", optional), R"(["set",[]])");
  EXPECT_EQ(canonical(R"("b")", set), R"(["set",["b"]])");
  EXPECT_EQ(canonical(R"(["set",["b","a"]])", set), R"(["set",["a","b"]])");
  EXPECT_EQ(canonical(R"(["map",[["b","1"],["a","2"]]])", map_type()), R"(["map",[["a","2"],["b","1"]]])");
  EXPECT_EQ(canonical(R"(["uuid","0000000A-0000-0000-0000-00000000000b"])", ids),
            R"(["set",[["uuid","0000000a-0000-0000-0000-00000000000b"]]])");
  EXPECT_EQ(canonical("3", type(AtomType::real, 1, 1)), "3E0");
  EXPECT_EQ(canonical("2.0", type(AtomType::integer, 1, 1)), "2");
}

TEST(ValueTest, RefusesWhatDoesNotFit) {
  const auto scalar = type(AtomType::integer, 1, 1);
  const auto ids = type(AtomType::uuid, 0, ColumnType::kUnlimited);
  for (const char* text :
       {R"("a")", "true", "null", "{}", "[]", R"(["set",[]])", R"(["set",[1,2]])", "2.5", R"(["map",[]])"}) {
    EXPECT_EQ(canonical(text, scalar), "syntax error") << text;
  }
  EXPECT_EQ(canonical(R"(["set",[1,1]])", type(AtomType::integer, 0, ColumnType::kUnlimited)), "constraint violation");
  EXPECT_EQ(canonical(R"(["map",[["a","1"],["a","1"]]])", map_type()), "constraint violation");
  for (const char* text :
       {R"(["uuid","x"])", R"("00000000-0000-0000-0000-000000000000")", R"(["named-uuid","a"])", R"(["uuid"])"}) {
    EXPECT_EQ(canonical(text, ids), "syntax error") << text;
  }
  for (const char* text : {R"(["map",[["a"]]])", R"(["map",["a"]])", R"(["map",5])", R"("a")", R"(["set",["a"]])"}) {
    EXPECT_EQ(canonical(text, map_type()), "syntax error") << text;
  }
}

TEST(ValueTest, LimitsOfAtoms) {
  auto t = type(AtomType::integer, 0, ColumnType::kUnlimited);
  t.key.min_integer = 1;
  t.key.max_integer = 4095;
  const auto check = [&](std::string_view text) {
    return check_atoms(*parse_datum(json::parse(text), t), t).has_value();
  };
  EXPECT_TRUE(check(R"(["set",[1,4095]])"));
  EXPECT_FALSE(check(R"(["set",[0,1]])"));
  EXPECT_FALSE(check("4096"));
  ColumnType word;
  word.key.allowed = {std::string("allow"), std::string("drop")};
  EXPECT_TRUE(check_atoms(*parse_datum("drop", word), word));
  EXPECT_EQ(check_atoms(*parse_datum("dropp", word), word).error().error, "constraint violation");
  EXPECT_EQ(json::serialize(to_json(default_datum(word), word)), R"("")");
}

// What a server sends as `modify` of a set or map, applied to the old value, gives the new one.
TEST(ValueTest, ADifferenceLeadsFromOldToNew) {
  std::mt19937 random(7);
  const auto draw = [&](bool map) {
    Datum out;
    for (int i = static_cast<int>(random() % 5); i > 0; --i) {
      out.put(std::string(1, static_cast<char>('a' + random() % 6)),
              map ? std::optional<Atom>(std::string(1, static_cast<char>('0' + random() % 3))) : std::nullopt);
    }
    return out;
  };
  for (int round = 0; round < 5000; ++round) {
    const bool map = round % 2 == 0;
    const Datum before = draw(map);
    const Datum after = draw(map);
    Datum difference;  // keys gone with their old value, keys new or changed with the new one
    for (std::size_t i = 0; i < before.keys.size(); ++i) {
      if (!after.find(before.keys[i]))
        difference.put(before.keys[i], map ? std::optional(before.values[i]) : std::nullopt);
    }
    for (std::size_t i = 0; i < after.keys.size(); ++i) {
      const auto at = before.find(after.keys[i]);
      if (!at || (map && before.values[*at] != after.values[i]))
        difference.put(after.keys[i], map ? std::optional(after.values[i]) : std::nullopt);
    }
    ASSERT_EQ(apply_difference(before, difference), after);
  }
}

TEST(SchemaTest, ReadsColumnsIndexesAndRoots) {
  const auto schema = Schema::parse(R"({"name":"D","version":"1.0.0","tables":{
    "A":{"isRoot":true,"maxRows":1,"columns":{"x":{"type":"string","mutable":false},"refs":{"type":{"key":{"type":"uuid","refTable":"B","refType":"weak"},"min":0,"max":"unlimited"}}}},
    "B":{"columns":{"n":{"type":{"key":{"type":"integer","minInteger":1,"maxInteger":9},"min":0,"max":1}}},"indexes":[["n"]]}}})");
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(schema->version, "1.0.0");
  EXPECT_TRUE(schema->table("A")->is_root);
  EXPECT_FALSE(schema->table("B")->is_root);
  EXPECT_EQ(schema->table("A")->max_rows, 1U);
  EXPECT_FALSE(schema->column("A", "x")->is_mutable);
  EXPECT_EQ(schema->column("A", "refs")->type.key.ref_table, "B");
  EXPECT_FALSE(schema->column("A", "refs")->type.key.strong);
  EXPECT_EQ(schema->column("B", "n")->type.key.max_integer, 9);
  EXPECT_EQ(schema->table("B")->indexes, (std::vector<std::vector<std::string>>{{"n"}}));
  EXPECT_EQ(schema->column("B", "nope"), nullptr);
  EXPECT_EQ(schema->column("nope", "n"), nullptr);
}

TEST(SchemaTest, SaysWhereItIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(5)", "not a JSON object"},
      {R"({"tables":{}})", "name or tables"},
      {R"({"name":"D","tables":{"T":{}}})", "table T"},
      {R"({"name":"D","tables":{"T":{"columns":{"c":{}}}}})", "column c"},
      {R"({"name":"D","tables":{"T":{"columns":{"c":{"type":"text"}}}}})", "unknown atomic type"},
      {R"({"name":"D","tables":{"T":{"columns":{"c":{"type":{"key":"string","min":2}}}}}})", "min must be"},
      {R"({"name":"D","tables":{"T":{"columns":{"c":{"type":"string"}},"indexes":[["d"]]}}})", "names no column"},
      {R"({"name":"D","tables":{"T":{"columns":{"c":{"type":"string"}},"maxRows":-1}}})", "negative"},
  };
  for (const auto& [text, words] : cases) {
    const auto schema = Schema::parse(text);
    ASSERT_FALSE(schema) << text;
    EXPECT_EQ(schema.error().code, ErrorCode::invalid);
    EXPECT_NE(schema.error().message.find(words), std::string::npos) << schema.error().message;
  }
}

}  // namespace
}  // namespace berth::ovsdb
