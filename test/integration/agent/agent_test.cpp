// The real berth-agent and berth-cni on one node with real Open vSwitch and OVN. The cluster is the embedded API; what
// the controller would do (ports in OVN, IP objects, annotations) is done by hand.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include <boost/json.hpp>

#include "api/annotations.h"
#include "api/yaml.h"
#include "dev/api/api_server.h"
#include "dev/cluster/ovn_central.h"
#include "dev/node/node.h"
#include "dev/process/netns.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;

json::object parse(const std::string& text) {
  boost::system::error_code ec;
  auto value = json::parse(text, ec);
  EXPECT_TRUE(!ec && value.is_object()) << text;
  return !ec && value.is_object() ? value.get_object() : json::object{};
}

std::string program(const std::string& name) {
  const char* folder = std::getenv("BERTH_BIN_DIR");
  return fmt::format("{}/{}", folder == nullptr ? "." : folder, name);
}

std::string source_dir() {
  const char* folder = std::getenv("BERTH_SOURCE_DIR");
  return folder == nullptr ? "." : folder;
}

// Everything that one node needs; made once for all tests, because it takes seconds.
class Machine {
 public:
  static Result<std::unique_ptr<Machine>> start() {
    auto machine = std::unique_ptr<Machine>(new Machine);
    std::string pattern = (fs::temp_directory_path() / "berth-agent-XXXXXX").string();
    machine->base_ = ::mkdtemp(pattern.data());
    auto ledger = Ledger::open((machine->base_ / "run").string());
    if (!ledger) return fail(ledger.error());
    machine->ledger_ = std::make_unique<Ledger>(std::move(*ledger));
    machine->supervisor_ = std::make_unique<Supervisor>(machine->ledger_.get());
    if (auto status = machine->start_parts(); !status) return fail(status.error());
    return machine;
  }

  ~Machine() {
    api_.reset();
    node_.reset();
    central_.reset();
    supervisor_.reset();
    if (ledger_) {
      const auto cleaned = ledger_->clean_up();
      EXPECT_TRUE(cleaned) << cleaned.error().message;
      EXPECT_TRUE(ledger_->close());
      ledger_.reset();
    }
    fs::remove_all(base_);
  }

  Supervisor& supervisor() { return *supervisor_; }
  Ledger& ledger() { return *ledger_; }
  Node& node() { return *node_; }

  [[nodiscard]] std::string socket() const { return (base_ / "agent.sock").string(); }
  [[nodiscard]] std::string kubeconfig() const { return (base_ / "kubeconfig").string(); }
  [[nodiscard]] std::string log() const { return (base_ / "agent.log").string(); }

  [[nodiscard]] std::string northbound() const { return central_->northbound(); }

  std::string nbctl(const std::string& line) {
    std::vector<std::string> argv = {"ovn-nbctl", "--timeout=30", "--db=" + central_->northbound()};
    std::istringstream words(line);
    for (std::string word; words >> word;) argv.push_back(word);
    return run(std::move(argv));
  }
  std::string vsctl(std::vector<std::string> argv) {
    argv.insert(argv.begin(), {"ovs-vsctl", "--timeout=30", "--db=" + node_->ovs_db()});
    return run(std::move(argv));
  }
  std::string run(std::vector<std::string> argv, const std::string& netns = {}) {
    ProcessSpec spec;
    spec.name = argv[0];
    spec.argv = std::move(argv);
    spec.netns = netns;
    spec.timeout = 40s;
    auto out = run_command(*supervisor_, std::move(spec));
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : "";
  }

  // Creates or merges; returns what is stored.
  json::object apply(const std::string& api_version, const std::string& kind, const std::string& ns,
                     json::object object) {
    return api_->with_store([&](sim::ApiStore& store) -> json::object {
      const auto type = store.types().find_kind(api_version, kind);
      if (!type) {
        ADD_FAILURE() << kind << " is not served";
        return {};
      }
      const auto name = std::string(object.at("metadata").at("name").as_string());
      object["apiVersion"] = api_version;
      object["kind"] = kind;
      auto stored = store.get(*type, ns, name) ? store.patch(*type, ns, name, sim::PatchType::merge, object)
                                               : store.create(*type, ns, object);
      EXPECT_TRUE(stored) << kind << " " << name;
      return stored ? **stored : json::object{};
    });
  }

