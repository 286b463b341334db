#include "dev/node/node.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "dev/node/offload.h"
#include "dev/process/netns.h"
#include "dev/process/ovsdb_process.h"
#include "dev/process/unique_fd.h"

namespace berth::dev {

namespace {

constexpr std::chrono::seconds kStopGrace{5};
constexpr std::chrono::seconds kCommand{40};

std::string random_uuid() {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
  return uuid;
}

}  // namespace

Node::Node(Supervisor& supervisor, const RunDir& dir, Options options)
    : supervisor_(supervisor),
      dir_(dir),
      options_(std::move(options)),
      netns_(dir.namespace_of(options_.name)),
      chassis_(random_uuid()) {}

Result<std::unique_ptr<Node>> Node::start(Supervisor& supervisor, Ledger& ledger, const RunDir& dir, Fabric& fabric,
                                          Options options) {
  const int index = options.index;
  std::unique_ptr<Node> node(new Node(supervisor, dir, std::move(options)));
  Status done = node->make_folders(ledger);
  if (done) done = ledger.make_namespace(node->netns_);
  if (done) done = fabric.plug(index, node->netns_);
  if (done) done = node->start_database();
  if (done) done = node->configure();
  if (done) done = node->start_switch();
  if (done) done = node->give_address();
  if (done) done = node->start_controller();
  if (!done) return fail(done.error().with_context(node->name()));
  return node;
}

Node::~Node() {
  // The database last: ovn-controller takes its chassis and tunnels away when it is asked to end.
  std::ranges::reverse(processes_);
  for (const auto id : processes_) supervisor_.stop_and_wait({id}, kStopGrace);
}

std::string Node::run_dir() const { return dir_.node_dir(options_.name) + "/run"; }
std::string Node::ovs_db() const { return "unix:" + run_dir() + "/openvswitch/db.sock"; }

Status Node::make_folders(Ledger& ledger) {
  if (auto made = ledger.make_tree(dir_.node_dir(options_.name)); !made) return made;
  std::error_code error;
  std::filesystem::create_directories(run_dir() + "/openvswitch", error);
  if (error) return fail(ErrorCode::unavailable, fmt::format("make {}: {}", run_dir(), error.message()));
  return {};
}

Status Node::start_database() {
  auto id = start_ovsdb(supervisor_, {.name = options_.name + "-ovsdb-server",
                                      .schema = "/usr/share/openvswitch/vswitch.ovsschema",
                                      .database = dir_.node_dir(options_.name) + "/conf.db",
                                      .socket = run_dir() + "/openvswitch/db.sock",
                                      .control = run_dir() + "/openvswitch/ovsdb-server.ctl",
                                      .log_file = dir_.log_of(options_.name + "-ovsdb-server")});
  if (!id) return fail(id.error());
  processes_.push_back(*id);
  return {};
}

Status Node::configure() {
  return vsctl({"--no-wait", "init", "--", "set", "Open_vSwitch", ".",  //
                "external_ids:system-id=" + chassis_, "external_ids:hostname=" + options_.name,
                "external_ids:ovn-remote=" + options_.southbound, "external_ids:ovn-encap-type=geneve",
                "external_ids:ovn-encap-ip=" + address(), "external_ids:ovn-bridge-datapath-type=netdev"});
}

Status Node::start_switch() {
  if (auto started = start_daemon("ovs-vswitchd", "--disable-system"); !started) return started;
  // Without --no-wait: returns when ovs-vswitchd has made the bridge.
  return vsctl({"add-br", "br-ext", "--", "set", "bridge", "br-ext", "datapath_type=netdev", "--", "add-port", "br-ext",
                "uplink"});
}

Status Node::give_address() {
  auto up = ip_batch(supervisor_, netns_,
                     fmt::format("addr add {}/{} dev br-ext\n"
                                 "link set br-ext up\n"
                                 "route add default via {}\n",
                                 address(), Fabric::kPrefixLength, Fabric::gateway()));
  if (!up) return up;
  return netns::run_inside(netns_, [] { return disable_checksum_offload("br-ext"); });
}

Status Node::start_controller() { return start_daemon("ovn-controller", {}); }

Status Node::start_daemon(const std::string& program, const std::string& option) {
  const std::string folder = run_dir() + "/openvswitch";
  ProcessSpec spec{.name = options_.name + "-" + program,
                   .argv = {program, "--no-chdir"},
                   .env = {"OVS_RUNDIR=" + folder, "OVN_RUNDIR=" + folder},
                   .netns = netns_,
                   .log_file = dir_.log_of(options_.name + "-" + program)};
  if (!option.empty()) spec.argv.push_back(option);
  spec.argv.push_back(ovs_db());
  auto id = supervisor_.start(std::move(spec), {});
  if (!id) return fail(id.error());
  processes_.push_back(*id);
  return {};
}

Status Node::vsctl(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"ovs-vsctl", "--timeout=30", "--db=" + ovs_db()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto done = run_command(supervisor_, {.name = "ovs-vsctl", .argv = std::move(argv), .timeout = kCommand});
  if (!done) return fail(done.error());
  return {};
}

Result<int> Node::listen_for_api() const {
  UniqueFd fd;
  auto listening = netns::run_inside(netns_, [&]() -> Status {
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.api_port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0) {
      return fail(ErrorCode::unavailable, fmt::format("{}: listen on 127.0.0.1 port {}: {}", options_.name,
                                                      options_.api_port, std::strerror(errno)));
    }
    return {};
  });
  if (!listening) return fail(listening.error());
  return fd.release();
}

}  // namespace berth::dev
