#include <benchmark/benchmark.h>

#include "net/range_set.h"

namespace berth::net {
namespace {

constexpr const char* kAddresses[] = {"10.16.200.17", "fd00:10:16::c811", "2001:db8:1:2:3:4:5:6"};

void parse_address(benchmark::State& state) {
  const std::string text = kAddresses[state.range(0)];
  for (auto _ : state) benchmark::DoNotOptimize(Address::parse(text));
  state.SetLabel(text);
}
BENCHMARK(parse_address)->DenseRange(0, 2);

void write_address(benchmark::State& state) {
  const auto address = Address::parse(kAddresses[state.range(0)]).value();
  for (auto _ : state) benchmark::DoNotOptimize(address.to_string());
  state.SetLabel(kAddresses[state.range(0)]);
}
BENCHMARK(write_address)->DenseRange(0, 2);

// Takes an address out of the middle of a set with that many ranges, and puts it back.
void range_set_remove_add(benchmark::State& state) {
  RangeSet set;
  const auto ranges = static_cast<std::uint32_t>(state.range(0));
  for (std::uint32_t i = 0; i < ranges; ++i) {
    set.add(Range{Address(Family::v4, i * 8), Address(Family::v4, i * 8 + 4)});
  }
  std::uint32_t at = 0;
  for (auto _ : state) {
    at = (at + 7919) % ranges;
    const Address a(Family::v4, at * 8 + 2);
    set.remove(a);
    set.add(a);
  }
  benchmark::DoNotOptimize(set.size());
}
BENCHMARK(range_set_remove_add)->ArgName("ranges")->Arg(10)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace berth::net
