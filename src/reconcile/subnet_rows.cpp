#include "reconcile/subnet_rows.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/subnet_network.h"
#include "reconcile/subnet_acl.h"

namespace berth::reconcile {
namespace {

std::optional<world::DhcpOptions> wanted_dhcp(const api::Subnet& subnet, const api::SubnetPlan& plan,
                                              net::Family family) {
  if (!subnet.enable_dhcp) return std::nullopt;
  for (std::size_t i = 0; i < plan.cidrs.size(); ++i) {
    if (plan.cidrs[i].family() != family) continue;
    return world::DhcpOptions{plan.cidrs[i].to_string(), api::dhcp_options(subnet, plan.cidrs[i], plan.gateways[i])};
  }
  return std::nullopt;
}

}  // namespace

std::string family_name(net::Family family) { return family == net::Family::v4 ? "ip4" : "ip6"; }

net::Mac router_mac(const world::World& world, const std::string& router, const std::string& subnet) {
  const auto is = world.switches().find(subnet);
  if (is != world.switches().end() && is->second.router == router && !is->second.router_mac.is_none())
    return is->second.router_mac;
  return net::Mac::derived_from(router + "-" + subnet);
}

world::LogicalSwitch wanted_switch(const world::World& world, const api::Subnet& subnet, const api::SubnetPlan& plan,
                                   const std::vector<ProgrammedRange>& retiring) {
  world::LogicalSwitch out;
  out.name = subnet.meta.name;
  if (subnet.vlan.empty()) {
    out.router = subnet.effective_vpc();
    out.router_mac = router_mac(world, out.router, out.name);
    out.route_table = subnet.route_table;
    out.ra_configs = api::ra_configs(subnet, plan.cidrs);
    out.networks = networks_of(plan, retiring);
  }
  std::vector<net::Cidr> cidrs = plan.cidrs;
  for (const ProgrammedRange& range : retiring) cidrs.push_back(range.cidr);
  const auto join = world.subnet(std::string(api::kJoinSubnet));  // also before it was looked at: pods are probed
  out.acls = wanted_acls(subnet, cidrs, join ? join->cidrs : std::vector<net::Cidr>());
  out.dhcp_v4 = wanted_dhcp(subnet, plan, net::Family::v4);
  out.dhcp_v6 = wanted_dhcp(subnet, plan, net::Family::v6);
  for (const std::string& item : subnet.vips) {
    if (const auto address = net::Address::parse(item))
      out.vips[address->to_string()] = world.parents_of_vip(out.name, address->to_string());
  }
  return out;
}

bool is_distributed(const api::Subnet& subnet, const std::string& vpc) {
  return subnet.vlan.empty() && subnet.is_ovn() && vpc == api::kDefaultVpc && subnet.meta.name != api::kJoinSubnet &&
         subnet.gateway_type != "centralized";
}

bool is_centralized(const api::Subnet& subnet, const std::string& vpc) {
  return subnet.vlan.empty() && subnet.is_ovn() && vpc == api::kDefaultVpc && subnet.meta.name != api::kJoinSubnet &&
         subnet.gateway_type == "centralized";
}

std::vector<net::Address> join_addresses(const world::World& world, const std::string& node) {
  const api::Ip* ip = world.ips().find(api::node_port_name(node));
  return ip == nullptr || ip->meta.deleting ? std::vector<net::Address>() : ip->addresses;
}

GatewayChoice choose_gateway(const world::World& world, const api::Subnet& subnet) {
  std::vector<std::string> named = api::gateway_nodes(subnet);
  if (named.empty()) {
    for (const auto& [name, node] : world.nodes().all()) {
      const auto matches = [&](const api::LabelSelector& s) { return s.matches(node.meta.labels); };
      if (std::ranges::any_of(subnet.gateway_node_selectors, matches)) named.push_back(name);
    }
  }
  if (named.empty()) {
    return {"", subnet.gateway_node_selectors.empty()
                    ? "a centralized gateway needs nodes; name some in spec.gatewayNode, or select them with "
                      "spec.gatewayNodeSelectors"
                    : "spec.gatewayNodeSelectors match no node; label one, or correct them"};
  }
  const auto usable = [&](const std::string& name) {
    const api::Node* node = world.nodes().find(name);
    return node != nullptr && !node->meta.deleting && node->ready && !join_addresses(world, name).empty();
  };
  const std::string current = api::string_at(subnet.status, {"activateGateway"});
  if (std::ranges::find(named, current) != named.end() && usable(current)) return {current, ""};
  const auto it = std::ranges::find_if(named, usable);
  if (it != named.end()) return {*it, ""};
  return {"", fmt::format("none of the nodes {} is there and ready; name others in spec.gatewayNode, or repair one",
                          api::join(named, ", "))};
}

std::string gateway_group(const std::string& subnet, const std::string& node) {
  std::string out = subnet + "." + node;
  std::ranges::replace(out, '-', '.');
  if (out.front() >= '0' && out.front() <= '9') out.insert(out.begin(), '_');
  return out;
}

world::Ids gateway_group_ids(const std::string& subnet, const std::string& node) {
  return {{"subnet", subnet}, {"node", node}, {"np", subnet + "/" + node}};
}

std::optional<std::string> vpc_mismatch(const world::World& world, const api::Subnet& subnet) {
  const std::string vpc_name = subnet.effective_vpc();
  if (vpc_name != api::kDefaultVpc) {
    const api::Vpc* vpc = world.vpcs().find(vpc_name);
    if (vpc == nullptr || vpc->namespaces.empty()) return std::nullopt;
    for (const std::string& ns : subnet.namespaces) {
      if (std::ranges::find(vpc->namespaces, ns) != vpc->namespaces.end()) continue;
      return fmt::format(
          "Subnet {}: spec.namespaces \"{}\": Vpc {} is only for the namespaces {}; add it to spec.namespaces of that "
          "Vpc, or remove it here",
          subnet.meta.name, ns, vpc_name, api::join(vpc->namespaces, ", "));
    }
    return std::nullopt;
  }
  for (const std::string& ns : subnet.namespaces) {
    const api::Vpc* vpc = world.vpc_of(ns);
    if (vpc == nullptr || vpc->meta.deleting) continue;
    return fmt::format(
        "Subnet {}: spec.namespaces \"{}\": that namespace belongs to Vpc {}; set spec.vpc to it, or remove the "
        "namespace here or there",
        subnet.meta.name, ns, vpc->meta.name);
  }
  return std::nullopt;
}

}  // namespace berth::reconcile
