// `berth-dev up` as its users meet it: what it prints, what it serves, and that nothing of it is left, however it ends.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include <boost/json/parse.hpp>

#include "api/json.h"
#include "api_user.h"
#include "dev/cluster/embedded_cluster.h"
#include "dev/process/ledger.h"
#include "dev/process/netns.h"
#include "dev/process/supervisor.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using std::chrono::seconds;

constexpr seconds kPatience{60};

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

template <typename Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::usleep(20'000);
  }
  return true;
}

// A process, named for the life of the machine.
using Alive = std::pair<pid_t, std::uint64_t>;

// A zombie is dead: how soon its parent takes note is not ours to say.
bool is_dead(const Alive& process) {
  const std::string stat = slurp(fmt::format("/proc/{}/stat", process.first));
  const auto start = process_start(process.first);
  return !start || *start != process.second || stat.empty() || stat[stat.rfind(')') + 2] == 'Z';
}

// All that runs in those namespaces now.
std::set<Alive> processes_in(const std::vector<std::string>& namespaces) {
  std::set<Alive> out;
  for (const auto& name : namespaces) {
    for (const pid_t pid : netns::members(name)) {
      if (const auto start = process_start(pid)) out.emplace(pid, *start);
    }
  }
  return out;
}

std::vector<std::string> command_lines_with(const std::string& text) {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    std::string line = slurp(entry.path() / "cmdline");
    std::ranges::replace(line, '\0', ' ');
    if (line.contains(text) && entry.path().filename() != std::to_string(::getpid())) out.push_back(std::move(line));
  }
  return out;
}

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-up-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = fs::canonical(pattern);
    const char* bin = std::getenv("BERTH_BIN_DIR");
    ASSERT_NE(bin, nullptr) << "run by ctest, or set BERTH_BIN_DIR";
    program_ = std::string(bin) + "/berth-dev";
  }
  void TearDown() override {
    if (const std::string said = slurp(base_ / "stderr"); HasFailure() && !said.empty()) std::cerr << said;
    // Of a test that failed half-way.
    supervisor_.stop_and_wait({process_}, seconds(20));
    if (fs::exists(dir() + "/ledger")) {
      EXPECT_TRUE(clean_directory(dir()));
    }
    fs::remove_all(base_);
  }

  [[nodiscard]] std::string dir() const { return base_ / "run"; }
  [[nodiscard]] static bool root() { return ::geteuid() == 0; }

  // Starts `berth-dev up` and waits for its line, which is returned; empty if it ended instead.
  std::string up(std::vector<std::string> flags) {
    fs::remove(base_ / "stdout");
    std::vector<std::string> argv = {
        "sh",    "-c", fmt::format("exec \"$@\" >{0}/stdout 2>>{0}/stderr", base_.string()), "sh", program_, "up",
        "--dir", dir()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const auto id = supervisor_.start({.name = "berth-dev", .argv = argv}, {});
    EXPECT_TRUE(id);
    process_ = *id;
    EXPECT_TRUE(eventually([&] { return slurp(base_ / "stdout").contains('\n') || !supervisor_.running(process_); }));
    return slurp(base_ / "stdout");
  }

  // Its exit status after SIGTERM.
  void stop() { supervisor_.stop_and_wait({process_}, kPatience); }

  void crash() {
    supervisor_.signal(process_, SIGKILL);
    EXPECT_TRUE(eventually([&] { return !supervisor_.running(process_); }));
  }

  ProcessEnd run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_);
    auto end = supervisor_.run({.name = "berth-dev", .argv = arguments, .capture = true, .timeout = kPatience});
    EXPECT_TRUE(end);
    return *end;
  }

  [[nodiscard]] std::string prefix() const {
    // As the ledger derives it: the only namespaces of this cluster's id.
    for (const auto& name : netns::list("berth-")) {
      if (name.ends_with("-fabric") && slurp(dir() + "/ledger").contains(name)) {
        return name.substr(0, name.size() - std::string("fabric").size());
      }
    }
    return "";
  }

  static void expect_dead(const std::set<Alive>& processes) {
    for (const auto& process : processes) {
      EXPECT_TRUE(is_dead(process)) << "still runs: " << slurp(fmt::format("/proc/{}/cmdline", process.first));
    }
  }

  // Those are dead, and no process speaks of the directory.
  void expect_gone(const std::set<Alive>& processes) {
    expect_dead(processes);
    for (const auto& line : command_lines_with(dir())) ADD_FAILURE() << "still runs: " << line;
  }

  std::string root_links() {
    auto links = run_command(supervisor_, {.name = "ip", .argv = {"ip", "-o", "link"}, .timeout = kPatience});
    EXPECT_TRUE(links);
    std::istringstream lines(*links);
    std::string names;
    for (std::string line; std::getline(lines, line);) {
      names += line.substr(0, line.find(':', line.find(':') + 1)) + "\n";
    }
    return names;
  }

  fs::path base_;
  std::string program_;
  Supervisor supervisor_{nullptr};
  Supervisor::Id process_ = 0;
};

