// The verifier's eyes on a real OVN database and real network namespaces, with things put there by hand.

#include "dev/demo/eyes.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "dev/cluster/ovn_central.h"
#include "dev/demo/verdict.h"
#include "dev/node/fabric.h"
#include "dev/process/netns.h"
#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

boost::json::value pod(const std::string& name, const std::string& node, const std::string& address) {
  return boost::json::object{
      {"metadata", {{"namespace", "a"}, {"name", name}, {"uid", "uid-" + name}}},
      {"spec", {{"nodeName", node}}},
      {"status",
       {{"phase", "Running"},
        {"podIPs", boost::json::array{boost::json::object{{"ip", address}}}},
        {"conditions", boost::json::array{boost::json::object{{"type", "Ready"}, {"status", "True"}}}}}}};
}

// One workload of a bare pod in a Subnet of its own.
MeantPods meant(const std::string& name, const std::string& cidr) {
  MeantPods pods;
  pods.ns = "a";
  pods.workload = "Pod/" + name;
  pods.pod_name = name;
  pods.subnet = {"s-" + name, parse_prefixes(cidr), {}};
  return pods;
}

class EyesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-eyes-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    auto ledger = Ledger::open(base_ / "run");
    ASSERT_TRUE(ledger) << ledger.error().message;
    ledger_ = std::make_unique<Ledger>(std::move(*ledger));
    supervisor_ = std::make_unique<Supervisor>(ledger_.get());
    auto dir = RunDir::make(*ledger_, base_);
    ASSERT_TRUE(dir) << dir.error().message;
    dir_ = std::make_unique<RunDir>(*dir);
    auto central = OvnCentral::start(*supervisor_, *dir_);
    ASSERT_TRUE(central) << central.error().message;
    central_ = std::move(*central);
    places_.ovn_nb = central_->northbound();
    places_.datapath = false;
  }

  void TearDown() override {
    api_.reset();
    central_.reset();
    supervisor_.reset();
    if (ledger_) {
      EXPECT_TRUE(ledger_->clean_up());
      EXPECT_TRUE(ledger_->close());
    }
    fs::remove_all(base_);
  }

  // An API that holds these pods and nothing else.
  Api& api_with(std::vector<boost::json::value> pods) {
    api_ = std::make_unique<Api>([pods](Scheduler& scheduler) {
      auto transport = std::make_unique<kube::testing::FakeTransport>(scheduler);
      transport->responder = [pods](const api::Request& request) -> Result<boost::json::value> {
        boost::json::array items;
        if (request.kind == api::Kind::pod) items.insert(items.end(), pods.begin(), pods.end());
        return boost::json::object{{"items", items}};
      };
      return transport;
    });
    return *api_;
  }

  void nbctl(std::vector<std::string> words) {
    words.insert(words.begin(), {"ovn-nbctl", "--db=" + places_.ovn_nb});
    const auto done = run_command(*supervisor_, {.name = "ovn-nbctl", .argv = words, .timeout = 20s});
    ASSERT_TRUE(done) << done.error().message;
  }

  fs::path base_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<RunDir> dir_;
  std::unique_ptr<OvnCentral> central_;
  std::unique_ptr<Api> api_;
  Places places_;
};

TEST_F(EyesTest, RowsThatSomebodyLeavesBehindAreSeen) {
  Eyes eyes(api_with({}), *supervisor_, places_);
  nbctl({"ls-add", "mine", "--", "acl-add", "mine", "to-lport", "1", "ip4", "drop"});
  const auto before = eyes.inventory();
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_TRUE(before->contains("OVN Logical_Switch mine"));

  nbctl({"ls-add", "s",    "--", "lsp-add", "s", "p.a", "--",           "acl-add", "s",          "to-lport", "1",
         "ip4",    "drop", "--", "lr-add",  "r", "--",  "lr-route-add", "r",       "10.0.0.0/8", "10.1.0.1"});
  auto after = eyes.inventory();
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(judge_gone(*before, *after).failures().size(), 5U);  // switch, port, router, route, and one more such ACL

  nbctl({"ls-del", "s", "--", "lr-del", "r"});
  after = eyes.inventory();
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_TRUE(judge_gone(*before, *after).holds());
}

