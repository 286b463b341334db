#pragma once

#include <compare>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace berth::net {

// A network: address with the host bits cleared, and a prefix length.
class Cidr {
 public:
  constexpr Cidr() = default;  // 0.0.0.0/0
  constexpr Cidr(Address address, int prefix_length)
      : network_(mask(address, prefix_length)), prefix_length_(prefix_length) {}

  // "10.1.2.3/24" is accepted and masked to 10.1.2.0/24.
  [[nodiscard]] static Result<Cidr> parse(std::string_view text);

  // "v4", "v6" or both with a comma, in either order, at most one per family; the result has IPv4 first.
  [[nodiscard]] static Result<std::vector<Cidr>> parse_list(std::string_view text);

  [[nodiscard]] constexpr Family family() const { return network_.family(); }
  [[nodiscard]] constexpr int prefix_length() const { return prefix_length_; }
  [[nodiscard]] constexpr Address network() const { return network_; }
  [[nodiscard]] Address last() const;  // IPv4: the broadcast address, if the prefix is shorter than /31

  // First and last address that a pod or gateway may hold: network+1 and last-1 (IPv6 too, as Kube-OVN counts);
  // of a /31 or /127 both addresses, of a /32 or /128 the one.
  [[nodiscard]] Address first_usable() const;
  [[nodiscard]] Address last_usable() const;

  [[nodiscard]] bool contains(const Address& address) const;
  [[nodiscard]] bool contains(const Cidr& other) const;
  [[nodiscard]] bool overlaps(const Cidr& other) const;

  [[nodiscard]] std::string to_string() const;  // "10.1.2.0/24"

  constexpr auto operator<=>(const Cidr&) const = default;

 private:
  [[nodiscard]] static constexpr Address mask(Address a, int prefix_length) {
    const int host_bits = a.width() - prefix_length;
    const Uint128 ones = ~Uint128{0};
    return Address(a.family(), host_bits >= 128 ? 0 : a.bits() & (ones << host_bits));
  }

  Address network_;
  int prefix_length_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Cidr& value);  // as to_string

// "10.16.0.1/16": an address with its network's prefix length.
[[nodiscard]] std::string with_prefix(const Address& address, const Cidr& cidr);

}  // namespace berth::net
