#include "bench/ipam/harness.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {
std::uint64_t given = 0;
std::uint64_t taken_back = 0;

void* take(std::size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) std::abort();
  given += malloc_usable_size(block) + sizeof(std::size_t);
  return block;
}
void* take_aligned(std::size_t size, std::align_val_t alignment) {
  const auto boundary = static_cast<std::size_t>(alignment);
  void* block = std::aligned_alloc(boundary, (size + boundary - 1) / boundary * boundary);
  if (block == nullptr) std::abort();
  given += malloc_usable_size(block) + sizeof(std::size_t);
  return block;
}
void give(void* block) {
  if (block == nullptr) return;
  taken_back += malloc_usable_size(block) + sizeof(std::size_t);
  std::free(block);
}
}  // namespace

// The program has one thread.
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return take_aligned(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return take_aligned(size, alignment); }
void operator delete(void* block) noexcept { give(block); }
void operator delete[](void* block) noexcept { give(block); }
void operator delete(void* block, std::size_t) noexcept { give(block); }
void operator delete[](void* block, std::size_t) noexcept { give(block); }
void operator delete(void* block, std::align_val_t) noexcept { give(block); }
void operator delete[](void* block, std::align_val_t) noexcept { give(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { give(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { give(block); }

namespace berth::bench {

Heap heap() { return {given, given - taken_back}; }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void report(std::string_view phase, std::size_t n, const std::vector<Sample>& samples, double floor_ns) {
  std::vector<double> ns;
  std::vector<double> bytes;
  bool ok = true;
  for (const auto& sample : samples) {
    ns.push_back(sample.ns / static_cast<double>(n));
    bytes.push_back(static_cast<double>(sample.bytes) / static_cast<double>(n));
    ok = ok && sample.ok;
  }
  fmt::print("{{\"phase\":\"{}\",\"n\":{},\"ns_op\":{:.1f},\"B_op\":{:.1f},\"floor_ns\":{:.1f},\"ok\":{}}}\n", phase, n,
             median(ns), median(bytes), floor_ns / static_cast<double>(n), ok);
  std::fflush(stdout);
}

void report_value(std::string_view phase, std::size_t n, std::string_view field, double value, bool ok) {
  fmt::print("{{\"phase\":\"{}\",\"n\":{},\"{}\":{:.1f},\"ok\":{}}}\n", phase, n, field, value, ok);
  std::fflush(stdout);
}

std::size_t repetitions(std::size_t n) { return std::clamp<std::size_t>(300'000 / n, 3, 51); }

}  // namespace berth::bench
