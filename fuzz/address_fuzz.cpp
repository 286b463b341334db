// Layers: net
#include <arpa/inet.h>

#include <array>
#include <string>

#include "fuzz/fuzz.h"
#include "net/address.h"

namespace {

bool c_library_accepts(const std::string& text) {
  std::array<unsigned char, 16> bytes;
  if (text.find('\0') != std::string::npos) return false;
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

}  // namespace

BERTH_FUZZ_TEXT(text) {
  using berth::net::Address;
  berth::fuzz::round_trips<Address>(text);
  berth::fuzz::require(Address::parse(text).has_value() == c_library_accepts(std::string(text)),
                       "accepted exactly if inet_pton accepts it");
}
