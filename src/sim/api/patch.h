#pragma once

// The three ways to patch a JSON document that the Kubernetes API knows. Pure functions.

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

// RFC 6902. 400 for a document that is no JSON patch, 422 when an operation cannot be applied or a test fails.
[[nodiscard]] ApiResult<boost::json::value> json_patch(boost::json::value document, const boost::json::value& patch);

// RFC 7396.
void merge_patch(boost::json::value& document, const boost::json::value& patch);

// Kubernetes' strategic merge patch, for the built-in kinds: lists of objects with a merge key are merged by that key
// (containers by name, ports by containerPort, ...), lists of scalars marked so (finalizers) are united; directives
// $patch: delete|replace|merge, $deleteFromPrimitiveList/<field>, $setElementOrder/<field>, $retainKeys.
// 500 (as kube-apiserver has it) if a directive is malformed or a merge key is missing.
[[nodiscard]] ApiResult<boost::json::object> strategic_merge_patch(boost::json::object document,
                                                                   const boost::json::object& patch,
                                                                   const ResourceType& type);

}  // namespace berth::sim
