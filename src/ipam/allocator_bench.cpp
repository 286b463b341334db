// What one decision of the allocator costs, by live leases, by family and by the subnet's size.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ipam/test_util.h"

namespace berth::ipam {
namespace {

constexpr const char* kCidrs[] = {"10.0.0.0/8", "fd00::/64", "10.0.0.0/8,fd00::/64"};
constexpr const char* kFamilyNames[] = {"v4", "v6", "dual"};

std::vector<std::string> owners(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back("web-7d4b9c6f5-" + std::to_string(i * 7919 % 1'000'003) + ".shop");
  return names;
}

Allocator filled(const char* cidrs, const std::vector<std::string>& names, Random& random) {
  Allocator allocator(make_config(cidrs));
  for (const auto& name : names) {
    if (!allocator.acquire(ask_for(name), random)) std::abort();
  }
  return allocator;
}

// One pod comes and goes beside `live` others.
void acquire_release(benchmark::State& state) {
  Random random(1);
  auto allocator = filled(kCidrs[state.range(0)], owners(static_cast<std::size_t>(state.range(1))), random);
  const auto ask = ask_for("the-pod.shop");
  for (auto _ : state) {
    benchmark::DoNotOptimize(allocator.acquire(ask, random));
    benchmark::DoNotOptimize(allocator.release(ask.owner));
  }
  state.SetLabel(kFamilyNames[state.range(0)]);
}
BENCHMARK(acquire_release)->ArgNames({"family", "live"})->ArgsProduct({{0, 1, 2}, {1'000, 10'000, 50'000}});

// Pods are replaced in random order until the sets are as torn as they get; the subnet has little room beyond them.
void churn(benchmark::State& state) {
  Random random(1);
  const auto live = static_cast<std::size_t>(state.range(0));
  const auto names = owners(live);
  auto allocator = filled("10.0.0.0/15", names, random);
  for (std::size_t i = 0; i < 2 * live; ++i) {
    const auto& name = names[random() % live];
    allocator.release(name);
    if (!allocator.acquire(ask_for(name), random)) std::abort();
  }
  std::vector<Ask> asks;
  for (const auto& name : names) asks.push_back(ask_for(name));
  for (auto _ : state) {
    const auto& ask = asks[random() % live];
    allocator.release(ask.owner);
    benchmark::DoNotOptimize(allocator.acquire(ask, random));
  }
}
BENCHMARK(churn)->ArgName("live")->Arg(1'000)->Arg(10'000)->Arg(50'000);

// The same work in subnets of very different sizes.
void by_subnet_size(benchmark::State& state) {
  constexpr const char* cidrs[] = {"10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "fd00::/120", "fd00::/64", "fd00::/8"};
  Random random(1);
  auto allocator = filled(cidrs[state.range(0)], owners(200), random);
  const auto ask = ask_for("the-pod.shop");
  for (auto _ : state) {
    benchmark::DoNotOptimize(allocator.acquire(ask, random));
    benchmark::DoNotOptimize(allocator.release(ask.owner));
  }
  state.SetLabel(cidrs[state.range(0)]);
}
BENCHMARK(by_subnet_size)->ArgName("cidr")->DenseRange(0, 5);

void configure_by_subnet_size(benchmark::State& state) {
  constexpr const char* cidrs[] = {"10.0.0.0/24", "10.0.0.0/8", "fd00::/64"};
  const auto config = make_config(cidrs[state.range(0)], {"10.0.0.1", "fd00::1"}, {"10.0.0.10..10.0.0.20"});
  for (auto _ : state) benchmark::DoNotOptimize(Allocator(config));
  state.SetLabel(cidrs[state.range(0)]);
}
BENCHMARK(configure_by_subnet_size)->ArgName("cidr")->DenseRange(0, 2);

// A pod that waits for room asks again and again.
void refused_when_full(benchmark::State& state) {
  Random random(1);
  auto allocator = filled("10.0.0.0/24", owners(254), random);
  const auto ask = ask_for("the-pod.shop");
  for (auto _ : state) benchmark::DoNotOptimize(allocator.acquire(ask, random));
}
BENCHMARK(refused_when_full);

// The status of a subnet whose every second lease is gone.
void usage_when_torn(benchmark::State& state) {
  Random random(1);
  const auto names = owners(static_cast<std::size_t>(state.range(0)));
  auto allocator = filled("10.0.0.0/8", names, random);
  for (std::size_t i = 0; i < names.size(); i += 2) allocator.release(names[i]);
  for (auto _ : state) benchmark::DoNotOptimize(allocator.usage(net::Family::v4));
}
BENCHMARK(usage_when_torn)->ArgName("live")->Arg(1'000)->Arg(50'000)->Unit(benchmark::kMicrosecond);

// A restart: every lease is adopted in the order of the list.
void adopt_all(benchmark::State& state) {
  Random random(1);
  const auto names = owners(static_cast<std::size_t>(state.range(0)));
  const auto before = filled("10.0.0.0/8,fd00::/64", names, random);
  for (auto _ : state) {
    Allocator allocator(before.config());
    for (const auto& name : names) benchmark::DoNotOptimize(allocator.adopt(name, *before.find(name)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(adopt_all)->ArgName("live")->Arg(1'000)->Arg(50'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace berth::ipam
