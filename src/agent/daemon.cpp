#include "agent/daemon.h"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>
#include <utility>

#include <boost/json/serialize.hpp>

#include "base/log.h"

namespace berth::agent {
namespace {

kube::Reflector::Options watch_of(api::Kind kind, std::string field_selector) {
  kube::Reflector::Options options;
  options.kind = kind;
  options.field_selector = std::move(field_selector);
  return options;
}

kube::Client::Options client_options() {
  kube::Client::Options options;
  options.user_agent = "berth-agent";
  return options;
}

Attacher::Options attacher_options(const DaemonOptions& daemon) {
  Attacher::Options options;
  options.node = daemon.node;
  options.add_timeout = daemon.add_timeout;
  options.confirm = daemon.confirm;
  return options;
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(Scheduler& scheduler, DaemonOptions options) {
  ovsdb::ClientOptions ovs_options;
  ovs_options.remotes = options.ovs_db;
  ovs_options.database = "Open_vSwitch";
  ovs_options.monitored = {{"Open_vSwitch", {"external_ids"}},
                           {"Bridge", {"name", "ports"}},
                           {"Port", {"name", "interfaces"}},
                           {"Interface", {"name", "external_ids", "error"}}};
  auto ovs = ovsdb::Client::create(scheduler, std::move(ovs_options));
  if (!ovs) return fail(ovs.error());
  std::unique_ptr<Daemon> daemon(new Daemon(scheduler, std::move(options), std::move(*ovs)));
  if (auto status = daemon->serve(); !status) return fail(status.error());
  return daemon;
}

Daemon::Daemon(Scheduler& scheduler, DaemonOptions options, std::unique_ptr<ovsdb::Client> ovs)
    : scheduler_(scheduler),
      options_(std::move(options)),
      random_(std::random_device{}()),
      api_(scheduler, options_.api, client_options()),
      ovs_(std::move(ovs)),
      wiring_(scheduler, *ovs_, options_.wiring),
      attacher_(scheduler, api_, view_, wiring_, metrics_, attacher_options(options_)),
      pods_(api_, scheduler, random_, watch_of(api::Kind::pod, "spec.nodeName=" + options_.node),
            sink("pods", &NodeView::on_pods)),
      subnets_(api_, scheduler, random_, watch_of(api::Kind::subnet, {}), sink("subnets", &NodeView::on_subnets)),
      nodes_(api_, scheduler, random_, watch_of(api::Kind::node, "metadata.name=" + options_.node),
             sink("node", &NodeView::on_nodes)) {
  NodeView::Observer observer;
  observer.on_pod = [this](const std::string& key) { attacher_.on_pod(key); };
  observer.on_subnet = [this](const std::string& name) { attacher_.on_subnet(name); };
  observer.on_synced = [this] {
    attacher_.on_synced();
    announce();
  };
  view_.observe(std::move(observer));
}

kube::Reflector::Sink Daemon::sink(std::string what, void (NodeView::*feed)(kube::ReflectorEvent)) {
  kube::Reflector::Sink out;
  out.on_event = [this, feed](kube::ReflectorEvent event) { (view_.*feed)(std::move(event)); };
  out.on_error = [what](const Error& error) { log::warn("cannot watch", {{"what", what}, {"why", error.message}}); };
  out.on_recovered = [what] { log::info("watching again", {{"what", what}}); };
  return out;
}

Status Daemon::serve() {
  if (!options_.confirm) log::warn("confirmations are switched off: pods may be wired to the wrong subnet");
  CniServer::Options server;
  server.path = options_.socket;
  auto cni = CniServer::start(server, scheduler_, attacher_);
  if (!cni) return fail(cni.error().with_context("CNI socket"));
  server_ = std::move(*cni);
  if (!options_.metrics_address.empty()) {
    auto metrics = serve_metrics(options_.metrics_address, metrics_);
    if (!metrics) return fail(metrics.error().with_context("metrics"));
    metrics_server_ = std::move(*metrics);
  }
  wiring_.start([this] { announce(); });
  pods_.start();
  subnets_.start();
  nodes_.start();
  return {};
}

// Once, when pods can be wired for the first time.
void Daemon::announce() {
  if (announced_ || view_.missing() || !wiring_.ready()) return;
  announced_ = true;
  log::info("ready", {{"node", options_.node}, {"socket", options_.socket}});
  if (options_.conf_folder.empty()) return;
  if (const auto status = install_conf(options_.conf_folder, options_.socket); !status)
    log::error("cannot install the network configuration", {{"why", status.error().message}});
}

Status install_conf(const std::string& folder, const std::string& socket) {
  // Runtimes of before CNI 1.1 read cniVersion alone.
  const boost::json::value conf = {{"cniVersion", "1.0.0"},
                                   {"cniVersions", {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}},
                                   {"name", "berth"},
                                   {"plugins", {{{"type", "berth-cni"}, {"server_socket", socket}}}}};
  const auto path = std::filesystem::path(folder) / "01-berth.conflist";
  const auto draft = std::filesystem::path(folder) / ".01-berth.conflist.new";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  {
    std::ofstream file(draft, std::ios::trunc);
    file << boost::json::serialize(conf) << '\n';
    file.close();
    if (!file) return fail(ErrorCode::unavailable, fmt::format("cannot write {}", draft.string()));
  }
  std::filesystem::rename(draft, path, error);
  if (error) return fail(ErrorCode::unavailable, fmt::format("cannot write {}: {}", path.string(), error.message()));
  return {};
}

}  // namespace berth::agent
