#include <fmt/core.h>

#include <algorithm>

#include "admission/kinds.h"
#include "admission/no_knowledge.h"
#include "binding/decision.h"
#include "binding/request.h"

namespace berth::admission {
namespace {

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";

// Where a pod would be bound if it existed now; what it would wait for. That the Namespace has to settle, or that the
// fallback needs a fresh read, is the ordinary course of things.
void foretell(const api::Pod& pod, const binding::NetworkRequest& request, const world::World& world, Verdict& out) {
  const binding::Decision decision = binding::decide(pod, request, world);
  if (const auto* refuse = decision.refuse()) {
    out.warnings.push_back(refuse->why);
  } else if (const auto* wait = decision.wait()) {
    const bool ordinary = decision.rule == binding::Rule::settling || binding::is_fallback(decision.rule);
    if (!ordinary) out.warnings.push_back(fmt::format("Pod {}: will wait for {}", pod.meta.key(), wait->for_what));
  } else if (const auto* bind = decision.bind()) {
    for (const net::Address& address : bind->fixed) {
      if (!bind->vip.empty()) break;
      const auto taken = holder(world, bind->subnet, address, request.port, pod.meta);
      if (!taken) continue;
      // A pod that a controller makes would be tried again after ever longer pauses; the pod itself is woken at once.
      const bool for_good = taken->lasting && pod.meta.controller() == nullptr;
      (for_good ? out.denials : out.warnings)
          .push_back(fmt::format("Pod {}: annotation {} \"{}\": {} holds that address in Subnet {}; choose another, or "
                                 "delete that first",
                                 pod.meta.key(), api::annotation_key(request.provider, api::suffix::kIpAddress),
                                 address.to_string(), taken->by, bind->subnet));
    }
  }
}

}  // namespace

Verdict review_pod(const Review& review, const world::World* world) {
  Verdict out;
  if (review.operation != Operation::create) return out;
  api::Pod pod = api::Pod::parse(review.object);
  if (pod.host_network || pod.meta.annotations.contains(std::string(kMirrorAnnotation))) return out;
  if (pod.meta.ns.empty()) pod.meta.ns = review.ns;
  if (pod.meta.name.empty()) pod.meta.name = api::string_at(review.object, {"metadata", "generateName"}) + "*";
  const NoKnowledge nothing;
  const binding::Knowledge& knowledge = world == nullptr ? static_cast<const binding::Knowledge&>(nothing) : *world;
  const auto networks = binding::networks_of(pod, knowledge);
  if (!networks) {
    out.denials.push_back(networks.error().message);
    return out;
  }
  if (world == nullptr) return out;
  for (const auto& network : *networks) {
    if (const auto* missing = std::get_if<binding::MissingNetwork>(&network)) {
      out.warnings.push_back(
          fmt::format("Pod {}: will wait for NetworkAttachmentDefinition {}/{}, which does not exist "
                      "yet",
                      pod.meta.key(), missing->ns, missing->name));
    } else {
      foretell(pod, std::get<binding::NetworkRequest>(network), *world, out);
    }
  }
  return out;
}

}  // namespace berth::admission
