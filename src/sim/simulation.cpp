#include "sim/simulation.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>

#include "api/annotations.h"
#include "api/workload.h"
#include "base/manual_scheduler.h"
#include "ovn/simulated_schema.h"
#include "sim/controller.h"
#include "sim/crds.h"
#include "sim/nodes.h"
#include "sim/oracle.h"
#include "sim/scenario.h"

namespace berth::sim {
namespace {

constexpr Duration kSettle = std::chrono::seconds(5);
constexpr std::size_t kMostViolations = 5;

ovsdb::Schema schema() {
  auto parsed = ovsdb::Schema::parse(ovn::kSimulatedSchema);
  if (!parsed) std::abort();
  return *parsed;
}

// Every eighth seed is a run without faults: there the order of things can be judged strictly.
bool is_calm(std::uint64_t seed) { return seed % 8 == 0; }

FaultRates rates_for(Random& random, bool calm) {
  FaultRates rates;
  if (calm) return rates;
  const auto some = [&](double most) {
    return random() % 3 == 0 ? 0.0 : most * static_cast<double>(random() % 1000) / 1000.0;
  };
  rates.request_lost = some(0.05);
  rates.reply_lost = some(0.05);
  rates.watch_dropped = some(0.05);
  rates.watch_stalled = random() % 2 == 0 ? 0.25 : 0.0;
  rates.event_repeated = some(0.1);
  rates.history_forgotten = some(0.5);
  rates.ovn_refused = some(0.03);
  rates.ovn_dropped = some(0.03);
  rates.crash = some(0.04);
  rates.very_slow = some(0.03);
  rates.list_incomplete = some(0.4);
  rates.slowest = std::chrono::milliseconds(5 + random() % 200);
  return rates;
}

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        random_(options.seed * 0x9E3779B97F4A7C15ULL + 1),
        faults_(random_, rates_for(random_, is_calm(options.seed))),
        store_([this] { return scheduler_.wall_now(); }, store_random_),
        ovn_(schema(), options.seed + 1),
        oracle_(scheduler_, store_, ovn_, kSettle),
        nodes_(scheduler_, store_, faults_, random_, {"node-1", "node-2", "node-3"}, options.safeguards.confirm,
               {[this](const WiredPod& w) { on_wired(w); }}),
        scenario_(make_scenario(random_)) {
    ovn_.subscribe([this](const std::vector<ovsdb::RowChange>& changes) { on_ovn_change(changes); });
    observer_ = store_.observe([this](const ResourceType& type, const Change& change) { note_change(type, change); });
  }

  ~Simulation() { store_.stop_observing(observer_); }

  RunResult run() {
    install_crds(store_);
    start_controller();
    for (const Step& step : scenario_.steps) {
      scheduler_.after(step.at, [this, &step] { play(step); });
    }
    oracle_.set_calm(is_calm(options_.seed));
    if (!is_calm(options_.seed)) plan_disturbances();
    advance(scenario_.length);
    calm_down();
    check_rest();
    check_nothing_was_left_undone();
    tear_everything_down();
    return finish();
  }

 private:
  // ---- The controller processes

  world::Settings settings() const {
    world::Settings s;
    s.default_cidr = {*net::Cidr::parse("10.16.0.0/24")};
    s.join_cidr = {*net::Cidr::parse("100.64.0.0/24")};
    s.service_cidr = {*net::Cidr::parse("10.96.0.0/16")};
    s.settle = kSettle;
    s.safeguards = options_.safeguards;
    return s;
  }

  void start_controller() {
    const std::uint64_t epoch = ++epoch_;
    trace(fmt::format("controller of epoch {} starts", epoch));
    oracle_.pools.set_leader(epoch, old_leader_ == nullptr);
    leader_ = std::make_unique<SimController>(SimController::Environment{scheduler_, store_, ovn_, faults_, committer_},
                                              options_.seed + epoch * 7919, epoch, settings(),
                                              [this, epoch] { on_crash(epoch); });
  }

  void on_crash(std::uint64_t epoch) {
    trace(fmt::format("controller of epoch {} crashes", epoch));
    scheduler_.post([this, epoch] {
      collect();
      if (old_leader_ && old_leader_->epoch() == epoch) old_leader_.reset();
      if (!leader_ || leader_->epoch() != epoch) return;
      leader_.reset();
      scheduler_.after(std::min<Duration>(faults_.delay() * 20, std::chrono::seconds(10)), [this] {
        if (!leader_) start_controller();
      });
    });
  }

