// The conversation with a server that is played by the test: what is asked, in which order, and what ends it.

#include "ovsdb/session.h"

#include <gtest/gtest.h>

#include <deque>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::ovsdb {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr const char* kSchema =
    R"({"name":"D","version":"1","tables":{"T":{"isRoot":true,"columns":{"name":{"type":"string"}}}}})";

std::string server_row(const char* model, bool leader, bool connected = true) {
  return json::serialize(json::object{{"name", "D"}, {"model", model}, {"leader", leader}, {"connected", connected}});
}

class SessionTest : public testing::Test {
 protected:
  void begin() {
    session.emplace(
        options,
        Session::Events{
            .on_connected = [this](std::vector<RowChange> all,
                                   const std::shared_ptr<const Schema>&) { snapshots.push_back(all.size()); },
            .on_change = [this](const std::vector<RowChange>& c) { changes.push_back(c.size()); },
            .on_reply = [this](std::uint64_t id, Result<json::array> r) { replies.emplace_back(id, std::move(r)); },
        },
        kept, now);
  }
  std::optional<Error> receive(const std::string& text) { return session->on_bytes(text, now); }
  std::optional<Error> reply(std::string_view id, const std::string& result) {
    return receive(R"({"id":")" + std::string(id) + R"(","result":)" + result + R"(,"error":null})");
  }
  json::object sent() {
    if (queue.empty()) {
      MessageSplitter splitter;
      EXPECT_TRUE(splitter.feed(session->take_output(),
                                [this](std::string_view m) { queue.push_back(json::parse(m).get_object()); }));
    }
    if (queue.empty()) return {};
    auto out = queue.front();
    queue.pop_front();
    return out;
  }
  void expect_sent(std::string_view method, std::string_view params) {
    const auto message = sent();
    ASSERT_TRUE(message.contains("method")) << "nothing was sent instead of " << method;
    EXPECT_EQ(message.at("method").get_string(), method);
    EXPECT_EQ(message.at("params"), json::parse(params));
  }
  std::optional<Error> server_is(const std::string& row) {
    return reply("leader", R"({"Database":{"u":{"new":)" + row + "}}}");
  }
  void connect(const std::string& monitor_result = R"([false,"00000000-0000-0000-0000-000000000000",{}])") {
    begin();
    EXPECT_FALSE(server_is(server_row("clustered", true)));
    EXPECT_FALSE(reply("schema", kSchema));
    EXPECT_FALSE(reply("monitor", monitor_result));
    EXPECT_EQ(session->state(), Session::State::connected);
    (void)session->take_output();
  }

  Session::Options options{"D", {{"T", {}}}, true, 5s};
  ReplicaState kept;
  std::optional<Session> session;
  TimePoint now{1000s};
  std::deque<json::object> queue;
  std::vector<std::size_t> snapshots;
  std::vector<std::size_t> changes;
  std::vector<std::pair<std::uint64_t, Result<json::array>>> replies;
};

TEST_F(SessionTest, AsksForLeaderThenSchemaThenRows) {
  begin();
  expect_sent("monitor", R"(["_Server","server",{"Database":{"columns":["name","model","connected","leader"]}}])");
  EXPECT_EQ(session->state(), Session::State::checking_leader);
  ASSERT_FALSE(server_is(server_row("clustered", true)));
  expect_sent("get_schema", R"(["D"])");
  EXPECT_EQ(session->state(), Session::State::reading_schema);
  ASSERT_FALSE(reply("schema", kSchema));
  expect_sent("monitor_cond_since",
              R"(["D","data",{"T":[{"columns":["name"]}]},"00000000-0000-0000-0000-000000000000"])");
  EXPECT_EQ(session->state(), Session::State::monitoring);
  ASSERT_FALSE(
      reply("monitor", R"([false,"00000000-0000-0000-0000-000000000000",{"T":{"u1":{"initial":{"name":"a"}}}}])"));
  EXPECT_EQ(session->state(), Session::State::connected);
  EXPECT_EQ(snapshots, (std::vector<std::size_t>{1}));
  ASSERT_FALSE(receive(R"({"id":null,"method":"update3","params":["data","x",{"T":{"u1":{"delete":null}}}]})"));
  EXPECT_EQ(changes, (std::vector<std::size_t>{1}));
}

TEST_F(SessionTest, StaysOnlyWithTheLeader) {
  begin();
  const auto end = server_is(server_row("clustered", false));
  ASSERT_TRUE(end);
  EXPECT_NE(end->message.find("not the leader"), std::string::npos);
  begin();
  EXPECT_TRUE(server_is(server_row("clustered", true, false))) << "a leader that lost its cluster";
  begin();
  EXPECT_FALSE(server_is(server_row("standalone", true)));
  options.leader_only = false;
  begin();
  EXPECT_FALSE(server_is(server_row("clustered", false)));
  begin();
  EXPECT_TRUE(reply("leader", R"({"Database":{"u":{"new":{"name":"Other","model":"standalone"}}}})"))
      << "no such database";
}

TEST_F(SessionTest, EndsWhenLeadershipIsLost) {
  connect();
  EXPECT_FALSE(receive(
      R"({"id":null,"method":"update","params":["server",{"Database":{"v":{"new":{"name":"Other","model":"clustered","leader":false}}}}]})"));
  const auto end =
      receive(R"({"id":null,"method":"update","params":["server",{"Database":{"u":{"old":{"leader":true},"new":)" +
              server_row("clustered", false) + "}}}]}");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, ErrorCode::unavailable);
}

