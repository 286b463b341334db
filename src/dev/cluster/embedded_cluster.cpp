#include "dev/cluster/embedded_cluster.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <random>
#include <thread>

#include "base/log.h"
#include "dev/cluster/kept_process.h"
#include "dev/cluster/kubernetes.h"
#include "dev/cluster/ovn_central.h"
#include "dev/cluster/run_dir.h"
#include "dev/controllers/controller_manager.h"
#include "dev/kubelet/annotation_network.h"
#include "dev/kubelet/cni_network.h"
#include "dev/kubelet/hosts.h"
#include "dev/kubelet/kubelet.h"
#include "dev/node/node.h"
#include "dev/process/netns.h"
#include "kube/client.h"
#include "sim/crds.h"

namespace berth::dev {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kReadyWithin{60};
constexpr std::chrono::seconds kProgramGrace{5};

std::string own_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().string();
}

// Only its owner may read it: it holds a key.
Status write_private(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(draft.c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::unavailable, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  return {};
}

void erase_rules(boost::json::value& value);

void erase_rules(boost::json::object& object) {
  object.erase("x-kubernetes-validations");
  for (auto& entry : object) erase_rules(entry.value());
}

void erase_rules(boost::json::value& value) {
  if (auto* object = value.if_object()) {
    erase_rules(*object);
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) erase_rules(item);
  }
}

// One node's kubelet with what it needs.
struct KubeletParts {
  std::unique_ptr<Host> host;
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<PodNetwork> network;
  std::unique_ptr<Kubelet> kubelet;
};

}  // namespace

class EmbeddedCluster::Impl {
 public:
  Impl(ClusterOptions options, Ledger ledger)
      : options_(std::move(options)), ledger_(std::move(ledger)), supervisor_(&ledger_) {}

  ~Impl() {
    if (auto stopped = stop(); !stopped) log::error("cannot clean up", {{"error", stopped.error().message}});
  }

  Status start() {
    Status done = prepare();
    if (done) done = start_api();
    if (done) done = start_ovn();
    if (done && options_.datapath && options_.nodes > 0) done = start_nodes();
    if (done) done = start_loop();
    if (done) done = start_programs();
    if (done) done = await_ready();
    return done;
  }

  Status stop() {
    if (stopped_) return {};
    stopped_ = true;
    stop_programs();
    stop_loop();
    nodes_.clear();
    central_.reset();
    if (api_) api_->stop();
    kubernetes_.reset();
    Status cleaned = ledger_.clean_up();
    if (auto closed = ledger_.close(); !closed && cleaned) cleaned = std::move(closed);
    return cleaned;
  }

  Status crash_controller() {
    if (!controller_) return fail(ErrorCode::not_found, "the cluster runs no berth-controller");
    return controller_->crash();
  }

  [[nodiscard]] std::string program(const std::string& name) const {
    return (options_.programs.empty() ? own_folder() : options_.programs) + "/" + name;
  }

