// Layers: ipam
#include <cstdint>
#include <string>

#include "fuzz/fuzz.h"
#include "ipam/test_model.h"

// The Allocator and a model that counts addresses one by one play the same steps, six bytes each, and must agree.
namespace {

using namespace berth::ipam::testing;
using berth::fuzz::require;
using berth::ipam::Allocator;

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

void same(const berth::ipam::Usage& actual, const berth::ipam::Usage& expected) {
  require(actual == expected, "the counters and ranges are the model's");
}

void same(const Allocator& allocator, const Model& model) {
  require(allocator.check().has_value(), "the invariants hold");
  require(allocator.lease_count() == model.leases().size(), "as many leases");
  for (const auto& [owner, lease] : model.leases()) require(allocator.find(owner) == lease, "the same lease");
  for (const auto family : {Family::v4, Family::v6}) {
    same(allocator.usage(family), model.usage(family));
    for (int number = 1; number < 3; ++number) {
      const auto usage = allocator.pool_usage(pool_name(number), family);
      require(usage.has_value() == model.pools().contains(pool_name(number)), "the same pools");
      if (usage) same(*usage, model.usage(family, pool_name(number)));
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
    case Kind::reconfigure:
      allocator.reconfigure(config_of(step));
      return model.reconfigure(config_of(step));
  }
}

}  // namespace

BERTH_FUZZ_TEXT(text) {
  Bytes bytes(text);
  const auto config = config_of(bytes.step());
  Allocator allocator(config);
  Model model(config);
  berth::Random random(7);
  for (int steps = 0; steps < 200 && !bytes.empty(); ++steps) {
    play(allocator, model, bytes.step(), random);
    same(allocator, model);
  }
}
