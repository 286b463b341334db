#include "net/range_set.h"

#include <algorithm>
#include <cassert>

namespace berth::net {
namespace {

Uint128 count(const Address& first, const Address& last) { return last.bits() - first.bits() + 1; }

Address after(const Address& a) { return Address(a.family(), a.bits() + 1); }
Address before(const Address& a) { return Address(a.family(), a.bits() - 1); }

// True if b is the address right after a; false at the end of the number space.
bool adjacent(const Address& a, const Address& b) { return a.family() == b.family() && a < b && after(a) == b; }

}  // namespace

void RangeSet::add(const Range& range) {
  assert(range.first.family() == range.last.family() && range.first <= range.last);
  Address first = range.first;
  Address last = range.last;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) {
    const auto left = std::prev(it);
    if (left->second >= last) return;
    if (left->second >= first || adjacent(left->second, first)) it = left;
  }
  while (it != ranges_.end() && (it->first <= last || adjacent(last, it->first))) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    size_ -= count(it->first, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, first, last);
  size_ += count(first, last);
}

void RangeSet::remove(const Range& range) {
  assert(range.first.family() == range.last.family() && range.first <= range.last);
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
  while (it != ranges_.end() && it->first <= range.last) {
    const auto [first, last] = *it;
    size_ -= count(std::max(first, range.first), std::min(last, range.last));
    if (first < range.first) {
      it->second = before(range.first);
      ++it;
    } else {
      it = ranges_.erase(it);
    }
    if (last > range.last) {
      ranges_.emplace_hint(it, after(range.last), last);
      return;
    }
  }
}

void RangeSet::add(const RangeSet& other) {
  for (const auto& [first, last] : other.ranges_) add(Range{first, last});
}

void RangeSet::remove(const RangeSet& other) {
  for (const auto& [first, last] : other.ranges_) remove(Range{first, last});
}

RangeSet RangeSet::intersection(const Range& range) const {
  RangeSet result;
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
  for (; it != ranges_.end() && it->first <= range.last; ++it) {
    result.add(Range{std::max(it->first, range.first), std::min(it->second, range.last)});
  }
  return result;
}

RangeSet RangeSet::intersection(const RangeSet& other) const {
  if (other.ranges_.size() > ranges_.size()) return other.intersection(*this);
  RangeSet result;
  for (const auto& [first, last] : other.ranges_) result.add(intersection(Range{first, last}));
  return result;
}

bool RangeSet::contains(const Address& a) const {
  const auto it = ranges_.upper_bound(a);
  return it != ranges_.begin() && std::prev(it)->second >= a;
}

bool RangeSet::intersects(const Range& range) const {
  const auto it = ranges_.upper_bound(range.last);
  return it != ranges_.begin() && std::prev(it)->second >= range.first;
}

std::optional<Address> RangeSet::lowest() const {
  if (ranges_.empty()) return std::nullopt;
  return ranges_.begin()->first;
}

Uint128 RangeSet::size() const { return size_ == 0 && !ranges_.empty() ? ~Uint128{0} : size_; }

std::vector<Range> RangeSet::ranges() const {
  std::vector<Range> result;
  result.reserve(ranges_.size());
  for (const auto& [first, last] : ranges_) result.push_back(Range{first, last});
  return result;
}

std::string RangeSet::to_string() const {
  std::string text;
  for (const auto& [first, last] : ranges_) {
    if (!text.empty()) text += ',';
    text += first.to_string();
    if (first != last) text.append("-").append(last.to_string());
  }
  return text;
}

}  // namespace berth::net
