// ovsdb::Client against real servers: a standalone one that is restarted and stopped, and a cluster of three.

#include "ovsdb/client.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>

#include "integration/ovsdb/loop_thread.h"
#include "integration/ovsdb/servers.h"
#include "ovn/northbound.h"

namespace berth::test {
namespace {

namespace json = boost::json;
using ovsdb::Client;
using ovsdb::ClientOptions;
using ovsdb::RowChange;

// A client with its observer, used from the test's thread.
class Observed {
 public:
  Observed(LoopThread& loop, std::string remotes, Duration probe_interval = std::chrono::seconds(5))
      : Observed(loop, {.remotes = std::move(remotes),
                        .database = "OVN_Northbound",
                        .monitored = ovn::monitored_columns(),
                        .probe_interval = probe_interval}) {}
  Observed(LoopThread& loop, ClientOptions options) : loop_(loop) {
    options.backoff_min = std::chrono::milliseconds(100);
    options.backoff_max = std::chrono::milliseconds(400);
    loop_.run([&] {
      auto created = Client::create(loop_.loop(), std::move(options));
      ASSERT_TRUE(created) << created.error().message;
      client_ = std::move(*created);
      client_->start({
          .on_snapshot =
              [this](std::vector<RowChange> all) {
                rows_.clear();
                apply(all);
                ++snapshots_;
              },
          .on_change =
              [this](std::vector<RowChange> changes) {
                apply(changes);
                ++changes_;
              },
          .on_disconnect = [this](const Error&) { ++disconnects_; },
      });
    });
  }
  ~Observed() {
    loop_.run([this] { client_.reset(); });
  }
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;

  [[nodiscard]] bool synced(int times = 1) {
    return loop_.eventually([&] { return snapshots_ >= times && client_->connected(); });
  }
  Result<json::array> transact(std::string_view operations) {
    auto answer = std::make_shared<std::optional<Result<json::array>>>();
    loop_.run([&] {
      client_->transact(json::parse(operations).get_array(),
                        [answer](Result<json::array> r) { *answer = std::move(r); });
    });
    if (!loop_.eventually([&] { return answer->has_value(); })) return fail(ErrorCode::timeout, "no reply");
    return **answer;
  }
  [[nodiscard]] std::size_t count(const std::string& table) {
    std::size_t out = 0;
    loop_.run([&] { out = rows_[table].size(); });
    return out;
  }
  [[nodiscard]] bool eventually_count(const std::string& table, std::size_t count) {
    return loop_.eventually([&] { return rows_[table].size() == count; });
  }

  LoopThread& loop_;
  std::unique_ptr<Client> client_;
  std::map<std::string, std::map<std::string, ovsdb::Row>> rows_;
  int snapshots_ = 0;
  int changes_ = 0;
  int disconnects_ = 0;

 private:
  void apply(const std::vector<RowChange>& changes) {
    for (const auto& change : changes) {
      auto& table = rows_[change.table];
      const auto held = table.find(change.uuid);
      EXPECT_EQ(change.before.has_value(), held != table.end()) << change.table << " " << change.uuid;
      if (change.before && held != table.end()) {
        EXPECT_EQ(*change.before, held->second);
      }
      if (change.after) {
        table.insert_or_assign(change.uuid, *change.after);
      } else {
        table.erase(change.uuid);
      }
    }
  }
};

constexpr const char* kAddSwitch =
    R"([{"op":"insert","table":"Logical_Switch","row":{"name":"s","external_ids":["map",[["a","b"]]]}}])";

class StandaloneTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
    ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "nb.db", kNorthboundSchema}));
  }

  TempFolder folder_;
  Server server_{folder_, "nb"};
  LoopThread loop_;
};

