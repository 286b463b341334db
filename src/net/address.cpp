#include "net/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <ostream>

#include "net/quoted.h"

namespace berth::net {
namespace {

using Groups = std::array<std::uint16_t, 8>;

// A parser's answer: the number, or null with the reason in `why`.
using Bits = std::optional<Uint128>;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A dotted quad, in one pass and without a reason if it is none: most texts are right.
std::optional<std::uint32_t> plain_v4(std::string_view text) {
  std::uint32_t bits = 0;
  std::uint32_t octet = 0;
  int digits = 0;
  int dots = 0;
  for (const char c : text) {
    if (c == '.') {
      if (digits == 0 || ++dots > 3) return std::nullopt;
      bits = bits << 8 | octet;
      octet = 0;
      digits = 0;
      continue;
    }
    if (!is_digit(c) || (digits > 0 && octet == 0)) return std::nullopt;
    octet = octet * 10 + static_cast<std::uint32_t>(c - '0');
    if (octet > 255) return std::nullopt;
    ++digits;
  }
  if (digits == 0 || dots != 3) return std::nullopt;
  return bits << 8 | octet;
}

std::optional<std::uint32_t> parse_octet(std::string_view text, std::string& why) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) {
    why = fmt::format("{} is not a decimal number", quoted(text));
    return std::nullopt;
  }
  if (text.size() > 1 && text[0] == '0') {
    why = fmt::format("{} has a leading zero", quoted(text));
    return std::nullopt;
  }
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 4)) value = value * 10 + static_cast<std::uint32_t>(c - '0');
  if (text.size() > 3 || value > 255) {
    why = fmt::format("{} is above 255", quoted(text));
    return std::nullopt;
  }
  return value;
}

Bits parse_v4(std::string_view text, std::string& why) {
  if (std::count(text.begin(), text.end(), '.') != 3) {
    why = "an IPv4 address has four numbers";
    return std::nullopt;
  }
  Uint128 bits = 0;
  for (int i = 0; i < 4; ++i) {
    const auto dot = std::min(text.find('.'), text.size());
    const auto octet = parse_octet(text.substr(0, dot), why);
    if (!octet) return std::nullopt;
    bits = bits << 8 | *octet;
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return bits;
}

std::optional<std::uint16_t> parse_group(std::string_view text, std::string& why) {
  int value = 0;
  const bool hex = std::all_of(text.begin(), text.end(), [](char c) { return hex_value(c) >= 0; });
  if (text.empty() || text.size() > 4 || !hex) {
    why = fmt::format("{} is not a group of one to four hexadecimal digits", quoted(text));
    return std::nullopt;
  }
  for (const char c : text) value = value * 16 + hex_value(c);
  return static_cast<std::uint16_t>(value);
}

// The groups of one side of "::", or of the whole address; a dotted quad may stand for the last two if `tail`.
struct Side {
  Groups groups{};
  std::size_t count = 0;
};

std::optional<Side> parse_side(std::string_view text, bool tail, std::string& why) {
  Side side;
  while (!text.empty()) {
    const auto colon = std::min(text.find(':'), text.size());
    const auto part = text.substr(0, colon);
    const bool last = colon == text.size();
    const bool quad = tail && last && part.find('.') != std::string_view::npos;
    if (side.count + (quad ? 2 : 1) > side.groups.size()) {
      why = "an IPv6 address has at most eight groups";
      return std::nullopt;
    }
    if (quad) {
      const auto bits = parse_v4(part, why);
      if (!bits) return std::nullopt;
      side.groups[side.count++] = static_cast<std::uint16_t>(*bits >> 16);
      side.groups[side.count++] = static_cast<std::uint16_t>(*bits);
      return side;
    }
    const auto group = parse_group(part, why);
    if (!group) return std::nullopt;
    side.groups[side.count++] = *group;
    if (!last && colon + 1 == text.size()) {
      why = "it ends with a single ':'";
      return std::nullopt;
    }
    text.remove_prefix(last ? text.size() : colon + 1);
  }
  return side;
}

Bits parse_v6(std::string_view text, std::string& why) {
  Groups groups{};
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto whole = parse_side(text, true, why);
    if (!whole) return std::nullopt;
    if (whole->count != groups.size()) {
      why = "an IPv6 address without \"::\" has eight groups";
      return std::nullopt;
    }
    groups = whole->groups;
  } else {
    const auto head = parse_side(text.substr(0, gap), false, why);
    if (!head) return std::nullopt;
    const auto tail = parse_side(text.substr(gap + 2), true, why);
    if (!tail) return std::nullopt;
    if (head->count + tail->count >= groups.size()) {
      why = "\"::\" stands for at least one group, and an IPv6 address has eight";
      return std::nullopt;
    }
    std::copy_n(head->groups.begin(), head->count, groups.begin());
    std::copy_n(tail->groups.begin(), tail->count, groups.end() - static_cast<std::ptrdiff_t>(tail->count));
  }
  Uint128 bits = 0;
  for (const auto group : groups) bits = bits << 16 | group;
  return bits;
}

void append_number(std::string& text, unsigned value, int base) {
  std::array<char, 8> digits;
  text.append(digits.data(), std::to_chars(digits.begin(), digits.end(), value, base).ptr);
}

std::string v4_text(std::uint32_t bits) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (shift != 24) text += '.';
    append_number(text, bits >> shift & 0xFF, 10);
  }
  return text;
}

// RFC 5952 4.2: "::" replaces the longest run of at least two zero groups, the first of equals.
struct Run {
  std::size_t begin = 8;
  std::size_t length = 0;
};

Run longest_zero_run(const Groups& groups) {
  Run best;
  for (std::size_t i = 0; i < groups.size();) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i >= 2 && end - i > best.length) best = {i, end - i};
    i = std::max(end, i + 1);
  }
  return best;
}

std::string v6_text(Uint128 bits) {
  if (bits >> 32 == 0xFFFF) return "::ffff:" + v4_text(static_cast<std::uint32_t>(bits));
  Groups groups;
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<std::uint16_t>(bits >> (112 - 16 * i));
  const Run gap = longest_zero_run(groups);
  std::string text;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == gap.begin) {
      text += "::";
      i += gap.length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    append_number(text, groups[i], 16);
  }
  return text;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  if (const auto bits = plain_v4(text)) return Address(Family::v4, *bits);
  std::string why = "it has neither '.' nor ':'";
  if (text.empty()) why = "it is empty";
  if (text.find(':') != std::string_view::npos) {
    if (const auto bits = parse_v6(text, why)) return Address(Family::v6, *bits);
  } else if (text.find('.') != std::string_view::npos) {
    if (const auto bits = parse_v4(text, why)) return Address(Family::v4, *bits);
  }
  return fail(ErrorCode::invalid,
              fmt::format("{} is not an IP address: {}; expected IPv4 such as 10.16.0.2 or IPv6 such as fd00::2",
                          quoted(text), why));
}

std::string Address::to_string() const { return is_v4() ? v4_text(static_cast<std::uint32_t>(bits_)) : v6_text(bits_); }

std::string to_string(Uint128 n) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(n % 10));
    n /= 10;
  } while (n != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::ostream& operator<<(std::ostream& out, const Address& value) { return out << value.to_string(); }

}  // namespace berth::net
