#pragma once

// The allocators of all subnets, by name, over one roster: what an owner holds anywhere is found, and released, without
// touching the other subnets. Cost of add, remove, find: O(1) in the number of subnets (remove: plus all records, if
// leases are left). Allocators do not move while they are in it. The deciding thread owns it.
//
// Always true (check()): the roster's records are the leases of exactly the allocators in here.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "ipam/allocator.h"

namespace berth::ipam {

class Registry {
 public:
  Registry() : roster_(std::make_shared<Roster>()) {}

  // Precondition: no subnet of that name is in it.
  Allocator& add(Config config);
  bool remove(std::string_view subnet);  // with what is held in it; false: unknown
  [[nodiscard]] Allocator* find(std::string_view subnet);
  [[nodiscard]] const Allocator* find(std::string_view subnet) const;
  [[nodiscard]] std::size_t size() const { return by_name_.size(); }

  // The names of the subnets in which the owner holds something, sorted. O(those).
  [[nodiscard]] std::vector<std::string_view> subnets_of(std::string_view owner) const;

  // Releases what the owner holds in all subnets; how many leases that were.
  std::size_t release(std::string_view owner);

  [[nodiscard]] Status check() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };

  std::shared_ptr<Roster> roster_;
  boost::unordered_flat_map<std::string, std::unique_ptr<Allocator>, Hash, std::equal_to<>> by_name_;  // never walked
  std::vector<Allocator*> by_number_;  // Allocator::number()
};

}  // namespace berth::ipam
