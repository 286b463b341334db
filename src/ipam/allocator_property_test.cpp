// The Allocator against a model that knows every address of a small subnet by itself.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>

#include "ipam/test_model.h"

namespace berth::ipam::testing {
void showValue(const Step& step, std::ostream& os) {
  const char* kinds[] = {"acquire", "release", "adopt", "set_pool", "remove_pool", "reconfigure"};
  os << kinds[static_cast<int>(step.kind)] << " owner=" << step.owner << " pool=" << step.pool
     << " variant=" << step.variant << " offset=" << step.offset << " length=" << step.length;
}

namespace {

rc::Gen<std::vector<Step>> any_steps() {
  const auto number = [](int end) { return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, end)); };
  const auto kind = rc::gen::weightedElement<Kind>({{12, Kind::acquire},
                                                    {4, Kind::release},
                                                    {2, Kind::adopt},
                                                    {3, Kind::set_pool},
                                                    {1, Kind::remove_pool},
                                                    {1, Kind::reconfigure}});
  const auto pool = rc::gen::weightedElement<int>({{4, 0}, {1, 1}, {1, 2}});
  const auto step = rc::gen::construct<Step>(kind, number(12), pool, number(60), number(36), number(8));
  return rc::gen::scale(3, rc::gen::container<std::vector<Step>>(step));
}

void assert_same(const Usage& actual, const Usage& expected) {
  RC_ASSERT(actual.size == expected.size);
  RC_ASSERT(actual.used == expected.used);
  RC_ASSERT(actual.reserved == expected.reserved);
  RC_ASSERT(actual.available == expected.available);
  RC_ASSERT(actual.used_ranges == expected.used_ranges);
  RC_ASSERT(actual.available_ranges == expected.available_ranges);
}

void assert_same(const Allocator& allocator, const Model& model) {
  const auto status = allocator.check();
  if (!status) RC_FAIL(status.error().message);
  RC_ASSERT(allocator.lease_count() == model.leases().size());
  for (const auto& [owner, lease] : model.leases()) {
    const auto held = allocator.find(owner);
    RC_ASSERT(held.has_value());
    RC_ASSERT(*held == lease);
    for (const auto& a : lease.addresses()) RC_ASSERT(*allocator.holder_of(a) == owner);
  }
  for (const auto family : {Family::v4, Family::v6}) {
    assert_same(allocator.usage(family), model.usage(family));
    RC_ASSERT(allocator.has_room(family) == model.draw(family, "").has_value());
    for (int number = 1; number < 3; ++number) {
      const auto pool = pool_name(number);
      RC_ASSERT(allocator.has_pool(pool) == model.pools().contains(pool));
      RC_ASSERT(allocator.has_room(family, pool) == model.draw(family, pool).has_value());
      const auto usage = allocator.pool_usage(pool, family);
      RC_ASSERT(usage.has_value() == model.pools().contains(pool));
      if (usage) assert_same(*usage, model.usage(family, pool));
    }
  }
}

void acquire(Allocator& allocator, Model& model, const Ask& ask, Random& random) {
  Lease expected;
  const auto denial = model.acquire(ask, expected);
  const auto actual = allocator.acquire(ask, random);
  if (!denial.empty()) {
    RC_ASSERT_FALSE(actual.has_value());
    RC_ASSERT(std::string(to_string(actual.error().denial)) == denial);
    RC_ASSERT(actual.error().message.find("subnet tenant: ") == 0U);
    return;
  }
  if (!actual) RC_FAIL(actual.error().message);
  if (ask.mac.is_none()) {
    const auto own = model.leases().find(ask.owner);
    if (own != model.leases().end() && !own->second.mac.is_none() && own->second.mac != model.config().gateway_mac) {
      expected.mac = own->second.mac;
    } else {
      RC_ASSERT(!actual->mac.is_none() && !actual->mac.is_multicast());
      RC_ASSERT(actual->mac != model.config().gateway_mac);
      RC_ASSERT(!model.mac_is_held(actual->mac));
      expected.mac = actual->mac;
    }
  }
  RC_ASSERT(*actual == expected);
  model.store(ask.owner, expected);
}

void adopt(Allocator& allocator, Model& model, const std::string& owner, const Lease& lease) {
  bool conflict = false;
  for (const auto& a : lease.addresses()) {
    const auto holder = model.holder_of(a);
    conflict = conflict || (holder && *holder != owner);
  }
  const auto result = allocator.adopt(owner, lease);
  RC_ASSERT(result.has_value() == !conflict);
  if (conflict) {
    RC_ASSERT(result.error().denial == Denial::AddressConflict);
  } else {
    model.store(owner, lease);
  }
}