TEST_F(SessionTest, EndsWhenTheDatabaseGoesAway) {
  connect();
  EXPECT_TRUE(receive(R"({"id":null,"method":"update","params":["server",{"Database":{"u":{"old":{"name":"D"}}}}]})"));
  connect();
  EXPECT_TRUE(receive(R"({"id":null,"method":"monitor_canceled","params":["data"]})"));
}

TEST_F(SessionTest, OlderServersHaveNeitherServerDatabaseNorMonitorCondSince) {
  begin();
  (void)sent();
  ASSERT_FALSE(receive(R"({"id":"leader","error":{"error":"unknown database","details":""}})"));
  ASSERT_FALSE(reply("schema", kSchema));
  (void)sent();
  (void)sent();
  ASSERT_FALSE(receive(R"({"id":"monitor","error":"unknown method"})"));
  expect_sent("monitor_cond", R"(["D","data",{"T":[{"columns":["name"]}]}])");
  ASSERT_FALSE(reply("monitor", R"({"T":{"u1":{"initial":{"name":"a"}}}})"));
  EXPECT_EQ(snapshots, (std::vector<std::size_t>{1}));
  ASSERT_FALSE(receive(R"({"id":null,"method":"update2","params":["data",{"T":{"u1":{"modify":{"name":"b"}}}}]})"));
  EXPECT_EQ(changes.size(), 1U);
}

TEST_F(SessionTest, ResumesWhereTheLastSessionEnded) {
  connect(
      R"([false,"00000000-0000-0000-0000-00000000000a",{"T":{"u1":{"initial":{"name":"a"}},"u2":{"initial":{"name":"b"}}}}])");
  ASSERT_FALSE(receive(
      R"({"id":null,"method":"update3","params":["data","00000000-0000-0000-0000-00000000000b",{"T":{"u1":{"delete":null}}}]})"));
  begin();
  (void)server_is(server_row("clustered", true));
  (void)reply("schema", kSchema);
  (void)sent();
  (void)sent();
  expect_sent("monitor_cond_since",
              R"(["D","data",{"T":[{"columns":["name"]}]},"00000000-0000-0000-0000-00000000000b"])");
  ASSERT_FALSE(
      reply("monitor", R"([true,"00000000-0000-0000-0000-00000000000c",{"T":{"u3":{"insert":{"name":"c"}}}}])"));
  EXPECT_EQ(snapshots, (std::vector<std::size_t>{2, 2}));

  // Not found, or another schema: from nothing.
  connect(R"([false,"00000000-0000-0000-0000-00000000000d",{"T":{"u9":{"initial":{"name":"z"}}}}])");
  EXPECT_EQ(snapshots.back(), 1U);
  begin();
  (void)server_is(server_row("clustered", true));
  (void)reply("schema", R"({"name":"D","version":"2","tables":{"T":{"columns":{"name":{"type":"string"}}}}})");
  (void)sent();
  (void)sent();
  expect_sent("monitor_cond_since",
              R"(["D","data",{"T":[{"columns":["name"]}]},"00000000-0000-0000-0000-000000000000"])");
}

TEST_F(SessionTest, RepliesFindTheirTransactions) {
  connect();
  session->transact(1, json::array{json::object{{"op", "comment"}}});
  session->transact(2, json::array{json::object{{"op", "wait"}, {"table", "T"}}});
  session->transact(3, json::array{});
  expect_sent("transact", R"(["D",{"op":"comment"}])");
  ASSERT_FALSE(reply("t2", R"([{"error":"timed out","details":"x"}])"));
  ASSERT_FALSE(reply("t1", R"([{}])"));
  ASSERT_FALSE(receive(R"({"id":"t3","error":{"error":"unknown database","details":"gone"}})"));
  ASSERT_FALSE(reply("t3", "[]")) << "a second reply is ignored";
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_EQ(replies[0].first, 2U);
  EXPECT_EQ(replies[0].second.error().code, ErrorCode::fenced);
  EXPECT_TRUE(replies[1].second.has_value());
  EXPECT_EQ(replies[2].second.error().code, ErrorCode::invalid);
}

TEST_F(SessionTest, EchoesAndProbes) {
  connect();
  ASSERT_FALSE(receive(R"({"id":"echo-1","method":"echo","params":["x"]})"));
  EXPECT_EQ(json::serialize(sent()), R"({"result":["x"],"error":null,"id":"echo-1"})");
  EXPECT_EQ(session->deadline(), now + 5s);
  now += 5s;
  EXPECT_FALSE(session->on_deadline(now));
  expect_sent("echo", "[]");
  EXPECT_EQ(session->deadline(), now + 5s);
  now += 2s;
  ASSERT_FALSE(reply("echo", "[]"));
  EXPECT_EQ(session->deadline(), now + 5s);
  now += 5s;
  EXPECT_FALSE(session->on_deadline(now));
  now += 5s;
  const auto end = session->on_deadline(now);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, ErrorCode::timeout);
}

TEST_F(SessionTest, NonsenseEndsIt) {
  for (const char* text :
       {R"({"a":})", R"(x)", R"({"id":"schema","result":{},"error":null})",
        R"({"id":"monitor","result":[],"error":null})", R"({"id":null,"method":"update3","params":["data"]})",
        R"({"id":null,"method":"update3","params":["data","x",{"T":{"u":{"modify":{}}}}]})"}) {
    kept = {};
    connect();
    EXPECT_TRUE(receive(text)) << text;
  }
  connect();
  EXPECT_FALSE(receive(
      R"({"method":"update3","params":["foreign","x",{}],"id":null}{"method":"unheard-of","params":5}{"id":77,"result":5}{})"));
}

}  // namespace
}  // namespace berth::ovsdb
