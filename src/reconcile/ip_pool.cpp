#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/subnet_status.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

constexpr Duration kCounterInterval = std::chrono::seconds(1);

// The world has given the pool its ranges already (World::configure_pools); here it is shown, protected, and made known
// to OVN.
class PoolReconciler {
 public:
  PoolReconciler(world::World& world, const api::IpPool& pool) : world_(world), pool_(pool), name_(pool.meta.name) {}

  Plan run() {
    if (pool_.meta.deleting) return retire();
    if (prepare()) return std::move(plan_);
    const world::PoolState& state = world_.pool_state(name_);
    if (!state.problem.empty()) {
      const bool kept = !state.in_force.empty();
      write_status(
          false, "UpdateIPAMFailed",
          kept ? fmt::format("{} ({} stays in force)", state.problem, api::to_string(state.in_force)) : state.problem);
      return std::move(plan_);
    }
    if (const auto problem = follow_address_set(state.in_force)) {
      write_status(false, "ReconcileAddressSetFailed", *problem);
    } else if (plan_.ovn.empty()) {
      write_status(true, "UpdateIPAMSucceeded", "");
    }
    return std::move(plan_);
  }

 private:
  // Finalizer, and what is in force where spec.ips says something else.
  bool prepare() {
    api::JsonObject body;
    if (!pool_.meta.has_finalizer(api::kFinalizer)) add_finalizer(body, pool_.meta);
    const world::PoolState& state = world_.pool_state(name_);
    const auto is = pool_.meta.annotation(api::kIpsInForceAnnotation);
    std::optional<std::string> wanted = is;
    if (state.problem.empty()) wanted.reset();
    if (!state.problem.empty() && !state.in_force.empty()) wanted = api::to_string(state.in_force);
    if (is != wanted) {
      api::JsonValue& metadata = body["metadata"];
      if (!metadata.is_object()) metadata.emplace_object();
      metadata.get_object()["annotations"] =
          api::JsonObject{{api::kIpsInForceAnnotation, wanted ? api::JsonValue(*wanted) : api::JsonValue(nullptr)}};
    }
    if (body.empty()) return false;
    plan_.writes.push_back(patch(api::Kind::ip_pool, pool_.meta, std::move(body), true));
    return true;
  }

  // The problem with it, if there is one. What was there stays then.
  std::optional<std::string> follow_address_set(const std::vector<net::Range>& ranges) {
    const auto name = api::address_set_name(pool_);
    const auto observed = name ? world_.address_sets().find(*name) : world_.address_sets().end();
    const bool mine = observed != world_.address_sets().end() && owner_of(observed->second) == name_;
    if (!pool_.enable_address_set) {
      if (mine) plan_.ovn.emplace_back(world::RemoveAddressSet{*name});
      return std::nullopt;
    }
    if (!name) return name.error().message;
    if (ranges.front().family() != ranges.back().family()) {
      return fmt::format(
          "IPPool {}: spec.enableAddressSet: an OVN address set holds one family, but spec.ips has both; make one pool "
          "for each",
          name_);
    }
    if (observed != world_.address_sets().end() && !mine &&
        world_.pools().find(owner_of(observed->second)) != nullptr) {
      return fmt::format("IPPool {}: spec.enableAddressSet: IPPool {} has the OVN address set {} already; rename one",
                         name_, owner_of(observed->second), *name);
    }
    const auto entries = api::address_set_entries(ranges);
    world::AddressSet wanted{*name, {entries.begin(), entries.end()}, {{"ippool", name_}}};
    if (observed == world_.address_sets().end() || !(observed->second == wanted))
      plan_.ovn.emplace_back(world::PutAddressSet{std::move(wanted)});
    return std::nullopt;
  }

  static std::string owner_of(const world::AddressSet& set) {
    const auto it = set.external_ids.find("ippool");
    return it == set.external_ids.end() ? std::string() : it->second;
  }

