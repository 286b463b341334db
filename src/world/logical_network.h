#pragma once

// Berth's vocabulary for what it keeps in OVN, the same for what is wanted (in Plans) and what is observed (in the
// World). Names follow Kube-OVN: router = Vpc, switch = Subnet, port = "<pod>.<ns>[.<provider>]" or "node-<node>".
// src/ovn turns these into northbound rows and back.

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "net/address.h"
#include "net/mac.h"

namespace berth::world {

// external_ids of a row beside vendor=kube-ovn, which src/ovn adds: "subnet", "node", ….
using Ids = std::map<std::string, std::string>;

struct StaticRoute {
  std::string prefix;   // "0.0.0.0/0"
  std::string nexthop;  // "100.64.0.1"
  bool by_source = false;
  std::string table{};  // route table; empty: the main one
  Ids ids{};
  auto operator<=>(const StaticRoute&) const = default;
};

struct RouterPolicy {
  int priority = 0;
  std::string match;   // "ip4.dst == 10.16.0.0/16"
  std::string action;  // "allow", "drop", "reroute"
  std::set<std::string> nexthops;
  Ids ids{};
  auto operator<=>(const RouterPolicy&) const = default;
};

// Half of a link between two routers: the port "<router>-<remote>", whose peer is "<remote>-<router>".
struct PeerPort {
  net::Mac mac;
  std::set<std::string> networks;  // "169.254.0.1/30"
  bool operator==(const PeerPort&) const = default;
};

struct LogicalRouter {
  std::string name;
  std::set<StaticRoute> routes;
  std::set<RouterPolicy> policies;
  std::map<std::string, PeerPort> peers{};  // by the remote router
  bool operator==(const LogicalRouter&) const = default;
};

// One access rule of a switch.
struct Acl {
  std::string direction;  // "from-lport", "to-lport"
  int priority = 0;
  std::string match;
  std::string action;      // "allow-related", "drop"
  std::string log_name{};  // not empty: matches are logged as warnings under this name
  Ids ids{};
  auto operator<=>(const Acl&) const = default;
};

// What OVN answers to DHCP requests, for one family of a switch.
struct DhcpOptions {
  std::string cidr;
  std::map<std::string, std::string> options;
  std::string uuid{};  // of the row; only in what is observed, and never compared
  bool operator==(const DhcpOptions& other) const { return cidr == other.cidr && options == other.options; }
};

// A switch and, if router is set, the pair of ports that joins them: "<router>-<switch>" on the router,
// "<switch>-<router>" on the switch.
struct LogicalSwitch {
  std::string name;
  std::string router;                               // empty: not routed
  std::vector<std::string> networks;                // of the router port: "10.16.0.1/16", IPv4 first
  net::Mac router_mac;                              // of the router port; no pod of the subnet may use it
  std::string route_table{};                        // of the router port
  std::map<std::string, std::string> ra_configs{};  // of the router port; empty: no router advertisements
  std::set<Acl> acls{};
  std::optional<DhcpOptions> dhcp_v4{};
  std::optional<DhcpOptions> dhcp_v6{};
  // Virtual ports "<switch>-vip-<address>", each with the ports that may hold its address.
  std::map<std::string, std::set<std::string>> vips{};
  bool exists = true;  // false: only rows that belong to it are there (options, port groups), not the switch itself
  bool operator==(const LogicalSwitch&) const = default;
};

inline constexpr const char* kSwitchOptions = "switch";

// The options of a port that Berth sets or removes.
inline const std::set<std::string> kPortOptions{"arp_proxy", "virtual-ip", "virtual-parents"};
inline constexpr const char* kVirtualPort = "virtual";
inline constexpr const char* kVipId = "berth-vip";  // in external_ids: the Vip that a port belongs to

struct LogicalPort {
  std::string name;
  std::string switch_name;
  net::Mac mac;
  std::vector<net::Address> addresses;  // IPv4 first
  std::map<std::string, std::string>
      external_ids;       // pod=<ns>/<pod>, berth-owner=<owner>; vendor and ls are added by src/ovn
  std::string dhcp_v4{};  // "": none; kSwitchOptions: those of its switch; anything else is somebody else's row
  std::string dhcp_v6{};
  std::map<std::string, Ids> groups{};  // port groups with external_ids subnet and node that it is a member of
  std::string type{};                   // "": a pod, node or address; kVirtualPort: a Vip, whose parents answer for it
  std::map<std::string, std::string> options{};  // those of kPortOptions; others on the same port are let be
  bool operator==(const LogicalPort&) const = default;
};

// Addresses under a name that ACLs and policies may use: $<name>.
struct AddressSet {
  std::string name;
  std::set<std::string> addresses;  // addresses and CIDRs of one family
  Ids external_ids;                 // ippool=<name>; vendor is added by src/ovn
  bool operator==(const AddressSet&) const = default;
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
struct PutAddressSet {
  AddressSet address_set;
};
struct RemoveAddressSet {
  std::string name;
};

// One wish for the northbound database. All are idempotent: what is there already, or gone already, costs nothing.
using OvnChange = std::variant<PutRouter, RemoveRouter, PutSwitch, RemoveSwitch, PutPort, RemovePort, PutAddressSet,
                               RemoveAddressSet>;

}  // namespace berth::world