  [[nodiscard]] std::vector<NodePlace> places() const {
    std::vector<NodePlace> out;
    for (int i = 1; i <= options_.nodes; ++i) out.push_back({.name = node_name(i), .netns = {}, .ovs_db = {}});
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      out[i].netns = nodes_[i]->netns();
      out[i].ovs_db = nodes_[i]->ovs_db();
    }
    return out;
  }

  [[nodiscard]] std::string pod_prefix() const { return dir_->namespace_of("pod-"); }

  ClusterOptions options_;
  Ledger ledger_;
  EventLoop loop_;  // outlives whatever posts to it
  Supervisor supervisor_;
  std::optional<RunDir> dir_;
  std::unique_ptr<ApiServer> api_;          // this one
  std::unique_ptr<Kubernetes> kubernetes_;  // or that
  std::unique_ptr<OvnCentral> central_;
  std::string kubeconfig_;
  kube::Config admin_;

 private:
  static std::string node_name(int index) { return fmt::format("node-{}", index); }

  Status prepare() {
    auto dir = RunDir::make(ledger_, options_.logs);
    if (!dir) return fail(dir.error());
    dir_ = std::move(*dir);
    if (auto made = ledger_.make_tree(ledger_.dir() + "/scratch"); !made) return made;
    std::vector<std::string> needed;
    if (options_.controller) needed.emplace_back("berth-controller");
    if (options_.datapath && options_.nodes > 0) needed.insert(needed.end(), {"berth-agent", "berth-cni"});
    for (const auto& name : needed) {
      if (::access(program(name).c_str(), X_OK) != 0) {
        return fail(ErrorCode::invalid, fmt::format("{} is missing; build it", program(name)));
      }
    }
    return {};
  }

  Status start_api() {
    if (auto started = options_.kubernetes.empty() ? start_embedded_api() : start_kubernetes(); !started)
      return started;
    kubeconfig_ = options_.kubeconfig_out.empty() ? ledger_.dir() + "/kubeconfig" : options_.kubeconfig_out;
    if (auto added = ledger_.add({.kind = LedgerRecord::Kind::file, .name = fs::absolute(kubeconfig_)}); !added) {
      return fail(added.error());
    }
    const std::string text = kubernetes_ ? kubernetes_->kubeconfig() : api_->kubeconfig();
    if (auto written = write_private(kubeconfig_, text); !written) return written;
    auto admin = kube::parse_kubeconfig(text, kubeconfig_);
    if (!admin) return fail(admin.error());
    admin_ = std::move(*admin);
    return {};
  }

  Status start_kubernetes() {
    const std::string data = ledger_.dir() + "/kubernetes";
    if (auto made = ledger_.make_tree(data); !made) return made;
    auto kubernetes = Kubernetes::start(supervisor_, {.programs = options_.kubernetes,
                                                      .dir = data,
                                                      .logs = dir_->logs(),
                                                      .port = options_.api_port,
                                                      .service_cidr = options_.service_cidr});
    if (!kubernetes) return fail(kubernetes.error());
    kubernetes_ = std::move(*kubernetes);
    std::vector<boost::json::object> crds = sim::builtin_crds();
    for (auto& crd : crds) {
      if (!options_.kubernetes_crd_rules) erase_rules(crd);
    }
    return kubernetes_->install_crds(crds);
  }

  Status start_embedded_api() {
    ApiServer::Options options;
    options.port = options_.api_port;
    options.store.service_cidr = options_.service_cidr;
    auto api = ApiServer::start(std::move(options));
    if (!api) return fail(api.error().with_context("API server"));
    api_ = std::move(*api);
    api_->set_log_source(
        [this](const LogRequest& request, std::uint64_t offset) { return logs_.read(request, offset); });
    api_->with_store([](sim::ApiStore& store) { sim::install_crds(store); });
    return {};
  }

  Status start_ovn() {
    auto central = OvnCentral::start(supervisor_, *dir_);
    if (!central) return fail(central.error());
    central_ = std::move(*central);
    return {};
  }

  Status start_nodes() {
    auto fabric = Fabric::make(supervisor_, ledger_, *dir_);
    if (!fabric) return fail(fabric.error());
    std::vector<std::future<Result<std::unique_ptr<Node>>>> starting;
    for (int i = 1; i <= options_.nodes; ++i) {
      starting.push_back(std::async(std::launch::async, [this, i, &fabric] {
        return Node::start(
            supervisor_, ledger_, *dir_, *fabric,
            {.name = node_name(i), .index = i, .southbound = central_->southbound(), .api_port = api_->port()});
      }));
    }
    Status outcome;
    for (auto& future : starting) {
      auto node = future.get();
      if (node) {
        nodes_.push_back(std::move(*node));
      } else if (outcome) {
        outcome = fail(node.error());
      }
    }
    if (!outcome) return outcome;
    for (const auto& node : nodes_) {
      const auto listening = node->listen_for_api();
      if (!listening) return fail(listening.error());
      if (auto served = api_->listen_also(*listening); !served) return served;
    }
    return {};
  }

  Status start_loop() {
    if (api_) {
      ControllerManager::Options options;
      options.root_ca = admin_.tls.authority;
      api_->with_store([this](sim::ApiStore& store) { store_ = &store; });
      controllers_ = std::make_unique<ControllerManager>(*store_, loop_, std::move(options));
    }
    for (int i = 1; i <= options_.nodes; ++i) {
      if (auto made = make_kubelet(i); !made) return made;
    }
    thread_ = std::thread([this] { loop_.run(); });
    loop_.post([this] {
      for (auto& parts : kubelets_) parts.kubelet->start();
    });
    return {};
  }

  Status make_kubelet(int index) {
    const std::string name = node_name(index);
    auto config = kube::parse_kubeconfig(kubelet_kubeconfig(name), kubeconfig_);
    if (!config) return fail(config.error());
    KubeletParts parts;
    kube::Client::Options client;
    client.user_agent = "kubelet";
    parts.client = std::make_unique<kube::Client>(loop_, *config, std::move(client));
    KubeletOptions options{.node = name,
                           .node_address = Fabric::address_of(index),
                           .node_netns = {},
                           .namespace_prefix = pod_prefix(),
                           .log_dir = {},
                           .timings = options_.pod_timings};
    if (options_.datapath) {
      const Node& node = *nodes_[static_cast<std::size_t>(index) - 1];
      options.node_netns = node.netns();
      options.log_dir = dir_->logs() + "/pods";
      parts.host = std::make_unique<LinuxHost>(loop_, supervisor_, ledger_);
      auto plugins = make_plugin_folder(node);
      if (!plugins) return fail(plugins.error());
      parts.network = std::make_unique<CniNetwork>(
          loop_, *parts.host, *parts.client,
          CniOptions{.plugin_dirs = {*plugins, "/opt/cni/bin", "/usr/lib/cni"},
                     .conf_dir = conf_dir(node),
                     .node_netns = node.netns(),
                     .run_dir = node.run_dir().starts_with("/run/") ? "" : node.run_dir()});
    } else {
      parts.host = std::make_unique<NoHost>(loop_);
      parts.network = std::make_unique<AnnotationNetwork>(loop_);
    }
    parts.kubelet = std::make_unique<Kubelet>(loop_, *parts.client, random_, *parts.host, *parts.network, &logs_,
                                              std::move(options));
    kubelets_.push_back(std::move(parts));
    return {};
  }

  // Kubernetes' node authorizer knows nothing of the annotations that our kubelet writes.
  [[nodiscard]] std::string kubelet_kubeconfig(const std::string& node) const {
    const std::string user = "system:node:" + node;
    return kubernetes_ ? kubernetes_->kubeconfig_for(user, {"system:masters"})
                       : api_->kubeconfig_for(user, {"system:nodes"});
  }

  // What an installer would do on a real node; kube-ovn is the name that existing NetworkAttachmentDefinitions use.
  Result<std::string> make_plugin_folder(const Node& node) {
    const std::string folder = dir_->node_dir(node.name()) + "/cni/bin";
    std::error_code error;
    fs::create_directories(folder, error);
    for (const char* name : {"berth-cni", "kube-ovn"}) {
      if (!error) fs::create_symlink(program("berth-cni"), folder + "/" + name, error);
    }
    for (const char* inside : {"/berth", "/netns"}) {
      if (!error) fs::create_directories(node.run_dir() + inside, error);
    }
    // Where such definitions look for the agent.
    if (!error) fs::create_symlink("../berth/agent.sock", node.run_dir() + "/openvswitch/kube-ovn-daemon.sock", error);
    if (error) return fail(ErrorCode::unavailable, fmt::format("make {}: {}", folder, error.message()));
    return folder;
  }

  [[nodiscard]] std::string conf_dir(const Node& node) const { return dir_->node_dir(node.name()) + "/cni/net.d"; }

  Status start_programs() {
    if (options_.controller) {
      const auto settle = std::chrono::duration<double>(options_.settle).count();
      ProcessSpec spec{.name = "berth-controller",
                       .argv = {program("berth-controller"), "--kubeconfig", kubeconfig_, "--ovn-nb",
                                central_->northbound(), "--default-cidr", options_.default_cidr, "--join-cidr",
                                options_.join_cidr, "--service-cidr", options_.service_cidr, "--settle",
                                fmt::format("{}s", settle), "--leader-elect=false", "--log-format", "text"},
                       .log_file = dir_->log_of("berth-controller")};
      spec.argv.insert(spec.argv.end(), options_.controller_flags.begin(), options_.controller_flags.end());
      controller_ = std::make_unique<KeptProcess>(loop_, supervisor_, std::move(spec));
      if (auto started = controller_->start(); !started) return started;
    }
    for (const auto& node : nodes_) {
      if (auto started = start_agent(*node); !started) return started;
    }
    return {};
  }

  Status start_agent(const Node& node) {
    const std::string name = node.name() + "-berth-agent";
    ProcessSpec spec{.name = name,
                     .argv = {program("berth-agent"), "--kubeconfig", kubeconfig_, "--node", node.name(), "--socket",
                              node.run_dir() + "/berth/agent.sock", "--ovs-db", node.ovs_db(), "--bridge", "br-int",
                              "--mtu", std::to_string(options_.pod_mtu), "--install-conf", conf_dir(node)},
                     .netns = node.netns(),
                     .log_file = dir_->log_of(name)};
    spec.argv.insert(spec.argv.end(), options_.agent_flags.begin(), options_.agent_flags.end());
    agents_.push_back(std::make_unique<KeptProcess>(loop_, supervisor_, std::move(spec)));
    return agents_.back()->start();
  }

  Status await_ready() {
    for (const auto& node : nodes_) {
      if (auto there = central_->await_chassis(node->chassis()); !there) return there;
    }
    const auto deadline = std::chrono::steady_clock::now() + kReadyWithin;
    if (!await(deadline, [this] {
          return std::ranges::all_of(kubelets_, [](const auto& parts) { return parts.kubelet->registered(); });
        })) {
      return fail(ErrorCode::timeout, "the kubelets do not register their nodes");
    }
    for (const auto& node : nodes_) {
      if (!await(deadline, [&] { return read_network(conf_dir(*node)).has_value(); })) {
        return fail(ErrorCode::timeout, fmt::format("the agent of {} does not get ready", node->name()));
      }
    }
    return {};
  }

  // Asks on the loop's thread, again and again until the deadline.
  template <typename Condition>
  bool await(std::chrono::steady_clock::time_point deadline, Condition condition) {
    while (true) {
      std::promise<bool> answer;
      auto answered = answer.get_future();
      loop_.post([&] {
        if (condition()) return answer.set_value(true);
        loop_.after(std::chrono::milliseconds(20), [&] { answer.set_value(condition()); });
      });
      if (answered.get()) return true;
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
  }

  void stop_programs() {
    if (controller_) controller_->stop(kProgramGrace);
    for (auto& agent : agents_) agent->stop(kProgramGrace);
  }

  void stop_loop() {
    if (thread_.joinable()) {
      // Clients and kubelets belong to the loop's thread.
      std::promise<void> gone;
      loop_.post([&] {
        kubelets_.clear();
        controllers_.reset();
        gone.set_value();
      });
      gone.get_future().wait();
      loop_.stop();
      thread_.join();
    }
    kubelets_.clear();
    controllers_.reset();
  }

  Random random_{std::random_device{}()};
  ContainerLogs logs_;
  sim::ApiStore* store_ = nullptr;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<ControllerManager> controllers_;
  std::vector<KubeletParts> kubelets_;
  std::unique_ptr<KeptProcess> controller_;
  std::vector<std::unique_ptr<KeptProcess>> agents_;
  std::thread thread_;
  bool stopped_ = false;
};

