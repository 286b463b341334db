#include "dev/api/api_path.h"

#include <algorithm>
#include <vector>

namespace berth::dev {
namespace {

// Empty parts (a trailing or doubled slash) do not count.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (!part.empty()) parts.push_back(part);
    path.remove_prefix(std::min(part.size() + 1, path.size()));
  }
  return parts;
}

}  // namespace

std::optional<ApiPath> parse_api_path(std::string_view path) {
  const auto parts = split(path);
  std::size_t at = 0;
  const auto next = [&]() -> std::string { return at < parts.size() ? std::string(parts[at++]) : std::string(); };

  ApiPath result;
  const std::string root = next();
  if (root == "apis") {
    result.group = next();
    if (result.group.empty()) return std::nullopt;
  } else if (root != "api") {
    return std::nullopt;
  }
  result.version = next();
  result.plural = next();
  if (result.plural.empty()) return std::nullopt;

  // namespaces/<ns>/<plural>... is a namespaced resource, unless the third part is a subresource of the Namespace
  // itself.
  const bool below_namespace = result.plural == "namespaces" && parts.size() > at + 1 && parts[at + 1] != "status" &&
                               parts[at + 1] != "finalize";
  if (below_namespace) {
    result.ns = next();
    result.plural = next();
  }
  result.name = next();
  result.subresource = next();
  while (at < parts.size()) {
    if (!result.rest.empty()) result.rest += '/';
    result.rest += next();
  }
  return result;
}

}  // namespace berth::dev
