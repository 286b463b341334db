#pragma once

// Subnet (kubeovn.io/v1): what Berth reads of it, its defaults, and its rules.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/condition.h"
#include "api/metadata.h"
#include "api/selector.h"
#include "net/cidr.h"
#include "net/range.h"

namespace berth::api {

struct SubnetAcl {
  std::string direction;  // "from-lport", "to-lport"
  std::int64_t priority = 0;
  std::string match;
  std::string action;
};

struct SubnetNatRule {
  std::string sources;  // "10.0.0.1,10.1.0.0/16"
  std::string destinations;
  std::string action;  // "nat", "forward"
};

struct Subnet {
  ObjectMeta meta;

  // spec, as written
  bool is_default = false;
  std::string vpc;
  std::string protocol;
  std::vector<std::string> namespaces;
  std::vector<LabelSelector> namespace_selectors;
  std::string cidr_block;
  std::string gateway;
  std::vector<std::string> exclude_ips;
  std::string provider;
  std::string gateway_type;
  std::string vlan;
  std::int64_t mtu = 0;
  bool nat_outgoing = false;
  bool private_ = false;
  std::vector<std::string> allow_subnets;
  bool disable_interconnection = false;
  std::string external_egress_gateway;
  bool logical_gateway = false;
  bool u2o_interconnection = false;
  std::string u2o_interconnection_ip;
  bool overlay_only_routing = false;
  std::string gateway_node;  // "node-1,node-2:10.0.0.9"
  std::vector<LabelSelector> gateway_node_selectors;
  std::vector<std::string> vips;
  std::vector<SubnetAcl> acls;
  bool allow_ew_traffic = false;
  std::vector<SubnetNatRule> nat_rules;
  bool enable_dhcp = false;
  std::string dhcp_v4_options;  // "lease_time=3600,router=10.1.0.1"
  std::string dhcp_v6_options;
  bool enable_ipv6_ra = false;
  std::string ipv6_ra_configs;
  std::string route_table;
  std::vector<std::string> unsupported;  // fields that are set and that Berth does nothing about, sorted

  // status
  std::vector<Condition> conditions;
  JsonObject status;  // as stored, to compare with what would be written

  [[nodiscard]] static Subnet parse(const JsonObject& object);

  // The text of the range that addresses lie in: spec.cidrBlock, unless an edit of it lost and the old range stays in
  // force.
  [[nodiscard]] std::string cidr_in_force() const;

  // Whether OVN carries this subnet: provider empty, "ovn", or "<nad>.<ns>.ovn".
  [[nodiscard]] bool is_ovn() const;
  [[nodiscard]] std::string effective_provider() const;  // "ovn" if empty
  [[nodiscard]] std::string effective_vpc() const;       // "ovn-cluster" if empty and OVN

  // spec.namespaces names it, or one of the selectors matches its labels.
  [[nodiscard]] bool claims(const std::string& ns, const std::map<std::string, std::string>& labels) const;
};

// Whether networks of this provider are logical switches of OVN; else Berth only gives their addresses.
[[nodiscard]] bool is_ovn_provider(const std::string& provider);

// What a Subnet's text means, checked. cidrs, gateways: one per family, IPv4 first. excludes: without the gateways.
struct SubnetPlan {
  std::vector<net::Cidr> cidrs;
  std::vector<net::Address> gateways;
  std::vector<net::Range> excludes;
  bool operator==(const SubnetPlan&) const = default;
};

// Applies defaults (a missing gateway is the first usable address) and checks Kube-OVN's rules for a Subnet by itself
// (kube-ovn-behaviour section 3.4). The error names field, value and remedy. Rules about other objects are the
// reconciler's.
[[nodiscard]] Result<SubnetPlan> plan_subnet(const Subnet& subnet);

// Kube-OVN's text of excludeIps: merged, gateways included, sorted as text.
[[nodiscard]] std::vector<std::string> formatted_excludes(const SubnetPlan& plan);

// The merge patch for .spec that normalises a valid Subnet (masked CIDR, gateways, excludeIps with the gateways,
// protocol, provider, vpc, gatewayType); empty if nothing changes.
[[nodiscard]] JsonObject normalisation_patch(const Subnet& subnet, const SubnetPlan& plan);

[[nodiscard]] std::string protocol_of(const std::vector<net::Cidr>& cidrs);  // "IPv4", "IPv6", "Dual"

// "10.1.0.0/16" or "10.1.0.0/16,fd00::/64".
[[nodiscard]] std::string to_string(const std::vector<net::Cidr>& cidrs);
[[nodiscard]] std::string to_string(const std::vector<net::Address>& addresses);

}  // namespace berth::api
