#pragma once

// What the server says about itself: versions, groups, resources, and as much OpenAPI as kubectl and Helm need.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "dev/api/negotiation.h"
#include "sim/api/resource_type.h"

namespace berth::dev {

// The release that /version names. Clients draw conclusions from it.
inline constexpr std::string_view kKubernetesVersion = "v1.33.0";

struct DiscoveryAnswer {
  boost::json::object body;
  std::string content_type = "application/json";
};

// Whether the path is one that discovery answers: /api, /apis, /apis/<group>, /api/v1, /apis/<group>/<version>,
// /version, /openapi/v3 and below.
[[nodiscard]] bool is_discovery_path(std::string_view path);

// None if there is no such group or version. types: all that is served, the preferred version of a CRD's resource
// first. OpenAPI v3 lists the operations without schemas: from the parameter fieldValidation kubectl and Helm learn
// that the server validates, and send objects on as they are.
[[nodiscard]] std::optional<DiscoveryAnswer> discover(std::string_view path, Form form, std::string_view address,
                                                      const std::vector<sim::TypePtr>& types);

}  // namespace berth::dev