void play(Allocator& allocator, Model& model, const Step& step, Random& random) {
  const auto ask = ask_of(step);
  switch (step.kind) {
    case Kind::acquire:
      return acquire(allocator, model, ask, random);
    case Kind::release:
      RC_ASSERT(allocator.release(ask.owner) == model.release(ask.owner));
      return;
    case Kind::adopt:
      return adopt(allocator, model, ask.owner, lease_of(step));
    case Kind::set_pool: {
      const auto ranges = pool_of_step(step);
      const auto pool = pool_name(1 + step.pool % 2);
      RC_ASSERT(allocator.set_pool(pool, ranges).has_value() == model.set_pool(pool, enumerate(ranges)));
      return;
    }
    case Kind::remove_pool:
      allocator.remove_pool(pool_name(1 + step.pool % 2));
      model.remove_pool(pool_name(1 + step.pool % 2));
      return;
    case Kind::reconfigure:
      allocator.reconfigure(config_of(step));
      model.reconfigure(config_of(step));
      return;
  }
}

Step first_configuration() {
  return *rc::gen::construct<Step>(rc::gen::just(Kind::reconfigure), rc::gen::inRange(0, 12), rc::gen::inRange(0, 3),
                                   rc::gen::inRange(0, 60), rc::gen::inRange(0, 36), rc::gen::inRange(0, 8));
}

RC_GTEST_PROP(AllocatorProperty, BehavesAsTheModel, ()) {
  const auto config = config_of(first_configuration());
  Allocator allocator(config);
  Model model(config);
  Random random(7);
  assert_same(allocator, model);
  for (const auto& step : *any_steps()) {
    play(allocator, model, step, random);
    assert_same(allocator, model);
  }
  for (int owner = 0; owner < 12; ++owner) {
    const auto name = "owner-" + std::to_string(owner);
    RC_ASSERT(allocator.release(name) == model.release(name));
  }
  assert_same(allocator, model);
  for (const auto family : {Family::v4, Family::v6}) RC_ASSERT(allocator.usage(family).used == Uint128{0});
}

// The steps above, and so those of the fuzz target, meet every refusal, and sets of pools that overlap.
TEST(AllocatorSteps, MeetEveryRefusal) {
  Random random(1);
  const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  const auto any = [&] {
    return Step{static_cast<Kind>(below(6)), below(12), below(3), below(60), below(36), below(8)};
  };
  std::map<std::string, int> met;
  for (int run = 0; run < 200; ++run) {
    Allocator allocator(config_of(any()));
    for (int i = 0; i < 100; ++i) {
      const Step step = any();
      if (step.kind == Kind::acquire) {
        const auto lease = allocator.acquire(ask_of(step), random);
        if (!lease) ++met[std::string(to_string(lease.error().denial))];
        if (!lease && lease.error().message.contains("ask for at most one")) ++met["two of one family"];
        if (!lease && lease.error().message.contains("ask for another MAC")) ++met["MAC"];
      } else if (step.kind == Kind::adopt) {
        if (!allocator.adopt(ask_of(step).owner, lease_of(step))) ++met["adopt"];
      } else if (step.kind == Kind::set_pool) {
        if (!allocator.set_pool(pool_name(1 + step.pool % 2), pool_of_step(step))) ++met["overlap"];
      }
    }
  }
  for (const char* refusal : {"AddressOutOfRange", "AddressConflict", "NoAvailableAddress", "InvalidIPFamily",
                              "two of one family", "MAC", "adopt", "overlap"}) {
    EXPECT_GE(met[refusal], 10) << refusal;
  }
}

// What a run gave, in a form that two runs can be compared by.
std::vector<std::string> transcript(const Config& config, const std::vector<Step>& steps, std::uint64_t seed) {
  Allocator allocator(config);
  Random random(seed);
  std::vector<std::string> lines;
  for (const auto& step : steps) {
    const auto ask = ask_of(step);
    switch (step.kind) {
      case Kind::acquire: {
        const auto lease = allocator.acquire(ask, random);
        lines.push_back(lease ? outcome(lease) + " " + lease->mac.to_string() : lease.error().message);
        break;
      }
      case Kind::release:
        lines.emplace_back(allocator.release(ask.owner) ? "released" : "unknown");
        break;
      case Kind::adopt: {
        const auto adopted = allocator.adopt(ask.owner, lease_of(step));
        lines.push_back(adopted ? "adopted" : adopted.error().message);
        break;
      }
      case Kind::set_pool: {
        const auto set = allocator.set_pool(pool_name(1 + step.pool % 2), pool_of_step(step));
        lines.push_back(set ? "set" : set.error().message);
        break;
      }
      case Kind::remove_pool:
        allocator.remove_pool(pool_name(1 + step.pool % 2));
        break;
      case Kind::reconfigure:
        allocator.reconfigure(config_of(step));
        break;
    }
    for (const auto family : {Family::v4, Family::v6}) lines.push_back(allocator.usage(family).available_ranges);
  }
  return lines;
}

RC_GTEST_PROP(AllocatorProperty, TheSameStepsAndSeedGiveTheSameResult, (std::uint64_t seed)) {
  const auto config = config_of(first_configuration());
  const auto steps = *any_steps();
  RC_ASSERT(transcript(config, steps, seed) == transcript(config, steps, seed));
}

}  // namespace
}  // namespace berth::ipam::testing