  json::object get(const std::string& api_version, const std::string& kind, const std::string& ns,
                   const std::string& name) {
    return api_->with_store([&](sim::ApiStore& store) {
      const auto found = store.get(*store.types().find_kind(api_version, kind), ns, name);
      return found ? **found : json::object{};
    });
  }

 private:
  Machine() = default;

  Status start_parts() {
    auto run_dir = RunDir::make(*ledger_, base_);
    if (!run_dir) return fail(run_dir.error());
    auto central = OvnCentral::start(*supervisor_, *run_dir);
    if (!central) return fail(central.error());
    central_ = std::move(*central);
    auto fabric = Fabric::make(*supervisor_, *ledger_, *run_dir);
    if (!fabric) return fail(fabric.error());
    fabric_ = std::make_unique<Fabric>(std::move(*fabric));
    auto api = ApiServer::start({});
    if (!api) return fail(api.error());
    api_ = std::move(*api);
    Node::Options options;
    options.name = "node-1";
    options.southbound = central_->southbound();
    options.api_port = api_->port();
    auto node = Node::start(*supervisor_, *ledger_, *run_dir, *fabric_, std::move(options));
    if (!node) return fail(node.error());
    node_ = std::move(*node);
    if (auto status = central_->await_chassis(node_->chassis()); !status) return status;
    const auto listening = node_->listen_for_api();
    if (!listening) return fail(listening.error());
    if (auto status = api_->listen_also(*listening); !status) return status;
    std::ofstream(kubeconfig()) << api_->kubeconfig();
    install_crds();
    apply("v1", "Node", "", {{"metadata", {{"name", "node-1"}}}});
    apply("v1", "Namespace", "", {{"metadata", {{"name", "shop"}}}});
    return {};
  }

  void install_crds() {
    for (const auto& file : fs::directory_iterator(source_dir() + "/charts/berth/crds")) {
      std::ifstream in(file.path());
      std::stringstream text;
      text << in.rdbuf();
      const auto documents = api::parse_yaml(text.str());
      ASSERT_TRUE(documents) << documents.error().message;
      for (const auto& document : *documents)
        apply("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", document.as_object());
    }
  }

  fs::path base_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<OvnCentral> central_;
  std::unique_ptr<Fabric> fabric_;
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<Node> node_;
};

struct Pod {
  std::string name;
  std::string address;  // "10.1.0.5,fd00:1::5"
  std::string mac;
  std::string container;  // id
  std::string netns;      // name
};

class AgentTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    auto machine = Machine::start();
    ASSERT_TRUE(machine) << machine.error().message;
    machine_ = std::move(*machine);
    machine_->nbctl(
        "lr-add vpc -- ls-add web -- lrp-add vpc vpc-web 02:00:00:00:01:01 10.1.0.1/24 fd00:1::1/64 "
        "-- lsp-add web web-vpc -- lsp-set-type web-vpc router -- lsp-set-addresses web-vpc router "
        "-- lsp-set-options web-vpc router-port=vpc-web");
    const auto subnet = machine_->apply("kubeovn.io/v1", "Subnet", "", web("10.1.0.0/24,fd00:1::/64"));
    subnet_uid_ = std::string(subnet.at("metadata").at("uid").as_string());
  }
  static void TearDownTestSuite() { machine_.reset(); }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(machine_);
    start_agent();
  }
  void TearDown() override {
    if (!machine_) return;
    stop_agent(SIGTERM);
    if (HasFailure()) {
      std::ifstream log(machine_->log());
      std::cerr << log.rdbuf();
    }
  }

  static json::object web(const std::string& cidr) {
    return {{"metadata", {{"name", "web"}}}, {"spec", {{"cidrBlock", cidr}}}};
  }

  void start_agent(const std::string& add_timeout = "15") {
    ProcessSpec spec;
    spec.name = "berth-agent";
    spec.argv = {
        program("berth-agent"), "--kubeconfig", machine_->kubeconfig(),    "--node",        "node-1",   "--socket",
        machine_->socket(),     "--ovs-db",     machine_->node().ovs_db(), "--add-timeout", add_timeout};
    spec.netns = machine_->node().netns();
    spec.log_file = machine_->log();
    std::promise<ProcessEnd> ended;
    agent_ended_ = ended.get_future();
    auto started = machine_->supervisor().start(
        std::move(spec), [shared = std::make_shared<std::promise<ProcessEnd>>(std::move(ended))](ProcessEnd end) {
          shared->set_value(std::move(end));
        });
    ASSERT_TRUE(started) << started.error().message;
    agent_ = *started;
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    std::string last;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto end = plugin("STATUS", {});
      if (end.ok()) return;
      last = end.output;
    }
    FAIL() << "the agent did not become ready: " << last;
  }

  ProcessEnd stop_agent(int signal) {
    if (agent_ == 0) return {};
    machine_->supervisor().signal(agent_, signal);
    agent_ = 0;
    EXPECT_EQ(agent_ended_.wait_for(20s), std::future_status::ready);
    return agent_ended_.get();
  }

  ProcessEnd plugin(const std::string& command, const Pod& pod, const std::string& version = "1.1.0",
                    json::object more = {}) {
    more["cniVersion"] = version;
    more["name"] = "berth";
    more["type"] = "berth-cni";
    more["server_socket"] = machine_->socket();
    ProcessSpec spec;
    spec.name = "berth-cni";
    spec.argv = {program("berth-cni")};
    spec.env = {"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + pod.container,
                "CNI_NETNS=" + (pod.netns.empty() ? "" : netns::path_of(pod.netns)), "CNI_IFNAME=eth0",
                fmt::format("CNI_ARGS=K8S_POD_NAMESPACE=shop;K8S_POD_NAME={};K8S_POD_UID={}", pod.name, uid_of(pod))};
    spec.netns = machine_->node().netns();
    spec.input = json::serialize(more);
    spec.capture = true;
    spec.timeout = 60s;
    auto end = machine_->supervisor().run(std::move(spec));
    EXPECT_TRUE(end) << end.error().message;
    return end ? *end : ProcessEnd{};
  }

  std::string uid_of(const Pod& pod) {
    const auto stored = machine_->get("v1", "Pod", "shop", pod.name);
    const auto* meta = stored.if_contains("metadata");
    return meta == nullptr ? "unknown" : std::string(meta->at("uid").as_string());
  }

  // As the scheduler and the kubelet do.
  Pod make_pod(const std::string& name, int number) {
    Pod pod{name, fmt::format("10.1.0.{0},fd00:1::{0}", number), fmt::format("02:00:00:00:01:{:02d}", number),
            fmt::format("{:012d}{}", number, name), fmt::format("berth-{}-{}", machine_->ledger().id(), name)};
    EXPECT_TRUE(machine_->ledger().make_namespace(pod.netns));
    json::array containers{json::object{{"name", "c"}, {"image", "none"}}};
    machine_->apply("v1", "Pod", "shop",
                    {{"metadata", {{"name", name}}}, {"spec", {{"nodeName", "node-1"}, {"containers", containers}}}});
    return pod;
  }

  // As the controller does: IP object, OVN port, annotations.
  void bind(const Pod& pod) {
    const auto comma = pod.address.find(',');
    const auto v4 = pod.address.substr(0, comma);
    const auto v6 = pod.address.substr(comma + 1);
    machine_->apply("kubeovn.io/v1", "IP", "",
                    {{"metadata",
                      {{"name", pod.name + ".shop"},
                       {"annotations",
                        {{"berth.io/owner", "pod/" + uid_of(pod)},
                         {"berth.io/pod-uid", uid_of(pod)},
                         {"berth.io/subnet-uid", subnet_uid_}}}}},
                     {"spec",
                      {{"podName", pod.name},
                       {"namespace", "shop"},
                       {"subnet", "web"},
                       {"ipAddress", pod.address},
                       {"v4IpAddress", v4},
                       {"v6IpAddress", v6},
                       {"macAddress", pod.mac},
                       {"attachIps", json::array{}},
                       {"attachMacs", json::array{}},
                       {"attachSubnets", json::array{}},
                       {"nodeName", ""},
                       {"containerID", ""},
                       {"podType", ""}}}});
    machine_->run({"ovn-nbctl", "--timeout=30", "--db=" + northbound(), "--may-exist", "lsp-add", "web",
                   pod.name + ".shop", "--", "lsp-set-addresses", pod.name + ".shop",
                   fmt::format("{} {} {}", pod.mac, v4, v6)});
    api::BindingRecord record;
    record.pod_uid = uid_of(pod);
    record.networks["ovn"] = {"claimed", "web", subnet_uid_};
    machine_->apply("v1", "Pod", "shop",
                    {{"metadata",
                      {{"name", pod.name},
                       {"annotations",
                        {{"ovn.kubernetes.io/allocated", "true"},
                         {"ovn.kubernetes.io/routed", "true"},
                         {"ovn.kubernetes.io/ip_address", pod.address},
                         {"ovn.kubernetes.io/mac_address", pod.mac},
                         {"ovn.kubernetes.io/cidr", "10.1.0.0/24,fd00:1::/64"},
                         {"ovn.kubernetes.io/gateway", "10.1.0.1,fd00:1::1"},
                         {"ovn.kubernetes.io/logical_switch", "web"},
                         {"berth.io/binding", record.to_string()}}}}}});
  }

  static std::string northbound() { return machine_->northbound(); }

  std::string in_pod(const Pod& pod, std::vector<std::string> argv) {
    return machine_->run(std::move(argv), pod.netns);
  }

  std::vector<std::string> ports() {
    std::istringstream lines(machine_->vsctl({"list-ports", "br-int"}));
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with("_h")) out.push_back(line);
    }
    return out;
  }

  static std::string host_name(const Pod& pod) { return pod.container.substr(0, 12) + "_h"; }

  void remove(const Pod& pod) {
    const auto end = plugin("DEL", pod);
    EXPECT_TRUE(end.ok()) << end.output;
  }

  static inline std::unique_ptr<Machine> machine_;
  static inline std::string subnet_uid_;
  Supervisor::Id agent_ = 0;
  std::future<ProcessEnd> agent_ended_;
};