  // A second process takes over while the first one has not noticed yet.
  void take_over() {
    if (!leader_) return;
    faults_.count("leader taken over");
    collect();
    old_leader_ = std::move(leader_);
    start_controller();
    // The old one believes its Lease a moment longer, then dies some time after.
    scheduler_.after(faults_.delay(), [this] {
      if (old_leader_) old_leader_->lose_lease();
    });
    scheduler_.after(std::chrono::milliseconds(random_() % 5000), [this] {
      collect();
      old_leader_.reset();
      oracle_.pools.set_leader(epoch_, true);
    });
  }

  void collect() {
    for (const auto* c : {leader_.get(), old_leader_.get()}) {
      if (c == nullptr) continue;
      const world::Counters& counters = const_cast<SimController*>(c)->engine().world().counters;
      if (counters.missed_wakeups > 0)
        oracle_.fail(fmt::format("epoch {}: {} missed wake-ups", c->epoch(), counters.missed_wakeups));
      if (counters.wrong_subnet_delivered > 0)
        oracle_.fail(fmt::format("epoch {}: the auditor counted {} wrong deliveries", c->epoch(),
                                 counters.wrong_subnet_delivered));
      if (counters.rebound > 0) faults_.count("pod rebound before wiring");
      if (counters.quarantined > 0) faults_.count("address quarantined");
      check_allocators(const_cast<SimController*>(c)->engine().world());
    }
  }

  void check_allocators(const world::World& world) {
    for (const auto& [name, subnet] : world.subnets().all()) {
      const ipam::Allocator* allocator = world.allocator(name);
      if (allocator == nullptr) continue;
      if (const Status ok = allocator->check(); !ok)
        oracle_.fail(fmt::format("allocator of {}: {}", name, ok.error().message));
    }
  }

  // Invariant 4: an address is free only when its IP object and its port are known to be gone.
  void check_nothing_known_is_free() {
    if (!leader_ || !leader_->engine().running()) return;
    const world::World& world = leader_->engine().world();
    const auto check = [&](const std::string& what, const std::string& subnet,
                           const std::vector<net::Address>& addresses) {
      const ipam::Allocator* allocator = world.allocator(subnet);
      if (allocator == nullptr) return;
      for (const net::Address& a : addresses) {
        const bool inside =
            std::ranges::any_of(allocator->config().cidrs, [&](const net::Cidr& c) { return c.contains(a); });
        if (inside && !allocator->holder_of(a))
          oracle_.fail(
              fmt::format("{} holds {} of Subnet {}, which the allocator takes for free", what, a.to_string(), subnet));
      }
    };
    for (const auto& [name, ip] : world.ips().all()) check("IP " + name, ip.subnet, ip.addresses);
    for (const auto& [name, port] : world.ports()) check("port " + name, port.switch_name, port.addresses);
    for (const auto& [name, vip] : world.vips().all()) {
      if (vip.allocated()) check("Vip " + name, vip.held_in(), vip.given);
    }
  }

  // ---- Time

