#pragma once

// The embedded cluster as a whole: API server with its built-in controllers, OVN, nodes with kubelets, and Berth's own
// programs as processes of their own, which talk to the rest only over HTTPS, OVSDB and the CNI protocol.
//
// Everything that it makes lies in its directory or is on the ledger there (process/ledger.h), so that a later start in
// the same directory, or clean_directory(), removes what a crash left.
//
// Threads: kubelets and built-in controllers share one event loop; the API server and the Supervisor have their own.
// The public functions may be called from any one thread that is none of these.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "dev/api/api_server.h"
#include "dev/kubelet/pod_worker.h"
#include "dev/process/supervisor.h"
#include "kube/config.h"

namespace berth::dev {

struct ClusterOptions {
  std::string dir;         // made if it is not there
  int nodes = 2;           // node-1, node-2, …; 0: whoever likes may register nodes from outside
  bool datapath = true;    // Open vSwitch, network namespaces, CNI, agents; needs root. Else pods are only reported
  bool controller = true;  // runs berth-controller
  std::string kubernetes;  // folder of a real control plane's programs, in place of the embedded API (kubernetes.h);
                           // without data path only
  bool kubernetes_crd_rules = true;  // its CRDs with their CEL rules; the embedded API knows none
  std::uint16_t api_port = 0;        // 0: any free one
  std::string kubeconfig_out;        // where to write the kubeconfig; empty: <dir>/kubeconfig
  std::string logs;      // folder for all programs' and pods' logs, which stay; empty: <dir>/logs, which goes
  std::string programs;  // folder of berth-controller, berth-agent, berth-cni; empty: our own executable's
  std::string default_cidr = "10.16.0.0/16";
  std::string join_cidr = "100.64.0.0/16";
  std::string service_cidr = "10.96.0.0/16";
  Duration settle = std::chrono::seconds(5);
  int pod_mtu = 1400;                         // what fits into Geneve over the fabric's 1500
  std::vector<std::string> controller_flags;  // added to berth-controller's
  std::vector<std::string> agent_flags;       // added to each berth-agent's
  PodTimings pod_timings;
};

class EmbeddedCluster {
 public:
  struct NodePlace {
    std::string name;
    std::string netns;   // name of its network namespace; empty without data path
    std::string ovs_db;  // "unix:/…"; empty without data path
  };

  // Removes what an earlier run in the directory left, then starts. When it returns the API serves, nodes are Ready
  // and, with a data path, can wire pods. On failure nothing is left behind. Errors: invalid (options, missing
  // programs), conflict (a cluster runs in the directory), forbidden (not root), unavailable, timeout.
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedCluster>> start(ClusterOptions options);

  // stop(), with its outcome logged.
  ~EmbeddedCluster();
  EmbeddedCluster(const EmbeddedCluster&) = delete;
  EmbeddedCluster& operator=(const EmbeddedCluster&) = delete;

  // Ends and removes all that start() made. Repeating it is harmless.
  Status stop();

  [[nodiscard]] const std::string& kubeconfig() const;  // path, user admin
  [[nodiscard]] const std::string& northbound() const;  // "unix:/…/nb.sock"
  [[nodiscard]] const std::string& southbound() const;
  [[nodiscard]] kube::Config admin() const;  // for clients in this process
  [[nodiscard]] ApiServer& api();            // not with ClusterOptions::kubernetes
  [[nodiscard]] Supervisor& supervisor();
  [[nodiscard]] std::string scratch() const;  // an empty folder for whoever uses the cluster; goes with it
  [[nodiscard]] std::string logs() const;
  [[nodiscard]] std::vector<NodePlace> nodes() const;

  // Names of the network namespaces that pods have, and that of one pod (empty: it has none).
  [[nodiscard]] std::vector<std::string> pod_namespaces() const;
  [[nodiscard]] std::string namespace_of_pod(const std::string& uid) const;

  // SIGKILL to berth-controller; returns when the next one runs. It is started again however it ends.
  [[nodiscard]] Status crash_controller();

 private:
  class Impl;
  explicit EmbeddedCluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Removes what a cluster that died left behind in the directory. conflict if one runs there: see ledger_holder().
[[nodiscard]] Status clean_directory(const std::string& dir);

// Ends the cluster that runs in the directory (SIGTERM, and waits), if any, then removes what is left. not_found if the
// directory holds nothing of a cluster.
[[nodiscard]] Status end_cluster(const std::string& dir, Duration deadline);

}  // namespace berth::dev