EmbeddedCluster::EmbeddedCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddedCluster::~EmbeddedCluster() = default;

Result<std::unique_ptr<EmbeddedCluster>> EmbeddedCluster::start(ClusterOptions options) {
  if (options.nodes < 0 || options.nodes > Fabric::kMostNodes) {
    return fail(ErrorCode::invalid,
                fmt::format("{} nodes: give a number from 0 to {}", options.nodes, Fabric::kMostNodes));
  }
  if (options.datapath && options.nodes > 0 && !options.kubernetes.empty()) {
    return fail(ErrorCode::invalid,
                "a real control plane cannot be reached from nodes with a data path: leave that out");
  }
  if (options.datapath && options.nodes > 0 && ::geteuid() != 0) {
    return fail(ErrorCode::forbidden, "the data path needs root: run as root, or leave it out");
  }
  auto ledger = Ledger::open(options.dir);
  if (!ledger) return fail(ledger.error());
  if (auto cleaned = ledger->clean_up(); !cleaned) {
    return fail(cleaned.error().with_context("cannot remove what an earlier run left"));
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(*ledger));
  if (auto started = impl->start(); !started) {
    const Error why = started.error();
    if (auto stopped = impl->stop(); !stopped) log::error("cannot clean up", {{"error", stopped.error().message}});
    return fail(why);
  }
  return std::unique_ptr<EmbeddedCluster>(new EmbeddedCluster(std::move(impl)));
}

