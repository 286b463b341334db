#include "reconcile/vpc_rows.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/subnet_rows.h"

namespace berth::reconcile {
namespace {

// Kube-OVN's priorities.
constexpr int kToSubnet = 31000;
constexpr int kToNode = 30000;
constexpr int kGateway = 29000;

class RouterBuilder {
 public:
  RouterBuilder(const world::World& world, const api::Vpc& vpc) : world_(world), vpc_(vpc) {
    out_.name = vpc.meta.name;
  }

  world::LogicalRouter build(bool valid) {
    for (const api::Subnet* subnet : world_.subnets_of_vpc(vpc_.meta.name)) {
      const world::SubnetState& state = world_.subnet_state(subnet->meta.name);
      if (!subnet->vlan.empty() || subnet->meta.deleting) continue;
      if (state.in_force) {
        add_subnet(*subnet, state);
      } else {
        keep_subnet(*subnet);
      }
    }
    if (vpc_.meta.name == api::kDefaultVpc) {
      for (const auto& [name, node] : world_.nodes().all()) add_node(node);
    }
    if (valid) {
      add_spec();
    } else {
      keep_spec();
    }
    return std::move(out_);
  }

 private:
  void reroute(int priority, std::string match, net::Family family, const std::string& node, world::Ids ids) {
    std::set<std::string> hops;
    for (const net::Address& address : join_addresses(world_, node)) {
      if (address.family() == family) hops.insert(address.to_string());
    }
    if (!hops.empty()) out_.policies.insert({priority, std::move(match), "reroute", std::move(hops), std::move(ids)});
  }

  void add_subnet(const api::Subnet& subnet, const world::SubnetState& state) {
    const std::string& name = subnet.meta.name;
    const world::Ids ids{{"subnet", name}};
    std::vector<ProgrammedRange> ranges;
    for (std::size_t i = 0; i < state.in_force->cidrs.size(); ++i)
      ranges.push_back({state.in_force->cidrs[i], state.in_force->gateways[i]});
    for (const ProgrammedRange& range : programmed_ranges(world_, name)) {
      if (std::ranges::find(state.retiring, range.cidr) != state.retiring.end()) ranges.push_back(range);
    }
    for (const auto& [cidr, gateway] : ranges) {
      const std::string ip = family_name(cidr.family());
      out_.policies.insert({kToSubnet, fmt::format("{}.dst == {}", ip, cidr.to_string()), "allow", {}, ids});
      if (vpc_.meta.name != api::kDefaultVpc) {
        out_.routes.insert({cidr.to_string(), gateway.to_string(), true, subnet.route_table, ids});
        continue;
      }
      if (!state.gateway.empty()) {
        world::Ids with_node = ids;
        with_node[state.gateway] = hop_of(state.gateway, cidr.family());
        reroute(kGateway, fmt::format("{}.src == {}", ip, cidr.to_string()), cidr.family(), state.gateway, with_node);
      }
      if (state.distributed) add_distributed(name, cidr.family());
    }
    if (vpc_.meta.name == api::kDefaultVpc && name == api::kJoinSubnet) add_default_routes(state.in_force->gateways);
  }

  // Nothing of it is established yet: a new leader, or one that takes over from Kube-OVN, has not come to it. Pods that
  // run meanwhile need the rows that are there. Kube-OVN's routes do not say whose they are.
  void keep_subnet(const api::Subnet& subnet) {
    const auto is = world_.routers().find(vpc_.meta.name);
    if (is == world_.routers().end()) return;
    const auto speaks_of_it = [&](const world::Ids& ids) {
      const auto id = ids.find("subnet");
      return id != ids.end() && id->second == subnet.meta.name;
    };
    const std::vector<std::string> ranges = api::split_list(subnet.cidr_block);
    const bool join = subnet.meta.name == api::kJoinSubnet && vpc_.meta.name == api::kDefaultVpc;
    for (const world::RouterPolicy& policy : is->second.policies) {
      if (speaks_of_it(policy.ids)) out_.policies.insert(policy);
    }
    for (const world::StaticRoute& route : is->second.routes) {
      const bool unsigned_one =
          route.ids.empty() && (std::ranges::find(ranges, route.prefix) != ranges.end() ||
                                (join && (route.prefix == "0.0.0.0/0" || route.prefix == "::/0")));
      if (speaks_of_it(route.ids) || unsigned_one) out_.routes.insert(route);
    }
  }

