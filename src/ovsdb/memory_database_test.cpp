#include "ovsdb/memory_database.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/manual_scheduler.h"

namespace berth::ovsdb {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Fate = MemoryDatabase::Fate;

constexpr const char* kSchema =
    R"({"name":"D","version":"1","tables":{"T":{"isRoot":true,"columns":{"name":{"type":"string"}}}}})";

class MemoryDatabaseTest : public testing::Test {
 protected:
  // A connection that writes down what it hears.
  struct Peer {
    Peer(MemoryDatabaseTest& t, std::string name, MemoryDatabase::Faults faults = {})
        : test(t), database(t.loop, t.store, std::move(faults)) {
      const auto say = [&t, name](const std::string& what) { t.heard.push_back(name + " " + what); };
      database.start({.on_snapshot = [say](const auto& all) { say("snapshot " + std::to_string(all.size())); },
                      .on_change = [say](const auto& changes) { say("change " + std::to_string(changes.size())); },
                      .on_disconnect = [say](const Error&) { say("disconnect"); }});
      reply = [say](const Result<json::array>& r) { say(r ? "ok" : std::string(to_string(r.error().code))); };
    }
    void insert() {
      database.transact(json::parse(R"([{"op":"insert","table":"T","row":{"name":"a"}}])").get_array(), reply);
    }
    MemoryDatabaseTest& test;
    MemoryDatabase database;
    Database::Reply reply;
  };
  std::vector<std::string> take() {
    loop.run_until_idle();
    return std::exchange(heard, {});
  }
  using Heard = std::vector<std::string>;

  ManualScheduler loop;
  MemoryStore store{*Schema::parse(kSchema)};
  Heard heard;
};

TEST_F(MemoryDatabaseTest, NothingIsCalledBackInsideACall) {
  Peer a(*this, "a");
  EXPECT_TRUE(heard.empty());
  a.insert();
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(take(), (Heard{"a unavailable", "a snapshot 0"}));
  a.insert();
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(take(), (Heard{"a change 1", "a ok"}));
  EXPECT_TRUE(a.database.has_column("T", "name") && a.database.has_column("T", ""));
  EXPECT_FALSE(a.database.has_column("T", "x") || a.database.has_column("U", ""));
}

TEST_F(MemoryDatabaseTest, ConnectionsShareTheStore) {
  Peer a(*this, "a");
  Peer b(*this, "b");
  (void)take();
  a.insert();
  EXPECT_EQ(take(), (Heard{"a change 1", "b change 1", "a ok"}));
  a.database.disconnect();
  b.insert();
  EXPECT_EQ(take(), (Heard{"a disconnect", "b change 1", "b ok"}));
  loop.advance(1s);
  EXPECT_EQ(take(), (Heard{"a snapshot 2"}));
}

TEST_F(MemoryDatabaseTest, Fates) {
  Fate fate = Fate::refuse;
  Peer a(*this, "a", {.fate = [&](const json::array&) { return fate; }, .delay = {}, .reconnect_after = 2s});
  Peer b(*this, "b");
  (void)take();
  a.insert();
  EXPECT_EQ(take(), (Heard{"a unavailable"}));
  EXPECT_TRUE(a.database.connected());
  fate = Fate::drop_before_commit;
  a.insert();
  a.insert();
  EXPECT_EQ(take(), (Heard{"a unavailable", "a unavailable", "a disconnect"}));
  EXPECT_TRUE(store.snapshot().empty());
  loop.advance(2s);
  EXPECT_EQ(take(), (Heard{"a snapshot 0"}));
  fate = Fate::drop_after_commit;
  a.insert();
  EXPECT_EQ(take(), (Heard{"b change 1", "a unavailable", "a disconnect"}));
  EXPECT_EQ(store.snapshot().size(), 1U);
  loop.advance(2s);
  EXPECT_EQ(take(), (Heard{"a snapshot 1"}));
}

TEST_F(MemoryDatabaseTest, DelaysNeverReorderAConnection) {
  int n = 0;
  Peer a(*this, "a", {.fate = {}, .delay = [&] { return Duration(10ms) / (1 + n++ % 7); }});
  loop.advance(1s);
  heard.clear();
  for (int i = 0; i < 20; ++i) a.insert();
  loop.advance(1s);
  Heard expected;
  std::size_t changes = 0;
  for (const auto& line : heard) {
    if (line == "a change 1") {
      ++changes;
    } else {
      ASSERT_EQ(line, "a ok");
      expected.push_back(line);
      ASSERT_LE(expected.size(), changes) << "a reply before its notification";
    }
  }
  EXPECT_EQ(expected.size(), 20U);
  EXPECT_EQ(changes, 20U);
}

TEST_F(MemoryDatabaseTest, UnreachableUntilItIsReachable) {
  Peer a(*this, "a");
  a.database.set_reachable(false);
  loop.advance(5s);
  EXPECT_TRUE(take().empty());
  a.database.set_reachable(true);
  loop.advance(1s);
  EXPECT_EQ(take(), (Heard{"a snapshot 0"}));
}

TEST_F(MemoryDatabaseTest, DestroyedItIsSilent) {
  auto a = std::make_unique<Peer>(*this, "a");
  (void)take();
  a->insert();
  a.reset();
  EXPECT_TRUE(take().empty());
  EXPECT_TRUE(store.snapshot().empty()) << "what the server had not seen is lost";
}

}  // namespace
}  // namespace berth::ovsdb
