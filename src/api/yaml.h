#pragma once

// YAML as Kubernetes uses it: manifests, kubeconfigs, configuration files. The result is JSON.
//
// Plain scalars follow the core schema of YAML 1.2: null and ~, true and false, decimal, 0x and 0o integers, floats;
// all else, `yes` and `no` among it, is a string. Aliases are expanded. Errors, all invalid and with line and column:
// what is not YAML, a key twice in one map, a key that is no string, merge keys (<<), more than a million nodes or 200
// levels.

#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace berth::api {

// The documents of a stream, in order, without the empty ones (a file of comments only has none).
[[nodiscard]] Result<std::vector<boost::json::value>> parse_yaml(std::string_view text);

}  // namespace berth::api
