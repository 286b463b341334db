#pragma once

// The CNI specification versions that Berth speaks.

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace berth::cni {

// Oldest first. 0.3.0 and 0.3.1 differ only in wording.
inline constexpr std::array<std::string_view, 5> kVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kLatestVersion = kVersions.back();

[[nodiscard]] bool is_supported(std::string_view version);

// Whether version (a supported one) is `than` or newer.
[[nodiscard]] bool at_least(std::string_view version, std::string_view than);

// What the VERSION command prints. asked may be any text; the reply repeats it only if it is a supported version.
[[nodiscard]] std::string print_versions(std::string_view asked);

}  // namespace berth::cni
