#include <fmt/core.h>

#include "admission/kinds.h"
#include "reconcile/subnet_conflict.h"
#include "reconcile/subnet_rows.h"

namespace berth::admission {
namespace {

std::string retired(const world::World& world, const std::string& name) {
  const auto& ips = world.ips_in(name);
  const auto& vips = world.vips_in(name);
  std::string used = listed(ips.size(), "IP objects", ips.empty() ? "" : *ips.begin());
  const std::string by_vips = listed(vips.size(), "Vips", vips.empty() ? "" : *vips.begin());
  if (!used.empty() && !by_vips.empty()) used += " and ";
  return used + by_vips;
}

Verdict deleted(const Review& review, const world::World* world) {
  Verdict out;
  if (world == nullptr) return out;
  if (const std::string used = retired(*world, review.name); !used.empty()) {
    out.warnings.push_back(fmt::format(
        "Subnet {}: goes when its {} are released; new pods are not bound to it any more", review.name, used));
  }
  if (review.name == api::kDefaultSubnet || review.name == api::kJoinSubnet) {
    out.warnings.push_back(
        fmt::format("Subnet {}: the cluster itself needs it; berth-controller makes it again", review.name));
  }
  return out;
}

// It may still come, or come right.
void check_vpc(const api::Subnet& subnet, const world::World& world, Verdict& out) {
  if (!subnet.is_ovn()) return;
  const std::string vpc = subnet.effective_vpc();
  const api::Vpc* found = world.vpcs().find(vpc);
  if (found == nullptr && vpc != api::kDefaultVpc) {
    out.warnings.push_back(fmt::format(
        "Subnet {}: spec.vpc \"{}\": that Vpc does not exist yet; the Subnet waits for it, and its pods with "
        "it",
        subnet.meta.name, vpc));
  } else if (found != nullptr && found->meta.deleting) {
    out.warnings.push_back(
        fmt::format("Subnet {}: spec.vpc \"{}\": that Vpc is being deleted; name another, or create it again",
                    subnet.meta.name, vpc));
  } else if (const auto problem = reconcile::vpc_mismatch(world, subnet)) {
    out.warnings.push_back(*problem);
  }
}

void check_conflict(const api::Subnet& subnet, const api::SubnetPlan& plan, const world::World& world, Verdict& out) {
  const auto conflict = reconcile::subnet_conflict(world, subnet, plan);
  if (!conflict) return;
  const api::Subnet* other = world.subnets().find(conflict->with);
  const bool passing = other != nullptr && (other->meta.deleting || same_release(other->meta, subnet.meta));
  (passing ? out.warnings : out.denials).push_back(conflict->message);
}

void check_edit(const Review& review, const api::Subnet& subnet, const api::SubnetPlan& plan, const world::World& world,
                Verdict& out) {
  if (const auto problem = reconcile::taken_from_pods(world, subnet, plan)) out.warnings.push_back(*problem);
  const std::size_t used = world.ips_in(subnet.meta.name).size();
  if (used == 0) return;
  const api::Subnet before = api::Subnet::parse(review.old_object);
  const auto old = api::plan_subnet(before);
  if (old && old->cidrs != plan.cidrs) {
    out.warnings.push_back(fmt::format(
        "Subnet {}: spec.cidrBlock \"{}\": {} addresses are in use; pods keep theirs until they are deleted",
        subnet.meta.name, subnet.cidr_block, used));
  }
  if (before.effective_vpc() != subnet.effective_vpc()) {
    out.warnings.push_back(
        fmt::format("Subnet {}: spec.vpc \"{}\": was \"{}\", and {} addresses are in use; the "
                    "Subnet stays in its old Vpc until the last of them is released",
                    subnet.meta.name, subnet.vpc, before.vpc, used));
  }
}

}  // namespace

Verdict review_subnet(const Review& review, const world::World* world) {
  if (review.operation == Operation::remove) return deleted(review, world);
  Verdict out;
  api::Subnet subnet = api::Subnet::parse(review.object);
  if (subnet.meta.name.empty()) subnet.meta.name = review.name;
  if (subnet.cidr_block.empty() && !subnet.vlan.empty() && subnet.gateway.empty() && subnet.exclude_ips.empty()) {
    out.warnings.push_back(
        fmt::format("Subnet {}: spec.cidrBlock \"\": without addresses (vlan \"{}\" alone) Berth does nothing about it",
                    subnet.meta.name, subnet.vlan));
    return out;
  }
  const auto plan = api::plan_subnet(subnet);
  if (!plan) {
    out.denials.push_back(plan.error().message);
    return out;
  }
  for (const std::string& field : subnet.unsupported) {
    out.warnings.push_back(
        fmt::format("Subnet {}: spec.{}: kept as it is, but Berth does nothing about it", subnet.meta.name, field));
  }
  if (world == nullptr) return out;
  // The API server has not dated what it is about to create.
  if (subnet.meta.created == WallTime{}) subnet.meta.created = world->wall_now();
  check_conflict(subnet, *plan, *world, out);
  check_vpc(subnet, *world, out);
  if (review.operation == Operation::update) check_edit(review, subnet, *plan, *world, out);
  return out;
}

}  // namespace berth::admission
