#pragma once

// What one family of a subnet looks like at one moment: counters, and the ranges behind them, of the whole and of each
// pool. A value: it stays what it was while the allocator goes on, so counters and texts never disagree. Taking one
// copies the words of the bitmap that are in use, and formats nothing; the texts are made when asked for.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "ipam/offset_set.h"
#include "net/address.h"

namespace berth::ipam {

struct Counts {
  net::Uint128 size = 0;  // of ::/0, whose 2^128 does not fit: 2^128 - 1
  net::Uint128 used = 0;
  net::Uint128 reserved = 0;
  net::Uint128 available = 0;  // never drawn or released
  bool operator==(const Counts&) const = default;
};

struct Span {  // offsets from the start of the CIDR, both included
  net::Uint128 first;
  net::Uint128 last;
  bool operator==(const Span&) const = default;
};
using Spans = boost::container::small_vector<Span, 2>;  // ascending, disjoint, not adjacent; few, as a rule

class Snapshot {
 public:
  // Zeros and empty texts for a family that the subnet lacks, and for a pool that it has not.
  [[nodiscard]] Counts counts() const { return all_.counts; }
  [[nodiscard]] Counts counts(std::string_view pool) const;
  [[nodiscard]] bool has_pool(std::string_view pool) const { return find(pool) != nullptr; }

  // "a-b,c,d-e": the notation of Subnet.status.v4availableIPrange. Cost: the words in use and the ranges named.
  [[nodiscard]] std::string used_ranges() const { return used_text(all_); }
  [[nodiscard]] std::string available_ranges() const { return available_text(all_); }
  [[nodiscard]] std::string used_ranges(std::string_view pool) const;
  [[nodiscard]] std::string available_ranges(std::string_view pool) const;

 private:
  friend class AddressSpace;
  struct Part {
    std::string pool;
    Counts counts;
    std::shared_ptr<const Spans> whole;
    std::shared_ptr<const Spans> drawable;  // whole without what is withheld
  };
  [[nodiscard]] const Part* find(std::string_view pool) const;
  [[nodiscard]] std::string used_text(const Part& part) const;
  [[nodiscard]] std::string available_text(const Part& part) const;

  net::Address network_;
  OffsetSet used_;
  Part all_;
  std::vector<Part> pools_;  // by name
};

}  // namespace berth::ipam
