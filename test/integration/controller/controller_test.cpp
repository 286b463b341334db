// One berth-controller: what it does when all is there, when something is not yet there, when it is killed, and when it
// is told to stop.

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "http/client.h"
#include "integration/controller/fixture.h"
#include "net/cidr.h"

namespace berth::test {
namespace {

bool lies_in(const std::string& address, const std::string& cidr) {
  const auto parsed = net::Address::parse(address);
  return parsed && net::Cidr::parse(cidr)->contains(*parsed);
}

class OneControllerTest : public ControllerTest {
 protected:
  // The port of the probes is in the log, for it was any free one.
  std::string url(const std::string& path) {
    const std::string log = controller_->log();
    const std::string said = "metrics and probes are served port=";
    const auto at = log.rfind(said);
    EXPECT_NE(at, std::string::npos) << log;
    return fmt::format("http://127.0.0.1:{}{}", std::stoi(log.substr(at + said.size())), path);
  }

  http::ClientResponse get(const std::string& path) {
    std::promise<Result<http::ClientResponse>> answer;
    http::ClientRequest request;
    request.url = url(path);
    http_.send(std::move(request), [&](Result<http::ClientResponse> reply) { answer.set_value(std::move(reply)); });
    auto reply = answer.get_future().get();
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? *reply : http::ClientResponse();
  }

  // The value of a metric without labels, or of one with exactly those.
  double metric(const std::string& name) {
    const std::string text = "\n" + get("/metrics").body;
    const auto at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name << " is not in" << text;
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

  int refusal(std::vector<std::string> flags) {
    controller_->start(std::move(flags));
    return controller_->exit_status();
  }

  http::Client http_{{}};
};

TEST_F(OneControllerTest, SetsUpTheClusterAndBindsPodsToTheirSubnet) {
  start_northbound();
  api_->open();
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return subnet_is_ready("ovn-default") && subnet_is_ready("join"); }))
      << controller_->log();
  EXPECT_EQ(nbctl({"--bare", "--columns=name", "find", "Logical_Switch", "name=ovn-default"}), "ovn-default");
  EXPECT_EQ(nbctl({"--bare", "--columns=name", "find", "Logical_Router", "name=ovn-cluster"}), "ovn-cluster");
  EXPECT_EQ(stored_epoch(), "\"1\"");
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);

  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "a");
  const std::string address = await_bound("web", "a");
  EXPECT_TRUE(lies_in(address, "10.50.0.0/24")) << address;
  EXPECT_EQ(annotation("web", "a", "ovn.kubernetes.io/logical_switch"), "blue");
  EXPECT_EQ(sim::string_at(api_->get("ips", "", "a.web"), {"spec", "ipAddress"}), address);

  EXPECT_EQ(metric("berth_pods_bound_total"), 1);
  EXPECT_EQ(metric("berth_leader"), 1);
  EXPECT_EQ(metric("berth_epoch"), 1);
  EXPECT_EQ(metric("berth_wrong_subnet_delivered_total"), 0);
  EXPECT_EQ(metric("berth_missed_wakeups_total"), 0);
  EXPECT_EQ(metric(R"(subnet_used_ip_count{subnet_name="blue",protocol="IPv4",subnet_cidr="10.50.0.0/24"})"), 1);
  EXPECT_EQ(metric(R"(subnet_available_ip_count{subnet_name="blue",protocol="IPv4",subnet_cidr="10.50.0.0/24"})"), 252);

  api_->remove("pods", "web", "a");
  EXPECT_TRUE(eventually([&] { return port_addresses("a.web").empty() && api_->get("ips", "", "a.web").empty(); }))
      << controller_->log();
}