TEST_F(StandaloneTest, WaitsForTheServerThenTransactsAndObserves) {
  Observed client(loop_, server_.remote());
  EXPECT_EQ(client.transact(kAddSwitch).error().code, ErrorCode::unavailable);
  server_.start();
  ASSERT_TRUE(client.synced());
  const auto reply = client.transact(kAddSwitch);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->at(0).get_object().contains("uuid"));
  EXPECT_EQ(client.count("Logical_Switch"), 1U) << "the notification comes before the reply";
  loop_.run([&] {
    const auto& row = client.rows_["Logical_Switch"].begin()->second;
    EXPECT_EQ(row,
              json::parse(R"({"name":"s","ports":["set",[]],"acls":["set",[]],"external_ids":["map",[["a","b"]]]})")
                  .get_object());
    EXPECT_TRUE(client.client_->has_column("Logical_Switch_Port", "addresses"));
    EXPECT_TRUE(client.client_->has_column("Logical_Switch_Port", ""));
    EXPECT_FALSE(client.client_->has_column("Logical_Switch_Port", "no_such_column"));
    EXPECT_FALSE(client.client_->has_column("No_Such_Table", ""));
  });

  // Differences of sets and maps; rows that vanish with their owner.
  ASSERT_TRUE(client.transact(R"([{"op":"insert","table":"Logical_Switch_Port","uuid-name":"p","row":{"name":"p"}},
    {"op":"insert","table":"Logical_Switch_Port","uuid-name":"q","row":{"name":"q"}},
    {"op":"mutate","table":"Logical_Switch","where":[],"mutations":[["ports","insert",["set",[["named-uuid","p"],["named-uuid","q"]]]],
      ["external_ids","insert",["map",[["c","d"]]]],["external_ids","delete",["set",["a"]]]]}])"));
  loop_.run([&] {
    const auto& row = client.rows_["Logical_Switch"].begin()->second;
    EXPECT_EQ(row.at("external_ids"), json::parse(R"(["map",[["c","d"]]])"));
    EXPECT_EQ(row.at("ports").at(1).get_array().size(), 2U);
  });
  ASSERT_TRUE(client.transact(R"([{"op":"delete","table":"Logical_Switch","where":[]}])"));
  EXPECT_EQ(client.count("Logical_Switch_Port"), 0U);
}

TEST_F(StandaloneTest, ErrorsNameTheOperation) {
  server_.start();
  Observed client(loop_, server_.remote());
  ASSERT_TRUE(client.synced());
  constexpr const char* kWait =
      R"({"op":"wait","table":"Logical_Switch","timeout":0,"where":[],"columns":["name"],"until":"!=","rows":[]})";
  EXPECT_EQ(client.transact("[" + std::string(kWait) + "]").error().code, ErrorCode::fenced);
  EXPECT_EQ(client.transact(R"([{"op":"comment","comment":"x"},)" + std::string(kWait) + "]").error().code,
            ErrorCode::conflict);
  const auto unknown = client.transact(R"([{"op":"insert","table":"Logical_Switch","row":{"nam":"x"}}])");
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid);
  EXPECT_NE(unknown.error().message.find("operation 0 (insert Logical_Switch)"), std::string::npos)
      << unknown.error().message;
  const auto twice = client.transact(
      R"([{"op":"insert","table":"Address_Set","row":{"name":"x"}},{"op":"insert","table":"Address_Set","row":{"name":"x"}}])");
  EXPECT_EQ(twice.error().code, ErrorCode::conflict);
}

TEST_F(StandaloneTest, ReconnectsAndResyncsWhenTheServerRestarts) {
  server_.start();
  Observed client(loop_, server_.remote());
  Observed other(loop_, server_.remote());
  ASSERT_TRUE(client.synced() && other.synced());
  ASSERT_TRUE(client.transact(kAddSwitch));
  server_.kill();
  ASSERT_TRUE(loop_.eventually([&] { return client.disconnects_ == 1; }));
  EXPECT_EQ(client.transact(kAddSwitch).error().code, ErrorCode::unavailable);
  server_.start();
  ASSERT_TRUE(client.synced(2) && other.synced(2));
  EXPECT_EQ(client.count("Logical_Switch"), 1U);
  ASSERT_TRUE(other.transact(R"([{"op":"delete","table":"Logical_Switch","where":[]}])"));
  EXPECT_TRUE(client.eventually_count("Logical_Switch", 0));
}