  void advance(Duration by) {
    const TimePoint limit = scheduler_.now() + by;
    while (scheduler_.next_due() && *scheduler_.next_due() <= limit) {
      if (oracle_.violations().size() >= kMostViolations || ++steps_ > 300'000) return;
      (void)scheduler_.run_one();
      oracle_.check_ovn();
      if (steps_ % 16 == 0) check_nothing_known_is_free();
    }
    if (scheduler_.now() < limit) scheduler_.advance(limit - scheduler_.now());
  }

  template <typename Condition>
  bool wait_for(Condition condition, Duration within) {
    const TimePoint limit = scheduler_.now() + within;
    while (!condition()) {
      if (scheduler_.now() >= limit || oracle_.violations().size() >= kMostViolations || steps_ > 300'000) return false;
      advance(std::chrono::milliseconds(500));
    }
    return true;
  }

  // ---- The tenant's life

  void play(const Step& step) {
    trace(step.what);
    step.act(store_);
  }

  void plan_disturbances() {
    const auto at = [&](double share) {
      return Duration(static_cast<Duration::rep>(static_cast<double>(scenario_.length.count()) * share));
    };
    const auto dice = [&] { return static_cast<double>(random_() % 1000) / 1000.0; };
    if (random_() % 3 == 0) scheduler_.after(at(dice()), [this] { take_over(); });
    if (random_() % 4 == 0) {
      const Duration begin = at(dice());
      scheduler_.after(begin, [this] {
        if (leader_) leader_->set_api_reachable(false);
      });
      scheduler_.after(begin + std::chrono::seconds(1 + random_() % 5), [this] {
        if (leader_) leader_->set_api_reachable(true);
      });
    }
    if (random_() % 4 == 0) {
      scheduler_.after(at(dice()), [this] {
        faults_.count("OVN connection lost");
        if (leader_) leader_->drop_ovn_connection();
      });
    }
    if (random_() % 3 == 0) scheduler_.after(at(dice()), [this] { delete_ovn_row(); });
    if (random_() % 4 == 0) scheduler_.after(at(dice()), [this] { delete_ip_object(); });
  }

  // A leader that has been succeeded changes nothing in OVN, whatever it still believes.
  void on_ovn_change(const std::vector<ovsdb::RowChange>& changes) {
    for (const ovsdb::RowChange& change : changes) {
      if (undone_ && change.table != "NB_Global") undone_->push_back("a row of " + change.table);
    }
    const std::uint64_t epoch = std::exchange(committer_, 0);
    if (epoch != 0 && leader_ && leader_->engine().running() && epoch < leader_->epoch()) {
      oracle_.fail(fmt::format("the leader of epoch {} changed OVN while that of epoch {} was running", epoch,
                               leader_->epoch()));
    }
  }

  // Somebody with ovn-nbctl.
  void delete_ovn_row() {
    const auto rows = ovn_.rows("Logical_Switch");
    if (rows.empty()) return;
    auto it = rows.begin();
    std::advance(it, static_cast<long>(random_() % rows.size()));
    faults_.count("OVN row deleted by hand");
    trace("somebody deletes switch " + boost::json::serialize(it->second.at("name")));
    committer_ = 0;
    (void)ovn_.execute(
        {"OVN_Northbound",
         {{"op", "delete"}, {"table", "Logical_Switch"}, {"where", {{"_uuid", "==", {"uuid", it->first}}}}}});
  }

  // Somebody with kubectl.
  void delete_ip_object() {
    const auto all = store_.list(*store_.types().find("kubeovn.io", "v1", "ips"), "");
    if (all->items.empty()) return;
    const Object& object = all->items[random_() % all->items.size()];
    faults_.count("IP object deleted by hand");
    trace(fmt::format("somebody deletes IP {}", name_of(*object)));
    (void)store_.remove(*store_.types().find("kubeovn.io", "v1", "ips"), "", name_of(*object));
  }

  // No more faults; everything gets its chance.
  void calm_down() {
    FaultRates calm;
    calm.slowest = std::chrono::milliseconds(20);
    faults_.set_rates(calm);
    if (leader_) leader_->set_api_reachable(true);
    advance(std::chrono::seconds(150));  // two sweeps and the longest back-offs
    (void)wait_for([this] { return leader_ && leader_->engine().quiet(); }, std::chrono::seconds(120));
    collect();
  }

  void check_rest() {
    for (const char* plural : {"subnets", "vpcs", "ippools", "vips", "ips"}) {
      const auto all = store_.list(*store_.types().find("kubeovn.io", "v1", plural), "");
      for (const Object& object : all->items) trace("at rest: " + boost::json::serialize(*object));
    }
    if (!leader_) return oracle_.fail("no controller runs in the end");
    if (!leader_->engine().quiet()) oracle_.fail("the engine does not come to rest");
    oracle_.check_published();
    oracle_.check_wired(nodes_.wired());
    const auto pods = store_.list(*store_.types().find("", "v1", "pods"), "");
    for (const Object& object : pods->items) {
      const api::Pod pod = api::Pod::parse(*object);
      if (pod.meta.deleting || nodes_.wired().contains(pod.meta.uid)) continue;
      const world::Waiting* waiting = leader_->engine().world().waiting().find(pod.meta.key());
      if (waiting == nullptr) {
        trace("at rest: " + boost::json::serialize(*object));
        oracle_.fail(fmt::format("pod {} is neither wired nor waiting", pod.meta.key()));
      } else if (scenario_.must_be_wired.contains(pod.meta.key())) {
        oracle_.fail(
            fmt::format("pod {} should have been bound by now, but waits for {}", pod.meta.key(), waiting->for_what));
      } else {
        faults_.count("pod still waiting in the end");
      }
    }
  }

  // Whoever is not told of what concerns him is looked at again now: with a new connection to OVN, everything is.
  void check_nothing_was_left_undone() {
    if (!leader_ || !oracle_.violations().empty()) return;
    undone_.emplace();
    leader_->drop_ovn_connection();
    advance(std::chrono::seconds(5));
    (void)wait_for([this] { return leader_ && leader_->engine().quiet(); }, std::chrono::seconds(60));
    for (const std::string& what : *undone_)
      oracle_.fail(what + " was left as it was until everything was looked at again");
    undone_.reset();
  }

  // ---- The end of it all: everything at once, in any order, with a crash in the middle

  void tear_everything_down() {
    if (oracle_.violations().size() >= kMostViolations) return;
    std::vector<std::function<void()>> deletions;
    for (const auto& [group, plural] : {std::pair{"", "pods"},
                                        {"apps", "statefulsets"},
                                        {"kubeovn.io", "subnets"},
                                        {"kubeovn.io", "vpcs"},
                                        {"kubeovn.io", "ippools"},
                                        {"kubeovn.io", "vips"}}) {
      const TypePtr type = store_.types().find(group, "v1", plural);
      const auto all = store_.list(*type, "");
      for (const Object& object : all->items) {
        const std::string ns(namespace_of(*object)), name(name_of(*object));
        if (name == api::kDefaultVpc || name == api::kDefaultSubnet || name == api::kJoinSubnet) continue;
        deletions.push_back([this, type, ns, name] { (void)store_.remove(*type, ns, name); });
      }
    }
    for (std::size_t i = deletions.size(); i > 1; --i) std::swap(deletions[i - 1], deletions[random_() % i]);
    for (auto& deletion : deletions) scheduler_.after(std::chrono::milliseconds(random_() % 300), std::move(deletion));
    faults_.set_rates(rates_for(random_, is_calm(options_.seed)));
    if (random_() % 2 == 0) {
      scheduler_.after(std::chrono::milliseconds(random_() % 1500), [this] {
        if (!leader_) return;
        faults_.count("controller killed while everything is deleted");
        collect();
        leader_.reset();
        start_controller();
      });
    }
    advance(std::chrono::seconds(5));
    FaultRates calm;
    calm.slowest = std::chrono::milliseconds(20);
    faults_.set_rates(calm);
    advance(std::chrono::seconds(30));
    (void)wait_for([this] { return leader_ && leader_->engine().quiet(); }, std::chrono::seconds(60));
    collect();
    oracle_.check_empty();
  }

  RunResult finish() {
    RunResult result;
    result.violations = oracle_.violations();
    result.occurred = faults_.occurred();
    for (const auto& [name, times] : oracle_.pools.occurred) result.occurred[name] += times;
    result.steps = steps_;
    result.fingerprint = fingerprint_;
    leader_.reset();
    old_leader_.reset();
    return result;
  }

  void on_wired(const WiredPod& wired) {
    trace(
        fmt::format("pod {} is wired with {} of Subnet {}", wired.pod, api::to_string(wired.addresses), wired.subnet));
    faults_.count(wired.subnet == api::kDefaultSubnet ? "pod wired on the default" : "pod wired on its subnet");
    oracle_.on_wired(wired, nodes_.wired());
  }

  void note_change(const ResourceType& type, const Change& change) {
    const std::string text =
        fmt::format("{} {} {} {}", static_cast<int>(change.type), type.plural, name_of(*change.object), change.version);
    for (const char c : text) fingerprint_ = (fingerprint_ ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    if (undone_ && type.kind != "Event") undone_->push_back(fmt::format("{} {}", type.kind, name_of(*change.object)));
    if (options_.trace && type.kind != "Event") {
      static constexpr const char* kTypes[] = {"+", "~", "-"};
      std::fprintf(stderr, "%10.3f   %s %s %s %s\n", seconds(), kTypes[static_cast<int>(change.type)],
                   type.kind.c_str(), std::string(name_of(*change.object)).c_str(), gist(*change.object).c_str());
    }
  }

  // What a reader of a trace wants to see of an object of ours.
  static std::string gist(const boost::json::object& object) {
    std::string out;
    for (const char* field : {"ips", "v4ip", "v6ip", "v4IpAddress", "v6IpAddress", "cidrBlock", "nodeName"}) {
      const api::JsonValue* spec = api::find(object, {"spec", field});
      if (spec != nullptr && *spec != api::JsonValue(""))
        out += fmt::format(" {}={}", field, boost::json::serialize(*spec));
    }
    for (const char* field : {"v4ip", "v6ip", "v4usingIPs", "v4UsingIPs", "v4usingIPrange"}) {
      const api::JsonValue* status = api::find(object, {"status", field});
      if (status != nullptr) out += fmt::format(" status.{}={}", field, boost::json::serialize(*status));
    }
    return out;
  }

  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(scheduler_.now() - begun_).count(); }

  void trace(const std::string& what) const {
    if (options_.trace) std::fprintf(stderr, "%10.3f %s\n", seconds(), what.c_str());
  }

  RunOptions options_;
  ManualScheduler scheduler_;
  TimePoint begun_ = scheduler_.now();
  Random random_;
  Random store_random_{options_.seed};
  Faults faults_;
  ApiStore store_;
  ovsdb::MemoryStore ovn_;
  Oracle oracle_;
  SimNodes nodes_;
  Scenario scenario_;
  ApiStore::ObserverId observer_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t committer_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t fingerprint_ = 0xCBF29CE484222325ULL;
  std::optional<std::vector<std::string>> undone_;  // what has changed since everything was done
  std::unique_ptr<SimController> leader_;
  std::unique_ptr<SimController> old_leader_;
};

}  // namespace

RunResult run(const RunOptions& options) { return Simulation(options).run(); }

}  // namespace berth::sim
