#include "api/vip.h"

#include <fmt/core.h>

#include <algorithm>

#include "admission/kinds.h"

namespace berth::admission {
namespace {

void check_world(const api::Vip& vip, const api::VipPlan& plan, const world::World& world, Verdict& out) {
  const auto subnet = world.subnet(vip.subnet);
  if (!subnet) {
    out.warnings.push_back(fmt::format(
        "Vip {}: spec.subnet \"{}\": that Subnet does not exist yet; the Vip waits for it", vip.meta.name, vip.subnet));
    return;
  }
  for (const net::Address& address : plan.wanted) {
    const char* field = address.is_v4() ? "v4ip" : "v6ip";
    if (!subnet->cidrs.empty() && !subnet->contains(address)) {
      out.warnings.push_back(fmt::format("Vip {}: spec.{} \"{}\": is not in Subnet {} ({}); use an address of it",
                                         vip.meta.name, field, address.to_string(), vip.subnet,
                                         api::to_string(subnet->cidrs)));
      continue;
    }
    const auto taken = holder(world, vip.subnet, address, world::vip_lease(vip.meta.name), vip.meta);
    // A pod that uses the Vip has its addresses.
    if (!taken || std::ranges::find(vip.given, address) != vip.given.end()) continue;
    (taken->lasting ? out.denials : out.warnings)
        .push_back(fmt::format("Vip {}: spec.{} \"{}\": {} holds that address; choose another, or delete that first",
                               vip.meta.name, field, address.to_string(), taken->by));
  }
}

}  // namespace

Verdict review_vip(const Review& review, const world::World* world) {
  Verdict out;
  if (review.operation == Operation::remove) return out;
  api::Vip vip = api::Vip::parse(review.object);
  if (vip.meta.name.empty()) vip.meta.name = review.name;
  const auto plan = api::plan_vip(vip);
  if (!plan) {
    out.denials.push_back(plan.error().message);
    return out;
  }
  if (review.operation == Operation::update && vip.allocated()) {
    if (std::string frozen = api::frozen_edit(vip); !frozen.empty()) {
      out.denials.push_back(std::move(frozen));
      return out;
    }
  }
  if (world != nullptr) check_world(vip, *plan, *world, out);
  return out;
}

}  // namespace berth::admission
