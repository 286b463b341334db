// Works that the peer's test has not: how far the cost depends on a subnet's size and fill, the status, pools.

#include "bench/ipam/harness.h"
#include "bench/ipam/subject.h"
#include "bench/ipam/works.h"

namespace berth::bench {
namespace {

using ipam::Allocator;
using net::Family;

// Draws for 16 owners, which are then released: only the draws are timed. What is drawn is the lowest free address, or
// a random hole where nothing is free.
std::vector<Sample> draws(Subject& subject, Allocator& allocator, std::size_t first_pod, bool& ok) {
  constexpr std::size_t kBatch = 16;
  std::vector<Sample> samples;
  const std::size_t before = allocator.lease_count();
  for (int round = 0; round < 301; ++round) {
    Sample total;
    for (int batch = 0; batch < 8; ++batch) {
      std::size_t done = 0;
      const Sample sample = measure([&] {
        for (std::size_t i = 0; i < kBatch; ++i) done += subject.alloc(allocator, first_pod + i) != 0 ? 1 : 0;
      });
      total.ns += sample.ns;
      total.bytes += sample.bytes;
      ok = ok && done == kBatch;
      for (std::size_t i = 0; i < kBatch; ++i) ok = subject.free(first_pod + i) && ok;
    }
    samples.push_back(total);
  }
  ok = ok && allocator.lease_count() == before;
  for (auto& sample : samples) sample.ok = ok;
  return samples;
}

void by_size(std::string_view cidr) {
  Subject subject;
  Allocator& allocator = subject.add("s", cidr);
  bool ok = true;
  for (std::size_t i = 0; i < 200; ++i) ok = subject.alloc(allocator, i) != 0 && ok;
  auto samples = draws(subject, allocator, 1'000'000, ok);
  report(fmt::format("alloc_size_{}", cidr), 8 * 16, samples, 0);
}

// `percent` of a subnet is held, and what is not lies in random holes.
void by_fill(std::string_view cidr, int percent) {
  Subject subject;
  Allocator& allocator = subject.add("s", cidr);
  const auto room = static_cast<std::size_t>(allocator.counts(allocator.config().cidrs.at(0).family()).available);
  bool ok = true;
  if (percent > 0) {
    for (std::size_t i = 0; i < room; ++i) ok = subject.alloc(allocator, i) != 0 && ok;
    const auto order = shuffled(room);
    for (std::size_t i = 0; i < room * static_cast<std::size_t>(100 - percent) / 100; ++i) {
      ok = subject.free(order[i]) && ok;
    }
  }
  auto samples = draws(subject, allocator, 100'000'000, ok);
  report(fmt::format("alloc_fill_{}_{}", cidr, percent), 8 * 16, samples, 0);
}

// A /16 of which every second address of the first 60,000 is held.
void fill_torn(Subject& subject, Allocator& allocator) {
  for (std::size_t i = 0; i < 60'000; ++i) {
    if (subject.alloc(allocator, i) == 0) broken("filling");
  }
  for (std::size_t i = 0; i < 60'000; i += 2) {
    if (!subject.free(i)) broken("tearing");
  }
}

std::size_t fragments(std::string_view text) { return 1 + static_cast<std::size_t>(std::ranges::count(text, ',')); }

}  // namespace

void flatness() {
  for (const auto* cidr : {"10.0.0.0/24", "10.0.0.0/20", "10.0.0.0/16", "10.0.0.0/12", "10.0.0.0/8", "fd00::/120",
                           "fd00::/112", "fd00::/104", "fd00::/64"}) {
    by_size(cidr);
  }
  for (const auto* cidr : {"10.0.0.0/20", "10.0.0.0/16", "10.0.0.0/12", "fd00::/112"}) {
    for (const int percent : {0, 50, 90, 99}) by_fill(cidr, percent);
  }
}

void snapshots() {
  Subject subject;
  Allocator& allocator = subject.add("s", "10.0.0.0/16");
  fill_torn(subject, allocator);
  std::vector<Sample> taken;
  std::vector<Sample> texts;
  for (int r = 0; r < 101; ++r) {
    taken.push_back(measure([&] {
      const auto snapshot = allocator.snapshot(Family::v4);
      if (snapshot.counts().used != 30'000) broken("the counters");
    }));
    const auto snapshot = allocator.snapshot(Family::v4);
    std::string used;
    std::string available;
    texts.push_back(measure([&] {
      used = snapshot.used_ranges();
      available = snapshot.available_ranges();
    }));
    texts.back().ok = fragments(used) == 30'000 && fragments(available) == 30'001;
    taken.back().ok = texts.back().ok && snapshot.counts().available == 65'536 - 3 - 30'000;
  }
  report("snapshot_16_torn", 1, taken, 0);
  report("snapshot_16_torn_texts", 1, texts, 0);

  std::vector<Sample> pools;
  for (int r = 0; r < 31; ++r) {
    pools.push_back(measure([&] {
      for (int i = 0; i < 100; ++i) {
        const auto cidr = net::Range::parse_with_cidr(fmt::format("10.0.{}.0/24", i));
        if (!allocator.set_pool(fmt::format("pool{}", i), {*cidr})) broken("a pool");
      }
    }));
    pools.back().ok = allocator.pool_counts("pool7", Family::v4).used == 128;
    for (int i = 0; i < 100; ++i) allocator.remove_pool(fmt::format("pool{}", i));
  }
  report("pool_set", 100, pools, 0);
}

}  // namespace berth::bench
