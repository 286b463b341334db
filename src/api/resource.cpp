#include "api/resource.h"

#include <fmt/core.h>

namespace berth::api {

std::string api_version_of(Kind kind) {
  const Resource& r = resource_of(kind);
  return r.group.empty() ? std::string(r.version) : fmt::format("{}/{}", r.group, r.version);
}

std::optional<Kind> kind_of(std::string_view api_version, std::string_view kind) {
  for (const Resource& r : kResources) {
    if (r.name == kind && api_version_of(r.kind) == api_version) return r.kind;
  }
  return std::nullopt;
}

std::string path_of(Kind kind, std::string_view ns, std::string_view name, std::string_view subresource) {
  const Resource& r = resource_of(kind);
  std::string path =
      r.group.empty() ? fmt::format("/api/{}", r.version) : fmt::format("/apis/{}/{}", r.group, r.version);
  if (r.namespaced && !ns.empty()) path += fmt::format("/namespaces/{}", ns);
  path += fmt::format("/{}", r.plural);
  if (!name.empty()) path += fmt::format("/{}", name);
  if (!subresource.empty()) path += fmt::format("/{}", subresource);
  return path;
}

}  // namespace berth::api
