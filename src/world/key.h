#pragma once

#include <compare>
#include <string>

namespace berth::world {

// What a reconciler is called with: one object, and all that hangs on it. A pod's key also stands for its IP objects
// and ports, a node's for its join address, so that one Plan at a time touches them.
enum class KeyKind { system, vpc, subnet, ip_pool, namespace_, node, pod, vip };

struct Key {
  KeyKind kind = KeyKind::system;
  std::string name;  // "ns/name" of pods
  auto operator<=>(const Key&) const = default;
};

[[nodiscard]] std::string to_string(const Key& key);

}  // namespace berth::world
