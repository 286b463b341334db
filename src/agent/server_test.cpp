#include "agent/server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include <boost/json/parse.hpp>

#include "agent/testing/fake_wiring.h"
#include "base/event_loop.h"
#include "cni/exchange.h"
#include "cni/plugin.h"
#include "kube/testing/fake_transport.h"

namespace berth::agent {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// A real socket and a real loop; cluster and node are fakes.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-server-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/run/agent.sock";
    Attacher::Options options;
    options.node = "node-1";
    attacher_ = std::make_unique<Attacher>(loop_, transport_, view_, wiring_, metrics_, options);
    thread_ = std::thread([this] { loop_.run(); });
  }

  ~ServerTest() override {
    server_.reset();
    loop_.stop();
    thread_.join();
    std::filesystem::remove_all(directory_);
  }

  void serve(uid_t uid) {
    CniServer::Options options;
    options.path = path_;
    options.uid = uid;
    auto server = CniServer::start(options, loop_, *attacher_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  // Runs fn on the loop's thread.
  template <typename Fn>
  auto on_loop(Fn fn) {
    std::packaged_task<decltype(fn())()> task(std::move(fn));
    auto future = task.get_future();
    loop_.post([&task] { task(); });
    return future.get();
  }

  void sync() {
    on_loop([this] {
      view_.on_pods(kube::Replace{{}, "1"});
      view_.on_subnets(kube::Replace{{}, "1"});
      view_.on_nodes(kube::Replace{{json::object{{"metadata", {{"name", "node-1"}}}}}, "1"});
    });
  }

  // As berth-cni does.
  cni::Output plugin(const std::string& command, std::chrono::milliseconds patience = 20s) {
    const auto environment = [&](const char* name) -> std::string {
      const std::map<std::string, std::string> all = {
          {"CNI_COMMAND", command},
          {"CNI_CONTAINERID", "c1"},
          {"CNI_NETNS", "/run/netns/p"},
          {"CNI_IFNAME", "eth0"},
          {"CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p;K8S_POD_UID=u1"}};
      const auto it = all.find(name);
      return it == all.end() ? std::string() : it->second;
    };
    const std::string config =
        R"({"cniVersion":"1.1.0","name":"berth","type":"berth-cni","server_socket":")" + path_ + "\"}";
    return cni::run(environment, config, [&](const cni::Call& call, const std::string& message) {
      return cni::exchange_message(call.socket, message, patience);
    });
  }

  // Whether it comes true on the loop's thread before long.
  bool eventually(const std::function<bool()>& condition) {
    for (const auto limit = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < limit;) {
      if (on_loop(condition)) return true;
    }
    return false;
  }

  std::string directory_;
  std::string path_;
  EventLoop loop_;
  kube::testing::FakeTransport transport_{loop_};
  NodeView view_;
  agent::testing::FakeWiring wiring_{loop_};
  Metrics metrics_;
  std::unique_ptr<Attacher> attacher_;
  std::unique_ptr<CniServer> server_;
  std::thread thread_;
};

TEST_F(ServerTest, CarriesCallsFromThePluginToTheAttacher) {
  serve(::geteuid());
  const auto early = plugin("STATUS");
  EXPECT_EQ(early.exit_status, 1);
  EXPECT_EQ(json::parse(early.text).at("code").as_int64(), cni::kNotAvailable);
  sync();
  EXPECT_EQ(plugin("STATUS").exit_status, 0);
  const auto deleted = plugin("DEL");
  EXPECT_EQ(deleted.exit_status, 0) << deleted.text;
  EXPECT_EQ(on_loop([this] { return wiring_.calls; }), std::vector<std::string>{"unwire c1 eth0"});
}

TEST_F(ServerTest, TheSocketIsForOneUserOnly) {
  serve(::geteuid() + 1);
  sync();
  const auto output = plugin("DEL");
  EXPECT_EQ(output.exit_status, 1);
  const auto details = std::string(json::parse(output.text).at("details").as_string());
  EXPECT_TRUE(details.contains("403")) << details;
  EXPECT_TRUE(on_loop([this] { return wiring_.calls.empty(); }));
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(ServerTest, ACallerThatLeavesAbandonsItsAdd) {
  serve(::geteuid());
  sync();
  std::thread caller([&] { (void)plugin("ADD", 500ms); });
  EXPECT_TRUE(eventually([this] { return attacher_->waiting() == 1; }));
  caller.join();
  EXPECT_TRUE(eventually([this] { return attacher_->waiting() == 0; }));
}

TEST_F(ServerTest, ABadRequestIsAnswered) {
  serve(::geteuid());
  const auto reply = cni::exchange_message(path_, R"({"version":1,"command":"ADD","container_id":"../x"})", 20s);
  ASSERT_TRUE(reply) << reply.error().details;
  EXPECT_EQ(json::parse(*reply).at("error").at("code").as_int64(), cni::kInvalidEnvironment);
}

TEST_F(ServerTest, AMessageThatIsTooLongIsRefused) {
  serve(::geteuid());
  const auto reply = cni::exchange_message(path_, std::string(cni::kMaxMessageBytes + 1, ' '), 20s);
  EXPECT_FALSE(reply);
  EXPECT_EQ(plugin("VERSION").exit_status, 0);
  sync();
  EXPECT_EQ(plugin("STATUS").exit_status, 0);  // it still serves
}

TEST(MetricsServerTest, RefusesWhatIsNoAddress) {
  Metrics metrics;
  for (const auto text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:99999"})
    EXPECT_FALSE(serve_metrics(text, metrics)) << text;
  const auto server = serve_metrics("127.0.0.1:0", metrics);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_NE((*server)->port(), 0);
}

}  // namespace
}  // namespace berth::agent
