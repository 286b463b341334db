// The rules that matter to OVN, one by one; test/integration/ovsdb compares the store with a real server at large.

#include "ovsdb/memory_store.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::ovsdb {
namespace {

namespace json = boost::json;

// Parent (root) --strong--> Child --strong--> Grandchild; Parent --weak--> Friend (root).
constexpr const char* kSchema = R"({"name":"D","version":"1","tables":{
  "Parent":{"isRoot":true,"columns":{"name":{"type":"string"},"fixed":{"type":"string","mutable":false},
    "kids":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}},
    "pals":{"type":{"key":{"type":"uuid","refTable":"Friend","refType":"weak"},"min":0,"max":"unlimited"}},
    "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
  "Child":{"columns":{"name":{"type":"string"},"n":{"type":{"key":{"type":"integer","minInteger":0,"maxInteger":9}}},
    "maybe":{"type":{"key":"integer","min":0,"max":1}},
    "kids":{"type":{"key":{"type":"uuid","refTable":"Grandchild"},"min":0,"max":"unlimited"}}},"indexes":[["name"]]},
  "Grandchild":{"columns":{"name":{"type":"string"}}},
  "Friend":{"isRoot":true,"columns":{"name":{"type":"string"}},"maxRows":2}}})";

class MemoryStoreTest : public testing::Test {
 protected:
  json::array run(std::string_view operations) { return store.execute(json::parse(operations).get_array()); }
  std::string text(std::string_view operations) { return json::serialize(run(operations)); }
  // The error of the last result, or "".
  std::string error(std::string_view operations) {
    const auto results = run(operations);
    for (const auto& r : results) {
      if (r.is_object() && r.get_object().contains("error")) return std::string(r.at("error").get_string());
    }
    return "";
  }
  std::size_t count(const std::string& table) { return store.rows(table).size(); }
  Row only(const std::string& table) {
    EXPECT_EQ(count(table), 1U);
    return count(table) == 1 ? store.rows(table).begin()->second : Row();
  }
  void add_family() {
    EXPECT_EQ(error(R"([{"op":"insert","table":"Parent","row":{"name":"p","kids":["named-uuid","c"]}},
      {"op":"insert","table":"Child","uuid-name":"c","row":{"name":"c","kids":["named-uuid","g"]}},
      {"op":"insert","table":"Grandchild","uuid-name":"g","row":{"name":"g"}}])"),
              "");
  }

  MemoryStore store{*Schema::parse(kSchema)};
};

TEST_F(MemoryStoreTest, InsertsWithDefaultsAndNames) {
  add_family();
  EXPECT_EQ(json::serialize(only("Child").at("n")), "0");
  EXPECT_EQ(json::serialize(only("Child").at("maybe")), R"(["set",[]])");
  EXPECT_EQ(only("Parent").at("kids").at(1).at(0).at(1).get_string(), store.rows("Child").begin()->first);
}

TEST_F(MemoryStoreTest, AFailedOperationUndoesAllAndSilencesTheRest) {
  add_family();
  const auto before = json::serialize(only("Parent"));
  const auto results = run(
      R"([{"op":"update","table":"Parent","where":[],"row":{"name":"q"}},{"op":"delete","table":"Parent","where":[]},
    {"op":"abort"},{"op":"insert","table":"Friend","row":{}}])");
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(json::serialize(results[0]), R"({"count":1})");
  EXPECT_EQ(results[2].at("error"), "aborted");
  EXPECT_TRUE(results[3].is_null());
  EXPECT_EQ(json::serialize(only("Parent")), before);
  EXPECT_EQ(count("Child") + count("Grandchild"), 2U);
  EXPECT_EQ(store.transactions(), 1U);
}

TEST_F(MemoryStoreTest, ChildrenLiveAsLongAsTheyAreReferredTo) {
  EXPECT_EQ(error(R"([{"op":"insert","table":"Child","row":{"name":"orphan"}}])"), "");
  EXPECT_EQ(count("Child"), 0U);
  add_family();
  EXPECT_EQ(error(R"([{"op":"update","table":"Parent","where":[],"row":{"kids":["set",[]]}}])"), "");
  EXPECT_EQ(count("Child") + count("Grandchild"), 0U);
  EXPECT_EQ(error(R"([{"op":"delete","table":"Parent","where":[]}])"), "");
  add_family();
  // A child that moves to another parent in one transaction survives.
  EXPECT_EQ(error(R"([{"op":"insert","table":"Parent","uuid-name":"q","row":{"name":"q"}},
    {"op":"mutate","table":"Parent","where":[["name","==","q"]],"mutations":[["kids","insert",["uuid",")" +
                  store.rows("Child").begin()->first + R"("]]]},
    {"op":"delete","table":"Parent","where":[["name","==","p"]]}])"),
            "");
  EXPECT_EQ(count("Child") + count("Grandchild"), 2U);
}

