#pragma once

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace berth::net {

// A 48-bit Ethernet address.
class Mac {
 public:
  constexpr Mac() = default;  // 00:00:00:00:00:00, "none"
  explicit constexpr Mac(std::uint64_t bits) : bits_(bits & 0xFFFF'FFFF'FFFFULL) {}

  // Six two-digit hex groups with ':' or '-'; any case.
  [[nodiscard]] static Result<Mac> parse(std::string_view text);

  // Locally administered, unicast.
  [[nodiscard]] static Mac random(Random& random);

  // Locally administered, unicast, and the same for the same text on every machine: for router ports.
  [[nodiscard]] static Mac derived_from(std::string_view text);

  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  [[nodiscard]] constexpr bool is_none() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool is_multicast() const { return ((bits_ >> 40) & 1) != 0; }
  [[nodiscard]] std::string to_string() const;  // lower case, ':'

  constexpr auto operator<=>(const Mac&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Mac& value);  // as to_string

}  // namespace berth::net
