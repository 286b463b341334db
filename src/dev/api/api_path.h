#pragma once

// What a URL path of the Kubernetes API names.

#include <optional>
#include <string>
#include <string_view>

namespace berth::dev {

// /api/v1/... and /apis/<group>/<version>/... below the level of discovery.
struct ApiPath {
  std::string group;
  std::string version;
  std::string ns;  // empty: cluster-scoped, or all namespaces
  std::string plural;
  std::string name;  // empty: the collection
  std::string subresource;
  std::string rest;  // below the subresource: "proxy/..." and the like
};

// None if the path has another shape. Whether such a resource exists is not looked at.
[[nodiscard]] std::optional<ApiPath> parse_api_path(std::string_view path);

}  // namespace berth::dev
