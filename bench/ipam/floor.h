#pragma once

// The least that an allocator of addresses could do: flip a bit and insert into, or erase from, one hash map. What each
// work of main.cpp costs above this is the price of names, MACs, families, pools and errors.

#include <cstdint>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace berth::bench {

class Floor {
 public:
  explicit Floor(std::size_t addresses = std::size_t{1} << 24) : bits_((addresses >> 6) + 1) {}

  void take(std::uint32_t address, std::uint32_t owner) {
    bits_[address >> 6] |= std::uint64_t{1} << (address & 63);
    holders_.emplace(address, owner);
  }
  void give_back(std::uint32_t address) {
    bits_[address >> 6] &= ~(std::uint64_t{1} << (address & 63));
    holders_.erase(address);
  }
  [[nodiscard]] std::size_t size() const { return holders_.size(); }

 private:
  std::vector<std::uint64_t> bits_;
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> holders_;
};

}  // namespace berth::bench