TEST_F(OneControllerTest, PodsThatComeBeforeTheirSubnetWaitVisiblyAndAreWoken) {
  start_northbound();
  api_->open();
  controller_->start(flags("a"));
  make_namespace("web", R"({"berth.io/expects-subnet": "any"})");
  make_pod("web", "a");
  make_pod("web", "b");
  ASSERT_TRUE(eventually([&] { return waits_for_subnet("web", "a") && waits_for_subnet("web", "b"); }))
      << controller_->log();
  EXPECT_EQ(metric("berth_pods_waiting"), 2);
  EXPECT_EQ(annotation("web", "a", "ovn.kubernetes.io/allocated"), "");

  make_subnet("blue", "10.50.0.0/24", "web");
  const std::string a = await_bound("web", "a");
  const std::string b = await_bound("web", "b");
  EXPECT_TRUE(lies_in(a, "10.50.0.0/24") && lies_in(b, "10.50.0.0/24")) << a << " " << b;
  EXPECT_NE(a, b);
  EXPECT_TRUE(eventually([&] { return metric("berth_pods_waiting") == 0; }));
  EXPECT_EQ(metric("berth_missed_wakeups_total"), 0);
}

TEST_F(OneControllerTest, WithoutLateBindingAPodGetsTheDefaultSubnetAndTheLogSaysThatThisIsUnsafe) {
  start_northbound();
  api_->open();
  controller_->start(flags("a", {"--unsafe-no-late-binding", "--unsafe-skip-confirmation"}));
  make_namespace("web", R"({"berth.io/expects-subnet": "any"})");
  make_pod("web", "a");
  EXPECT_TRUE(lies_in(await_bound("web", "a"), "10.16.0.0/16"));
  EXPECT_TRUE(controller_->logged("UNSAFE: late binding is off"));
  EXPECT_TRUE(controller_->logged("UNSAFE: confirmation is off"));
}

TEST_F(OneControllerTest, KilledAndStartedAgainItGoesOn) {
  start_northbound();
  api_->open();
  controller_->start(flags("a"));
  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "before");
  const std::string before = await_bound("web", "before");

  controller_->signal(SIGKILL);
  EXPECT_EQ(controller_->exit_status(), 128 + SIGKILL);
  make_pod("web", "meanwhile");
  api_->remove("pods", "web", "before");
  make_pod("web", "before");  // another incarnation
  controller_->start(flags("a"));

  const std::string meanwhile = await_bound("web", "meanwhile");
  const std::string again = await_bound("web", "before");
  EXPECT_TRUE(lies_in(meanwhile, "10.50.0.0/24") && lies_in(again, "10.50.0.0/24"));
  EXPECT_NE(meanwhile, again);
  EXPECT_EQ(stored_epoch(), "\"2\"");
}

TEST_F(OneControllerTest, WithoutElectionTheEpochRisesToo) {
  start_northbound();
  api_->open();
  for (const auto* epoch : {"\"1\"", "\"2\""}) {
    controller_->start(flags(std::string("run-") + epoch[1], {"--leader-elect=false"}));
    ASSERT_TRUE(eventually([&] { return stored_epoch() == epoch; })) << controller_->log();
    controller_->signal(SIGKILL);
    EXPECT_EQ(controller_->exit_status(), 128 + SIGKILL);
  }
}

TEST_F(OneControllerTest, AnApiServerThatIsDownAtStartIsWaitedFor) {
  start_northbound();
  controller_->start(flags("a"));
  const std::string said = "the Lease cannot be had from the API server; waiting for it";
  ASSERT_TRUE(eventually([&] { return controller_->logged(said); })) << controller_->log();
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  const auto since = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() - since > std::chrono::seconds(5); }));
  EXPECT_EQ(controller_->count_logged(said), 1) << "it said so more than once:\n" << controller_->log();
  EXPECT_TRUE(controller_->running());

  api_->open();
  EXPECT_TRUE(eventually([&] { return subnet_is_ready("ovn-default"); })) << controller_->log();
}

