#pragma once

// Berth's vocabulary for what it keeps in OVN, the same for what is wanted (in Plans) and what is observed (in the
// World). Names follow Kube-OVN: router = Vpc, switch = Subnet, port = "<pod>.<ns>[.<provider>]" or "node-<node>".
// src/ovn turns these into northbound rows and back.

#include <compare>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "net/address.h"
#include "net/mac.h"

namespace berth::world {

struct StaticRoute {
  std::string prefix;   // "0.0.0.0/0"
  std::string nexthop;  // "100.64.0.1"
  bool by_source = false;
  auto operator<=>(const StaticRoute&) const = default;
};

struct RouterPolicy {
  int priority = 0;
  std::string match;   // "ip4.dst == 10.16.0.0/16"
  std::string action;  // "allow", "drop", "reroute"
  std::set<std::string> nexthops;
  auto operator<=>(const RouterPolicy&) const = default;
};

struct LogicalRouter {
  std::string name;
  std::set<StaticRoute> routes;
  std::set<RouterPolicy> policies;
  bool operator==(const LogicalRouter&) const = default;
};

// A switch and, if router is set, the pair of ports that joins them: "<router>-<switch>" on the router,
// "<switch>-<router>" on the switch.
struct LogicalSwitch {
  std::string name;
  std::string router;                 // empty: not routed
  std::vector<std::string> networks;  // of the router port: "10.16.0.1/16", IPv4 first
  net::Mac router_mac;                // of the router port; no pod of the subnet may use it
  bool operator==(const LogicalSwitch&) const = default;
};

struct LogicalPort {
  std::string name;
  std::string switch_name;
  net::Mac mac;
  std::vector<net::Address> addresses;  // IPv4 first
  std::map<std::string, std::string>
      external_ids;  // pod=<ns>/<pod>, berth-owner=<owner>; vendor and ls are added by src/ovn
  bool operator==(const LogicalPort&) const = default;
};

struct PutRouter {
  LogicalRouter router;
};
struct RemoveRouter {
  std::string name;
};
struct PutSwitch {
  LogicalSwitch logical_switch;
};
struct RemoveSwitch {
  std::string name;
};
struct PutPort {
  LogicalPort port;  // a port of that name on another switch is moved in the same transaction
};
struct RemovePort {
  std::string name;
};

// One wish for the northbound database. All are idempotent: what is there already, or gone already, costs nothing.
using OvnChange = std::variant<PutRouter, RemoveRouter, PutSwitch, RemoveSwitch, PutPort, RemovePort>;

}  // namespace berth::world
