#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

// The subnets that the annotation should name; empty: it is too early to say. Follows events, never pod demand.
std::vector<std::string> subnets_for(const world::World& world, const api::Namespace& ns, Plan& plan) {
  if (auto named = binding::user_subnets(ns); !named.empty()) return named;
  std::vector<std::string> ready, all;
  for (const binding::SubnetView& view : world.claimants(ns.meta.name)) {
    all.push_back(view.name());
    if (view.ready) ready.push_back(view.name());
  }
  if (!all.empty()) return ready.empty() ? all : ready;
  const binding::Expectation expectation = binding::expectation_of(ns);
  if (expectation == binding::Expectation::any) return {};
  const TimePoint settled = world.settled_at(ns.meta.name);
  if (world.now() < settled && expectation != binding::Expectation::none) {
    plan.wake_no_later_than(settled);
    return {};
  }
  if (const api::Vpc* vpc = world.vpc_of(ns.meta.name)) {
    if (!vpc->default_subnet.empty()) return {vpc->default_subnet};
    const auto defaults = world.defaults_of(vpc->meta.name);
    return defaults.empty() ? std::vector<std::string>{} : std::vector<std::string>{defaults.front().name()};
  }
  return {std::string(api::kDefaultSubnet)};
}

std::map<std::string, std::string> describe(const world::World& world, const api::Namespace& ns,
                                            const std::vector<std::string>& subnets) {
  std::map<std::string, std::string> out;
  const auto key = [](std::string_view suffix) { return api::annotation_key(api::kDefaultProvider, suffix); };
  if (!subnets.empty()) {
    std::vector<std::string> cidrs, excludes;
    for (const std::string& name : subnets) {
      const auto& plan = world.subnet_state(name).in_force;
      cidrs.push_back(plan ? api::to_string(plan->cidrs) : "");
      excludes.push_back(plan ? api::join(api::formatted_excludes(*plan), ",") : "");
    }
    out[key(api::suffix::kLogicalSwitch)] = api::join(subnets, ",");
    out[key(api::suffix::kCidr)] = api::join(cidrs, ";");
    out[key(api::suffix::kExcludeIps)] = api::join(excludes, ";");
  }
  std::vector<std::string> pools;
  for (const auto& [name, pool] : world.pools().all()) {
    if (!pool.meta.deleting && std::ranges::find(pool.namespaces, ns.meta.name) != pool.namespaces.end())
      pools.push_back(name);
  }
  if (!pools.empty()) out[key(api::suffix::kIpPool)] = api::join(pools, ",");
  return out;
}

}  // namespace

Plan reconcile_namespace(world::World& world, const std::string& name) {
  Plan plan;
  const api::Namespace* ns = world.namespaces().find(name);
  if (ns == nullptr || ns->terminating) return plan;
  const auto wanted = describe(world, *ns, subnets_for(world, *ns, plan));
  const auto before = api::BindingRecord::of(ns->meta);
  const std::string switch_key = api::annotation_key(api::kDefaultProvider, api::suffix::kLogicalSwitch);

  api::BindingRecord record;
  api::JsonObject annotations;
  for (const auto& [key, value] : wanted) {
    const auto is = ns->meta.annotation(key);
    if (key == switch_key && binding::user_switches(*ns)) continue;
    record.wrote[key] = value;
    if (!is || *is != value) annotations[key] = value;
  }
  if (before) {
    for (const auto& [key, value] : before->wrote) {
      const auto is = ns->meta.annotation(key);
      if (!wanted.contains(key) && is && *is == value) annotations[key] = nullptr;
    }
  }
  if (record.wrote.empty() && !before) return plan;
  if (!before || !(*before == record)) {
    annotations[api::kBindingAnnotation] =
        record.wrote.empty() ? api::JsonValue(nullptr) : api::JsonValue(record.to_string());
  }
  if (!annotations.empty())
    plan.writes.push_back(patch_annotations(api::Kind::namespace_, ns->meta, std::move(annotations)));
  return plan;
}

}  // namespace berth::reconcile
