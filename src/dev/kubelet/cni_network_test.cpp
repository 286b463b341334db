#include "dev/kubelet/cni_network.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "base/manual_scheduler.h"
#include "dev/kubelet/fakes.h"
#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class CniNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-cni-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    fs::create_directories(base_ / "bin");
    fs::create_directories(base_ / "net.d");
    for (const char* plugin : {"main", "tuning", "other"}) {
      std::ofstream(base_ / "bin" / plugin) << "#!/bin/sh\n";
      fs::permissions(base_ / "bin" / plugin, fs::perms::owner_all);
    }
    install("10-a.conflist",
            R"({"cniVersion":"1.0.0","name":"cluster","plugins":[{"type":"main","x":1},{"type":"tuning"}]})");
    sandbox_ = {.ns = "ns", .pod = "p", .uid = "u1", .id = "c1", .namespace_ = "b-1", .networks = {}};
    network_.emplace(scheduler_, host_, transport_,
                     CniOptions{.plugin_dirs = {base_ / "bin"},
                                .conf_dir = base_ / "net.d",
                                .node_netns = "node",
                                .run_dir = "/somewhere/run"});
  }
  void TearDown() override { fs::remove_all(base_); }

  void install(const std::string& name, const std::string& text) { std::ofstream(base_ / "net.d" / name) << text; }

  void attach() {
    network_->attach(sandbox_, [this](Result<PodAddresses> result) { attached_ = std::move(result); });
    scheduler_.run_until_idle();
  }
  void detach() {
    network_->detach(sandbox_, [this](const Status& status) { detached_ = status; });
    scheduler_.run_until_idle();
  }

  // The plugin that runs, as "ADD main eth0"; "" if none does.
  std::string running() {
    if (host_.processes.empty()) return "";
    const auto& spec = host_.processes.begin()->second.spec;
    return env("CNI_COMMAND") + " " + fs::path(spec.argv[0]).filename().string() + " " + env("CNI_IFNAME");
  }
  std::string env(const std::string& name) {
    for (const auto& pair : host_.processes.begin()->second.spec.env) {
      if (pair.starts_with(name + "=")) return pair.substr(name.size() + 1);
    }
    return "(unset)";
  }
  json::object config() { return json::parse(host_.processes.begin()->second.spec.input).as_object(); }
  void end(int code, std::string output = {}) {
    host_.end(host_.processes.begin()->first, {.code = code, .output = std::move(output)});
    scheduler_.run_until_idle();
  }

  static constexpr const char* kResult =
      R"({"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01"}],
          "ips":[{"address":"10.0.0.2/24"},{"address":"fd00::2/64"}]})";

  fs::path base_;
  ManualScheduler scheduler_;
  FakeHost host_{scheduler_};
  kube::testing::FakeTransport transport_{scheduler_};
  Sandbox sandbox_;
  std::optional<CniNetwork> network_;
  std::optional<Result<PodAddresses>> attached_;
  std::optional<Status> detached_;
};

