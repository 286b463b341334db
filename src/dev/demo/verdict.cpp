#include "dev/demo/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "api/json.h"

namespace berth::dev {

namespace {

std::string name_of(const SeenPod& pod) { return fmt::format("{}/{}", pod.ns, pod.name); }

std::string listed(const std::vector<std::string>& items) { return items.empty() ? "none" : api::join(items, ", "); }

std::string listed(const std::vector<Prefix>& prefixes) {
  std::vector<std::string> items;
  for (const Prefix& prefix : prefixes) items.push_back(fmt::format("{}/{}", prefix.base.to_string(), prefix.bits));
  return listed(items);
}

// Whether both hold the same addresses, in whatever order.
bool same_set(std::vector<std::string> a, std::vector<std::string> b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  return a == b;
}

class Judge {
 public:
  Judge(const Expectation& expectation, const Observation& seen) : expectation_(expectation), seen_(seen) {}

  Verdict run() {
    for (const MeantPods& meant : expectation_.pods) check_count(meant);
    for (const SeenPod& pod : seen_.pods) {
      const MeantPods* meant = meant_for(expectation_, pod);
      check("belongs", name_of(pod), meant != nullptr, "no workload of the chart has such a pod");
      if (meant == nullptr) continue;
      check_runs(pod);
      check_address(pod, *meant);
      check_port(pod, *meant);
      if (seen_.datapath) check_inside(pod);
      if (seen_.datapath && meant->hook) check_hook(pod, *meant);
    }
    check_duplicates();
    if (seen_.datapath) check_pings();
    return std::move(verdict_);
  }

 private:
  void check(std::string what, std::string subject, bool holds, std::string detail) {
    verdict_.checks.push_back(Check{std::move(what), std::move(subject), holds, holds ? "" : std::move(detail)});
  }

  void check_count(const MeantPods& meant) {
    const auto there = static_cast<std::size_t>(std::ranges::count_if(
        seen_.pods, [&](const SeenPod& pod) { return meant_for(expectation_, pod) == &meant && !pod.leaving; }));
    check("count", fmt::format("{} in {}", meant.workload, meant.ns), there == meant.count,
          fmt::format("{} pods instead of {}", there, meant.count));
  }

  void check_runs(const SeenPod& pod) {
    check("running", name_of(pod), pod.phase == "Running" && pod.ready && !pod.leaving,
          fmt::format("phase {}, {}", pod.phase,
                      pod.leaving ? "being deleted"
                      : pod.ready ? "ready"
                                  : "not ready"));
  }

  void check_address(const SeenPod& pod, const MeantPods& meant) {
    const bool fits = !pod.addresses.empty() && std::ranges::all_of(pod.addresses, [&](const std::string& address) {
      return inside(address, meant.subnet.prefixes);
    });
    check("address", name_of(pod), fits,
          fmt::format("{} is not in {} ({})", listed(pod.addresses), meant.subnet.name, listed(meant.subnet.prefixes)));
    if (meant.address) {
      check("static address", name_of(pod), pod.addresses == std::vector{*meant.address},
            fmt::format("{} instead of {}", listed(pod.addresses), *meant.address));
    }
  }

  void check_port(const SeenPod& pod, const MeantPods& meant) {
    const std::string name = fmt::format("{}.{}", pod.name, pod.ns);
    const auto port = std::ranges::find(seen_.ports, name, &SeenPort::name);
    if (port == seen_.ports.end()) return check("port", name_of(pod), false, fmt::format("OVN has no port {}", name));
    check("port", name_of(pod), port->logical_switch == meant.subnet.name && same_set(port->addresses, pod.addresses),
          fmt::format("OVN has {} on {}, the pod {}", listed(port->addresses), port->logical_switch,
                      listed(pod.addresses)));
  }

  void check_inside(const SeenPod& pod) {
    if (!pod.inside) return check("interface", name_of(pod), false, "its namespace could not be looked into");
    check("interface", name_of(pod), same_set(pod.inside->addresses, pod.addresses),
          fmt::format("eth0 has {}, the pod's status {}", listed(pod.inside->addresses), listed(pod.addresses)));
  }

