#include "controller/metrics.h"

#include <fmt/core.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "api/subnet.h"
#include "reconcile/subnet_rows.h"

namespace berth::controller {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily counter(std::string name, std::string help, std::uint64_t value) {
  ClientMetric metric;
  metric.counter.value = static_cast<double>(value);
  return {std::move(name), std::move(help), MetricType::Counter, {std::move(metric)}};
}

MetricFamily gauge(std::string name, std::string help, double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return {std::move(name), std::move(help), MetricType::Gauge, {std::move(metric)}};
}

ClientMetric of_subnet(const SubnetMetrics& subnet, net::Uint128 value) {
  ClientMetric metric;
  metric.label = {{"subnet_name", subnet.name}, {"protocol", subnet.protocol}, {"subnet_cidr", subnet.cidr}};
  metric.gauge.value = static_cast<double>(value);
  return metric;
}

SubnetMetrics metrics_of(const std::string& name, const api::SubnetPlan& plan, const ipam::Allocator& allocator) {
  SubnetMetrics out;
  out.name = name;
  out.protocol = api::protocol_of(plan.cidrs);
  out.cidr = api::to_string(plan.cidrs);
  bool first = true;
  for (const auto& cidr : plan.cidrs) {
    const auto usage = allocator.counts(cidr.family());
    out.available = first ? usage.available : std::min(out.available, usage.available);
    out.used = std::max(out.used, usage.used);
    first = false;
  }
  return out;
}

// The ranges are those of the status as it is stored: a scrape makes no texts.
InfoMetric ipam_info_of(const api::Subnet& subnet, const api::SubnetPlan& plan, const net::Cidr& cidr) {
  const bool v4 = cidr.family() == net::Family::v4;
  const auto ranges = [&](const char* of) {
    return api::string_at(subnet.status, {(v4 ? "v4" : "v6") + std::string(of) + "IPrange"});
  };
  std::vector<std::string> reserved;
  for (const std::string& item : api::formatted_excludes(plan)) {
    if ((item.find(':') == std::string::npos) == v4) reserved.push_back(item);
  }
  return {{"subnet_name", subnet.meta.name},      {"cidr", cidr.to_string()},         {"free", ranges("available")},
          {"reserved", api::join(reserved, ",")}, {"available", ranges("available")}, {"using", ranges("using")}};
}

void add_centralized(const world::World& world, const api::Subnet& subnet, const world::SubnetState& state,
                     std::vector<InfoMetric>& out) {
  for (const net::Cidr& cidr : state.in_force->cidrs) {
    const bool v4 = cidr.family() == net::Family::v4;
    std::vector<std::string> hops;
    for (const net::Address& address : reconcile::join_addresses(world, state.gateway)) {
      if (address.family() == cidr.family()) hops.push_back(address.to_string());
    }
    out.push_back({{"subnet_name", subnet.meta.name},
                   {"enable_ecmp", "false"},
                   {"gateway_node", subnet.gateway_node},
                   {"active_gateway", state.gateway},
                   {"match", fmt::format("{}.src == {}", v4 ? "ip4" : "ip6", cidr.to_string())},
                   {"nexthops", api::join(hops, ",")}});
  }
}

MetricFamily info(std::string name, std::string help, const std::vector<InfoMetric>& all) {
  MetricFamily out{std::move(name), std::move(help), MetricType::Gauge, {}};
  for (const InfoMetric& one : all) {
    ClientMetric metric;
    for (const auto& [label, value] : one) metric.label.push_back({label, value});
    metric.gauge.value = 1;
    out.metric.push_back(std::move(metric));
  }
  return out;
}

}  // namespace

world::Counters operator+(const world::Counters& a, const world::Counters& b) {
  return {
      .missed_wakeups = a.missed_wakeups + b.missed_wakeups,
      .wrong_subnet_prevented = a.wrong_subnet_prevented + b.wrong_subnet_prevented,
      .wrong_subnet_delivered = a.wrong_subnet_delivered + b.wrong_subnet_delivered,
      .bound = a.bound + b.bound,
      .rebound = a.rebound + b.rebound,
      .released = a.released + b.released,
      .quarantined = a.quarantined + b.quarantined,
      .misplaced = a.misplaced + b.misplaced,
  };
}

void collect(const world::World& world, Metrics& out) {
  out.counters = out.counters + world.counters;
  out.waiting = world.waiting().all().size();
  out.displaced = world.displaced_count();
  for (const auto& [name, subnet] : world.subnets().all()) {
    const auto& state = world.subnet_state(name);
    const auto* allocator = world.allocator(name);
    if (!state.in_force || allocator == nullptr) continue;
    out.subnets.push_back(metrics_of(name, *state.in_force, *allocator));
    for (const net::Cidr& cidr : state.in_force->cidrs)
      out.ipam_info.push_back(ipam_info_of(subnet, *state.in_force, cidr));
    if (reconcile::is_centralized(subnet, world.vpc_in_force(subnet)))
      add_centralized(world, subnet, state, out.centralized_info);
  }
}

std::string to_text(const Metrics& metrics) {
  const world::Counters& c = metrics.counters;
  std::vector<MetricFamily> families{
      counter("berth_missed_wakeups_total", "Waiting pods that the sweep could bind although nothing had woken them.",
              c.missed_wakeups),
      counter("berth_wrong_subnet_prevented_total", "Addresses held back because they were no longer the right ones.",
              c.wrong_subnet_prevented),
      counter("berth_wrong_subnet_delivered_total", "Addresses delivered that the rules do not give.",
              c.wrong_subnet_delivered),
      counter("berth_pods_bound_total", "Pods that were given their addresses.", c.bound),
      counter("berth_pods_rebound_total", "Pods whose address was replaced before they were wired.", c.rebound),
      counter("berth_addresses_released_total", "Addresses that became free again.", c.released),
      counter("berth_addresses_quarantined_total", "Addresses withheld because two owners claim them.", c.quarantined),
      gauge("berth_pods_waiting", "Pods that wait for their subnet.", static_cast<double>(metrics.waiting)),
      gauge("berth_pods_displaced", "Wired pods whose binding was overtaken.", static_cast<double>(metrics.displaced)),
      gauge("berth_epoch", "Of this process's present or last leadership.", static_cast<double>(metrics.epoch)),
      gauge("berth_leader", "Whether this process leads.", metrics.leader ? 1 : 0),
  };
  MetricFamily available{
      "subnet_available_ip_count", "Addresses of a subnet that can still be drawn.", MetricType::Gauge, {}};
  MetricFamily used{"subnet_used_ip_count", "Addresses of a subnet that are held.", MetricType::Gauge, {}};
  for (const auto& subnet : metrics.subnets) {
    available.metric.push_back(of_subnet(subnet, subnet.available));
    used.metric.push_back(of_subnet(subnet, subnet.used));
  }
  families.push_back(std::move(available));
  families.push_back(std::move(used));
  families.push_back(info("subnet_ipam_info", "Addresses of a subnet, as ranges.", metrics.ipam_info));
  families.push_back(info("centralized_subnet_info", "Where traffic of a centralized subnet leaves the Vpc.",
                          metrics.centralized_info));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace berth::controller