Status EmbeddedCluster::stop() { return impl_->stop(); }
const std::string& EmbeddedCluster::kubeconfig() const { return impl_->kubeconfig_; }
const std::string& EmbeddedCluster::northbound() const { return impl_->central_->northbound(); }
const std::string& EmbeddedCluster::southbound() const { return impl_->central_->southbound(); }
kube::Config EmbeddedCluster::admin() const { return impl_->admin_; }
ApiServer& EmbeddedCluster::api() { return *impl_->api_; }
Supervisor& EmbeddedCluster::supervisor() { return impl_->supervisor_; }
std::string EmbeddedCluster::scratch() const { return impl_->dir_->path("scratch"); }
std::string EmbeddedCluster::logs() const { return impl_->dir_->logs(); }
std::vector<EmbeddedCluster::NodePlace> EmbeddedCluster::nodes() const { return impl_->places(); }

std::vector<std::string> EmbeddedCluster::pod_namespaces() const { return netns::list(impl_->pod_prefix()); }

std::string EmbeddedCluster::namespace_of_pod(const std::string& uid) const {
  const auto names = netns::list(impl_->pod_prefix() + pod_namespace_part(uid));
  return names.empty() ? "" : names.back();
}

Status EmbeddedCluster::crash_controller() { return impl_->crash_controller(); }

Status clean_directory(const std::string& dir) {
  auto ledger = Ledger::open(dir);
  if (!ledger) return fail(ledger.error());
  Status cleaned = ledger->clean_up();
  if (auto closed = ledger->close(); !closed && cleaned) cleaned = std::move(closed);
  return cleaned;
}

Status end_cluster(const std::string& dir, Duration deadline) {
  std::error_code error;
  if (!fs::exists(fs::path(dir) / "ledger", error)) {
    return fail(ErrorCode::not_found, fmt::format("there is no cluster in {}", dir));
  }
  if (const auto holder = ledger_holder(dir)) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, *holder, 0)));
    if (pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGTERM, nullptr, 0) != 0) {
      return fail(ErrorCode::forbidden, fmt::format("cannot end pid {}: {}", *holder, std::strerror(errno)));
    }
    pollfd poll{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline).count();
    if (pidfd && ::poll(&poll, 1, static_cast<int>(wait)) != 1) {
      return fail(ErrorCode::timeout, fmt::format("pid {} does not end", *holder));
    }
    if (!fs::exists(fs::path(dir) / "ledger", error)) return {};
  }
  return clean_directory(dir);
}

}  // namespace berth::dev
