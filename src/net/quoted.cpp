#include "net/quoted.h"

#include <fmt/format.h>

namespace berth::net {

std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  if (text.size() <= kLongest) return fmt::format("{:?}", text);
  return fmt::format("{:?} and {} more bytes", text.substr(0, kLongest), text.size() - kLongest);
}

}  // namespace berth::net