TEST_F(AgentTest, WiresAPodThatWaitedForItsAddressAndTakesItAwayAgain) {
  const auto a = make_pod("a", 11);
  auto adding = std::async(std::launch::async, [&] { return plugin("ADD", a); });
  EXPECT_EQ(adding.wait_for(500ms), std::future_status::timeout);
  bind(a);
  const auto added = adding.get();
  ASSERT_TRUE(added.ok()) << added.output;
  const auto result = parse(added.output);
  EXPECT_EQ(result.at("cniVersion"), "1.1.0");
  EXPECT_EQ(result.at("ips").at(0).at("address"), "10.1.0.11/24");
  EXPECT_EQ(result.at("ips").at(1).at("address"), "fd00:1::11/64");
  EXPECT_EQ(result.at("interfaces").at(1).at("sandbox"), netns::path_of(a.netns).c_str());
  // The uplink of the embedded node has the usual 1500 bytes, less the tunnel.
  EXPECT_EQ(result.at("interfaces").at(1).at("mtu").as_int64(), 1400);
  EXPECT_TRUE(in_pod(a, {"ip", "link", "show", "eth0"}).contains("mtu 1400"));
  const auto ip = machine_->get("kubeovn.io/v1", "IP", "", "a.shop");
  EXPECT_EQ(ip.at("spec").at("nodeName"), "node-1");
  EXPECT_EQ(ip.at("spec").at("containerID"), a.container.c_str());

  // Packets pass: to another pod and to the gateway, by both families.
  const auto b = make_pod("b", 12);
  bind(b);
  const auto second = plugin("ADD", b, "0.3.1");
  ASSERT_TRUE(second.ok()) << second.output;
  EXPECT_EQ(parse(second.output).at("ips").at(0).at("version"), "4");
  for (const auto target : {"10.1.0.12", "fd00:1::12", "10.1.0.1", "fd00:1::1"}) {
    const auto said = in_pod(a, {"ping", "-c", "2", "-i", "0.2", "-w", "15", target});
    EXPECT_TRUE(said.contains(" 0% packet loss")) << said;
  }
  EXPECT_EQ(ports(), (std::vector{host_name(a), host_name(b)}));

  // Said again, it is the same; and CHECK agrees until somebody interferes.
  const auto again = plugin("ADD", a);
  EXPECT_EQ(again.output, added.output);
  EXPECT_TRUE(plugin("CHECK", a, "1.1.0", {{"prevResult", result}}).ok());
  in_pod(a, {"ip", "addr", "del", "10.1.0.11/24", "dev", "eth0"});
  const auto checked = plugin("CHECK", a, "1.1.0", {{"prevResult", result}});
  EXPECT_EQ(parse(checked.output).at("details"), "address 10.1.0.11/24 is gone");

  // GC keeps what is valid.
  const json::object valid{
      {"cni.dev/valid-attachments", json::array{json::object{{"containerID", a.container}, {"ifname", "eth0"}}}}};
  EXPECT_TRUE(plugin("GC", {}, "1.1.0", valid).ok());
  EXPECT_EQ(ports(), std::vector{host_name(a)});
  EXPECT_TRUE(in_pod(b, {"ip", "-o", "link"}).find("eth0") == std::string::npos);

  remove(a);
  remove(a);
  remove(b);
  EXPECT_TRUE(ports().empty());
  EXPECT_TRUE(in_pod(a, {"ip", "-o", "link"}).find("eth0") == std::string::npos);
}

