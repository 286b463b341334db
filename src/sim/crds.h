#pragma once

#include <vector>

#include <boost/json/object.hpp>

#include "sim/api_store.h"

namespace berth::sim {

// The CustomResourceDefinitions that every cluster of ours has, built in: Berth's (charts/berth/crds) and
// NetworkAttachmentDefinition (crds/).
[[nodiscard]] const std::vector<boost::json::object>& builtin_crds();

// Registers them in a store that lacks them.
void install_crds(ApiStore& store);

}  // namespace berth::sim