TEST_F(EyesTest, WithoutADataPathPodsAndPortsAreSeen) {
  nbctl(
      {"ls-add", "s-p", "--", "lsp-add", "s-p", "p.a", "--", "lsp-set-addresses", "p.a", "00:00:00:00:00:01 10.1.0.2"});
  Eyes eyes(api_with({pod("p", "n1", "10.1.0.2")}), *supervisor_, places_);
  Expectation expectation;
  expectation.namespaces = {"a"};
  expectation.pods = {meant("p", "10.1.0.0/24")};
  const auto seen = eyes.look(expectation, 0s);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_TRUE(judge(expectation, *seen).holds());

  expectation.pods = {meant("p", "10.2.0.0/24")};
  EXPECT_FALSE(judge(expectation, *seen).holds());
}

TEST_F(EyesTest, PodsAreLookedIntoAndPingEachOther) {
  if (::geteuid() != 0) GTEST_SKIP() << "making network namespaces needs root";
  const auto netns_of = [&](const std::string& name) { return dir_->namespace_of(name); };
  ASSERT_TRUE(ledger_->make_namespace(netns_of("p")));
  ASSERT_TRUE(ledger_->make_namespace(netns_of("q")));
  ASSERT_TRUE(
      ip_batch(*supervisor_, netns_of("p"),
               fmt::format("link add eth0 type veth peer name eth0 netns {}\naddr add 10.1.0.2/24 dev eth0\n"
                           "link set eth0 up\nroute add 10.2.0.0/24 dev eth0\nroute add 198.51.100.0/24 via 10.1.0.1\n",
                           netns_of("q"))));
  ASSERT_TRUE(ip_batch(*supervisor_, netns_of("q"), "addr add 10.2.0.2/24 dev eth0\nlink set eth0 up\n"));
  nbctl({"ls-add",
         "s-p",
         "--",
         "lsp-add",
         "s-p",
         "p.a",
         "--",
         "lsp-set-addresses",
         "p.a",
         "00:00:00:00:00:01 10.1.0.2",
         "--",
         "ls-add",
         "s-q",
         "--",
         "lsp-add",
         "s-q",
         "q.a",
         "--",
         "lsp-set-addresses",
         "q.a",
         "00:00:00:00:00:02 10.2.0.2"});

  places_.datapath = true;
  places_.netns_of = [&](const SeenPod& seen) { return netns_of(seen.name); };
  places_.pod_netns = [] { return std::vector<std::string>{}; };
  Eyes eyes(api_with({pod("p", "n1", "10.1.0.2"), pod("q", "n2", "10.2.0.2")}), *supervisor_, places_);
  Expectation expectation;
  expectation.namespaces = {"a"};
  expectation.pods = {meant("p", "10.1.0.0/24"), meant("q", "10.2.0.0/24")};
  expectation.pods[0].hook = true;
  expectation.pods[0].route = MeantRoute{"198.51.100.0/24", "10.1.0.1"};

  // q has no way back yet.
  auto seen = eyes.look(expectation, 0s);
  ASSERT_TRUE(seen) << seen.error().message;
  const auto failures = judge(expectation, *seen).failures();
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].what, "ping");
  EXPECT_EQ(failures[1].what, "ping");

  ASSERT_TRUE(ip_batch(*supervisor_, netns_of("q"), "route add 10.1.0.0/24 dev eth0\n"));
  seen = eyes.look(expectation, 20s);
  ASSERT_TRUE(seen) << seen.error().message;
  for (const Check& check : judge(expectation, *seen).failures())
    ADD_FAILURE() << check.subject << ": " << check.detail;
  ASSERT_EQ(seen->pings.size(), 2U);
  EXPECT_TRUE(seen->pings[0].across_nodes);
  EXPECT_TRUE(seen->pings[0].through_router);
}

}  // namespace
}  // namespace berth::dev
