#pragma once

// What the works of main.cpp share: the clock, the counted heap, the medians, and the output, which is one JSON line
// per work in the peer's own form: {"phase":…,"n":…,"ns_op":…,"B_op":…,"floor_ns":…,"ok":…}.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::bench {

// Bytes that operator new has given since the start, and that are in use.
struct Heap {
  std::uint64_t given = 0;
  std::uint64_t in_use = 0;
};
[[nodiscard]] Heap heap();

using Clock = std::chrono::steady_clock;
[[nodiscard]] inline double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// One repetition: how long, how many bytes of heap, whether the result was what it must be.
struct Sample {
  double ns = 0;
  std::uint64_t bytes = 0;
  bool ok = true;
};

// Times f, and counts what it takes from the heap.
template <typename F>
Sample measure(F f) {
  const Heap before = heap();
  const auto start = Clock::now();
  f();
  const double ns = ns_since(start);
  return {ns, heap().given - before.given, true};
}

[[nodiscard]] double median(std::vector<double> values);

// Prints the line of a work: medians of the samples per operation.
void report(std::string_view phase, std::size_t n, const std::vector<Sample>& samples, double floor_ns);
void report_value(std::string_view phase, std::size_t n, std::string_view field, double value, bool ok);

// Enough repetitions for about 300,000 operations, between 3 and 51.
[[nodiscard]] std::size_t repetitions(std::size_t n);

}  // namespace berth::bench
