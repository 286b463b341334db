#include "reconcile/subnet_status.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

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

void add_rows(const world::World& world, const api::Subnet& subnet, api::JsonObject& status) {
  status["activateGateway"] = world.subnet_state(subnet.meta.name).gateway;
  const auto it = world.switches().find(subnet.meta.name);
  const auto uuid = [](const std::optional<world::DhcpOptions>& row) { return row ? row->uuid : std::string(); };
  status["dhcpV4OptionsUUID"] = it == world.switches().end() ? "" : uuid(it->second.dhcp_v4);
  status["dhcpV6OptionsUUID"] = it == world.switches().end() ? "" : uuid(it->second.dhcp_v6);
}

// "a, b, c and 7 more": conditions are for people.
std::string shortened(const std::set<std::string>& names) {
  constexpr std::size_t kMost = 20;
  std::vector<std::string> shown(names.begin(),
                                 std::next(names.begin(), std::ptrdiff_t(std::min(kMost, names.size()))));
  std::string out = api::join(shown, ",");
  if (names.size() > kMost) out += " and " + std::to_string(names.size() - kMost) + " more";
  return out;
}

// True if a condition changes.
bool judge(const world::World& world, const api::Subnet& subnet, const SubnetVerdict& verdict,
           std::vector<api::Condition>& conditions) {
  bool news = false;
  const auto set = [&](const char* type, bool status, const std::string& reason, const std::string& message) {
    news |= api::set_condition(conditions, type, status, reason, message, world.wall_now(), subnet.meta.generation);
  };
  const bool leaving = verdict.reason == "Terminating";
  set("Validated", verdict.valid, verdict.reason, verdict.message);
  set("Ready", verdict.ready, verdict.reason, verdict.message);
  set("Error", !verdict.ready && !leaving, verdict.reason, verdict.message);
  if (!leaving) {
    set("Accepted", verdict.accepted, verdict.accepted ? "Accepted" : verdict.reason,
        verdict.accepted ? "" : verdict.message);
    set("Programmed", verdict.accepted, verdict.accepted ? "Programmed" : verdict.reason,
        verdict.accepted ? "" : verdict.message);
  }
  const std::set<std::string>& namespaces = world.claimed_by(subnet.meta.name);
  set("Bound", !namespaces.empty(), namespaces.empty() ? "NoNamespace" : "NamespacesClaimed",
      namespaces.empty() ? "" : shortened(namespaces));

  const std::string fields = api::join(subnet.unsupported, ", ");
  if (!fields.empty()) {
    set("Unsupported", true, "UnsupportedFields",
        fmt::format("Subnet {}: Berth does nothing about spec.{}; remove what is not needed", subnet.meta.name,
                    fields));
  } else {
    news |= std::erase_if(conditions, [](const api::Condition& c) { return c.type == "Unsupported"; }) > 0;
  }
  if (!verdict.ready && !leaving) {
    set("Healthy", false, verdict.reason, verdict.message);
  } else if (!fields.empty()) {
    set("Healthy", false, "UnsupportedFields", "spec." + fields);
  } else {
    set("Healthy", true, "Healthy", "");
  }
  return news;
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
  const bool news = judge(world, subnet, verdict, conditions);
  const TimePoint last = world.status_written("Subnet/" + subnet.meta.name);
  const bool urgent = news && !api::same_but_for_words(conditions, subnet.conditions);
  if (!urgent && last != TimePoint::min() && world.now() - last < kCounterInterval) {
    out.again_at = last + kCounterInterval;  // the counters wait too: the texts of a torn subnet's ranges are long
    return out;
  }
  api::JsonObject patch_body;
  add_counters(world, subnet, patch_body);
  add_rows(world, subnet, patch_body);
  if (!news && says_already(subnet.status, patch_body)) return out;
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
