#include "net/mac.h"

#include <fmt/format.h>

#include <ostream>

#include "net/quoted.h"

namespace berth::net {
namespace {

constexpr std::uint64_t kLocal = 0x0200'0000'0000ULL;
constexpr std::uint64_t kMulticast = 0x0100'0000'0000ULL;

constexpr Mac local_unicast(std::uint64_t bits) { return Mac((bits | kLocal) & ~kMulticast); }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Mac> Mac::parse(std::string_view text) {
  constexpr std::size_t kLength = 17;
  std::uint64_t bits = 0;
  bool valid = text.size() == kLength && (text[2] == ':' || text[2] == '-');
  for (std::size_t i = 0; valid && i < kLength; ++i) {
    const int digit = hex_value(text[i]);
    if (i % 3 == 2) {
      valid = text[i] == text[2];
    } else if (digit < 0) {
      valid = false;
    } else {
      bits = bits << 4 | static_cast<std::uint64_t>(digit);
    }
  }
  if (valid) return Mac(bits);
  return fail(
      ErrorCode::invalid,
      fmt::format("{} is not a MAC address: expected six two-digit hexadecimal groups such as 00:00:5e:00:53:01",
                  quoted(text)));
}

Mac Mac::random(Random& random) { return local_unicast(random()); }

Mac Mac::derived_from(std::string_view text) {
  // FNV-1a, then splitmix64's finish, which spreads the last bytes over all 48 bits that are kept.
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3ULL;
  hash = (hash ^ hash >> 30) * 0xBF58'476D'1CE4'E5B9ULL;
  hash = (hash ^ hash >> 27) * 0x94D0'49BB'1331'11EBULL;
  return local_unicast(hash ^ hash >> 31);
}

std::string Mac::to_string() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bits_ >> 40 & 0xFF, bits_ >> 32 & 0xFF,
                     bits_ >> 24 & 0xFF, bits_ >> 16 & 0xFF, bits_ >> 8 & 0xFF, bits_ & 0xFF);
}

std::ostream& operator<<(std::ostream& out, const Mac& value) { return out << value.to_string(); }

}  // namespace berth::net
