#include "ovsdb/replica.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::ovsdb {
namespace {

namespace json = boost::json;

constexpr const char* kSchema = R"({"name":"D","version":"1","tables":{"T":{"isRoot":true,"columns":{
  "name":{"type":"string"}, "tag":{"type":{"key":"integer","min":0,"max":1}},
  "set":{"type":{"key":"string","min":0,"max":"unlimited"}},
  "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}})";

constexpr const char* kId = "00000000-0000-0000-0000-000000000001";

class ReplicaTest : public testing::Test {
 protected:
  std::vector<RowChange> apply(const std::string& row_update) {
    auto out = replica.apply(json::parse(R"({"T":{")" + std::string(kId) + R"(":)" + row_update + "}}").get_object());
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : std::vector<RowChange>();
  }
  std::string row() {
    const auto all = replica.snapshot();
    return all.size() == 1 ? json::serialize(*all[0].after) : "rows: " + std::to_string(all.size());
  }

  Replica replica{*Schema::parse(kSchema), {{"T", {}}, {"Missing", {}}}};
};

TEST_F(ReplicaTest, AsksForWhatTheSchemaHas) {
  Replica some(*Schema::parse(kSchema), {{"T", {"set", "no_such_column"}}, {"Missing", {"a"}}});
  EXPECT_EQ(json::serialize(some.monitor_requests()), R"({"T":[{"columns":["set"]}]})");
}

TEST_F(ReplicaTest, FollowsUpdate3) {
  EXPECT_EQ(apply(R"({"initial":{"name":"a","set":"x"}})").size(), 1U);
  EXPECT_EQ(row(), R"({"map":["map",[]],"name":"a","set":["set",["x"]],"tag":["set",[]]})");
  const auto changes = apply(R"({"modify":{"tag":5,"set":["set",["y","x"]],"map":["map",[["k","v"]]]}})");
  EXPECT_EQ(row(), R"({"map":["map",[["k","v"]]],"name":"a","set":["set",["y"]],"tag":["set",[5]]})");
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(json::serialize(*changes[0].before),
            R"({"map":["map",[]],"name":"a","set":["set",["x"]],"tag":["set",[]]})");
  apply(R"({"modify":{"tag":["set",[]],"map":["map",[["k","w"],["l","1"]]]}})");
  EXPECT_EQ(row(), R"({"map":["map",[["k","w"],["l","1"]]],"name":"a","set":["set",["y"]],"tag":["set",[]]})");
  apply(R"({"modify":{"map":["map",[["k","w"]]]}})");
  EXPECT_EQ(row(), R"({"map":["map",[["l","1"]]],"name":"a","set":["set",["y"]],"tag":["set",[]]})");
  const auto gone = apply(R"({"delete":null})");
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_FALSE(gone[0].after);
  EXPECT_EQ(row(), "rows: 0");
}

TEST_F(ReplicaTest, FollowsPlainUpdate) {
  apply(R"({"new":{"name":"a","tag":1,"set":["set",["x","w"]],"map":["map",[]]}})");
  EXPECT_EQ(row(), R"({"map":["map",[]],"name":"a","set":["set",["w","x"]],"tag":["set",[1]]})");
  apply(R"({"old":{"name":"a"},"new":{"name":"b","tag":1,"set":["set",["x"]],"map":["map",[]]}})");
  EXPECT_EQ(row(), R"({"map":["map",[]],"name":"b","set":["set",["x"]],"tag":["set",[1]]})");
  apply(R"({"old":{"name":"b"}})");
  EXPECT_EQ(row(), "rows: 0");
}

TEST_F(ReplicaTest, SaysNothingOfWhatDidNotChange) {
  apply(R"({"insert":{"name":"a"}})");
  EXPECT_TRUE(apply(R"({"modify":{"_version":["uuid","00000000-0000-0000-0000-000000000009"]}})").empty());
  EXPECT_TRUE(replica.apply(json::parse(R"({"Other":{"x":{"insert":{}}}})").get_object())->empty());
}

TEST_F(ReplicaTest, RefusesWhatDoesNotFit) {
  const std::pair<const char*, bool> cases[] = {
      // the update, and whether a row is there before
      {R"({"modify":{"tag":1}})", false},
      {R"({"delete":null})", false},
      {R"({"insert":{"name":5}})", false},
      {R"({"modify":{"set":5}})", true},
      {R"({"modify":{"tag":["set",[1,2]]}})", true},
      {R"({})", true},
      {R"({"modify":{"map":"x"}})", true},
  };
  for (const auto& [update, present] : cases) {
    Replica fresh(*Schema::parse(kSchema), {{"T", {}}});
    const auto one = [&](const std::string& u) {
      return fresh.apply(json::parse(R"({"T":{")" + std::string(kId) + R"(":)" + u + "}}").get_object());
    };
    if (present) {
      ASSERT_TRUE(one(R"({"insert":{"name":"a"}})"));
    }
    const auto result = one(update);
    ASSERT_FALSE(result) << update;
    EXPECT_EQ(result.error().code, ErrorCode::internal);
  }
}

}  // namespace
}  // namespace berth::ovsdb
