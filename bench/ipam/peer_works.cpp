// The works of the peer's test, with its counts and its names.

#include "bench/ipam/floor.h"
#include "bench/ipam/harness.h"
#include "bench/ipam/subject.h"
#include "bench/ipam/works.h"

namespace berth::bench {
namespace {

using ipam::Allocator;
using net::Family;

constexpr std::uint32_t kBase = 0x0A00'0000;

bool used_is(const Allocator& allocator, std::size_t n) {
  const bool v4 = allocator.counts(Family::v4).size == 0 || allocator.counts(Family::v4).used == n;
  const bool v6 = allocator.counts(Family::v6).size == 0 || allocator.counts(Family::v6).used == n;
  return v4 && v6 && allocator.lease_count() == n;
}

// Draws n; checked: all given, distinct, inside, counted.
Sample draw(Subject& subject, Allocator& allocator, std::size_t n) {
  std::vector<std::uint32_t> got(n);
  Sample sample = measure([&] {
    for (std::size_t i = 0; i < n; ++i) got[i] = subject.alloc(allocator, i);
  });
  const std::uint32_t base = allocator.counts(Family::v4).size == 0 ? 0 : kBase;
  sample.ok = distinct_within(std::move(got), base + 2, base + 0xFF'FFFE) && used_is(allocator, n);
  return sample;
}

Sample release(Subject& subject, const Allocator& allocator, const std::vector<std::uint32_t>& order) {
  std::size_t done = 0;
  Sample sample = measure([&] {
    for (const auto pod : order) done += subject.free(pod) ? 1 : 0;
  });
  sample.ok = done == order.size() && used_is(allocator, 0);
  return sample;
}

struct Floors {
  double take = 0;
  double give = 0;
};
Floors floors(const std::vector<std::uint32_t>& taken, const std::vector<std::uint32_t>& given) {
  std::vector<double> take;
  std::vector<double> give;
  for (std::size_t r = 0; r < repetitions(taken.size()); ++r) {
    Floor floor;
    take.push_back(measure([&] {
                     for (std::uint32_t i = 0; i < taken.size(); ++i) floor.take(taken[i], i);
                   }).ns);
    give.push_back(measure([&] {
                     for (const auto address : given) floor.give_back(address);
                   }).ns);
    if (floor.size() != 0) broken("the floor");
  }
  return {median(std::move(take)), median(std::move(give))};
}

}  // namespace

void alloc_free() {
  const std::pair<std::string_view, std::string_view> kinds[] = {{"v4", kV4}, {"v6", kV6}, {"dual", kDual}};
  for (const auto& [kind, cidrs] : kinds) {
    for (const std::size_t n : {1'000, 10'000, 50'000}) {
      const auto order = in_order(n);
      const auto random_order = shuffled(n);
      std::vector<Sample> alloc;
      std::vector<Sample> free_in_order;
      std::vector<Sample> free_shuffled;
      for (std::size_t r = 0; r < repetitions(n); ++r) {
        Subject subject;
        Allocator& allocator = subject.add("s", cidrs);
        alloc.push_back(draw(subject, allocator, n));
        free_in_order.push_back(release(subject, allocator, order));
        Subject second;
        Allocator& full = second.add("s", cidrs);
        if (!draw(second, full, n).ok) broken("filling");
        free_shuffled.push_back(release(second, full, random_order));
      }
      const Floors floor = floors(order, order);
      report(fmt::format("alloc_{}", kind), n, alloc, floor.take);
      report(fmt::format("free_inorder_{}", kind), n, free_in_order, floor.give);
      report(fmt::format("free_shuffled_{}", kind), n, free_shuffled, floors(order, random_order).give);
    }
  }
}

void churn() {
  constexpr std::size_t kSteps = 10'000;
  for (const std::size_t live : {1'000, 5'000, 10'000, 50'000}) {
    std::vector<Sample> samples;
    std::vector<double> floor_ns;
    for (std::size_t r = 0; r < repetitions(kSteps); ++r) {
      Subject subject;
      Allocator& allocator = subject.add("s", kV4);
      if (!draw(subject, allocator, live).ok) broken("filling");
      std::mt19937_64 random(r);
      auto pods = in_order(live);
      std::size_t done = 0;
      samples.push_back(measure([&] {
        for (std::size_t i = 0; i < kSteps; ++i) {
          auto& pod = pods[random() % live];
          done += subject.free(pod) ? 1 : 0;
          pod = static_cast<std::uint32_t>(live + i);
          done += subject.alloc(allocator, pod) != 0 ? 1 : 0;
        }
      }));
      std::vector<std::uint32_t> held;
      for (const auto pod : pods) {
        const auto lease = allocator.find(fmt::format("pod{}.ns", pod));
        held.push_back(lease ? static_cast<std::uint32_t>(lease->v4->bits()) : 0);
      }
      samples.back().ok = done == 2 * kSteps && distinct_within(std::move(held), kBase + 2, kBase + 0xFF'FFFE) &&
                          used_is(allocator, live);
      Floor floor;
      for (std::uint32_t i = 0; i < live; ++i) floor.take(i, i);
      std::vector<std::uint32_t> held_there = in_order(live);
      floor_ns.push_back(measure([&] {
                           for (std::uint32_t i = 0; i < kSteps; ++i) {
                             auto& address = held_there[random() % live];
                             floor.give_back(address);
                             address = static_cast<std::uint32_t>(live) + i;
                             floor.take(address, i);
                           }
                         }).ns);
    }
    report(fmt::format("churn_v4_live_{}", live), kSteps, samples, median(std::move(floor_ns)));
  }
}

namespace {

void by_address(std::string_view phase, const std::vector<std::uint32_t>& addresses) {
  std::vector<Sample> samples;
  for (std::size_t r = 0; r < repetitions(addresses.size()); ++r) {
    Subject subject;
    Allocator& allocator = subject.add("s", kV4);
    std::size_t done = 0;
    samples.push_back(measure([&] {
      for (std::size_t i = 0; i < addresses.size(); ++i) done += subject.take(allocator, i, addresses[i]) ? 1 : 0;
    }));
    bool ok = done == addresses.size() && used_is(allocator, addresses.size());
    for (std::size_t i = 0; ok && i < addresses.size(); ++i) ok = subject.holds(allocator, i, addresses[i]);
    samples.back().ok = ok;
  }
  std::vector<std::uint32_t> offsets = addresses;
  for (auto& address : offsets) address -= kBase;
  report(phase, addresses.size(), samples, floors(offsets, offsets).take);
}

}  // namespace

void statics() {
  for (const std::size_t n : {1'000, 10'000, 50'000}) {
    std::vector<std::uint32_t> dense = in_order(n);
    for (auto& address : dense) address += kBase + 2;
    by_address("static_inorder_v4", dense);
    std::vector<std::uint32_t> mixed = shuffled(n);
    for (auto& address : mixed) address += kBase + 2;
    by_address("static_dense_shuffled_v4", mixed);
    std::vector<std::uint32_t> sparse;  // distinct, even, all over the /8
    std::mt19937_64 random(3);
    while (sparse.size() < n) {
      while (sparse.size() < n) sparse.push_back(kBase + 2 + 2 * static_cast<std::uint32_t>(random() % 0x7F'FFF0));
      std::ranges::sort(sparse);
      sparse.erase(std::ranges::unique(sparse).begin(), sparse.end());
    }
    std::shuffle(sparse.begin(), sparse.end(), random);
    by_address("static_sparse_v4", sparse);
  }
}

namespace {

void add_slash24(Subject& subject, std::size_t i, std::string& name, std::string& cidr) {
  write(name, FMT_COMPILE("subnet{}"), i);
  write(cidr, FMT_COMPILE("{}.{}.{}.0/24"), 10 + (i >> 16), (i >> 8) & 255, i & 255);
  (void)subject.add(name, cidr);
}

void add_and_delete(std::size_t n) {
  std::vector<Sample> add;
  std::vector<Sample> del;
  std::vector<double> floor_ns;
  std::string name;
  std::string cidr;
  for (std::size_t r = 0; r < repetitions(n); ++r) {
    Subject subject;
    add.push_back(measure([&] {
      for (std::size_t i = 0; i < n; ++i) add_slash24(subject, i, name, cidr);
    }));
    bool ok = subject.registry().size() == n;
    for (std::size_t i = 0; ok && i < n; ++i) {
      const Allocator* allocator = subject.registry().find(fmt::format("subnet{}", i));
      ok = allocator != nullptr && allocator->counts(Family::v4).available == 253;
    }
    add.back().ok = ok;
    std::size_t done = 0;
    del.push_back(measure([&] {
      for (std::size_t i = 0; i < n; ++i) {
        write(name, FMT_COMPILE("subnet{}"), i);
        done += subject.registry().remove(name) ? 1 : 0;
      }
    }));
    del.back().ok = done == n && subject.registry().size() == 0;
    floor_ns.push_back(measure([&] {
                         Floor floor(n);
                         for (std::uint32_t i = 0; i < n; ++i) floor.take(i, i);
                       }).ns);
  }
  const double floor = median(std::move(floor_ns));
  report("subnet_add", n, add, floor);
  report("subnet_del", n, del, floor);
}

// 2,000 pods; all are released, each by its name alone. They are spread over `spread` of the subnets: over all, as in
// the peer's test, where with many subnets every release also is the first touch of a subnet's memory; or over one,
// beside which the others are merely present.
void release_among(std::size_t subnet_count, std::size_t spread) {
  constexpr std::size_t kPods = 2'000;
  std::vector<Sample> anywhere;
  std::vector<Sample> named;
  const std::size_t rounds = subnet_count > 10'000 ? 3 : 31;
  for (std::size_t r = 0; r < rounds; ++r) {
    Subject subject;
    std::vector<Allocator*> all;
    for (std::size_t i = 0; i < subnet_count; ++i) {
      all.push_back(&subject.add(fmt::format("subnet{}", i),
                                 fmt::format("{}.{}.{}.0/20", 10 + (i >> 12), (i >> 4) & 255, (i & 15) << 4)));
    }
    const auto fill = [&] {
      for (std::size_t i = 0; i < kPods; ++i) {
        if (subject.alloc(*all[i % spread], i) == 0) broken("filling");
      }
    };
    const auto none_left = [&] {
      return std::ranges::all_of(all, [](const Allocator* a) { return a->lease_count() == 0; });
    };
    fill();
    std::size_t done = 0;
    anywhere.push_back(measure([&] {
      for (std::size_t i = 0; i < kPods; ++i) done += subject.free(i) ? 1 : 0;
    }));
    anywhere.back().ok = done == kPods && none_left();
    fill();
    done = 0;
    std::string owner;
    std::string subnet;
    named.push_back(measure([&] {
      for (std::size_t i = 0; i < kPods; ++i) {
        write(subnet, FMT_COMPILE("subnet{}"), i % spread);
        write(owner, FMT_COMPILE("pod{}.ns"), i);
        done += subject.registry().find(subnet)->release(owner) ? 1 : 0;
      }
    }));
    named.back().ok = done == kPods && none_left();
  }
  const Floors floor = floors(in_order(kPods), in_order(kPods));
  if (spread < subnet_count) {
    report(fmt::format("release_beside_subnets_{}", subnet_count), kPods, anywhere, floor.give);
    return;
  }
  report(fmt::format("release_all_subnets_{}", subnet_count), kPods, anywhere, floor.give);
  report(fmt::format("release_named_subnet_{}", subnet_count), kPods, named, floor.give);
}

}  // namespace

void subnets() {
  add_and_delete(1'000);
  add_and_delete(10'000);
  for (const std::size_t n : {1, 100, 1'000, 10'000, 100'000}) release_among(n, n);
  for (const std::size_t n : {100, 1'000, 10'000, 100'000}) release_among(n, 1);
}

void rebuild() {
  constexpr std::size_t kOwners = 100'000;
  for (const bool random_order : {false, true}) {
    const auto order = random_order ? shuffled(kOwners) : in_order(kOwners);
    std::vector<Sample> samples;
    for (int r = 0; r < 5; ++r) {
      Subject subject;
      Allocator& allocator = subject.add("s", kV4);
      std::size_t done = 0;
      samples.push_back(measure([&] {
        for (const auto i : order) done += subject.adopt(allocator, i, kBase + 2 + i) ? 1 : 0;
      }));
      bool ok = done == kOwners && used_is(allocator, kOwners);
      for (std::uint32_t i = 0; ok && i < kOwners; ++i) ok = subject.holds(allocator, i, kBase + 2 + i);
      samples.back().ok = ok;
    }
    report(random_order ? "rebuild_shuffled" : "rebuild_inorder", kOwners, samples, floors(order, order).take);
  }
}

void memory() {
  constexpr std::size_t kAddresses = 100'000;
  for (const auto& [kind, cidrs] : {std::pair{"v4", kV4}, std::pair{"v6", kV6}, std::pair{"dual", kDual}}) {
    Subject subject;
    Allocator& allocator = subject.add("s", cidrs);
    const Heap before = heap();
    std::size_t done = 0;
    for (std::size_t i = 0; i < kAddresses; ++i) done += subject.alloc(allocator, i) != 0 ? 1 : 0;
    const double bytes = static_cast<double>(heap().in_use - before.in_use) / static_cast<double>(kAddresses);
    report_value(fmt::format("memory_{}", kind), kAddresses, "heap_B_per_addr", bytes,
                 done == kAddresses && used_is(allocator, kAddresses));
  }
}

}  // namespace berth::bench
