#pragma once

#include <string>
#include <string_view>

namespace berth::dev {

// RFC 4648, padded.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace berth::dev