TEST_F(CniNetworkTest, RunsTheChainWithTheProtocolsEnvironment) {
  attach();
  ASSERT_EQ(running(), "ADD main eth0");
  const auto& spec = host_.processes.begin()->second.spec;
  EXPECT_EQ(spec.netns, "node");
  EXPECT_EQ(spec.run_dir, "/somewhere/run");
  EXPECT_TRUE(spec.clean_env);
  EXPECT_GT(spec.timeout, Duration::zero());
  EXPECT_EQ(env("CNI_CONTAINERID"), "c1");
  EXPECT_EQ(env("CNI_NETNS"), "/run/netns/b-1");
  EXPECT_EQ(env("CNI_ARGS"),
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1");
  EXPECT_EQ(json::serialize(config()), R"({"type":"main","x":1,"name":"cluster","cniVersion":"1.0.0"})");
  end(0, kResult);
  ASSERT_EQ(running(), "ADD tuning eth0");
  EXPECT_EQ(config().at("prevResult"), json::parse(kResult));
  EXPECT_FALSE(attached_);
  end(0, kResult);
  ASSERT_TRUE(attached_ && *attached_);
  EXPECT_EQ((*attached_)->addresses, (std::vector<std::string>{"10.0.0.2", "fd00::2"}));
  EXPECT_EQ((*attached_)->network_status, "");

  detach();
  ASSERT_EQ(running(), "DEL tuning eth0");
  EXPECT_EQ(config().at("prevResult"), json::parse(kResult));
  end(0);
  ASSERT_EQ(running(), "DEL main eth0");
  EXPECT_FALSE(detached_);
  end(0);
  ASSERT_TRUE(detached_ && *detached_);
}

TEST_F(CniNetworkTest, APluginsErrorIsToldInItsWordsAndWhatItBeganIsDeleted) {
  attach();
  end(1, R"({"cniVersion":"1.0.0","code":11,"msg":"try again","details":"no address yet"})");
  ASSERT_TRUE(attached_ && !*attached_);
  EXPECT_EQ(attached_->error().message, R"(plugin type="main" ADD eth0 failed: try again: no address yet (code 11))");
  detach();
  ASSERT_EQ(running(), "DEL tuning eth0");
  end(0);
  EXPECT_EQ(running(), "DEL main eth0");
}

TEST_F(CniNetworkTest, RubbishAndTimeOutsAreErrors) {
  attach();
  end(0, "not json");
  ASSERT_TRUE(attached_ && !*attached_);
  attached_.reset();
  attach();
  host_.end(host_.processes.begin()->first, {.signal = 9, .timed_out = true});
  scheduler_.run_until_idle();
  ASSERT_TRUE(attached_ && !*attached_);
  EXPECT_EQ(attached_->error().code, ErrorCode::timeout);
}

TEST_F(CniNetworkTest, AFailedDeleteIsRepeatedFromWhereItFailed) {
  attach();
  end(0, kResult);
  end(0, kResult);
  detach();
  end(0);
  end(1, R"({"code":5,"msg":"agent is away"})");
  ASSERT_TRUE(detached_ && !*detached_);
  detached_.reset();
  detach();
  EXPECT_TRUE(running().starts_with("DEL "));
  while (!host_.processes.empty()) end(0);
  EXPECT_TRUE(detached_ && *detached_);
}

TEST_F(CniNetworkTest, WithoutConfigurationItIsNotInitialized) {
  fs::remove(base_ / "net.d" / "10-a.conflist");
  install(".hidden.conflist", "{}");
  attach();
  ASSERT_TRUE(attached_ && !*attached_);
  EXPECT_EQ(attached_->error().code, ErrorCode::not_found);
  EXPECT_NE(attached_->error().message.find("not initialized"), std::string::npos);
  detach();
  EXPECT_TRUE(detached_ && *detached_);
  // Installed later, it is used; the first by name counts.
  install("20-b.conf", R"({"cniVersion":"1.0.0","name":"late","type":"other"})");
  install("30-c.conf", R"({"cniVersion":"1.0.0","name":"later","type":"main"})");
  attached_.reset();
  attach();
  EXPECT_EQ(running(), "ADD other eth0");
}

TEST_F(CniNetworkTest, AMissingPluginIsNamed) {
  install("05-x.conf", R"({"cniVersion":"1.0.0","name":"x","type":"nowhere"})");
  attach();
  ASSERT_TRUE(attached_ && !*attached_);
  EXPECT_NE(attached_->error().message.find("nowhere"), std::string::npos);
}

TEST_F(CniNetworkTest, CancelKillsThePlugin) {
  attach();
  network_->cancel(sandbox_);
  EXPECT_EQ(host_.processes.begin()->second.stopped, std::vector<Duration>{Duration::zero()});
  host_.end(host_.processes.begin()->first, {.signal = 9});
  scheduler_.run_until_idle();
  EXPECT_TRUE(attached_ && !*attached_);
}

TEST_F(CniNetworkTest, FurtherNetworksAreAttachedAsMultusDoes) {
  sandbox_.networks =
      R"([{"name":"storage"},{"name":"backup","namespace":"infra","interface":"bk0","ips":["10.9.0.7/24"]}])";
  const auto definition = [](const std::string& config) { return json::value{{"spec", {{"config", config}}}}; };
  attach();
  EXPECT_TRUE(host_.processes.empty());
  auto asked =
      transport_.answer(definition(R"({"cniVersion":"0.3.1","name":"storage","type":"other","provider":"p"})"));
  EXPECT_EQ(asked.ns + "/" + asked.name, "ns/storage");
  scheduler_.run_until_idle();
  asked = transport_.answer(definition(R"({"cniVersion":"1.0.0","name":"backup","plugins":[{"type":"other"}]})"));
  EXPECT_EQ(asked.ns + "/" + asked.name, "infra/backup");
  scheduler_.run_until_idle();
  end(0, kResult);
  end(0, kResult);
  ASSERT_EQ(running(), "ADD other net1");
  EXPECT_EQ(api::string_at(config(), {"provider"}), "p");
  EXPECT_EQ(api::string_at(config(), {"cniVersion"}), "0.3.1");
  EXPECT_FALSE(config().contains("args"));
  end(0, R"({"ips":[{"address":"10.8.0.2/24"}],"interfaces":[{"name":"net1","mac":"02:00:00:00:00:02"}]})");
  ASSERT_EQ(running(), "ADD other bk0");
  EXPECT_EQ(json::serialize(config().at("args")), R"({"cni":{"ips":["10.9.0.7/24"]}})");
  end(0, R"({"ips":[{"address":"10.9.0.7/24"}]})");
  ASSERT_TRUE(attached_ && *attached_);
  EXPECT_EQ((*attached_)->addresses, (std::vector<std::string>{"10.0.0.2", "fd00::2"}));
  EXPECT_EQ(
      (*attached_)->network_status,
      R"([{"name":"cluster","interface":"eth0","ips":["10.0.0.2","fd00::2"],"mac":"02:00:00:00:00:01","default":true,"dns":{}},)"
      R"({"name":"ns/storage","interface":"net1","ips":["10.8.0.2"],"mac":"02:00:00:00:00:02","default":false,"dns":{}},)"
      R"({"name":"infra/backup","interface":"bk0","ips":["10.9.0.7"],"default":false,"dns":{}}])");
  detach();
  for (const char* wanted : {"DEL other bk0", "DEL other net1", "DEL tuning eth0", "DEL main eth0"}) {
    ASSERT_EQ(running(), wanted);
    end(0);
  }
  EXPECT_TRUE(detached_ && *detached_);
}

TEST_F(CniNetworkTest, ANetworkThatIsNotThereFailsBeforeAnythingIsMade) {
  sandbox_.networks = "ghost";
  attach();
  transport_.answer(fail(ErrorCode::not_found, "no such definition"));
  scheduler_.run_until_idle();
  ASSERT_TRUE(attached_ && !*attached_);
  EXPECT_NE(attached_->error().message.find("ns/ghost"), std::string::npos);
  EXPECT_TRUE(host_.processes.empty());
}

}  // namespace
}  // namespace berth::dev
