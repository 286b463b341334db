#pragma once

// CustomResourceDefinitions (apiextensions.k8s.io/v1): from object to served types.

#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

// Fills in what kube-apiserver does: singular, listKind, conversion.
void default_crd(boost::json::object& crd);

// Broken rules of the object; empty if it can be served.
[[nodiscard]] Causes validate_crd(const boost::json::object& crd);

// status.acceptedNames, storedVersions and the conditions NamesAccepted and Established. Nothing changes if they are
// there.
void establish_crd(boost::json::object& crd, WallTime now);

// One type for each served version, the stored version first.
[[nodiscard]] std::vector<TypePtr> types_of_crd(const boost::json::object& crd);

}  // namespace berth::sim