  // Being deleted: it takes no new pod, but keeps its addresses until the last of them is back.
  Plan retire() {
    if (const std::string holder = first_holder(); !holder.empty() && world_.safeguards().pool_finalizer_by_use) {
      write_status(false, "Terminating",
                   fmt::format("IPPool {}: deleted as soon as its addresses are released (first: {})", name_, holder));
      return std::move(plan_);
    }
    for (const auto& [name, set] : world_.address_sets()) {
      if (owner_of(set) == name_) plan_.ovn.emplace_back(world::RemoveAddressSet{name});
    }
    if (plan_.ovn.empty() && is_finalized(pool_.meta))
      plan_.writes.push_back(patch_finalizer(api::Kind::ip_pool, pool_.meta, false));
    return std::move(plan_);
  }

  // Who holds an address of the pool; empty: nobody does.
  [[nodiscard]] std::string first_holder() const {
    const auto& ranges = world_.pool_state(name_).in_force;
    if (ranges.empty()) return {};
    const ipam::Allocator* allocator = world_.allocator(pool_.subnet);
    const auto used = [&](net::Family family) { return allocator->pool_counts(name_, family).used; };
    std::int64_t idle = 0;  // kept by IP objects that no pod has: those go on without the pool
    for (const std::string& name : world_.ips_in(pool_.subnet)) {
      const api::Ip& ip = *world_.ips().find(name);
      for (const net::Address& a : ip.addresses) {
        if (std::ranges::none_of(ranges, [&](const net::Range& r) { return r.contains(a); })) continue;
        if (!ip.is_idle()) return "IP " + name;
        if (allocator != nullptr && allocator->holder_of(a) == name) ++idle;
      }
    }
    const auto all = allocator == nullptr ? net::Uint128(0) : used(net::Family::v4) + used(net::Family::v6);
    return all > net::Uint128(idle) ? "a reservation" : "";
  }

  void write_status(bool ready, const std::string& reason, const std::string& message) {
    std::vector<api::Condition> conditions = pool_.conditions;
    const WallTime now = world_.wall_now();
    const std::int64_t generation = pool_.meta.generation;
    bool news = api::set_condition(conditions, "Ready", ready, reason, message, now, generation);
    news |=
        api::set_condition(conditions, "Error", !ready && reason != "Terminating", reason, message, now, generation);
    const std::string key = "IPPool/" + name_;
    const TimePoint last = world_.status_written(key);
    if (!news && last != TimePoint::min() && world_.now() - last < kCounterInterval)
      return plan_.wake_no_later_than(last + kCounterInterval);  // before the texts of the ranges, which may be long
    api::JsonObject body = counters();
    if (!news && says_already(pool_.status, body)) return;
    if (news) {
      body["conditions"] = api::to_json(conditions);
      if (!ready)
        plan_.events.push_back(
            {api::Kind::ip_pool, "", name_, pool_.meta.uid, reason != "Terminating", reason, message});
    }
    world_.note_status_written(key);
    api::Request request = patch(api::Kind::ip_pool, pool_.meta, api::JsonObject{{"status", std::move(body)}}, true);
    request.subresource = "status";
    plan_.writes.push_back(std::move(request));
  }

  [[nodiscard]] api::JsonObject counters() const {
    api::JsonObject out;
    const ipam::Allocator* allocator = world_.allocator(pool_.subnet);
    const auto add = [&](net::Family family, const std::string& prefix) {
      ipam::Usage usage;
      if (allocator != nullptr) usage = allocator->pool_usage(name_, family).value_or(ipam::Usage{});
      out[prefix + "AvailableIPs"] = count_json(usage.available);
      out[prefix + "AvailableIPRange"] = usage.available_ranges;
      out[prefix + "UsingIPs"] = count_json(usage.used);
      out[prefix + "UsingIPRange"] = usage.used_ranges;
    };
    add(net::Family::v4, "v4");
    add(net::Family::v6, "v6");
    return out;
  }

  world::World& world_;
  const api::IpPool& pool_;
  const std::string& name_;
  Plan plan_;
};

}  // namespace

Plan reconcile_ip_pool(world::World& world, const std::string& name) {
  if (const api::IpPool* pool = world.pools().find(name)) return PoolReconciler(world, *pool).run();
  Plan plan;
  for (const auto& [set_name, set] : world.address_sets()) {
    const auto owner = set.external_ids.find("ippool");
    if (owner != set.external_ids.end() && owner->second == name)
      plan.ovn.emplace_back(world::RemoveAddressSet{set_name});
  }
  return plan;
}

}  // namespace berth::reconcile
