#pragma once

#include <string_view>
#include <vector>

namespace berth::dev {

// The manifests (YAML) of the CustomResourceDefinitions that every cluster has: those of charts/berth/crds, and
// NetworkAttachmentDefinition. Part of the program: generated at build time.
[[nodiscard]] std::vector<std::string_view> embedded_crds();

}  // namespace berth::dev
