#pragma once

// The allocator as the works use it: owners are named and texts are parsed inside what is timed, as in the peer's test.

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/registry.h"

namespace berth::bench {

constexpr std::string_view kV4 = "10.0.0.0/8";
constexpr std::string_view kV6 = "fd00::/104";
constexpr std::string_view kDual = "10.0.0.0/8,fd00::/104";

// A failed step of the benchmark itself, not of what it measures.
[[noreturn]] inline void broken(std::string_view what) {
  fmt::print(stderr, "broken: {}\n", what);
  std::abort();
}

// The text is replaced by what the format gives, which is at most 63 letters.
template <typename Format, typename... Args>
void write(std::string& text, const Format& format, const Args&... args) {
  std::array<char, 64> letters;
  const char* end = fmt::format_to(letters.data(), format, args...);
  text.assign(letters.data(), static_cast<std::size_t>(end - letters.data()));
}

class Subject {
 public:
  // The gateway is the first address of each family, as the peer's test has it.
  ipam::Allocator& add(std::string_view name, std::string_view cidrs) {
    ipam::Config config;
    config.name = name;
    auto parsed = net::Cidr::parse_list(cidrs);
    if (!parsed) broken("a CIDR");
    config.cidrs = *std::move(parsed);
    for (const auto& cidr : config.cidrs) config.gateways.push_back(cidr.first_usable());
    return registry_.add(std::move(config));
  }

  // Names the owner, draws; the IPv4 address, or the low bits of the IPv6 one; 0: refused.
  std::uint32_t alloc(ipam::Allocator& allocator, std::size_t pod) {
    name(pod);
    const auto lease = allocator.acquire(ask_, random_);
    if (!lease) return 0;
    return static_cast<std::uint32_t>(lease->v4 ? lease->v4->bits() : lease->v6->bits());
  }
  bool free(std::size_t pod) {
    name(pod);
    return registry_.release(ask_.owner) == 1;
  }
  // Formats and parses address and MAC, as a request by annotations would.
  bool take(ipam::Allocator& allocator, std::size_t pod, std::uint32_t address) {
    name(pod);
    texts(pod, address);
    const auto parsed = net::Address::parse(address_);
    const auto mac = net::Mac::parse(mac_);
    if (!parsed || !mac) return false;
    ask_.wanted.assign(1, *parsed);
    ask_.mac = *mac;
    const bool given = allocator.acquire(ask_, random_).has_value();
    ask_.wanted.clear();
    ask_.mac = {};
    return given;
  }
  bool adopt(ipam::Allocator& allocator, std::size_t pod, std::uint32_t address) {
    name(pod);
    texts(pod, address);
    const auto parsed = net::Address::parse(address_);
    const auto mac = net::Mac::parse(mac_);
    if (!parsed || !mac) return false;
    return allocator.adopt(ask_.owner, {*parsed, std::nullopt, *mac}).has_value();
  }
  // Whether the pod holds that address.
  [[nodiscard]] bool holds(const ipam::Allocator& allocator, std::size_t pod, std::uint32_t address) {
    name(pod);
    const auto lease = allocator.find(ask_.owner);
    return lease && lease->v4 && lease->v4->bits() == address;
  }

  ipam::Registry& registry() { return registry_; }
  Random& random() { return random_; }

 private:
  void name(std::size_t pod) { write(ask_.owner, FMT_COMPILE("pod{}.ns"), pod); }
  void texts(std::size_t pod, std::uint32_t address) {
    write(address_, FMT_COMPILE("10.{}.{}.{}"), (address >> 16) & 255, (address >> 8) & 255, address & 255);
    write(mac_, FMT_COMPILE("02:00:{:02x}:{:02x}:{:02x}:{:02x}"), (pod >> 24) & 255, (pod >> 16) & 255,
          (pod >> 8) & 255, pod & 255);
  }

  ipam::Registry registry_;
  Random random_{1};
  ipam::Ask ask_;
  std::string address_;
  std::string mac_;
};

inline std::vector<std::uint32_t> in_order(std::size_t n) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}
inline std::vector<std::uint32_t> shuffled(std::size_t n, std::uint64_t seed = 1) {
  auto order = in_order(n);
  std::mt19937_64 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

// Whether all differ and lie between the two, included.
inline bool distinct_within(std::vector<std::uint32_t> values, std::uint32_t first, std::uint32_t last) {
  std::ranges::sort(values);
  return !values.empty() && values.front() >= first && values.back() <= last &&
         std::ranges::adjacent_find(values) == values.end();
}

}  // namespace berth::bench
