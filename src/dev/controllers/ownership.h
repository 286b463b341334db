#pragma once

// Owner references: who controls whom, adoption and release.

#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "dev/controllers/cluster.h"
#include "sim/api/selectors.h"

namespace berth::dev {

// The reference that a controller puts on what it makes.
[[nodiscard]] boost::json::object controller_reference(const boost::json::object& owner);

// The owner reference with controller: true; null if there is none.
[[nodiscard]] const boost::json::object* controller_of(const boost::json::object& object);

[[nodiscard]] bool is_controlled_by(const boost::json::object& object, const boost::json::object& owner);

// The key of the controller if it is of that type.
void add_controller_key(const boost::json::object& object, const sim::ResourceType& owner_type,
                        std::vector<Key>& dirty);

// The children of that type that the owner controls and selects. Those that match and have no controller are adopted,
// those that do not match any more are released. An owner being deleted adopts nothing.
[[nodiscard]] std::vector<sim::Object> claim(Cluster& cluster, const sim::ResourceType& child_type,
                                             const boost::json::object& owner, const sim::LabelSelector& selector);

// spec.selector; one that cannot be read matches nothing that anybody has (the store refuses to store it).
[[nodiscard]] sim::LabelSelector selector_of(const boost::json::object& object);

}  // namespace berth::dev
