#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/range.h"

namespace berth::net {

// A set of addresses of one family, held as disjoint, non-adjacent ranges. All operations cost O(log k), k the number
// of ranges, plus what they merge; never the number of addresses.
class RangeSet {
 public:
  // Both accept anything: adding what is there, or removing what is not, changes nothing.
  void add(const Range& range);
  void remove(const Range& range);
  void add(const Address& a) { add(Range{a, a}); }
  void remove(const Address& a) { remove(Range{a, a}); }

  // Set algebra: O(k log n), k the ranges of the other (intersection: of the smaller) set plus those of the result.
  void add(const RangeSet& other);
  void remove(const RangeSet& other);
  [[nodiscard]] RangeSet intersection(const Range& range) const;
  [[nodiscard]] RangeSet intersection(const RangeSet& other) const;

  [[nodiscard]] bool contains(const Address& a) const;
  [[nodiscard]] bool intersects(const Range& range) const;
  [[nodiscard]] std::optional<Address> lowest() const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] Uint128 size() const;  // ::/0, whose 2^128 does not fit, counts as 2^128 - 1
  [[nodiscard]] std::size_t range_count() const { return ranges_.size(); }
  [[nodiscard]] std::vector<Range> ranges() const;  // ascending

  // "a-b,c,d-e": the notation of Subnet.status.v4availableIPrange.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const RangeSet&) const = default;

 private:
  std::map<Address, Address> ranges_;  // first -> last
  Uint128 size_ = 0;                   // modulo 2^128
};

}  // namespace berth::net
