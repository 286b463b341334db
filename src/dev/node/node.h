#pragma once

// One node of the embedded cluster: a network namespace with Open vSwitch on the userspace datapath and ovn-controller.
//
//   namespace berth-<id>-<node>                       namespace berth-<id>-fabric
//     br-ext  198.18.0.1N  netdev bridge, the node's    fabric 198.18.0.1, a Linux bridge
//       uplink ───────────── veth ───────────────────────  node-N
//     br-int  made by ovn-controller; Geneve over br-ext; pods' veths
//     127.0.0.1:<API's port>  the API server's own listening socket
//
// What was measured: ovs-vswitchd of several nodes run side by side when each has its own run directory and database
// (the userspace datapath lives inside the process, its taps in its namespace). A socket belongs to the namespace that
// it was made in, wherever its descriptor is served from. So the API server listens inside each node on the same
// loopback port as outside, one kubeconfig works everywhere, and the nodes need no second uplink; a real node, whose
// API is elsewhere, would. The address of br-ext is on a tap of ovs-vswitchd: it is gone when that ends.
//
// The node's files are under <run>/nodes/<node>: run/ is what its /run would be (openvswitch/, berth/), conf.db.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dev/cluster/run_dir.h"
#include "dev/node/fabric.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class Node {
 public:
  struct Options {
    std::string name;            // "node-1"
    int index = 1;               // from 1: gives the address
    std::string southbound;      // "unix:/…"
    std::uint16_t api_port = 0;  // for listen_for_api()
  };

  // Returns when Open vSwitch forwards and ovn-controller runs; OvnCentral::await_chassis(chassis()) tells when that is
  // connected. Needs root. References must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<Node>> start(Supervisor& supervisor, Ledger& ledger, const RunDir& dir,
                                                           Fabric& fabric, Options options);

  // Stops its programs; the ledger takes namespace and files away.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] const std::string& netns() const { return netns_; }
  [[nodiscard]] const std::string& chassis() const { return chassis_; }  // system-id, a UUID as in real life
  [[nodiscard]] std::string address() const { return Fabric::address_of(options_.index); }
  [[nodiscard]] std::string ovs_db() const;   // "unix:/…/openvswitch/db.sock"
  [[nodiscard]] std::string run_dir() const;  // what is /run on a real node

  // A socket that listens on 127.0.0.1:api_port inside the node; the caller owns the descriptor.
  [[nodiscard]] Result<int> listen_for_api() const;

 private:
  Node(Supervisor& supervisor, const RunDir& dir, Options options);

  [[nodiscard]] Status make_folders(Ledger& ledger);
  [[nodiscard]] Status start_database();
  [[nodiscard]] Status configure();
  [[nodiscard]] Status start_switch();
  [[nodiscard]] Status give_address();
  [[nodiscard]] Status start_controller();
  [[nodiscard]] Status start_daemon(const std::string& program, const std::string& option);
  [[nodiscard]] Status vsctl(std::vector<std::string> arguments);

  Supervisor& supervisor_;
  const RunDir dir_;
  Options options_;
  std::string netns_;
  std::string chassis_;
  std::vector<Supervisor::Id> processes_;
};

}  // namespace berth::dev
