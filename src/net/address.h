#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::net {

enum class Family : std::uint8_t { v4, v6 };

__extension__ using Uint128 = unsigned __int128;

// One IPv4 or IPv6 address. Ordered by family, then by number.
class Address {
 public:
  constexpr Address() = default;  // 0.0.0.0
  constexpr Address(Family family, Uint128 bits) : bits_(bits), family_(family) {}

  // Dotted quad without leading zeros, or RFC 4291 text (any valid form; upper case too). No zone, no prefix, no
  // blanks.
  [[nodiscard]] static Result<Address> parse(std::string_view text);

  [[nodiscard]] constexpr Family family() const { return family_; }
  [[nodiscard]] constexpr bool is_v4() const { return family_ == Family::v4; }
  [[nodiscard]] constexpr Uint128 bits() const { return bits_; }  // IPv4: the low 32 bits
  [[nodiscard]] constexpr int width() const { return is_v4() ? 32 : 128; }

  // RFC 5952 form for IPv6, dotted quad for IPv4.
  [[nodiscard]] std::string to_string() const;

  constexpr std::strong_ordering operator<=>(const Address& other) const {
    if (family_ != other.family_) return family_ <=> other.family_;
    return bits_ < other.bits_   ? std::strong_ordering::less
           : bits_ > other.bits_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }
  constexpr bool operator==(const Address&) const = default;

 private:
  Uint128 bits_ = 0;
  Family family_ = Family::v4;
};

std::ostream& operator<<(std::ostream& out, const Address& value);  // as to_string

// The decimal digits of n: counts of IPv6 addresses do not fit 64 bits.
[[nodiscard]] std::string to_string(Uint128 n);

}  // namespace berth::net

template <>
struct std::hash<berth::net::Address> {
  std::size_t operator()(const berth::net::Address& a) const noexcept {
    const auto low = static_cast<std::uint64_t>(a.bits());
    const auto high = static_cast<std::uint64_t>(a.bits() >> 64);
    return static_cast<std::size_t>((low * 0x9E3779B97F4A7C15ULL) ^ (high + (low >> 29)) ^
                                    (a.is_v4() ? 0 : 0x51ED27ULL));
  }
};
