#pragma once

#include <string>
#include <string_view>

namespace berth::net {

// The text as an error message may show it: in quotes, control characters escaped, cut after 80 bytes. What is parsed
// here comes from annotations and files, so it can be anything.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace berth::net
