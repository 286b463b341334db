// Layers: net
#include "fuzz/fuzz.h"
#include "net/cidr.h"

BERTH_FUZZ_TEXT(text) {
  using berth::fuzz::require;
  using berth::net::Cidr;
  berth::fuzz::round_trips<Cidr>(text);
  if (const auto cidr = Cidr::parse(text)) {
    require(cidr->contains(cidr->network()) && cidr->contains(cidr->last()), "a network contains its ends");
    require(cidr->first_usable() <= cidr->last_usable(), "a network has a usable address");
  }
  if (const auto list = Cidr::parse_list(text)) {
    require(list->size() == 1 || list->size() == 2, "one or two");
    require(list->size() == 1 || list->front().family() < list->back().family(), "IPv4 first");
  }
}