// A pod on the node's own network (no controller is needed for that) whose processes are hard to find: one left its
// group.
constexpr const char* kStubbornPod =
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"stubborn","namespace":"default"},
  "spec":{"hostNetwork":true,"terminationGracePeriodSeconds":1,"containers":[{"name":"c","image":"none","command":
  ["sh","-c","echo started on $NODE; trap '' TERM; setsid sleep 7777 & sleep 7777 & wait"],
  "env":[{"name":"NODE","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}}]}]}})";

TEST_F(ClusterTest, TwoNodesAreReadyAndNothingIsLeftAfterwards) {
  if (!root()) GTEST_SKIP() << "making network namespaces needs root";
  const std::string links = root_links();
  const std::string line = up({"--nodes", "2", "--no-controller"});
  EXPECT_EQ(line, fmt::format("ready kubeconfig={0}/kubeconfig ovn-nb=unix:{0}/ovn/nb.sock\n", dir()));
  {
    ApiUser api(dir() + "/kubeconfig");
    const auto nodes = api.list(api::Kind::node, "");
    ASSERT_EQ(nodes.size(), 2U);
    for (const auto& node : nodes) EXPECT_EQ(condition_of(node, "Ready"), "True");
    ASSERT_TRUE(api.create(api::Kind::pod, "default", json::parse(kStubbornPod)));
    EXPECT_TRUE(
        eventually([&] { return condition_of(api.get(api::Kind::pod, "default", "stubborn"), "Ready") == "True"; }));
  }
  const auto names = netns::list(prefix());
  EXPECT_EQ(names.size(), 3U);
  const auto inside = processes_in(names);
  EXPECT_GE(inside.size(), 9U);  // of each node three, and the pod's three
  EXPECT_EQ(root_links(), links);
  stop();
  expect_gone(inside);
  EXPECT_FALSE(fs::exists(dir()));
  for (const auto& name : names) EXPECT_FALSE(netns::exists(name));
  EXPECT_EQ(root_links(), links);
}

TEST_F(ClusterTest, AStartAfterACrashRemovesWhatTheCrashLeft) {
  if (!root()) GTEST_SKIP() << "making network namespaces needs root";
  ASSERT_TRUE(up({"--no-controller"}).starts_with("ready "));
  {
    ApiUser api(dir() + "/kubeconfig");
    ASSERT_TRUE(api.create(api::Kind::pod, "default", json::parse(kStubbornPod)));
    EXPECT_TRUE(
        eventually([&] { return condition_of(api.get(api::Kind::pod, "default", "stubborn"), "Ready") == "True"; }));
  }
  const auto names = netns::list(prefix());
  const auto before = processes_in(names);
  ASSERT_GE(before.size(), 9U);
  crash();
  ASSERT_EQ(netns::list(names[0]).size(), 1U);

  ASSERT_TRUE(up({"--no-controller"}).starts_with("ready "));
  expect_dead(before);
  EXPECT_EQ(netns::list(prefix()), names);
  const auto after = processes_in(names);
  EXPECT_GE(after.size(), 6U);
  crash();
  const auto down = run({"down", "--dir", dir()});
  EXPECT_EQ(down.code, 0) << down.error;
  expect_gone(after);
  for (const auto& name : names) EXPECT_FALSE(netns::exists(name));
  EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(ClusterTest, DownEndsARunningClusterAndASecondOneInItsPlaceIsRefused) {
  ASSERT_TRUE(up({"--no-datapath", "--no-controller"}).starts_with("ready "));
  const auto second = run({"up", "--dir", dir(), "--no-datapath", "--no-controller"});
  EXPECT_EQ(second.code, 1);
  EXPECT_EQ(second.output, "");
  EXPECT_NE(second.error.find(fmt::format("pid {}", supervisor_.pid_of(process_))), std::string::npos) << second.error;
  const auto down = run({"down", "--dir", dir()});
  EXPECT_EQ(down.code, 0) << down.error;
  EXPECT_TRUE(eventually([&] { return !supervisor_.running(process_); }));
  EXPECT_FALSE(fs::exists(dir()));
  const auto again = run({"down", "--dir", dir()});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.error.find("there is no cluster in"), std::string::npos) << again.error;
}

TEST_F(ClusterTest, WithoutDatapathPodsAreReportedByTheirAnnotations) {
  const std::string out = base_ / "admin.conf";
  const std::string deep = base_ / std::string(60, 'd');  // long enough for sockets to need the short way
  std::vector<std::string> argv = {"--no-datapath", "--no-controller", "--nodes", "1", "--kubeconfig-out", out};
  fs::create_directory(deep);
  fs::create_directory_symlink(deep, base_ / "run");
  const auto line = up(argv);
  ASSERT_TRUE(line.starts_with("ready kubeconfig=" + out + " ovn-nb=unix:")) << line;
  {
    ApiUser api(out);
    ASSERT_TRUE(api.create(api::Kind::pod, "default", json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":
      {"name":"p","namespace":"default"},"spec":{"containers":[{"name":"c","image":"none"}]}})")));
    EXPECT_TRUE(eventually(
        [&] { return condition_of(api.get(api::Kind::pod, "default", "p"), "PodReadyToStartContainers") == "False"; }));
    ASSERT_TRUE(api.patch(api::Kind::pod, "default", "p", json::parse(R"({"metadata":{"annotations":{
      "ovn.kubernetes.io/ip_address":"10.16.0.9","ovn.kubernetes.io/allocated":"true",
      "ovn.kubernetes.io/routed":"true"}}})")));
    EXPECT_TRUE(eventually([&] { return condition_of(api.get(api::Kind::pod, "default", "p"), "Ready") == "True"; }));
    EXPECT_EQ(api::string_at(api.get(api::Kind::pod, "default", "p"), {"status", "podIP"}), "10.16.0.9");
    for (const auto& crd : {api::Kind::subnet, api::Kind::vpc, api::Kind::ip, api::Kind::ip_pool, api::Kind::vip,
                            api::Kind::network_attachment_definition}) {
      EXPECT_TRUE(api.serves(crd)) << api::resource_of(crd).plural;
    }
    const auto nb = run_command(
        supervisor_,
        {.name = "ovn-nbctl",
         .argv = {"ovn-nbctl", "--db=" + line.substr(line.find("unix:"), line.find('\n') - line.find("unix:")),
                  "--timeout=20", "show"},
         .timeout = kPatience});
    EXPECT_TRUE(nb) << nb.error().message;
    ASSERT_TRUE(api.remove(api::Kind::pod, "default", "p"));
    EXPECT_TRUE(eventually([&] { return api.get(api::Kind::pod, "default", "p").empty(); }));
  }
  stop();
  EXPECT_FALSE(fs::exists(out));
  EXPECT_TRUE(fs::is_empty(deep));  // it was there before: it stays
  expect_gone({});
}

TEST_F(ClusterTest, NoNodesMeansNoNodes) {
  ASSERT_TRUE(up({"--nodes", "0", "--no-controller"}).starts_with("ready "));
  {
    ApiUser api(dir() + "/kubeconfig");
    EXPECT_TRUE(api.list(api::Kind::node, "").empty());
  }
  EXPECT_EQ(prefix(), "");
  stop();
  EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(ClusterTest, BadArgumentsAreToldApartFromFailures) {
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"up"}).code, 2);
  EXPECT_EQ(run({"up", "--dir", dir(), "--nodes", "many"}).code, 2);
  EXPECT_EQ(run({"up", "--dir", dir(), "--nodes", "-1", "--no-datapath", "--no-controller"}).code, 2);
  EXPECT_EQ(run({"up", "--dir", dir(), "--api-port", "70000", "--no-controller"}).code, 2);
  EXPECT_EQ(run({"up", "--help"}).code, 0);
  std::ofstream(base_ / "file") << "x";
  EXPECT_EQ(run({"up", "--dir", base_ / "file", "--no-controller"}).code, 2);
  EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(ClusterTest, APortInUseIsAFailureThatLeavesNothing) {
  ASSERT_TRUE(up({"--nodes", "0", "--no-controller"}).starts_with("ready "));
  const std::string config = slurp(dir() + "/kubeconfig");
  const auto at = config.find("127.0.0.1:") + std::string("127.0.0.1:").size();
  const std::string port = config.substr(at, config.find_first_not_of("0123456789", at) - at);
  const std::string other = base_ / "other";
  const auto second = run({"up", "--dir", other, "--nodes", "0", "--no-controller", "--api-port", port});
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.error.find(port), std::string::npos) << second.error;
  EXPECT_FALSE(fs::exists(other));
  stop();
}

}  // namespace
}  // namespace berth::dev
