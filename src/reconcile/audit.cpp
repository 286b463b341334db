#include "reconcile/audit.h"

#include <fmt/core.h>

#include <algorithm>

#include "binding/decision.h"

namespace berth::reconcile {
namespace {

// Creation times have whole seconds: only what is older by more than this was certainly there before.
constexpr auto kClockGrain = std::chrono::seconds(1);

}  // namespace

std::optional<std::string> audit(const world::World& world, const std::string& port) {
  const api::Ip* ip = world.ips().find(port);
  if (ip == nullptr || !ip->claimed() || ip->owner.kind == api::Owner::Kind::node) return std::nullopt;
  const api::Pod* pod = world.pods().find(ip->pod_ns + "/" + ip->pod_name);
  if (pod == nullptr || pod->finished() || ip->meta.deleting) return std::nullopt;
  const auto wrong = [&](std::string what) {
    return fmt::format("IP {} ({}): {}", port, api::to_string(ip->addresses), what);
  };

  if (pod->meta.uid != ip->pod_uid) return std::nullopt;  // the claim is old news: its pod has a successor already
  const api::Subnet* subnet = world.subnets().find(ip->subnet);
  if (subnet == nullptr) return wrong(fmt::format("Subnet {} does not exist", ip->subnet));
  if (subnet->meta.uid != ip->subnet_uid)
    return wrong(fmt::format("bound to another Subnet {} (UID {}) than the one that exists ({})", ip->subnet,
                             ip->subnet_uid, subnet->meta.uid));
  // The news of a claim may come after an edit of the range: any range that was in force is right.
  for (const net::Address& a : ip->addresses) {
    const auto& ranges = world.ranges_ever_in_force(ip->subnet);
    const bool inside = std::ranges::any_of(ranges, [&](const net::Cidr& c) { return c.contains(a); });
    if (!ranges.empty() && !inside)
      return wrong(fmt::format("{} is outside every range that Subnet {} had in force", a.to_string(), ip->subnet));
  }
  const auto rule = binding::rule_from(ip->rule);
  if (!rule || !binding::is_fallback(*rule)) return std::nullopt;
  for (const binding::SubnetView& claimant : world.claimants(ip->pod_ns)) {
    const auto since = world.claimed_since(ip->pod_ns, claimant.name());
    if (claimant.name() != ip->subnet && since && *since + kClockGrain < pod->meta.created) {
      return wrong(fmt::format("bound by rule {} although Subnet {} claimed the namespace before the pod was created",
                               ip->rule, claimant.name()));
    }
  }
  return std::nullopt;
}

}  // namespace berth::reconcile
