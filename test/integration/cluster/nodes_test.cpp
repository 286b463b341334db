// Two nodes on real OVN and Open vSwitch, with a logical network made by hand: packets pass between the nodes, and
// nothing is left afterwards. No part of Berth's own network code is involved.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "dev/cluster/ovn_central.h"
#include "dev/node/node.h"
#include "dev/node/offload.h"
#include "dev/process/netns.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

struct Pod {
  std::string name;
  std::string logical_switch;
  std::string address;
  std::string gateway;
  std::string mac;
};

class NodesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "making network namespaces needs root";
    std::string pattern = (fs::temp_directory_path() / "berth-nodes-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override {
    if (!base_.empty()) fs::remove_all(base_);
  }

  static void expect_ok(const Status& status) { EXPECT_TRUE(status) << status.error().message; }

  static std::string run(Supervisor& supervisor, std::vector<std::string> argv, const std::string& netns = {}) {
    auto out = run_command(supervisor, {.name = argv[0], .argv = argv, .netns = netns, .timeout = seconds(40)});
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : "";
  }

  // A router with two switches behind it, 10.1.0.0/24 and 10.2.0.0/24.
  static void make_network(Supervisor& supervisor, const std::string& northbound) {
    std::vector<std::string> argv = {"ovn-nbctl", "--db=" + northbound, "lr-add", "r"};
    for (const int i : {1, 2}) {
      const std::string line = fmt::format(
          "-- ls-add sw{0} -- lrp-add r r-sw{0} 00:00:00:00:0{0}:01 10.{0}.0.1/24 -- lsp-add sw{0} sw{0}-r "
          "-- lsp-set-type sw{0}-r router -- lsp-set-addresses sw{0}-r router -- lsp-set-options sw{0}-r "
          "router-port=r-sw{0}",
          i);
      std::istringstream words(line);
      for (std::string word; words >> word;) argv.push_back(word);
    }
    run(supervisor, argv);
  }

  static void make_pod(Supervisor& supervisor, Ledger& ledger, const std::string& northbound, const Node& node,
                       const std::string& netns, const Pod& pod) {
    run(supervisor, {"ovn-nbctl", "--db=" + northbound, "lsp-add", pod.logical_switch, pod.name, "--",
                     "lsp-set-addresses", pod.name, pod.mac + " " + pod.address});
    expect_ok(ledger.make_namespace(netns));
    expect_ok(ip_batch(
        supervisor, node.netns(),
        fmt::format("link add {0} type veth peer name eth0 netns {1}\nlink set {0} mtu 1400 up\n", pod.name, netns)));
    expect_ok(ip_batch(supervisor, netns,
                       fmt::format("link set eth0 address {} mtu 1400 up\naddr add {}/24 dev eth0\n"
                                   "route add default via {}\n",
                                   pod.mac, pod.address, pod.gateway)));
    expect_ok(netns::run_inside(netns, [] { return disable_checksum_offload("eth0"); }));
    run(supervisor, {"ovs-vsctl", "--timeout=30", "--db=" + node.ovs_db(), "add-port", "br-int", pod.name, "--", "set",
                     "interface", pod.name, "external_ids:iface-id=" + pod.name});
  }

  fs::path base_;
};

TEST_F(NodesTest, PacketsPassThroughGeneveAndTheRouterAndNothingIsLeft) {
  const std::string dir = base_ / "run";
  auto ledger = Ledger::open(dir);
  ASSERT_TRUE(ledger) << ledger.error().message;
  const std::string prefix = "berth-" + ledger->id();
  {
    Supervisor supervisor(&*ledger);
    auto run_dir = RunDir::make(*ledger, {}, base_);
    ASSERT_TRUE(run_dir) << run_dir.error().message;
    auto central = OvnCentral::start(supervisor, *run_dir);
    ASSERT_TRUE(central) << central.error().message;
    auto fabric = Fabric::make(supervisor, *ledger, *run_dir);
    ASSERT_TRUE(fabric) << fabric.error().message;

    std::vector<std::future<Result<std::unique_ptr<Node>>>> starting;
    for (const int i : {1, 2}) {
      starting.push_back(std::async(std::launch::async, [&, i] {
        return Node::start(supervisor, *ledger, *run_dir, *fabric,
                           {.name = fmt::format("node-{}", i), .index = i, .southbound = (*central)->southbound()});
      }));
    }
    std::vector<std::unique_ptr<Node>> nodes;
    for (auto& future : starting) {
      auto node = future.get();
      ASSERT_TRUE(node) << node.error().message;
      nodes.push_back(std::move(*node));
    }
    for (const auto& node : nodes) expect_ok((*central)->await_chassis(node->chassis()));

    const std::string north = (*central)->northbound();
    make_network(supervisor, north);
    make_pod(supervisor, *ledger, north, *nodes[0], prefix + "-pa",
             {"pa", "sw1", "10.1.0.2", "10.1.0.1", "02:00:00:00:01:02"});
    make_pod(supervisor, *ledger, north, *nodes[1], prefix + "-pb",
             {"pb", "sw1", "10.1.0.3", "10.1.0.1", "02:00:00:00:01:03"});
    make_pod(supervisor, *ledger, north, *nodes[1], prefix + "-pc",
             {"pc", "sw2", "10.2.0.2", "10.2.0.1", "02:00:00:00:02:02"});
    run(supervisor, {"ovn-nbctl", "--db=" + north, "--timeout=30", "--wait=hv", "sync"});
    for (const char* target : {"10.1.0.3", "10.2.0.2"}) {
      const auto said = run(supervisor, {"ping", "-c", "3", "-i", "0.2", "-w", "20", target}, prefix + "-pa");
      EXPECT_NE(said.find(" 3 received"), std::string::npos) << said;
    }
    EXPECT_EQ(netns::list(prefix).size(), 6U);
  }
  const auto cleaned = ledger->clean_up();
  EXPECT_TRUE(cleaned) << cleaned.error().message;
  expect_ok(ledger->close());
  EXPECT_TRUE(netns::list(prefix).empty());
  EXPECT_FALSE(fs::exists(dir));
  EXPECT_TRUE(fs::is_empty(base_));
}

}  // namespace
}  // namespace berth::dev
