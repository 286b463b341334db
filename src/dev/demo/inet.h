#pragma once

// The verifier's own reading of addresses, by inet_pton: it must not trust the arithmetic that it judges.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::dev {

struct Inet {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four

  [[nodiscard]] static std::optional<Inet> parse(const std::string& text);
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] Inet next() const;  // wraps around after the last address

  auto operator<=>(const Inet&) const = default;
};

struct Prefix {
  Inet base;
  int bits = 0;

  [[nodiscard]] static std::optional<Prefix> parse(const std::string& text);  // "10.0.0.0/24"; host bits are dropped
  [[nodiscard]] bool contains(const Inet& address) const;
};

// "10.0.0.0/24,fd00::/64" and the like; items that are no prefixes are dropped.
[[nodiscard]] std::vector<Prefix> parse_prefixes(std::string_view list);

// Whether `text` is an address inside one of the prefixes.
[[nodiscard]] bool inside(const std::string& text, const std::vector<Prefix>& prefixes);

// Whether an address could still be drawn from the prefix: one that is neither the network's, nor the last one, nor in
// `excluded` (single addresses or first..last). Looks at no more than the first 4,096 addresses.
[[nodiscard]] bool has_room(const Prefix& prefix, const std::vector<std::string>& excluded);

}  // namespace berth::dev