TEST_F(StandaloneTest, ASilentServerIsGivenUpAndWhatWasPendingFails) {
  server_.start();
  Observed client(loop_, server_.remote(), std::chrono::milliseconds(200));
  ASSERT_TRUE(client.synced());
  server_.pause();
  EXPECT_EQ(client.transact(kAddSwitch).error().code, ErrorCode::unavailable);
  server_.resume();
  ASSERT_TRUE(client.synced(2));
}

TEST_F(StandaloneTest, AProbeKeepsAQuietConnectionUp) {
  server_.start();
  Observed client(loop_, server_.remote(), std::chrono::milliseconds(50));
  ASSERT_TRUE(client.synced());
  const TimePoint until = boot_time() + std::chrono::milliseconds(600);
  ASSERT_TRUE(loop_.eventually([&] { return boot_time() > until; }));
  EXPECT_EQ(client.disconnects_, 0);
  EXPECT_EQ(client.snapshots_, 1);
}

TEST_F(StandaloneTest, ManyRowsArriveWhole) {
  server_.start();
  Observed writer(loop_, server_.remote());
  ASSERT_TRUE(writer.synced());
  std::string operations = "[";
  for (int i = 0; i < 3000; ++i) {
    const auto n = std::to_string(i);
    operations += R"({"op":"insert","table":"Logical_Switch","row":{"name":"switch-)" + n +
                  R"(","external_ids":["map",[["k)" + n + R"(","{\"[]}"]]]}},)";
  }
  operations.back() = ']';
  ASSERT_TRUE(writer.transact(operations));
  EXPECT_EQ(writer.count("Logical_Switch"), 3000U);
  Observed reader(loop_, server_.remote());
  ASSERT_TRUE(reader.synced());
  EXPECT_EQ(reader.count("Logical_Switch"), 3000U);
  loop_.run([&] { EXPECT_EQ(reader.rows_["Logical_Switch"], writer.rows_["Logical_Switch"]); });
}

// The agent's database: other tables, all columns, statistics that OVS writes as maps of integers.
TEST_F(StandaloneTest, ServesTheSwitchDatabaseOfANode) {
  constexpr const char* kSchema = "/usr/share/openvswitch/vswitch.ovsschema";
  ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "vs.db", kSchema}));
  Server server(folder_, "vs");
  server.start();
  ClientOptions options;
  options.remotes = server.remote();
  options.database = "Open_vSwitch";
  options.monitored["Open_vSwitch"] = {};
  options.monitored["Bridge"] = {"name", "ports"};
  options.monitored["Port"] = {"name", "interfaces"};
  options.monitored["Interface"] = {};
  Observed client(loop_, options);
  ASSERT_TRUE(client.synced());
  const auto reply = client.transact(R"([
    {"op":"insert","table":"Interface","uuid-name":"i","row":{"name":"eth0","statistics":["map",[["rx_bytes",5]]],"ofport":7,"external_ids":["map",[["iface-id","p.ns"]]]}},
    {"op":"insert","table":"Port","uuid-name":"p","row":{"name":"eth0","interfaces":["named-uuid","i"]}},
    {"op":"insert","table":"Bridge","uuid-name":"b","row":{"name":"br-int","ports":["named-uuid","p"]}},
    {"op":"insert","table":"Open_vSwitch","row":{"bridges":["named-uuid","b"]}}])");
  ASSERT_TRUE(reply) << reply.error().message;
  loop_.run([&] {
    ASSERT_EQ(client.rows_["Interface"].size(), 1U);
    const auto& row = client.rows_["Interface"].begin()->second;
    EXPECT_EQ(row.at("statistics"), json::parse(R"(["map",[["rx_bytes",5]]])"));
    EXPECT_EQ(row.at("ofport"), json::parse(R"(["set",[7]])"));
    EXPECT_EQ(row.at("external_ids"), json::parse(R"(["map",[["iface-id","p.ns"]]])"));
    EXPECT_EQ(client.rows_["Bridge"].begin()->second.size(), 2U);
  });
  ASSERT_TRUE(client.transact(
      R"([{"op":"mutate","table":"Interface","where":[["external_ids","includes",["map",[["iface-id","p.ns"]]]]],
    "mutations":[["statistics","delete",["set",["rx_bytes"]]],["statistics","insert",["map",[["rx_bytes",6]]]]]}])"));
  loop_.run([&] {
    EXPECT_EQ(client.rows_["Interface"].begin()->second.at("statistics"), json::parse(R"(["map",[["rx_bytes",6]]])"));
  });
  ASSERT_TRUE(client.transact(
      R"([{"op":"delete","table":"Open_vSwitch","where":[]},{"op":"delete","table":"Bridge","where":[]}])"));
  EXPECT_EQ(client.count("Interface"), 0U);
}

