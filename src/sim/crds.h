#pragma once

#include <vector>

#include <boost/json/object.hpp>

#include "sim/api_store.h"

namespace berth::sim {

// Berth's CustomResourceDefinitions: the files of charts/berth/crds,
// built in.
[[nodiscard]] const std::vector<boost::json::object>& builtin_crds();

// Registers them in a store that lacks them.
void install_crds(ApiStore& store);

}  // namespace berth::sim
