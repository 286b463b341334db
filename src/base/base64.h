#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth {

// RFC 4648, section 4: with padding.
[[nodiscard]] std::string base64_encode(std::string_view bytes);

// White space is skipped; none if anything else is foreign to base64, or the padding is wrong.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace berth
