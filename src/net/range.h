#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "net/cidr.h"

namespace berth::net {

// first..last, both included, of one family.
struct Range {
  Address first;
  Address last;  // first <= last

  // "a" or "a..b" (Kube-OVN's notation of excludeIps). Reversed or mixed families: invalid.
  [[nodiscard]] static Result<Range> parse(std::string_view text);

  // The same and also "10.0.0.0/28" (the notation of IPPool.spec.ips).
  [[nodiscard]] static Result<Range> parse_with_cidr(std::string_view text);

  [[nodiscard]] static Range of(const Cidr& cidr) { return {cidr.network(), cidr.last()}; }

  [[nodiscard]] Family family() const { return first.family(); }
  [[nodiscard]] bool contains(const Address& a) const { return a.family() == family() && first <= a && a <= last; }
  [[nodiscard]] std::string to_string() const;  // "a" or "a..b"

  friend auto operator<=>(const Range&, const Range&) = default;
};

std::ostream& operator<<(std::ostream& out, const Range& value);  // as to_string

}  // namespace berth::net
