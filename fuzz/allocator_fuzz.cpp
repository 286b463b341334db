// Layers: ipam
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "ipam/registry.h"
#include "ipam/test_model.h"

// Two subnets of one Registry, and two models that count addresses one by one, play the same steps, seven bytes each,
// and must agree: on every lease, denial, counter, range and pool, and on snapshots that were taken long before.
namespace {

using namespace berth::ipam::testing;
using berth::fuzz::require;
using berth::ipam::Allocator;
using berth::ipam::Counts;
using berth::ipam::Snapshot;
using berth::ipam::Usage;

constexpr std::array kFamilies{Family::v4, Family::v6};

class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  [[nodiscard]] bool empty() const { return text_.empty(); }
  int below(int end) {
    if (text_.empty()) return 0;
    const int byte = static_cast<unsigned char>(text_.front());
    text_.remove_prefix(1);
    return byte % end;
  }
  Step step() {
    const auto kind = static_cast<Kind>(below(6));
    return {kind, below(12), below(3), below(60), below(36), below(8)};
  }

 private:
  std::string_view text_;
};

Counts counts_of(const Usage& usage) { return {usage.size, usage.used, usage.reserved, usage.available}; }

// A snapshot, and what the model said when it was taken.
struct Memory {
  Snapshot snapshot;
  Usage all;
  std::vector<std::pair<std::string, Usage>> pools;
};

Memory remember(const Allocator& allocator, const Model& model, Family family) {
  Memory memory{allocator.snapshot(family), model.usage(family), {}};
  for (const auto& [pool, addresses] : model.pools()) memory.pools.emplace_back(pool, model.usage(family, pool));
  return memory;
}

void still_so(const Memory& memory) {
  const Snapshot& then = memory.snapshot;
  require(then.counts() == counts_of(memory.all), "a snapshot keeps its counters");
  require(then.used_ranges() == memory.all.used_ranges, "a snapshot keeps the used ranges");
  require(then.available_ranges() == memory.all.available_ranges, "a snapshot keeps the available ranges");
  for (const auto& [pool, usage] : memory.pools) {
    require(then.has_pool(pool) && then.counts(pool) == counts_of(usage), "a snapshot keeps the pools' counters");
    require(then.used_ranges(pool) == usage.used_ranges, "a snapshot keeps the pools' used ranges");
    require(then.available_ranges(pool) == usage.available_ranges, "a snapshot keeps the pools' available ranges");
  }
}

void same(const Allocator& allocator, const Model& model) {
  require(allocator.lease_count() == model.leases().size(), "as many leases");
  for (const auto& [owner, lease] : model.leases()) {
    require(allocator.holds(owner) && allocator.find(owner) == lease, "the same lease");
    for (const auto& a : lease.addresses()) require(allocator.holder_of(a) == owner, "found by its address");
  }
  for (const auto family : kFamilies) {
    for (int offset = 0; offset < 40; ++offset) {
      const auto held = model.holder_of(at(family, offset));
      require(allocator.holder_of(at(family, offset)).has_value() == held.has_value(), "nobody else is found");
    }
    require(allocator.usage(family) == model.usage(family), "the counters and ranges are the model's");
    require(allocator.counts(family) == counts_of(model.usage(family)), "the kept counters are the counted ones");
    require(allocator.has_room(family) == model.draw(family, "").has_value(), "room alike");
    for (int number = 1; number < 3; ++number) {
      const auto pool = pool_name(number);
      const auto usage = allocator.pool_usage(pool, family);
      require(usage.has_value() == model.pools().contains(pool), "the same pools");
      require(allocator.has_room(family, pool) == model.draw(family, pool).has_value(), "room in pools alike");
      if (!usage) continue;
      require(*usage == model.usage(family, pool), "the counters and ranges of a pool are the model's");
      require(allocator.pool_counts(pool, family) == counts_of(*usage), "its kept counters are the counted ones");
    }
  }
}

void acquire(Allocator& allocator, Model& model, const berth::ipam::Ask& ask, berth::Random& random) {
  berth::ipam::Lease expected;
  const std::string denial = model.acquire(ask, expected);
  const auto actual = allocator.acquire(ask, random);
  require(actual.has_value() == denial.empty(), "given or refused alike");
  if (!actual) {
    require(to_string(actual.error().denial) == denial, "for the same reason");
    return;
  }
  require(actual->v4 == expected.v4 && actual->v6 == expected.v6, "the same addresses");
  if (!ask.mac.is_none()) require(actual->mac == ask.mac, "the MAC that was asked for");
  require(actual->mac != model.config().gateway_mac, "never the gateway's MAC");
  model.store(ask.owner, *actual);
}

void adopt(Allocator& allocator, Model& model, const std::string& owner, const berth::ipam::Lease& lease) {
  bool conflict = false;
  for (const auto& a : lease.addresses()) {
    const auto holder = model.holder_of(a);
    conflict = conflict || (holder && *holder != owner);
  }
  require(allocator.adopt(owner, lease).has_value() == !conflict, "adopted unless another holds it");
  if (!conflict) model.store(owner, lease);
}

berth::ipam::Config config_named(const std::string& name, const Step& step) {
  auto config = config_of(step);
  config.name = name;
  return config;
}

void play(Allocator& allocator, Model& model, const Step& step, berth::Random& random) {
  const auto ask = ask_of(step);
  const std::string pool = pool_name(1 + step.pool % 2);
  switch (step.kind) {
    case Kind::acquire:
      return acquire(allocator, model, ask, random);
    case Kind::release:
      return require(allocator.release(ask.owner) == model.release(ask.owner), "released alike");
    case Kind::adopt:
      return adopt(allocator, model, ask.owner, lease_of(step));
    case Kind::set_pool: {
      const auto ranges = pool_of_step(step);
      const bool set = model.set_pool(pool, enumerate(ranges));
      return require(allocator.set_pool(pool, ranges).has_value() == set, "the pool is taken or refused alike");
    }
    case Kind::remove_pool:
      allocator.remove_pool(pool);
      return model.remove_pool(pool);
    case Kind::reconfigure: {
      const auto config = config_named(allocator.config().name, step);
      allocator.reconfigure(config);
      return model.reconfigure(config);
    }
  }
}

}  // namespace

BERTH_FUZZ_TEXT(text) {
  Bytes bytes(text);
  const std::array configs{config_named("a", bytes.step()), config_named("b", bytes.step())};
  berth::ipam::Registry registry;
  const std::array allocators{&registry.add(configs[0]), &registry.add(configs[1])};
  std::array models{Model(configs[0]), Model(configs[1])};
  berth::Random random(7);
  std::vector<Memory> memories;
  for (int steps = 0; steps < 200 && !bytes.empty(); ++steps) {
    const int choice = bytes.below(16);
    const Step step = bytes.step();
    if (choice == 15) {  // by name alone, wherever it holds something
      const std::string owner = ask_of(step).owner;
      std::size_t held = 0;
      for (auto& model : models) held += model.release(owner) ? 1 : 0;
      require(registry.release(owner) == held, "released in all subnets");
    } else {
      const auto subnet = static_cast<std::size_t>(choice % 2);
      play(*allocators[subnet], models[subnet], step, random);
      if (choice >= 13 && memories.size() < 8) {
        for (const auto family : kFamilies) memories.push_back(remember(*allocators[subnet], models[subnet], family));
      }
    }
    require(registry.check().has_value(), "the invariants hold");
    for (const std::size_t subnet : {0U, 1U}) same(*allocators[subnet], models[subnet]);
  }
  std::ranges::for_each(memories, still_so);
}
