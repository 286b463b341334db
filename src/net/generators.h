#pragma once

// rapidcheck generators of the value types, for property tests of this and higher layers. Not part of the library.

#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>

#include "net/cidr.h"
#include "net/mac.h"
#include "net/range.h"

namespace berth::net {

// All bits at once: rapidcheck's own numbers are small in the first runs of a property.
template <typename T>
rc::Gen<T> any_bits() {
  return rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<T>());
}

// Any number of a family; runs of zero bits, which compressed text forms depend on, are frequent.
inline rc::Gen<Address> any_address(Family family) {
  return rc::gen::apply(
      [family](std::uint64_t high, std::uint64_t low, std::uint8_t keep) {
        if (family == Family::v4) return Address(family, low & 0xFFFF'FFFFULL);
        Uint128 bits = Uint128{high} << 64 | low;
        for (int group = 0; group < 8; ++group) {
          if ((keep >> group & 1) == 0) bits &= ~(Uint128{0xFFFF} << (16 * group));
        }
        return Address(family, bits);
      },
      any_bits<std::uint64_t>(), any_bits<std::uint64_t>(), any_bits<std::uint8_t>());
}

inline rc::Gen<Address> any_address() { return rc::gen::oneOf(any_address(Family::v4), any_address(Family::v6)); }

inline rc::Gen<Cidr> any_cidr() {
  return rc::gen::mapcat(any_address(), [](const Address& a) {
    return rc::gen::map(rc::gen::inRange(0, a.width() + 1), [a](int length) { return Cidr(a, length); });
  });
}

inline rc::Gen<Range> any_range() {
  return rc::gen::mapcat(any_address(), [](const Address& a) {
    return rc::gen::map(any_address(a.family()),
                        [a](const Address& b) { return Range{std::min(a, b), std::max(a, b)}; });
  });
}

inline rc::Gen<Mac> any_mac() {
  return rc::gen::map(any_bits<std::uint64_t>(), [](std::uint64_t bits) { return Mac(bits); });
}

}  // namespace berth::net
