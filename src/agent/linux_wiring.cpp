#include "agent/linux_wiring.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "agent/netns.h"
#include "agent/rtnl.h"
#include "agent/veth.h"
#include "base/log.h"

namespace berth::agent {
namespace {

constexpr int kFallbackMtu = 1400;

int choose_mtu(int subnet_mtu, int configured, const std::string& tunnel_address) {
  if (subnet_mtu > 0) return subnet_mtu;
  if (configured > 0) return configured;
  const auto address = net::Address::parse(tunnel_address);
  const auto mtu = address ? tunnel_mtu(*address) : Result<int>(fail(address.error()));
  return mtu && *mtu >= 576 ? *mtu : kFallbackMtu;
}

std::map<std::string, std::string> external_ids_of(const WireSpec& spec) {
  std::string addresses;
  for (const auto& a : spec.addresses) addresses += (addresses.empty() ? "" : ",") + a.address.to_string();
  return {{"iface-id", spec.port},
          {"vendor", std::string(kVendor)},
          {"pod_name", spec.pod_name},
          {"pod_namespace", spec.pod_ns},
          {"pod_uid", spec.pod_uid},
          {"pod_netns", spec.netns},
          {"container_id", spec.key.container_id},
          {"ip", addresses}};
}

// A container is gone when neither its namespace's path nor the node's end of its pair is left: the kernel removes the
// latter along with the namespace.
bool is_dead(const std::string& netns, const std::string& host_name) {
  struct stat info{};
  if (::stat(netns.c_str(), &info) == 0 || errno != ENOENT) return false;
  auto rtnl = Rtnl::open();
  if (!rtnl) return false;
  const auto link = rtnl->find_link(host_name);
  return link && !*link;
}

}  // namespace

LinuxWiring::LinuxWiring(Scheduler& scheduler, ovsdb::Database& local_ovs, Options options)
    : scheduler_(scheduler), options_(std::move(options)), ports_(scheduler, local_ovs, options_.bridge) {}

LinuxWiring::~LinuxWiring() = default;

void LinuxWiring::start(std::function<void()> on_ready) {
  ports_.start({[this] { remove_ports_of_the_dead(); }, std::move(on_ready)});
}

Status LinuxWiring::ready() const { return ports_.ready(); }

template <typename Work, typename Done>
void LinuxWiring::off_loop(Work work, Done done) {
  worker_.run([this, alive = std::weak_ptr<int>(alive_), work = std::move(work), done = std::move(done)]() mutable {
    scheduler_.post([alive, outcome = work(), done = std::move(done)]() mutable {
      if (!alive.expired()) done(std::move(outcome));
    });
  });
}

void LinuxWiring::wire(WireSpec spec, std::function<void(Result<Wired>)> done) {
  if (auto status = ready(); !status) {
    scheduler_.post([done = std::move(done), status] { done(fail(status.error())); });
    return;
  }
  auto work = [spec, configured = options_.mtu, tunnel = ports_.tunnel_address()]() -> Result<Wired> {
    const auto ns = NetNs::open(spec.netns);
    if (!ns) return fail(ErrorCode::invalid, ns.error().message);
    VethPlan plan{host_veth_name(spec.key), spec.key.ifname, spec.mac,
                  spec.addresses,           spec.routes,     choose_mtu(spec.mtu, configured, tunnel)};
    const auto mac = ensure_veth(plan, *ns);
    if (!mac) return fail(mac.error());
    return Wired{plan.host_name, *mac, plan.mtu};
  };
  off_loop(std::move(work), [this, spec, done = std::move(done)](Result<Wired> wired) mutable {
    if (!wired) return done(std::move(wired));
    add_port(std::move(spec), std::move(*wired), std::move(done));
  });
}

void LinuxWiring::add_port(WireSpec spec, Wired wired, std::function<void(Result<Wired>)> done) {
  const auto name = wired.host_interface;
  ports_.add(name, external_ids_of(spec), spec.deadline,
             [this, alive = std::weak_ptr<int>(alive_), name, wired = std::move(wired),
              done = std::move(done)](const Status& outcome) {
               if (alive.expired()) return;
               if (outcome) return done(wired);
               remove(name, [done, error = outcome.error()](const Status& removed) {
                 if (!removed) log::warn("rolling back failed", {{"why", removed.error().message}});
                 done(fail(error));
               });
             });
}

// Port and pair; the pair also when the port cannot be removed now.
void LinuxWiring::remove(const std::string& name, std::function<void(Status)> done) {
  ports_.remove(name, [this, alive = std::weak_ptr<int>(alive_), name,
                       done = std::move(done)](const Status& port_removed) {
    if (alive.expired()) return;
    off_loop([name] { return remove_veth(name); },
             [done, port_removed](const Status& veth_removed) { done(port_removed ? veth_removed : port_removed); });
  });
}

void LinuxWiring::unwire(AttachmentKey key, std::function<void(Status)> done) {
  remove(host_veth_name(key), std::move(done));
}

void LinuxWiring::check(CheckSpec spec, std::function<void(Status)> done) {
  const auto name = host_veth_name(spec.key);
  const auto port = ports_.find(name);
  Status ovs = ready();
  if (ovs && (!port || port->id("container_id") != spec.key.container_id || port->id("iface-id").empty())) {
    ovs = fail(ErrorCode::not_found, fmt::format("Open vSwitch has no port {} of this container", name));
  } else if (ovs && !port->installed()) {
    ovs = fail(ErrorCode::conflict, fmt::format("OVN has not installed port {}", name));
  }
  auto work = [name, spec = std::move(spec)]() -> Status {
    const auto ns = NetNs::open(spec.netns);
    if (!ns) return fail(ns.error());
    return check_veth(name, spec, *ns);
  };
  off_loop(std::move(work), [ovs, done = std::move(done)](const Status& veth) { done(ovs ? veth : ovs); });
}

void LinuxWiring::retain(std::set<AttachmentKey> valid, std::function<void(Status)> done) {
  if (auto status = ready(); !status) {
    scheduler_.post([done = std::move(done), status] { done(status); });
    return;
  }
  std::set<std::string> kept;
  for (const auto& key : valid) kept.insert(host_veth_name(key));
  std::vector<std::string> others;
  for (const auto& port : ports_.ours()) {
    if (!kept.contains(port.name)) others.push_back(port.name);
  }
  struct Progress {
    std::size_t left;
    Status outcome;
  };
  auto progress = std::make_shared<Progress>(Progress{others.size() + 1, {}});
  const auto one_done = [progress, done = std::move(done)](const Status& status) {
    if (!status) progress->outcome = status;
    if (--progress->left == 0) done(progress->outcome);
  };
  for (const auto& name : others) {
    log::info("removing a port that the runtime does not know", {{"port", name}});
    remove(name, one_done);
  }
  scheduler_.post([one_done] { one_done({}); });
}

void LinuxWiring::remove_ports_of_the_dead() {
  for (const auto& port : ports_.ours()) {
    const auto netns = port.id("pod_netns");
    if (netns.empty()) continue;
    off_loop([netns, name = port.name] { return is_dead(netns, name); },
             [this, name = port.name, container = port.id("container_id")](bool dead) {
               const auto now = ports_.find(name);
               if (!dead || !now || now->id("container_id") != container) return;
               log::info("removing the port of a container that is gone", {{"port", name}, {"container", container}});
               ports_.remove(name, [](const Status& status) {
                 if (!status) log::warn("removing a port failed", {{"why", status.error().message}});
               });
             });
  }
}

}  // namespace berth::agent
