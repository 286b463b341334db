#include "reconcile/sweep.h"

#include <algorithm>

#include "binding/decision.h"

namespace berth::reconcile {
namespace {

bool is_taken(const world::World& world, const binding::Bind& bind, const std::string& port) {
  const ipam::Allocator* allocator = world.allocator(bind.subnet);
  if (allocator == nullptr) return true;
  // Held by another, or given to nobody: the pod waits for what will never come, until somebody edits it.
  const auto held = [&](const net::Address& a) {
    const ipam::Config& config = allocator->config();
    const auto holder = allocator->holder_of(a);
    const bool gateway = std::ranges::find(config.gateways, a) != config.gateways.end();
    const bool edge = std::ranges::any_of(
        config.cidrs, [&](const net::Cidr& c) { return a == c.network() || (a.is_v4() && a == c.last()); });
    return gateway || edge || (holder && *holder != port);
  };
  if (!bind.alternatives.empty()) return true;  // which entry is whose is decided when it is drawn
  return std::ranges::any_of(bind.fixed, held);
}

}  // namespace

bool could_bind(const world::World& world, const std::string& pod_key) {
  const api::Pod* pod = world.pods().find(pod_key);
  if (pod == nullptr || pod->finished()) return false;
  const auto networks = binding::networks_of(*pod, world);
  if (!networks) return false;
  return std::ranges::all_of(*networks, [&](const auto& network) {
    const auto* request = std::get_if<binding::NetworkRequest>(&network);
    if (request == nullptr) return false;
    const binding::Decision decision = binding::decide(*pod, *request, world);
    const binding::Bind* bind = decision.bind();
    return bind != nullptr && request->mac.is_none() && !is_taken(world, *bind, request->port);
  });
}

}  // namespace berth::reconcile