TEST_F(MemoryStoreTest, StrongReferencesMustHold) {
  add_family();
  EXPECT_EQ(error(R"([{"op":"delete","table":"Child","where":[]}])"), "referential integrity violation");
  EXPECT_EQ(
      error(R"([{"op":"insert","table":"Parent","row":{"kids":["uuid","00000000-0000-0000-0000-000000000001"]}}])"),
      "referential integrity violation");
  EXPECT_EQ(error(R"([{"op":"insert","table":"Parent","row":{"kids":["named-uuid","nobody"]}}])"),
            "referential integrity violation");
  EXPECT_EQ(count("Parent"), 1U);
}

TEST_F(MemoryStoreTest, WeakReferencesDisappear) {
  EXPECT_EQ(error(R"([{"op":"insert","table":"Friend","uuid-name":"f","row":{"name":"f"}},
    {"op":"insert","table":"Parent","row":{"pals":["set",[["named-uuid","f"],["uuid","00000000-0000-0000-0000-000000000001"]]]}}])"),
            "");
  EXPECT_EQ(only("Parent").at("pals").at(1).get_array().size(), 1U);
  std::vector<std::string> changed;
  store.subscribe([&](const std::vector<RowChange>& changes) {
    for (const auto& c : changes) changed.push_back(c.table);
  });
  EXPECT_EQ(error(R"([{"op":"delete","table":"Friend","where":[]}])"), "");
  EXPECT_EQ(only("Parent").at("pals").at(1).get_array().size(), 0U);
  EXPECT_EQ(changed, (std::vector<std::string>{"Friend", "Parent"}));
}

TEST_F(MemoryStoreTest, IndexesAndNumbersOfRowsHold) {
  add_family();
  EXPECT_EQ(error(R"([{"op":"insert","table":"Child","uuid-name":"d","row":{"name":"c"}},
    {"op":"mutate","table":"Parent","where":[],"mutations":[["kids","insert",["named-uuid","d"]]]}])"),
            "constraint violation");
  // The name is free once its holder is garbage, in the same transaction.
  EXPECT_EQ(error(R"([{"op":"insert","table":"Child","uuid-name":"d","row":{"name":"c","n":7}},
    {"op":"update","table":"Parent","where":[],"row":{"kids":["named-uuid","d"]}}])"),
            "");
  EXPECT_EQ(json::serialize(only("Child").at("n")), "7");
  EXPECT_EQ(
      error(
          R"([{"op":"insert","table":"Friend","row":{}},{"op":"insert","table":"Friend","row":{}},{"op":"insert","table":"Friend","row":{}}])"),
      "constraint violation");
  EXPECT_EQ(count("Friend"), 0U);
}

TEST_F(MemoryStoreTest, WaitTestsOnce) {
  add_family();
  const auto wait = [&](const char* where, const char* until, const char* rows) {
    return error(R"([{"op":"wait","table":"Parent","timeout":0,"where":)" + std::string(where) +
                 R"(,"columns":["name"],"until":")" + until + R"(","rows":)" + rows + "}]");
  };
  EXPECT_EQ(wait("[]", "==", R"([{"name":"p"}])"), "");
  EXPECT_EQ(wait("[]", "!=", R"([{"name":"p"}])"), "timed out");
  EXPECT_EQ(wait("[]", "==", "[]"), "timed out");
  EXPECT_EQ(wait(R"([["map","includes",["map",[["k","v"]]]]])", "==", "[]"), "");
  run(R"([{"op":"mutate","table":"Parent","where":[],"mutations":[["map","insert",["map",[["k","v"],["l","w"]]]]]}])");
  EXPECT_EQ(wait(R"([["map","includes",["map",[["k","v"]]]]])", "!=", "[]"), "");
  EXPECT_EQ(wait(R"([["map","includes",["map",[["k","w"]]]]])", "!=", "[]"), "timed out");
  EXPECT_EQ(wait(R"([["map","excludes",["map",[["k","w"]]]]])", "!=", "[]"), "");
}

