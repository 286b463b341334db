#pragma once

// What clients ask for with fieldValidation=Strict|Warn|Ignore: to hear of fields that the schema does not know, and
// that would be dropped without a word.

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "http/server.h"
#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::dev {

// Paths of the fields of a custom resource, or of a part of one, that its schema does not know: "spec.sise",
// "spec.list[0].x". None for built-in kinds.
[[nodiscard]] std::vector<std::string> unknown_fields(const sim::ResourceType& type, const boost::json::object& object);

// With Strict an error if there are any (400 for a whole object, 422 for a patch); with Warn, the default, the text of
// a Warning header for each.
[[nodiscard]] sim::ApiResult<std::vector<std::string>> validate_fields(const http::ServerRequest& request,
                                                                       const sim::ResourceType& type,
                                                                       const boost::json::object& body, bool is_patch);

}  // namespace berth::dev
