#include "net/quoted.h"

#include <fmt/format.h>

namespace berth::net {
namespace {

constexpr std::size_t kLongest = 80;

// Not fmt's "{:?}": fmt 9 aborts on text that is not UTF-8.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c >= ' ' && c <= '~') {
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

}  // namespace

std::string quoted(std::string_view text) {
  if (text.size() <= kLongest) return fmt::format("\"{}\"", escaped(text));
  return fmt::format("\"{}\" and {} more bytes", escaped(text.substr(0, kLongest)), text.size() - kLongest);
}

}  // namespace berth::net
