#include "api/vpc.h"

#include <fmt/core.h>

#include <algorithm>

#include "admission/kinds.h"

namespace berth::admission {
namespace {

Verdict deleted(const Review& review, const world::World* world) {
  Verdict out;
  if (world == nullptr) return out;
  const auto subnets = world->subnets_of_vpc(review.name);
  if (!subnets.empty()) {
    out.warnings.push_back(fmt::format("Vpc {}: goes when its {} are gone; delete them too", review.name,
                                       listed(subnets.size(), "Subnets", subnets.front()->meta.name)));
  }
  return out;
}

void check_world(const api::Vpc& vpc, const world::World& world, Verdict& out) {
  for (const std::string& ns : vpc.namespaces) {
    const api::Vpc* other = world.vpc_of(ns);
    if (other == nullptr || other->meta.name == vpc.meta.name || other->meta.deleting) continue;
    out.warnings.push_back(
        fmt::format("Vpc {}: spec.namespaces \"{}\": Vpc {} lists that namespace too, and the older of both wins; take "
                    "it out of one",
                    vpc.meta.name, ns, other->meta.name));
  }
  if (!vpc.default_subnet.empty() && world.subnets().find(vpc.default_subnet) == nullptr) {
    out.warnings.push_back(
        fmt::format("Vpc {}: spec.defaultSubnet \"{}\": that Subnet does not exist yet; pods that need it wait for it",
                    vpc.meta.name, vpc.default_subnet));
  }
  for (std::size_t i = 0; i < vpc.peerings.size(); ++i) {
    if (world.vpcs().find(vpc.peerings[i].remote) != nullptr) continue;
    out.warnings.push_back(fmt::format(
        "Vpc {}: spec.vpcPeerings[{}].remoteVpc \"{}\": that Vpc does not exist yet; the peering waits for it",
        vpc.meta.name, i, vpc.peerings[i].remote));
  }
}

}  // namespace

Verdict review_vpc(const Review& review, const world::World* world) {
  if (review.operation == Operation::remove) return deleted(review, world);
  Verdict out;
  api::Vpc vpc = api::Vpc::parse(review.object);
  if (vpc.meta.name.empty()) vpc.meta.name = review.name;
  if (const auto ok = api::check_vpc(vpc); !ok) {
    out.denials.push_back(ok.error().message);
    return out;
  }
  for (const std::string& field : vpc.unsupported) {
    out.warnings.push_back(
        fmt::format("Vpc {}: spec.{}: kept as it is, but Berth does nothing about it", vpc.meta.name, field));
  }
  if (world != nullptr) check_world(vpc, *world, out);
  return out;
}

}  // namespace berth::admission