TEST_F(StandaloneTest, DestroyedWhileConnectedItLeavesNoCallbackBehind) {
  server_.start();
  for (int i = 0; i < 20; ++i) {
    Observed client(loop_, server_.remote());
    if (i % 2 == 0) {
      ASSERT_TRUE(client.synced());
    }
    loop_.run(
        [&] { client.client_->transact(json::parse(kAddSwitch).get_array(), [](const Result<json::array>&) {}); });
  }
}

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
    cluster_.start(folder_);
  }

  TempFolder folder_;
  Cluster cluster_;
  LoopThread loop_;
};

TEST_F(ClusterTest, FollowsTheLeaderAndSurvivesItsDeath) {
  Observed client(loop_, cluster_.remotes());
  Observed over_tcp(loop_, cluster_.tcp_remotes());
  ASSERT_TRUE(client.synced() && over_tcp.synced());
  ASSERT_TRUE(client.transact(kAddSwitch));
  EXPECT_EQ(client.count("Logical_Switch"), 1U);
  ASSERT_TRUE(over_tcp.eventually_count("Logical_Switch", 1));

  const auto first = cluster_.leader();
  ASSERT_TRUE(first);
  cluster_[*first].kill();
  ASSERT_TRUE(loop_.eventually([&] { return client.disconnects_ >= 1; }));
  ASSERT_TRUE(client.synced(2) && over_tcp.synced(2));
  EXPECT_EQ(client.count("Logical_Switch"), 1U);
  const auto again = client.transact(kAddSwitch);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_TRUE(over_tcp.eventually_count("Logical_Switch", 2));

  const auto second = cluster_.leader();
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
  cluster_[*first].start();  // comes back as a follower
  ASSERT_TRUE(over_tcp.transact(kAddSwitch));
  ASSERT_TRUE(client.eventually_count("Logical_Switch", 3));
}

TEST_F(ClusterTest, MovesOnWhenLeadershipIsHandedOver) {
  Observed client(loop_, cluster_.remotes());
  ASSERT_TRUE(client.synced());
  ASSERT_TRUE(client.transact(kAddSwitch));
  const auto first = cluster_.leader();
  ASSERT_TRUE(first);
  ASSERT_TRUE(
      run_program({"ovs-appctl", "-t", cluster_[*first].control(), "cluster/failure-test", "transfer-leadership"}) ||
      run_program({"ovs-appctl", "-t", cluster_[*first].control(), "cluster/leave", "OVN_Northbound"}));
  ASSERT_TRUE(loop_.eventually([&] { return client.disconnects_ >= 1; }));
  ASSERT_TRUE(client.synced(2));
  EXPECT_EQ(client.count("Logical_Switch"), 1U);
  EXPECT_TRUE(client.transact(kAddSwitch));
}

}  // namespace
}  // namespace berth::test
