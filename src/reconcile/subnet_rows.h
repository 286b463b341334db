#pragma once

// What OVN should hold of a Subnet, with Kube-OVN's names, priorities and external_ids.

#include <optional>
#include <string>

#include "reconcile/subnet_range.h"
#include "world/logical_network.h"
#include "world/world.h"

namespace berth::reconcile {

// The router port's MAC. Of a port that is there, the one that it has, which running pods know; else one that is the
// same on every rebuild.
[[nodiscard]] net::Mac router_mac(const world::World& world, const std::string& router, const std::string& subnet);

// The switch, its join with the router, access rules, DHCP options, router advertisements, virtual ports.
[[nodiscard]] world::LogicalSwitch wanted_switch(const world::World& world, const api::Subnet& subnet,
                                                 const api::SubnetPlan& plan,
                                                 const std::vector<ProgrammedRange>& retiring);

// Whether traffic that leaves the Vpc takes the gateway of each pod's node: gatewayType, for overlay in the default
// Vpc. vpc: the one that it is in.
[[nodiscard]] bool is_distributed(const api::Subnet& subnet, const std::string& vpc);
[[nodiscard]] bool is_centralized(const api::Subnet& subnet, const std::string& vpc);

// The node whose gateway a centralized subnet uses: the one that it uses already (status.activateGateway) while that is
// ready and named, else the first such. `problem`: why there is none, for people.
struct GatewayChoice {
  std::string node;
  std::string problem;
};
[[nodiscard]] GatewayChoice choose_gateway(const world::World& world, const api::Subnet& subnet);

// The addresses of a node in the join subnet; empty: none yet.
[[nodiscard]] std::vector<net::Address> join_addresses(const world::World& world, const std::string& node);

// The port group of a distributed subnet's pods on one node, and its external_ids. '-' may not stand in names that
// policies refer to, nor a digit at their beginning.
[[nodiscard]] std::string gateway_group(const std::string& subnet, const std::string& node);
[[nodiscard]] world::Ids gateway_group_ids(const std::string& subnet, const std::string& node);

[[nodiscard]] std::string family_name(net::Family family);  // "ip4", "ip6"

// Why its namespaces do not go with the namespaces of Vpcs (Kube-OVN's rule); none: they do. A Vpc without a list takes
// every namespace.
[[nodiscard]] std::optional<std::string> vpc_mismatch(const world::World& world, const api::Subnet& subnet);

}  // namespace berth::reconcile
