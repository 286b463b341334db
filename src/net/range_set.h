#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/range.h"

namespace berth::net {

// A set of addresses of one family, held as disjoint, non-adjacent ranges. All operations cost O(log k), k the number of
// ranges, plus what they merge; never the number of addresses.
class RangeSet {
 public:
  // Both accept anything: adding what is there, or removing what is not, changes nothing.
  void add(const Range& range);
  void remove(const Range& range);
  void add(const Address& a) { add(Range{a, a}); }
  void remove(const Address& a) { remove(Range{a, a}); }

  [[nodiscard]] bool contains(const Address& a) const;
  [[nodiscard]] bool intersects(const Range& range) const;
  [[nodiscard]] std::optional<Address> lowest() const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] Uint128 size() const { return size_; }
  [[nodiscard]] std::size_t range_count() const { return ranges_.size(); }
  [[nodiscard]] std::vector<Range> ranges() const;  // ascending

  // "a-b,c,d-e": the notation of Subnet.status.v4availableIPrange.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const RangeSet&) const = default;

 private:
  std::map<Address, Address> ranges_;  // first -> last
  Uint128 size_ = 0;
};

}  // namespace berth::net
