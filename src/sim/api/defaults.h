#pragma once

// What kube-apiserver fills into built-in objects, as far as clients see and rely on it.

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

// Defaults of the wanted state. Idempotent; run on each create and update of a built-in kind.
void apply_defaults(const ResourceType& type, boost::json::object& object);

// What only a create does: status as the server sets it (what the client sent is dropped where the kind has a status
// subresource), Namespace finalizers, Secret stringData.
void prepare_new(const ResourceType& type, boost::json::object& object, WallTime now);

// PodTemplateSpec and Pod specs alike. Exposed for tests.
void default_pod_spec(boost::json::object& spec);

// "Guaranteed", "Burstable" or "BestEffort" of a pod spec.
[[nodiscard]] std::string_view qos_class(const boost::json::object& spec);

}  // namespace berth::sim
