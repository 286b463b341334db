#include "reconcile/subnet_range.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"

namespace berth::reconcile {
namespace {

bool lies_in(const net::Address& address, const std::vector<net::Cidr>& cidrs) {
  return std::ranges::any_of(cidrs, [&](const net::Cidr& c) { return c.contains(address); });
}

// The gateways that a port's pod was told, and so routes through.
std::vector<net::Address> gateways_of(const world::World& world, const api::Ip& ip) {
  const api::Pod* pod = world.pods().find(ip.pod_ns + "/" + ip.pod_name);
  if (pod == nullptr || pod->meta.uid != ip.pod_uid) return {};
  const auto record = api::own_record(pod->meta);
  std::vector<net::Address> out;
  if (!record) return out;
  for (const auto& [provider, network] : record->networks) {
    if (network.subnet != ip.subnet) continue;
    const auto text = pod->meta.annotation(api::annotation_key(provider, api::suffix::kGateway));
    for (const std::string& item : api::split_list(text.value_or(""))) {
      if (const auto gateway = net::Address::parse(item)) out.push_back(*gateway);
    }
  }
  return out;
}

bool needs(const world::World& world, const api::Ip& ip, const ProgrammedRange& range, const api::SubnetPlan& plan) {
  const bool inside = std::ranges::any_of(ip.addresses, [&](const net::Address& a) { return range.cidr.contains(a); });
  if (!inside) return false;
  const bool left_behind = std::ranges::any_of(
      ip.addresses, [&](const net::Address& a) { return range.cidr.contains(a) && !lies_in(a, plan.cidrs); });
  if (left_behind) return true;
  if (std::ranges::find(plan.gateways, range.gateway) != plan.gateways.end()) return false;
  const auto gateways = gateways_of(world, ip);
  return std::ranges::find(gateways, range.gateway) != gateways.end();
}

}  // namespace

std::vector<ProgrammedRange> programmed_ranges(const world::World& world, const std::string& name) {
  std::vector<ProgrammedRange> out;
  const auto it = world.switches().find(name);
  if (it == world.switches().end()) return out;
  for (const std::string& network : it->second.networks) {
    const auto cidr = net::Cidr::parse(network);
    const auto gateway = net::Address::parse(network.substr(0, network.find('/')));
    if (cidr && gateway) out.push_back({*cidr, *gateway});
  }
  return out;
}

std::optional<api::SubnetPlan> plan_in_force(const world::World& world, const api::Subnet& subnet) {
  const auto ranges = programmed_ranges(world, subnet.meta.name);
  if (ranges.empty()) return std::nullopt;
  std::vector<net::Cidr> known;
  if (const auto& state = world.subnet_state(subnet.meta.name).in_force) {
    known = state->cidrs;
  } else if (const auto said = net::Cidr::parse_list(subnet.cidr_in_force())) {
    known = *said;
  }
  api::SubnetPlan plan;
  const auto take = [&](bool only_known) {
    for (const ProgrammedRange& range : ranges) {
      const bool wanted = !only_known || std::ranges::find(known, range.cidr) != known.end();
      const bool first = std::ranges::find(plan.cidrs, range.cidr.family(), &net::Cidr::family) == plan.cidrs.end();
      if (!wanted || !first) continue;
      plan.cidrs.push_back(range.cidr);
      plan.gateways.push_back(range.gateway);
    }
  };
  take(true);
  if (plan.cidrs.empty()) take(false);
  return plan;
}

std::vector<ProgrammedRange> retiring_ranges(const world::World& world, const std::string& name,
                                             const api::SubnetPlan& plan) {
  std::vector<ProgrammedRange> out;
  for (const ProgrammedRange& range : programmed_ranges(world, name)) {
    const auto same = std::ranges::find(plan.cidrs, range.cidr);
    if (same != plan.cidrs.end() &&
        plan.gateways[static_cast<std::size_t>(same - plan.cidrs.begin())] == range.gateway) {
      continue;
    }
    const auto& ports = world.ips_in(name);
    const bool needed = std::ranges::any_of(
        ports, [&](const std::string& port) { return needs(world, *world.ips().find(port), range, plan); });
    if (needed) out.push_back(range);
  }
  return out;
}

std::vector<std::string> networks_of(const api::SubnetPlan& plan, const std::vector<ProgrammedRange>& retiring) {
  std::vector<std::string> v4, v6;
  const auto add = [&](const net::Address& gateway, const net::Cidr& cidr) {
    (cidr.family() == net::Family::v4 ? v4 : v6).push_back(net::with_prefix(gateway, cidr));
  };
  for (std::size_t i = 0; i < plan.cidrs.size(); ++i) add(plan.gateways[i], plan.cidrs[i]);
  for (const ProgrammedRange& range : retiring) add(range.gateway, range.cidr);
  std::ranges::sort(v4);
  std::ranges::sort(v6);
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

std::string retirement(const world::World& world, const std::string& name, const api::SubnetPlan& plan,
                       const std::vector<net::Cidr>& retiring) {
  std::size_t outside = 0;
  std::string first;
  for (const std::string& port : world.ips_in(name)) {
    const api::Ip* ip = world.ips().find(port);
    if (std::ranges::all_of(ip->addresses, [&](const net::Address& a) { return lies_in(a, plan.cidrs); })) continue;
    if (outside++ == 0) first = port;
  }
  const std::string who =
      outside == 0 ? std::string("pods whose gateway it is")
                   : fmt::format("{} addresses outside {} (first: IP {})", outside, api::to_string(plan.cidrs), first);
  return fmt::format("Subnet {}: {} stays programmed for {}, until those pods are deleted", name,
                     api::to_string(retiring), who);
}

}  // namespace berth::reconcile
