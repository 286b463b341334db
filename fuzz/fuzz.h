#pragma once

// What every fuzz target shares. A target is one file:
//
//   // Layers: net
//   #include "fuzz/fuzz.h"
//   BERTH_FUZZ_TEXT(text) { … berth::fuzz::require(claim, "what was claimed"); }
//
// Beyond not crashing, state a property: what was read, written and read again is the same; a message is never empty.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace berth::fuzz {

// Not assert(): it must hold in every build type, and libFuzzer keeps the input that broke it.
inline void require(bool claim, const char* what) {
  if (claim) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// The property of every value type with parse and to_string.
template <typename T>
void round_trips(std::string_view text) {
  const auto parsed = T::parse(text);
  if (!parsed) {
    require(!parsed.error().message.empty(), "an error has a message");
    return;
  }
  const auto again = T::parse(parsed->to_string());
  require(again.has_value(), "what is written can be read");
  require(*again == *parsed, "and is the same");
  require(again->to_string() == parsed->to_string(), "and is written in one form only");
}

}  // namespace berth::fuzz

#define BERTH_FUZZ_TEXT(name)                                                         \
  static void berth_fuzz_one(std::string_view name);                                  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    berth_fuzz_one(std::string_view(reinterpret_cast<const char*>(data), size));      \
    return 0;                                                                         \
  }                                                                                   \
  static void berth_fuzz_one(std::string_view name)
