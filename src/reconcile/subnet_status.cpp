#include "reconcile/subnet_status.h"

#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

constexpr Duration kCounterInterval = std::chrono::seconds(1);

void add_counters(const world::World& world, const api::Subnet& subnet, api::JsonObject& status) {
  const ipam::Allocator* allocator = world.allocator(subnet.meta.name);
  const auto family = [&](net::Family f, const std::string& prefix) {
    const ipam::Usage usage = allocator == nullptr ? ipam::Usage{} : allocator->usage(f);
    const bool single = world.safeguards().one_source_of_counters;
    status[prefix + "availableIPs"] = count_json(usage.available);
    status[prefix + "usingIPs"] = count_json(single ? usage.used : world.ips_in(subnet.meta.name).size());
    status[prefix + "availableIPrange"] = usage.available_ranges;
    status[prefix + "usingIPrange"] = usage.used_ranges;
  };
  family(net::Family::v4, "v4");
  family(net::Family::v6, "v6");
}

}  // namespace

bool says_already(const api::JsonObject& status, const api::JsonObject& patch) {
  for (const auto& [key, value] : patch) {
    const api::JsonValue* is = status.if_contains(key);
    if (is == nullptr) return false;
    if (value.is_number() && is->is_number()) {
      if (value.to_number<double>() != is->to_number<double>()) return false;
    } else if (!(*is == value)) {
      return false;
    }
  }
  return true;
}

api::JsonValue count_json(net::Uint128 count) {
  if (count <= (net::Uint128{1} << 53)) return static_cast<std::uint64_t>(count);
  return static_cast<double>(count);
}

StatusWrite subnet_status(world::World& world, const api::Subnet& subnet, const SubnetVerdict& verdict) {
  StatusWrite out;
  std::vector<api::Condition> conditions = subnet.conditions;
  const WallTime now = world.wall_now();
  bool news = api::set_condition(conditions, "Validated", verdict.valid, verdict.reason, verdict.message, now);
  news |= api::set_condition(conditions, "Ready", verdict.ready, verdict.reason, verdict.message, now);
  news |= api::set_condition(conditions, "Error", !verdict.ready && verdict.reason != "Terminating", verdict.reason,
                             verdict.message, now);

  api::JsonObject patch_body;
  add_counters(world, subnet, patch_body);
  patch_body["activateGateway"] =
      subnet.status.contains("activateGateway") ? subnet.status.at("activateGateway") : api::JsonValue("");
  const bool counters_changed = !says_already(subnet.status, patch_body);
  if (!news && !counters_changed) return out;
  const TimePoint last = world.status_written("Subnet/" + subnet.meta.name);
  if (!news && last != TimePoint::min() && world.now() - last < kCounterInterval) {
    out.again_at = last + kCounterInterval;
    return out;
  }
  if (news) {
    patch_body["conditions"] = api::to_json(conditions);
    if (!verdict.ready)
      out.event = EventNote{
          api::Kind::subnet, "", subnet.meta.name, subnet.meta.uid, verdict.reason != "Terminating", verdict.reason,
          verdict.message};
  }
  world.note_status_written("Subnet/" + subnet.meta.name);
  out.request = patch(api::Kind::subnet, subnet.meta, api::JsonObject{{"status", std::move(patch_body)}}, true);
  out.request->subresource = "status";
  return out;
}

}  // namespace berth::reconcile
