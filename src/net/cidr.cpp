#include "net/cidr.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <optional>
#include <ostream>

#include "net/quoted.h"

namespace berth::net {
namespace {

std::optional<int> parse_prefix_length(std::string_view text, int width) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value > width) return std::nullopt;
  return value;
}

}  // namespace

Result<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return fail(ErrorCode::invalid, fmt::format("{} is not a CIDR: it has no prefix length; expected such as "
                                                "10.16.0.0/16 or fd00:10:16::/112",
                                                quoted(text)));
  }
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return fail(address.error().with_context(fmt::format("{} is not a CIDR", quoted(text))));
  const auto length = parse_prefix_length(text.substr(slash + 1), address->width());
  if (!length) {
    return fail(ErrorCode::invalid, fmt::format("{} is not a CIDR: prefix length {}; expected a number from 0 to {}",
                                                quoted(text), quoted(text.substr(slash + 1)), address->width()));
  }
  return Cidr(*address, *length);
}

Result<std::vector<Cidr>> Cidr::parse_list(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("{} is not a CIDR list: {}; expected one CIDR, or one IPv4 and one "
                                                "IPv6 CIDR with a comma between them",
                                                quoted(text), why));
  };
  if (std::count(text.begin(), text.end(), ',') > 1) return wrong("it has more than two parts");
  const auto comma = text.find(',');
  const auto first = parse(text.substr(0, comma));
  if (!first) return fail(first.error());
  if (comma == std::string_view::npos) return std::vector<Cidr>{*first};
  const auto second = parse(text.substr(comma + 1));
  if (!second) return fail(second.error());
  if (first->family() == second->family()) return wrong(first->network().is_v4() ? "both are IPv4" : "both are IPv6");
  return first->network().is_v4() ? std::vector<Cidr>{*first, *second} : std::vector<Cidr>{*second, *first};
}

Address Cidr::last() const {
  const int host_bits = network_.width() - prefix_length_;
  const Uint128 hosts = host_bits >= 128 ? ~Uint128{0} : (Uint128{1} << host_bits) - 1;
  return Address(family(), network_.bits() | hosts);
}

Address Cidr::first_usable() const {
  const bool all_usable = network_.width() - prefix_length_ <= 1;
  return all_usable ? network_ : Address(family(), network_.bits() + 1);
}

Address Cidr::last_usable() const {
  const bool all_usable = network_.width() - prefix_length_ <= 1;
  return all_usable ? last() : Address(family(), last().bits() - 1);
}

bool Cidr::contains(const Address& address) const {
  return address.family() == family() && mask(address, prefix_length_) == network_;
}

bool Cidr::contains(const Cidr& other) const {
  return other.prefix_length_ >= prefix_length_ && contains(other.network_);
}

bool Cidr::overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }

std::string Cidr::to_string() const { return fmt::format("{}/{}", network_.to_string(), prefix_length_); }

std::string with_prefix(const Address& address, const Cidr& cidr) {
  assert(address.family() == cidr.family());
  return fmt::format("{}/{}", address.to_string(), cidr.prefix_length());
}

std::ostream& operator<<(std::ostream& out, const Cidr& value) { return out << value.to_string(); }

}  // namespace berth::net
