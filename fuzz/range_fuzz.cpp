// Layers: net
#include "fuzz/fuzz.h"
#include "net/range.h"

BERTH_FUZZ_TEXT(text) {
  using berth::fuzz::require;
  using berth::net::Range;
  berth::fuzz::round_trips<Range>(text);
  if (const auto range = Range::parse_with_cidr(text)) {
    require(range->first <= range->last, "a range is not reversed");
    require(range->first.family() == range->last.family(), "a range has one family");
    require(Range::parse(range->to_string()) == *range, "what is written can be read");
  }
}