  std::string hop_of(const std::string& node, net::Family family) const {
    for (const net::Address& address : join_addresses(world_, node)) {
      if (address.family() == family) return address.to_string();
    }
    return {};
  }

  // Only for nodes on which the subnet has pods.
  void add_distributed(const std::string& subnet, net::Family family) {
    const auto it = world_.gateway_pairs().find(subnet);
    if (it == world_.gateway_pairs().end()) return;
    for (const auto& [node, count] : it->second) {
      reroute(kGateway,
              fmt::format("{}.src == ${}_{}", family_name(family), gateway_group(subnet, node), family_name(family)),
              family, node, {{"subnet", subnet}, {"node", node}});
    }
  }

  // In every route table that a subnet uses.
  void add_default_routes(const std::vector<net::Address>& gateways) {
    std::set<std::string> tables{""};
    for (const api::Subnet* subnet : world_.subnets_of_vpc(vpc_.meta.name)) {
      if (!subnet->meta.deleting) tables.insert(subnet->route_table);
    }
    for (const std::string& table : tables) {
      for (const net::Address& gateway : gateways)
        out_.routes.insert({gateway.is_v4() ? "0.0.0.0/0" : "::/0",
                            gateway.to_string(),
                            false,
                            table,
                            {{"subnet", std::string(api::kJoinSubnet)}}});
    }
  }

  void add_node(const api::Node& node) {
    if (node.meta.deleting) return;
    for (const std::string& text : node.internal_ips) {
      const auto address = net::Address::parse(text);
      if (!address) continue;
      reroute(kToNode, fmt::format("{}.dst == {}", family_name(address->family()), address->to_string()),
              address->family(), node.meta.name, {{"node", node.meta.name}});
    }
  }

  void add_spec() {
    for (const api::Vpc::StaticRoute& route : vpc_.static_routes)
      out_.routes.insert({route.cidr, route.next_hop, route.policy == "policySrc", route.table, {}});
    for (const api::Vpc::PolicyRoute& route : vpc_.policy_routes) {
      std::set<std::string> hops;
      if (route.action == "reroute") hops.insert(route.next_hops.begin(), route.next_hops.end());
      out_.policies.insert({static_cast<int>(route.priority), route.match, route.action, std::move(hops), {}});
    }
    for (const api::Vpc::Peering& peering : vpc_.peerings) {
      const auto items = api::split_list(peering.connect);
      out_.peers[peering.remote] = {net::Mac::derived_from(vpc_.meta.name + "-" + peering.remote),
                                    {items.begin(), items.end()}};
    }
  }

  // What the last valid spec asked for is known by what it lacks: a subnet or node that it is there for.
  void keep_spec() {
    const auto it = world_.routers().find(vpc_.meta.name);
    if (it == world_.routers().end()) return;
    for (const world::StaticRoute& route : it->second.routes) {
      if (route.ids.empty()) out_.routes.insert(route);
    }
    for (const world::RouterPolicy& policy : it->second.policies) {
      if (policy.ids.empty()) out_.policies.insert(policy);
    }
    out_.peers = it->second.peers;
  }

  const world::World& world_;
  const api::Vpc& vpc_;
  world::LogicalRouter out_;
};

template <typename Item>
void step(const std::set<Item>& wanted, std::set<Item>& is, std::size_t& left) {
  std::erase_if(is, [&](const Item& item) { return !wanted.contains(item) && left > 0 && left-- > 0; });
  for (const Item& item : wanted) {
    if (left == 0) return;
    if (is.insert(item).second) --left;
  }
}

}  // namespace

world::LogicalRouter wanted_router(const world::World& world, const api::Vpc& vpc, bool valid) {
  return RouterBuilder(world, vpc).build(valid);
}

world::LogicalRouter step_towards(const world::LogicalRouter& wanted, const world::LogicalRouter& is,
                                  std::size_t most) {
  world::LogicalRouter out = is;
  out.name = wanted.name;
  out.peers = wanted.peers;
  std::size_t left = most;
  step(wanted.routes, out.routes, left);
  step(wanted.policies, out.policies, left);
  return out;
}

}  // namespace berth::reconcile