TEST_F(MemoryStoreTest, Mutations) {
  add_family();
  const auto map = [&](const char* mutation) {
    EXPECT_EQ(
        error(R"([{"op":"mutate","table":"Parent","where":[],"mutations":[["map",)" + std::string(mutation) + "]]}]"),
        "");
    return json::serialize(only("Parent").at("map").at(1));
  };
  EXPECT_EQ(map(R"("insert",["map",[["a","1"],["b","2"]]])"), R"([["a","1"],["b","2"]])");
  EXPECT_EQ(map(R"("insert",["map",[["a","9"]]])"), R"([["a","1"],["b","2"]])");
  EXPECT_EQ(map(R"("delete",["map",[["a","9"],["b","2"]]])"), R"([["a","1"]])");
  EXPECT_EQ(map(R"("delete",["set",["a","z"]])"), "[]");
  const auto n = [&](const char* mutation) {
    return error(R"([{"op":"mutate","table":"Child","where":[],"mutations":[["n",)" + std::string(mutation) + "]]}]");
  };
  EXPECT_EQ(n(R"("+=",5)"), "");
  EXPECT_EQ(n(R"("*=",3)"), "constraint violation");
  EXPECT_EQ(n(R"("%=",3)"), "");
  EXPECT_EQ(n(R"("/=",0)"), "domain error");
  EXPECT_EQ(n(R"("insert",1)"), "syntax error");
  EXPECT_EQ(n(R"("^=",1)"), "unknown mutator");
  EXPECT_EQ(json::serialize(only("Child").at("n")), "2");
}

TEST_F(MemoryStoreTest, RefusesWhatIsWrong) {
  add_family();
  const std::pair<const char*, const char*> cases[] = {
      {R"([{"op":"insert","table":"Nobody","row":{}}])", "syntax error"},
      {R"([{"op":"insert","table":"Parent","row":{"nam":"x"}}])", "unknown column"},
      {R"([{"op":"insert","table":"Parent","row":{"name":5}}])", "syntax error"},
      {R"([{"op":"insert","table":"Child","row":{"n":10}}])", "constraint violation"},
      {R"([{"op":"update","table":"Parent","where":[],"row":{"fixed":"x"}}])", "constraint violation"},
      {R"([{"op":"update","table":"Parent","where":[["nam","==","x"]],"row":{}}])", "unknown column"},
      {R"([{"op":"select","table":"Parent","where":[["name","~","x"]]}])", "unknown function"},
      {R"([{"op":"insert","table":"Friend","uuid-name":"a","row":{}},{"op":"insert","table":"Friend","uuid-name":"a","row":{}}])",
       "duplicate uuid-name"},
      {R"([{"op":"zork"}])", "syntax error"},
      {R"([5])", "syntax error"},
  };
  for (const auto& [operations, expected] : cases) EXPECT_EQ(error(operations), expected) << operations;
  EXPECT_EQ(store.transactions(), 1U);
}

TEST_F(MemoryStoreTest, SelectsWithConditions) {
  run(R"([{"op":"insert","table":"Parent","row":{"name":"b"}},{"op":"insert","table":"Parent","row":{"name":"a"}}])");
  EXPECT_EQ(text(R"([{"op":"select","table":"Parent","where":[["name","!=","a"]],"columns":["name"]}])"),
            R"([{"rows":[{"name":"b"}]}])");
  const auto all = run(R"([{"op":"select","table":"Parent","where":[]}])");
  ASSERT_EQ(all[0].at("rows").get_array().size(), 2U);
  EXPECT_TRUE(all[0].at("rows").at(0).get_object().contains("_uuid"));
}

TEST(MemoryStoreSeedTest, EqualSeedsGiveEqualRows) {
  const auto uuids = [](std::uint64_t seed) {
    MemoryStore store(*Schema::parse(kSchema), seed);
    store.execute(
        json::parse(R"([{"op":"insert","table":"Parent","row":{}},{"op":"insert","table":"Parent","row":{}}])")
            .get_array());
    std::vector<std::string> out;
    for (const auto& [uuid, _] : store.rows("Parent")) {
      EXPECT_TRUE(is_uuid(uuid)) << uuid;
      out.push_back(uuid);
    }
    return out;
  };
  EXPECT_EQ(uuids(1), uuids(1));
  EXPECT_NE(uuids(1), uuids(2));
}

}  // namespace
}  // namespace berth::ovsdb
