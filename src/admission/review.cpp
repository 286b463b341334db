#include "admission/review.h"

#include <fmt/core.h>

#include "admission/kinds.h"

namespace berth::admission {
namespace {

using Reviewer = Verdict (*)(const Review&, const world::World*);

Reviewer reviewer_of(const Review& review) {
  if (review.group.empty() && review.kind == "Pod") return review_pod;
  if (review.group != "kubeovn.io") return nullptr;
  if (review.kind == "Subnet") return review_subnet;
  if (review.kind == "IPPool") return review_ip_pool;
  if (review.kind == "IP") return review_ip;
  if (review.kind == "Vip") return review_vip;
  if (review.kind == "Vpc") return review_vpc;
  return nullptr;
}

const api::JsonValue* spec_of(const api::JsonObject& object) { return api::find(object, {"spec"}); }

bool same_spec(const api::JsonObject& a, const api::JsonObject& b) {
  const api::JsonValue* x = spec_of(a);
  const api::JsonValue* y = spec_of(b);
  return x == nullptr || y == nullptr ? x == y : *x == *y;
}

// What was wrong before may stay wrong: an edit of something else must be possible.
bool was_wrong(const Review& asked, Reviewer reviewer) {
  Review before = asked;
  before.operation = Operation::create;
  before.object = asked.old_object;
  before.old_object = {};
  return !reviewer(before, nullptr).allowed();
}

}  // namespace

Verdict review(const Review& asked, const world::World* world) {
  const Reviewer reviewer = reviewer_of(asked);
  if (reviewer == nullptr || !asked.subresource.empty() || asked.operation == Operation::other) return {};
  if (asked.operation == Operation::remove) return reviewer(asked, world);
  if (api::ObjectMeta::parse(asked.object).deleting) return {};
  const bool update = asked.operation == Operation::update;
  if (update && same_spec(asked.object, asked.old_object)) return {};
  Verdict verdict = reviewer(asked, world);
  if (!verdict.allowed() && update && was_wrong(asked, reviewer)) {
    verdict.warnings.insert(verdict.warnings.begin(), verdict.denials.begin(), verdict.denials.end());
    verdict.denials.clear();
  }
  return verdict;
}

bool same_release(const api::ObjectMeta& a, const api::ObjectMeta& b) {
  for (const std::string_view key : {"meta.helm.sh/release-name", "meta.helm.sh/release-namespace"}) {
    const auto x = a.annotation(key);
    if (!x || x != b.annotation(key)) return false;
  }
  return true;
}

std::string listed(std::size_t count, std::string_view what, const std::string& first) {
  return count == 0 ? std::string() : fmt::format("{} {} (first: {})", count, what, first);
}

std::optional<Taken> holder(const world::World& world, const std::string& subnet, const net::Address& address,
                            const std::string& except, const api::ObjectMeta& asking) {
  const ipam::Allocator* allocator = world.allocator(subnet);
  const auto found = allocator == nullptr ? std::nullopt : allocator->holder_of(address);
  if (!found || *found == except) return std::nullopt;
  const std::string port(*found);
  for (const std::string& name : world.vips_in(subnet)) {
    if (world::vip_lease(name) != port) continue;
    const api::Vip* vip = world.vips().find(name);
    return Taken{"Vip " + name, vip != nullptr && !vip->meta.deleting && !same_release(vip->meta, asking)};
  }
  const api::Ip* ip = world.ips().find(port);
  if (ip == nullptr) return Taken{"IP " + port, false};
  const api::Pod* pod = ip->pod_ns.empty() ? nullptr : world.pods().find(ip->pod_ns + "/" + ip->pod_name);
  const bool passing = ip->meta.deleting ||
                       (pod != nullptr && (pod->meta.deleting || pod->finished() || same_release(pod->meta, asking)));
  const bool alive = pod != nullptr || ip->owner.kind == api::Owner::Kind::node;
  return Taken{"IP " + port, alive && !passing};
}

}  // namespace berth::admission
