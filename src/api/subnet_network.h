#pragma once

// The parts of a Subnet that end in rows of OVN: access rules, DHCP, router advertisements, gateways, virtual
// addresses. What they mean, and Kube-OVN's rules for them; errors name field, value and remedy.

#include <map>
#include <string>
#include <vector>

#include "api/subnet.h"

namespace berth::api {

using OvnOptions = std::map<std::string, std::string>;

// Reads the fields of .spec that this file is about.
void parse_network(const JsonObject& spec, Subnet& subnet);

// Checks them. `cidrs` are those of the Subnet.
[[nodiscard]] Status check_network(const Subnet& subnet, const std::vector<net::Cidr>& cidrs);

// "lease_time=3600,router=10.1.0.1,dns_server={10.96.0.10;1.1.1.1}": in values, ';' stands for ','.
[[nodiscard]] Result<OvnOptions> parse_options(std::string_view text);

// What OVN answers to DHCP requests in that range; what the user leaves out has Kube-OVN's defaults.
[[nodiscard]] OvnOptions dhcp_options(const Subnet& subnet, const net::Cidr& cidr, const net::Address& gateway);

// Of the router port; empty: no router advertisements.
[[nodiscard]] OvnOptions ra_configs(const Subnet& subnet, const std::vector<net::Cidr>& cidrs);

// The nodes that spec.gatewayNode names, in that order.
[[nodiscard]] std::vector<std::string> gateway_nodes(const Subnet& subnet);

}  // namespace berth::api
