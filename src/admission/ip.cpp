#include "api/ip.h"

#include <fmt/core.h>

#include "admission/kinds.h"
#include "api/ip_check.h"

namespace berth::admission {
namespace {

// Fields that say who has which address: they follow from the allocation, not the other way round.
void check_identity(const Review& review, Verdict& out) {
  for (const char* field : {"podName", "namespace", "podType", "subnet", "v4IpAddress", "v6IpAddress", "macAddress"}) {
    const std::string before = api::string_at(review.old_object, {"spec", field});
    const std::string after = api::string_at(review.object, {"spec", field});
    if (before.empty() || before == after) continue;
    out.warnings.push_back(
        fmt::format("IP {}: spec.{} \"{}\": was \"{}\"; an IP does not move by being edited: delete it, and create "
                    "another",
                    review.name, field, after, before));
  }
}

void check_world(const api::Ip& ip, const world::World& world, Verdict& out) {
  const auto subnet = world.subnet(ip.subnet);
  if (!subnet) {
    out.warnings.push_back(fmt::format("IP {}: spec.subnet \"{}\": that Subnet does not exist yet; the IP waits for it",
                                       ip.meta.name, ip.subnet));
    return;
  }
  for (const net::Address& address : ip.addresses) {
    const char* field = address.is_v4() ? "v4IpAddress" : "v6IpAddress";
    if (!subnet->cidrs.empty() && !subnet->contains(address)) {
      out.warnings.push_back(fmt::format("IP {}: spec.{} \"{}\": is not in Subnet {} ({}); use an address of it",
                                         ip.meta.name, field, address.to_string(), ip.subnet,
                                         api::to_string(subnet->cidrs)));
    } else if (const auto taken = holder(world, ip.subnet, address, ip.meta.name, ip.meta)) {
      (taken->lasting ? out.denials : out.warnings)
          .push_back(fmt::format("IP {}: spec.{} \"{}\": {} holds that address; choose another, or delete that first",
                                 ip.meta.name, field, address.to_string(), taken->by));
    }
  }
}

}  // namespace

Verdict review_ip(const Review& review, const world::World* world) {
  Verdict out;
  const api::Ip ip = api::Ip::parse(review.operation == Operation::remove ? review.old_object : review.object);
  if (review.operation == Operation::remove) {
    if (world == nullptr || ip.pod_name.empty()) return out;
    const api::Pod* pod = world->pods().find(ip.pod_ns + "/" + ip.pod_name);
    if (pod != nullptr && !pod->meta.deleting && !pod->finished()) {
      out.warnings.push_back(
          fmt::format("IP {}: pod {} lives and uses it; delete the pod instead", review.name, pod->meta.key()));
    }
    return out;
  }
  if (const auto ok = api::check_ip(review.object); !ok) {
    out.denials.push_back(ok.error().message);
    return out;
  }
  if (review.operation == Operation::update) {
    check_identity(review, out);
  } else if (world != nullptr) {
    check_world(ip, *world, out);
  }
  return out;
}

}  // namespace berth::admission