TEST_F(OneControllerTest, AnOvnThatIsDownAtStartIsWaitedFor) {
  api_->open();
  controller_->start(flags("a"));
  const std::string said = "OVSDB: no connection";
  ASSERT_TRUE(eventually([&] { return controller_->logged(said); })) << controller_->log();
  EXPECT_EQ(get("/readyz").status, 503);
  make_namespace("web");
  make_subnet("blue", "10.50.0.0/24", "web");
  make_pod("web", "a");
  const auto since = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() - since > std::chrono::seconds(5); }));
  EXPECT_EQ(controller_->count_logged(said), 1) << "it said so more than once:\n" << controller_->log();
  EXPECT_EQ(annotation("web", "a", "ovn.kubernetes.io/allocated"), "");

  start_northbound();
  EXPECT_TRUE(lies_in(await_bound("web", "a"), "10.50.0.0/24"));
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(OneControllerTest, ToldToStopItGivesTheLeaseBackAndTheNextNeedNotWait) {
  start_northbound();
  api_->open();
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return subnet_is_ready("ovn-default"); })) << controller_->log();
  controller_->signal(SIGTERM);
  EXPECT_EQ(controller_->exit_status(), 0) << controller_->log();
  const auto lease = api_->get("leases", "kube-system", "berth-controller");
  EXPECT_EQ(sim::string_at(lease, {"spec", "holderIdentity"}), "");

  const auto since = std::chrono::steady_clock::now();
  controller_->start(flags("b"));
  ASSERT_TRUE(eventually([&] { return stored_epoch() == "\"2\""; })) << controller_->log();
  EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(12)) << "it waited for the Lease to expire";
  controller_->signal(SIGINT);
  EXPECT_EQ(controller_->exit_status(), 0) << controller_->log();
}

TEST_F(OneControllerTest, ToldToStopWhileNothingIsThereItEndsToo) {
  controller_->start(flags("a"));
  ASSERT_TRUE(eventually([&] { return controller_->logged("waiting for it"); })) << controller_->log();
  controller_->signal(SIGTERM);
  EXPECT_EQ(controller_->exit_status(), 0) << controller_->log();
}

TEST_F(OneControllerTest, WrongInputEndsItWithOneLineAndStatus2) {
  const auto write = [&](const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  };
  const std::string nb = "unix:" + (folder_ / "nb.sock");
  struct Case {
    std::vector<std::string> flags;
    std::vector<std::string> words;  // what the line holds
  };
  const Case cases[] = {
      {{"--ovn-nb", nb, "--kubeconfig", folder_ / "absent"}, {"absent", "no such file", "--kubeconfig"}},
      {{"--ovn-nb", nb, "--kubeconfig", write("tabs", "a:\n\t- b")}, {"tabs"}},
      {{"--ovn-nb", nb, "--kubeconfig", write("kc", "kind: Config\ncurrent-context: x\n")},
       {"kc", "current-context", "\"x\""}},
      {{"--ovn-nb", nb}, {"not a pod", "--kubeconfig"}},
      {{"--kubeconfig", api_->kubeconfig()}, {"--ovn-nb", "is missing"}},
      {{"--ovn-nb", nb, "--kubeconfig", api_->kubeconfig(), "--default-cidr", "10.96.0.0/24"},
       {"overlaps", "--service-cidr"}},
      {{"--config", write("c.yaml", "setle: 5s\n")}, {"c.yaml", "setle", "settle"}},
      {{"--ovn-nb", nb, "--nonsense"}, {"--nonsense"}},
  };
  int lines = 0;
  for (const auto& [flags, words] : cases) {
    EXPECT_EQ(refusal(flags), 2) << controller_->log();
    EXPECT_EQ(controller_->count_logged("\n"), ++lines) << controller_->log();
    std::string last = controller_->log();
    last = last.substr(last.rfind('\n', last.size() - 2) + 1);
    for (const auto& word : words) EXPECT_NE(last.find(word), std::string::npos) << word << " is not in: " << last;
  }
}

TEST_F(OneControllerTest, AStandardErrorThatNobodyReadsDoesNotHoldItUp) {
  start_northbound();
  api_->open();
  // Its log is a pipe that is full from the start.
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const dev::UniqueFd end(::open(pipe.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  const std::string chunk(4096, 'x');
  while (::write(end.get(), chunk.data(), chunk.size()) > 0) {
  }
  auto argv = flags("a", {"--log-level", "debug"});
  argv.insert(argv.begin(), controller_program());
  const auto id = supervisor_.start({.name = "muted", .argv = argv, .log_file = pipe}, [](const dev::ProcessEnd&) {});
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_TRUE(eventually([&] { return subnet_is_ready("ovn-default"); }));

  supervisor_.stop_and_wait({*id}, std::chrono::seconds(30));
  const auto lease = api_->get("leases", "kube-system", "berth-controller");
  EXPECT_EQ(sim::string_at(lease, {"spec", "holderIdentity"}), "") << "it did not stop cleanly";
}

}  // namespace
}  // namespace berth::test
