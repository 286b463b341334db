// ovn::Northbound over real servers: what it writes is what the real schema accepts, rows removed by hand come back,
// and of two controllers on a raft cluster the one of the older epoch writes nothing any more.

#include "ovn/northbound.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/json/parse.hpp>

#include "integration/ovsdb/loop_thread.h"
#include "integration/ovsdb/raw_connection.h"
#include "integration/ovsdb/servers.h"
#include "ovsdb/client.h"

namespace berth::test {
namespace {

using namespace world;

LogicalRouter vpc() {
  LogicalRouter out;
  out.name = "ovn-cluster";
  out.routes = {{"0.0.0.0/0", "100.64.0.1", false}, {"10.9.0.0/16", "10.16.0.1", true}};
  out.policies = {{31000, "ip4.dst == 10.16.0.0/16", "allow", {}},
                  {29000, "ip4.src == 10.16.0.0/16", "reroute", {"100.64.0.2", "100.64.0.3"}}};
  return out;
}

LogicalSwitch subnet() {
  return {"ovn-default", "ovn-cluster", {"10.16.0.1/16", "fd00::1/64"}, *net::Mac::parse("02:00:00:00:00:01")};
}

LogicalPort pod(const std::string& name) {
  return {name,
          "ovn-default",
          *net::Mac::parse("02:00:00:00:00:07"),
          {*net::Address::parse("10.16.0.7"), *net::Address::parse("fd00::7")},
          {{"pod", "ns/p"}, {"berth-owner", "uid"}}};
}

// A controller's view of the northbound database, used from the test's thread.
class Controller {
 public:
  Controller(LoopThread& loop, std::string remotes) : loop_(loop) {
    loop_.run([&] {
      ovsdb::ClientOptions options;
      options.remotes = std::move(remotes);
      options.database = "OVN_Northbound";
      options.monitored = ovn::monitored_columns();
      options.backoff_min = std::chrono::milliseconds(100);
      client_ = std::move(*ovsdb::Client::create(loop_.loop(), std::move(options)));
      northbound_ = std::make_unique<ovn::Northbound>(loop_.loop(), *client_);
      northbound_->start(
          {.on_synced = [this] { ++synced_; },
           .on_lost = [this](const Error&) { ++lost_; },
           .on_router = [this](const auto& name, auto object) { note(routers_, name, std::move(object)); },
           .on_switch = [this](const auto& name, auto object) { note(switches_, name, std::move(object)); },
           .on_port = [this](const auto& name, auto object) { note(ports_, name, std::move(object)); }});
    });
    EXPECT_TRUE(synced());
  }
  ~Controller() {
    loop_.run([this] {
      northbound_.reset();
      client_.reset();
    });
  }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  bool synced(int times = 1) {
    return loop_.eventually([&] { return synced_ >= times && client_->connected(); });
  }
  Status commit(std::vector<OvnChange> changes) {
    return ask([&](auto done) { northbound_->commit(std::move(changes), std::move(done)); });
  }
  Status raise(std::uint64_t epoch) {
    return ask([&](auto done) { northbound_->raise_epoch(epoch, std::move(done)); });
  }
  bool holds_everything() {
    return loop_.eventually([&] {
      const auto router = routers_.find("ovn-cluster");
      const auto logical_switch = switches_.find("ovn-default");
      const auto port = ports_.find("p.ns");
      return router != routers_.end() && router->second == vpc() && logical_switch != switches_.end() &&
             logical_switch->second == subnet() && port != ports_.end() && port->second == pod("p.ns");
    });
  }

  LoopThread& loop_;
  std::unique_ptr<ovsdb::Client> client_;
  std::unique_ptr<ovn::Northbound> northbound_;
  int synced_ = 0;
  int lost_ = 0;
  std::map<std::string, LogicalRouter> routers_;
  std::map<std::string, LogicalSwitch> switches_;
  std::map<std::string, LogicalPort> ports_;

 private:
  template <typename T>
  void note(std::map<std::string, T>& objects, const std::string& name, std::optional<T> object) {
    if (object) {
      objects.insert_or_assign(name, *object);
    } else {
      EXPECT_EQ(objects.erase(name), 1U) << name;
    }
  }
  Status ask(const std::function<void(std::function<void(Status)>)>& call) {
    auto answer = std::make_shared<std::optional<Status>>();
    loop_.run([&] { call([answer](Status s) { *answer = std::move(s); }); });
    if (!loop_.eventually([&] { return answer->has_value(); })) return fail(ErrorCode::timeout, "no answer");
    return **answer;
  }
};

std::size_t rows_of(Server& server, const std::string& table) {
  const auto select = boost::json::parse(R"([{"op":"select","table":")" + table + R"(","where":[]}])").get_array();
  return RawConnection(server.socket()).transact("OVN_Northbound", select).at(0).at("rows").get_array().size();
}

class NorthboundServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
  }
  TempFolder folder_;
  LoopThread loop_;
};

