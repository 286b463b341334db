#pragma once

// What the verifier has seen with its own eyes: the raw API, ovn-nbctl, `ip` and `ping` inside each pod's namespace.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace berth::dev {

struct SeenRoute {
  std::string destination;  // "default", "192.0.2.0/24"
  std::string gateway;      // empty: on the link
};

// What `ip` says inside a pod's namespace.
struct SeenNamespace {
  std::vector<std::string> addresses;  // of eth0, without link-local ones and without prefix lengths
  std::vector<SeenRoute> routes;
};

struct SeenPod {
  std::string ns;
  std::string name;
  std::string uid;
  std::string node;
  std::string phase;
  bool ready = false;
  bool leaving = false;  // has a deletionTimestamp
  std::map<std::string, std::string> labels;
  std::vector<std::string> addresses;  // status.podIPs
  std::size_t restarts = 0;
  std::vector<std::string> hook_failures;  // messages of FailedPostStartHook events of this UID
  std::optional<SeenNamespace> inside;     // none: there is no data path, or it could not be entered
};

// A row of OVN's Logical_Switch_Port.
struct SeenPort {
  std::string name;
  std::string logical_switch;
  std::vector<std::string> addresses;  // IP addresses only
};

struct SeenPing {
  std::string from;  // "namespace/pod"
  std::string to;
  bool across_nodes = false;
  bool through_router = false;  // the two are meant for different Subnets
  bool answered = false;
};

struct Observation {
  bool datapath = true;  // false: pods have no namespaces here; what needs them is not asked for
  std::vector<SeenPod> pods;
  std::vector<SeenPort> ports;
  std::vector<SeenPing> pings;
};

// Everything that a tenant could leave behind, one line each ("Subnet tenant-web", "Logical_Switch_Port x", "link n1
// y").
using Inventory = std::multiset<std::string>;

}  // namespace berth::dev
