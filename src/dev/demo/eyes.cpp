#include "dev/demo/eyes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

#include "api/json.h"
#include "base/event_loop.h"
#include "dev/demo/outside.h"
#include "dev/demo/verdict.h"

namespace berth::dev {

namespace {

constexpr auto kTimeout = std::chrono::seconds(10);
constexpr std::size_t kPingsAtOnce = 8;

// What a tenant's objects are, or what others make for them.
constexpr std::array kKinds = {
    api::Kind::namespace_,
    api::Kind::pod,
    api::Kind::deployment,
    api::Kind::replica_set,
    api::Kind::stateful_set,
    api::Kind::subnet,
    api::Kind::ip,
    api::Kind::ip_pool,
    api::Kind::vpc,
    api::Kind::vip,
    api::Kind::network_attachment_definition,
};

// Those of OVN's northbound tables that hold a row for something.
const std::vector<std::string> kTables = {
    "Logical_Switch",
    "Logical_Switch_Port",
    "Logical_Router",
    "Logical_Router_Port",
    "NAT",
    "Logical_Router_Static_Route",
    "Logical_Router_Policy",
    "ACL",
    "Address_Set",
    "Port_Group",
    "DHCP_Options",
    "Load_Balancer",
    "Load_Balancer_Group",
    "DNS",
    "QoS",
    "BFD",
    "HA_Chassis_Group",
    "Gateway_Chassis",
    "Static_MAC_Binding",
};

std::string name_of(const SeenPod& pod) { return fmt::format("{}/{}", pod.ns, pod.name); }

struct PingTask {
  SeenPing ping;
  std::vector<std::string> argv;
};

// Starts what is left, a few at a time, and waits until all have ended.
void ping_round(Supervisor& supervisor, std::vector<PingTask>& tasks) {
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t running = 0;
  for (PingTask& task : tasks) {
    if (task.ping.answered) continue;
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return running < kPingsAtOnce; });
    ProcessSpec spec;
    spec.name = "ping";
    spec.argv = task.argv;
    spec.timeout = kTimeout;
    ++running;
    lock.unlock();
    const auto started = supervisor.start(std::move(spec), [&](const ProcessEnd& end) {
      const std::scoped_lock guard(mutex);
      task.ping.answered = end.ok();
      --running;
      ended.notify_all();
    });
    if (started) continue;
    lock.lock();
    --running;
  }
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return running == 0; });
}

}  // namespace

Eyes::Eyes(Api& api, Supervisor& supervisor, Places places)
    : api_(api), supervisor_(supervisor), places_(std::move(places)) {}

Result<std::string> Eyes::run(std::vector<std::string> words) {
  ProcessSpec spec;
  spec.name = words.front();
  spec.argv = std::move(words);
  spec.timeout = kTimeout;
  return run_command(supervisor_, std::move(spec));
}

Result<Observation> Eyes::look(const Expectation& expectation, Duration patience) {
  Observation seen;
  seen.datapath = places_.datapath;
  Result<std::vector<SeenPod>> found = pods(expectation);
  if (!found) return fail(std::move(found.error()));
  seen.pods = std::move(*found);

  Result<std::string> printed = run({"ovn-nbctl", "--db=" + places_.ovn_nb, "--format=json", "list", "Logical_Switch",
                                     "--", "list", "Logical_Switch_Port"});
  if (!printed) return fail(std::move(printed.error()));
  const auto tables = parse_tables(*printed, {"Logical_Switch", "Logical_Switch_Port"});
  if (!tables) return fail(tables.error());
  seen.ports = ports_of(tables->at(0), tables->at(1));

  if (!seen.datapath) return seen;
  for (SeenPod& pod : seen.pods) {
    const std::string netns = places_.netns_of(pod);
    if (netns.empty()) continue;
    if (Result<SeenNamespace> inside = look_inside(netns)) pod.inside = std::move(*inside);
  }
  seen.pings = ping_all(expectation, seen.pods, patience);
  return seen;
}

Result<std::vector<SeenPod>> Eyes::pods(const Expectation& expectation) {
  const auto objects = api_.list(api::Kind::pod);
  if (!objects) return fail(objects.error());
  const auto events = api_.list(api::Kind::event);
  if (!events) return fail(events.error());

  std::vector<SeenPod> seen;
  for (const boost::json::object& object : *objects) {
    SeenPod pod = pod_of(object);
    if (std::ranges::find(expectation.namespaces, pod.ns) == expectation.namespaces.end()) continue;
    for (const boost::json::object& event : *events) {
      if (api::string_at(event, {"reason"}) != "FailedPostStartHook") continue;
      if (api::string_at(event, {"involvedObject", "uid"}) != pod.uid) continue;
      pod.hook_failures.push_back(api::string_at(event, {"message"}));
    }
    seen.push_back(std::move(pod));
  }
  return seen;
}