TEST_F(NorthboundServerTest, WritesReadsRepairsAndRemoves) {
  ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "nb.db", kNorthboundSchema}));
  Server server(folder_, "nb");
  server.start();
  Controller controller(loop_, server.remote());
  ASSERT_TRUE(controller.raise(1));
  const std::vector<OvnChange> wishes{PutRouter{vpc()}, PutSwitch{subnet()}, PutPort{pod("p.ns")}};
  const auto status = controller.commit(wishes);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE(controller.holds_everything());
  Controller other(loop_, server.remote());
  EXPECT_TRUE(other.holds_everything());

  for (const char* by_hand :
       {R"([{"op":"delete","table":"Logical_Switch","where":[]}])",
        R"([{"op":"delete","table":"Logical_Router","where":[]}])",
        R"([{"op":"update","table":"Logical_Switch","where":[],"row":{"ports":["set",[]]}}])",
        R"([{"op":"update","table":"Logical_Router","where":[],"row":{"ports":["set",[]],"policies":["set",[]]}}])",
        R"([{"op":"update","table":"Logical_Router_Port","where":[],"row":{"networks":"10.0.0.1/8"}}])"}) {
    (void)RawConnection(server.socket()).transact("OVN_Northbound", boost::json::parse(by_hand).get_array());
    ASSERT_TRUE(loop_.eventually([&] {
      return !controller.routers_.contains("ovn-cluster") || controller.routers_["ovn-cluster"] != vpc() ||
             !controller.switches_.contains("ovn-default") || controller.switches_["ovn-default"] != subnet() ||
             !controller.ports_.contains("p.ns");
    })) << by_hand;
    ASSERT_TRUE(controller.commit(wishes)) << by_hand;
    EXPECT_TRUE(controller.holds_everything()) << by_hand;
  }
  ASSERT_TRUE(controller.commit({RemovePort{"p.ns"}, RemoveSwitch{"ovn-default"}, RemoveRouter{"ovn-cluster"}}));
  for (const char* table : {"Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port",
                            "Logical_Router_Policy", "Logical_Router_Static_Route"}) {
    EXPECT_EQ(rows_of(server, table), 0U) << table;
  }
}

TEST_F(NorthboundServerTest, ManyCallsAtOnce) {
  ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "nb.db", kNorthboundSchema}));
  Server server(folder_, "nb");
  server.start();
  Controller controller(loop_, server.remote());
  ASSERT_TRUE(controller.commit({PutRouter{vpc()}, PutSwitch{subnet()}}));
  int good = 0;
  int bad = 0;
  loop_.run([&] {
    for (int i = 0; i < 1000; ++i) {
      auto port = pod("p" + std::to_string(i) + ".ns");
      if (i == 500) port.switch_name = "nowhere";
      controller.northbound_->commit({PutPort{port}}, [&](const Status& s) { ++(s ? good : bad); });
    }
  });
  ASSERT_TRUE(loop_.eventually([&] { return good + bad == 1000; }));
  EXPECT_EQ(bad, 1);
  EXPECT_EQ(rows_of(server, "Logical_Switch_Port"), 1000U);  // 999 pods and the router's
  loop_.run([&] { EXPECT_EQ(controller.ports_.size(), 999U); });
}

TEST_F(NorthboundServerTest, OnAClusterTheOlderOfTwoControllersIsFenced) {
  Cluster cluster;
  cluster.start(folder_);
  Controller old(loop_, cluster.remotes());
  Controller fresh(loop_, cluster.tcp_remotes());
  ASSERT_TRUE(old.raise(7));
  ASSERT_TRUE(old.commit({PutRouter{vpc()}, PutSwitch{subnet()}}));
  ASSERT_TRUE(fresh.raise(8));
  const auto fenced = old.commit({PutPort{pod("p.ns")}});
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code, ErrorCode::fenced) << fenced.error().message;
  ASSERT_TRUE(fresh.commit({PutPort{pod("p.ns")}}));
  EXPECT_TRUE(fresh.holds_everything());

  // The leader dies; the fence holds on the next one, and what was committed is there.
  const auto leader = cluster.leader();
  ASSERT_TRUE(leader);
  cluster[*leader].kill();
  ASSERT_TRUE(loop_.eventually([&] { return old.lost_ >= 1 && fresh.lost_ >= 1; }));
  ASSERT_TRUE(old.synced(2) && fresh.synced(2));
  EXPECT_TRUE(fresh.holds_everything());
  const auto still = old.commit({RemovePort{"p.ns"}});
  ASSERT_FALSE(still);
  EXPECT_EQ(still.error().code, ErrorCode::fenced) << still.error().message;
  EXPECT_EQ(old.raise(7).error().code, ErrorCode::fenced);
  ASSERT_TRUE(fresh.commit({PutPort{pod("q.ns")}, RemovePort{"p.ns"}}));
  const auto next = cluster.leader();
  ASSERT_TRUE(next);
  EXPECT_EQ(rows_of(cluster[*next], "Logical_Switch_Port"), 2U);
}

}  // namespace
}  // namespace berth::test
