#pragma once

// The whole agent: its parts, put together.

#include <memory>
#include <string>

#include "agent/attacher.h"
#include "agent/linux_wiring.h"
#include "agent/metrics.h"
#include "agent/node_view.h"
#include "agent/server.h"
#include "base/random.h"
#include "base/scheduler.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/reflector.h"
#include "ovsdb/client.h"

namespace berth::agent {

struct DaemonOptions {
  kube::Config api;
  std::string node;
  std::string socket;
  std::string ovs_db;  // "unix:/run/openvswitch/db.sock"
  LinuxWiring::Options wiring;
  Duration add_timeout = std::chrono::seconds(30);
  bool confirm = true;
  std::string metrics_address;  // empty: none
  std::string conf_folder;      // where to put the runtime's network configuration; empty: nowhere
};

// Belongs to the Scheduler's thread, which must be in the node's network namespace.
class Daemon {
 public:
  // Errors: whatever keeps the program from starting at all. An API server or an Open vSwitch that is down is none: the
  // agent goes on by itself when they come.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> start(Scheduler& scheduler, DaemonOptions options);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  Daemon(Scheduler& scheduler, DaemonOptions options, std::unique_ptr<ovsdb::Client> ovs);
  [[nodiscard]] Status serve();
  [[nodiscard]] kube::Reflector::Sink sink(std::string what, void (NodeView::*feed)(kube::ReflectorEvent));
  void announce();

  Scheduler& scheduler_;
  DaemonOptions options_;
  Random random_;
  Metrics metrics_;
  NodeView view_;
  kube::Client api_;
  std::unique_ptr<ovsdb::Client> ovs_;
  LinuxWiring wiring_;
  Attacher attacher_;
  kube::Reflector pods_;
  kube::Reflector subnets_;
  kube::Reflector nodes_;
  std::unique_ptr<CniServer> server_;
  std::unique_ptr<http::Server> metrics_server_;
  bool announced_ = false;
};

// Writes 01-berth.conflist, in one step, so that the runtime never reads half of it.
[[nodiscard]] Status install_conf(const std::string& folder, const std::string& socket);

}  // namespace berth::agent