Result<SeenNamespace> Eyes::look_inside(const std::string& netns) {
  Result<std::string> addresses = run({"ip", "-n", netns, "-j", "addr", "show", "dev", "eth0"});
  if (!addresses) return fail(std::move(addresses.error()));
  std::vector<std::string> routes;
  for (const char* family : {"-4", "-6"}) {
    Result<std::string> printed = run({"ip", "-n", netns, "-j", family, "route", "show"});
    if (!printed) return fail(std::move(printed.error()));
    routes.push_back(std::move(*printed));
  }
  return parse_ip(*addresses, routes);
}

std::vector<SeenPing> Eyes::ping_all(const Expectation& expectation, const std::vector<SeenPod>& pods,
                                     Duration patience) {
  std::vector<PingTask> tasks;
  for (const SeenPod& from : pods) {
    const std::string netns = places_.netns_of(from);
    if (netns.empty()) continue;
    const MeantPods* from_meant = meant_for(expectation, from);
    for (const SeenPod& to : pods) {
      if (&from == &to) continue;
      const MeantPods* to_meant = meant_for(expectation, to);
      for (const std::string& address : to.addresses) {
        PingTask& task = tasks.emplace_back();
        task.ping.from = name_of(from);
        task.ping.to = name_of(to);
        task.ping.across_nodes = from.node != to.node;
        task.ping.through_router = from_meant && to_meant && from_meant->subnet.name != to_meant->subnet.name;
        task.argv = {"ip", "netns", "exec", netns, "ping", "-n", "-q", "-c", "1", "-W", "1", address};
      }
    }
  }
  const TimePoint deadline = boot_time() + patience;
  do {
    ping_round(supervisor_, tasks);
  } while (boot_time() < deadline &&
           !std::ranges::all_of(tasks, [](const PingTask& task) { return task.ping.answered; }));

  std::vector<SeenPing> pings;
  for (PingTask& task : tasks) pings.push_back(std::move(task.ping));
  return pings;
}

Result<Inventory> Eyes::inventory() {
  Inventory inventory;
  if (Status added = add_objects(inventory); !added) return fail(std::move(added.error()));
  if (Status added = add_rows(inventory); !added) return fail(std::move(added.error()));
  if (!places_.datapath) return inventory;
  if (Status added = add_links(inventory); !added) return fail(std::move(added.error()));
  for (const std::string& netns : places_.pod_netns()) inventory.insert("pod namespace " + netns);
  return inventory;
}

Status Eyes::add_objects(Inventory& inventory) {
  for (const api::Kind kind : kKinds) {
    const auto objects = api_.list(kind);
    if (!objects) return fail(objects.error());
    for (const boost::json::object& object : *objects) {
      const std::string ns = api::string_at(object, {"metadata", "namespace"});
      inventory.insert(fmt::format("{} {}{}{}", api::resource_of(kind).name, ns, ns.empty() ? "" : "/",
                                   api::string_at(object, {"metadata", "name"})));
    }
  }
  return {};
}

Status Eyes::add_rows(Inventory& inventory) {
  std::vector<std::string> words{"ovn-nbctl", "--db=" + places_.ovn_nb, "--format=json"};
  for (const std::string& table : kTables) {
    if (&table != &kTables.front()) words.emplace_back("--");
    words.emplace_back("list");
    words.push_back(table);
  }
  Result<std::string> printed = run(std::move(words));
  if (!printed) return fail(std::move(printed.error()));
  const auto tables = parse_tables(*printed, kTables);
  if (!tables) return fail(tables.error());
  for (const PrintedTable& table : *tables) {
    for (const auto& row : table.rows) inventory.insert("OVN " + describe_row(table.name, row));
  }
  return {};
}

Status Eyes::add_links(Inventory& inventory) {
  for (const Places::Node& node : places_.nodes) {
    Result<std::string> links = run({"ip", "-n", node.netns, "-j", "link", "show"});
    if (!links) return fail(std::move(links.error()));
    const auto parsed = api::parse_json(*links);
    if (!parsed || !parsed->is_array()) return fail(ErrorCode::internal, fmt::format("ip link printed: {}", *links));
    for (const boost::json::value& link : parsed->get_array()) {
      if (link.is_object()) {
        inventory.insert(fmt::format("link {} on {}", api::string_at(link.get_object(), {"ifname"}), node.name));
      }
    }
    Result<std::string> printed = run({"ovs-vsctl", "--db=" + node.ovs_db, "--format=json", "list", "Interface"});
    if (!printed) return fail(std::move(printed.error()));
    const auto tables = parse_tables(*printed, {"Interface"});
    if (!tables) return fail(tables.error());
    for (const auto& row : tables->at(0).rows) {
      inventory.insert(fmt::format("{} on {}", describe_row("OVS interface", row), node.name));
    }
  }
  return {};
}

}  // namespace berth::dev
