#include "ipam/snapshot.h"

#include <algorithm>
#include <array>

namespace berth::ipam {
namespace {

using net::Address;
using net::Uint128;

// ",a" or ",a-b"; the caller drops the first comma. IPv4 by hand: a torn subnet names tens of thousands of ranges.
class Writer {
 public:
  explicit Writer(const Address& network) : network_(network) {}

  void range(Uint128 first, Uint128 last) {
    text_ += ',';
    address(first);
    if (first == last) return;
    text_ += '-';
    address(last);
  }
  std::string finish() && {
    if (!text_.empty()) text_.erase(0, 1);
    return std::move(text_);
  }

 private:
  void address(Uint128 offset) {
    const Address a(network_.family(), network_.bits() + offset);
    if (!a.is_v4()) {
      text_ += a.to_string();
      return;
    }
    std::array<char, 16> digits;
    char* to = digits.data();
    const auto bits = static_cast<std::uint32_t>(a.bits());
    for (int shift = 24; shift >= 0; shift -= 8) {
      unsigned part = (bits >> shift) & 0xFF;
      if (part >= 100) *to++ = static_cast<char>('0' + part / 100);
      if (part >= 10) *to++ = static_cast<char>('0' + part / 10 % 10);
      *to++ = static_cast<char>('0' + part % 10);
      if (shift > 0) *to++ = '.';
    }
    text_.append(digits.data(), static_cast<std::size_t>(to - digits.data()));
  }

  Address network_;
  std::string text_;
};

}  // namespace

const Snapshot::Part* Snapshot::find(std::string_view pool) const {
  const auto it = std::ranges::find(pools_, pool, &Part::pool);
  return it == pools_.end() ? nullptr : &*it;
}

Counts Snapshot::counts(std::string_view pool) const {
  const Part* part = find(pool);
  return part == nullptr ? Counts{} : part->counts;
}

std::string Snapshot::used_ranges(std::string_view pool) const {
  const Part* part = find(pool);
  return part == nullptr ? std::string() : used_text(*part);
}

std::string Snapshot::available_ranges(std::string_view pool) const {
  const Part* part = find(pool);
  return part == nullptr ? std::string() : available_text(*part);
}

std::string Snapshot::used_text(const Part& part) const {
  Writer writer(network_);
  if (!part.whole) return {};
  for (const auto& span : *part.whole) {
    used_.for_each_run(span.first, span.last, [&](Uint128 first, Uint128 last) { writer.range(first, last); });
  }
  return std::move(writer).finish();
}

std::string Snapshot::available_text(const Part& part) const {
  Writer writer(network_);
  if (!part.drawable) return {};
  for (const auto& span : *part.drawable) {
    Uint128 next = span.first;  // of the open gap between used runs
    bool closed = false;
    used_.for_each_run(span.first, span.last, [&](Uint128 first, Uint128 last) {
      if (first > next) writer.range(next, first - 1);
      closed = last == span.last;
      next = last + 1;
    });
    if (!closed) writer.range(next, span.last);
  }
  return std::move(writer).finish();
}

}  // namespace berth::ipam
