#pragma once

// What a reconciler wants done: the next step towards what is wanted for one key, as a value. The engine carries it out
// and calls the reconciler again with what came of it. A Plan is never kept: after a crash, the next reconcile finds
// the rest.

#include <optional>
#include <string>
#include <vector>

#include "api/request.h"
#include "base/random.h"
#include "world/key.h"
#include "world/logical_network.h"
#include "world/world.h"

namespace berth::reconcile {

struct EventNote {
  api::Kind kind = api::Kind::pod;
  std::string ns;
  std::string name;
  std::string uid;
  bool warning = false;
  std::string reason;  // "WaitingForSubnet"
  std::string message;
  std::string topic{};  // notes of one topic are one Event, which shows the last message; empty: the message
};

struct Plan {
  // Carried out in this order; a failure ends the Plan. ovn is one fenced transaction; each write is sent when the one
  // before has succeeded. A write whose outcome stays unknown is cleared up by reading the object before the key is
  // looked at again.
  std::vector<world::OvnChange> ovn;
  std::vector<api::Request> writes;

  std::vector<EventNote> events;          // at once, best effort
  std::optional<std::string> fresh_read;  // a consistent read that covers this Namespace, coalesced with others'
  std::optional<std::string> prove_pod;   // "ns/name": ask the API server whether this pod, of prove_uid, is gone
  std::string prove_uid;
  std::optional<TimePoint> wake_at;  // look at the key again then

  // True if the Plan changes something outside: the key is looked at again when it is done.
  [[nodiscard]] bool acts() const { return !ovn.empty() || !writes.empty() || prove_pod.has_value(); }

  void wake_no_later_than(TimePoint t) { wake_at = wake_at ? std::min(*wake_at, t) : t; }
};

// One per kind of key. They read the world; the only things in it that they change are reservations (the allocators),
// the readiness of subnets, and who waits.
[[nodiscard]] Plan reconcile_system(world::World& world);
[[nodiscard]] Plan reconcile_vpc(world::World& world, const std::string& name);
[[nodiscard]] Plan reconcile_subnet(world::World& world, const std::string& name);
[[nodiscard]] Plan reconcile_ip_pool(world::World& world, const std::string& name);
[[nodiscard]] Plan reconcile_vip(world::World& world, const std::string& name, Random& random);
[[nodiscard]] Plan reconcile_namespace(world::World& world, const std::string& name);
[[nodiscard]] Plan reconcile_node(world::World& world, const std::string& name, Random& random);
[[nodiscard]] Plan reconcile_pod(world::World& world, const std::string& key, Random& random);

[[nodiscard]] Plan reconcile(world::World& world, const world::Key& key, Random& random);

}  // namespace berth::reconcile