TEST_F(AgentTest, RefusesASubnetThatIsNotTheOneBound) {
  stop_agent(SIGTERM);
  start_agent("1");
  const auto pod = make_pod("c", 13);
  bind(pod);
  machine_->apply("kubeovn.io/v1", "Subnet", "", web("10.9.0.0/24"));
  const auto refused = plugin("ADD", pod);
  EXPECT_FALSE(refused.ok());
  const auto error = parse(refused.output);
  EXPECT_EQ(error.at("code").as_int64(), 11);
  EXPECT_EQ(error.at("details"), "10.1.0.13 lies outside subnet web (10.9.0.0/24)");
  EXPECT_TRUE(ports().empty());
  machine_->apply("kubeovn.io/v1", "Subnet", "", web("10.1.0.0/24,fd00:1::/64"));
  const auto added = plugin("ADD", pod);
  EXPECT_TRUE(added.ok()) << added.output;
  remove(pod);
}

TEST_F(AgentTest, APortThatOvnDoesNotInstallIsRolledBack) {
  const auto pod = make_pod("d", 14);
  bind(pod);
  machine_->nbctl("lsp-del d.shop");
  const auto refused = plugin("ADD", pod);  // takes the 20 s that OVN is given
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(parse(refused.output).at("code").as_int64(), 11);
  EXPECT_TRUE(refused.output.contains("OVN has not installed port")) << refused.output;
  EXPECT_TRUE(ports().empty());
  EXPECT_TRUE(in_pod(pod, {"ip", "-o", "link"}).find("eth0") == std::string::npos);
  EXPECT_EQ(machine_->get("kubeovn.io/v1", "IP", "", "d.shop").at("spec").at("containerID"), "");
}

TEST_F(AgentTest, AfterAKillItFindsItsWorkAndSweepsWhatIsGone) {
  const auto stays = make_pod("e", 15);
  const auto goes = make_pod("f", 16);
  for (const auto& pod : {stays, goes}) {
    bind(pod);
    const auto added = plugin("ADD", pod);
    ASSERT_TRUE(added.ok()) << added.output;
  }
  stop_agent(SIGKILL);
  const auto unserved = plugin("ADD", stays);
  EXPECT_EQ(parse(unserved.output).at("code").as_int64(), 11);
  EXPECT_TRUE(netns::remove(goes.netns));
  start_agent();
  const auto again = plugin("ADD", stays);
  EXPECT_TRUE(again.ok()) << again.output;
  for (int i = 0; i < 200 && ports().size() > 1; ++i) {
  }
  EXPECT_EQ(ports(), std::vector{host_name(stays)});
  remove(stays);
}

TEST_F(AgentTest, EndsCleanlyWhenItIsTold) {
  const auto end = stop_agent(SIGTERM);
  EXPECT_EQ(end.code, 0) << end.describe();
}

}  // namespace
}  // namespace berth::dev
