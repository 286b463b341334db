#pragma once

// What the built-in controllers of the embedded cluster have in common.

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scheduler.h"
#include "sim/api/resource_type.h"
#include "sim/api/watch.h"

namespace berth::dev {

struct Key {
  std::string resource;  // "pods", "deployments.apps"
  std::string ns;        // empty for cluster-scoped objects
  std::string name;

  auto operator<=>(const Key&) const = default;
};

[[nodiscard]] Key key_of(const sim::ResourceType& type, const boost::json::object& object);

// One controller: which keys a change concerns, and what to do about a key. ControllerManager calls it, under the
// store's serialisation, one call at a time.
class Controller {
 public:
  virtual ~Controller() = default;

  // The keys to look at because of a change. Runs inside the write: must not call into the store. Every object that is
  // there when the manager starts comes as an added one.
  virtual void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) = 0;

  // Brings the cluster nearer to what the object of that key asks for; a key whose object is gone is no error.
  // Level-triggered: looks at what is, not at what happened, and may be called at any time. Answers when to be called
  // again if nothing changes meanwhile.
  virtual std::optional<Duration> reconcile(const Key& key) = 0;
};

}  // namespace berth::dev