  void check_hook(const SeenPod& pod, const MeantPods& meant) {
    check("hook", name_of(pod), pod.ready && pod.restarts == 0 && pod.hook_failures.empty(),
          pod.hook_failures.empty() ? fmt::format("the container was started {} times", pod.restarts + 1)
                                    : pod.hook_failures.front());
    if (!meant.route || !pod.inside) return;
    const bool there = std::ranges::any_of(pod.inside->routes, [&](const SeenRoute& route) {
      return route.destination == meant.route->destination && route.gateway == meant.route->gateway;
    });
    check("route", name_of(pod), there,
          fmt::format("no route to {} via {}", meant.route->destination, meant.route->gateway));
  }

  void check_duplicates() {
    std::map<std::string, std::set<std::string>> holders;
    for (const SeenPod& pod : seen_.pods) {
      std::vector<std::string> all = pod.addresses;
      if (pod.inside) all.insert(all.end(), pod.inside->addresses.begin(), pod.inside->addresses.end());
      for (const std::string& address : all) holders[address].insert(pod.uid);
    }
    for (const auto& [address, pods] : holders) {
      check("duplicate", address, pods.size() == 1, fmt::format("{} pods hold it", pods.size()));
    }
    std::map<std::pair<std::string, std::string>, std::size_t> ports;
    for (const SeenPort& port : seen_.ports) {
      for (const std::string& address : port.addresses) ++ports[{port.logical_switch, address}];
    }
    for (const auto& [place, count] : ports) {
      check("duplicate", fmt::format("{} on {}", place.second, place.first), count == 1,
            fmt::format("{} OVN ports hold it", count));
    }
  }

  void check_pings() {
    std::size_t across = 0;
    std::size_t routed = 0;
    for (const SeenPing& ping : seen_.pings) {
      across += ping.across_nodes ? 1 : 0;
      routed += ping.through_router ? 1 : 0;
      check("ping", fmt::format("{} to {}", ping.from, ping.to), ping.answered, "no answer");
    }
    check("ping", "between nodes", across > 0, "no pair of pods on two nodes");
    check("ping", "through the router", routed > 0, "no pair of pods in two Subnets");
  }

  const Expectation& expectation_;
  const Observation& seen_;
  Verdict verdict_;
};

}  // namespace

bool Verdict::holds() const {
  return !checks.empty() && std::ranges::all_of(checks, [](const Check& check) { return check.holds; });
}

std::vector<Check> Verdict::failures() const {
  std::vector<Check> failed;
  std::ranges::copy_if(checks, std::back_inserter(failed), [](const Check& check) { return !check.holds; });
  return failed;
}

std::size_t Verdict::count(const std::string& what) const {
  return static_cast<std::size_t>(std::ranges::count(checks, what, &Check::what));
}

void Verdict::add(Verdict other) { std::ranges::move(other.checks, std::back_inserter(checks)); }

const MeantPods* meant_for(const Expectation& expectation, const SeenPod& pod) {
  const auto fits = [&](const MeantPods& meant) {
    if (meant.ns != pod.ns) return false;
    if (!meant.pod_name.empty()) return meant.pod_name == pod.name;
    return !meant.labels.empty() && std::ranges::all_of(meant.labels, [&](const auto& wanted) {
      const auto found = pod.labels.find(wanted.first);
      return found != pod.labels.end() && found->second == wanted.second;
    });
  };
  const auto found = std::ranges::find_if(expectation.pods, fits);
  return found == expectation.pods.end() ? nullptr : &*found;
}

Verdict judge(const Expectation& expectation, const Observation& seen) { return Judge(expectation, seen).run(); }

Verdict judge_gone(const Inventory& before, const Inventory& after) {
  Inventory left;
  std::ranges::set_difference(after, before, std::inserter(left, left.end()));
  Verdict verdict;
  for (const std::string& item : left) verdict.checks.push_back(Check{"left behind", item, false, "is still there"});
  if (left.empty()) {
    verdict.checks.push_back(Check{"left behind", fmt::format("{} things looked at", after.size()), true, ""});
  }
  return verdict;
}

}  // namespace berth::dev
