#include "ipam/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace berth::ipam {

Allocator& Registry::add(Config config) {
  std::string name = config.name;
  auto allocator = std::make_unique<Allocator>(std::move(config), roster_);
  Allocator& added = *allocator;
  [[maybe_unused]] const bool is_new = by_name_.emplace(std::move(name), std::move(allocator)).second;
  assert(is_new);
  if (added.number() >= by_number_.size()) by_number_.resize(added.number() + 1);
  by_number_[added.number()] = &added;
  return added;
}

bool Registry::remove(std::string_view subnet) {
  const auto it = by_name_.find(subnet);
  if (it == by_name_.end()) return false;
  by_number_[it->second->number()] = nullptr;
  by_name_.erase(it);
  return true;
}

Allocator* Registry::find(std::string_view subnet) {
  const auto it = by_name_.find(subnet);
  return it == by_name_.end() ? nullptr : it->second.get();
}

const Allocator* Registry::find(std::string_view subnet) const { return const_cast<Registry*>(this)->find(subnet); }

std::vector<std::string_view> Registry::subnets_of(std::string_view owner) const {
  std::vector<std::string_view> names;
  for (const auto id : roster_->find_all(owner)) names.push_back(by_number_[roster_->at(id).subnet()]->config().name);
  std::ranges::sort(names);
  return names;
}

std::size_t Registry::release(std::string_view owner) {
  const std::uint32_t tag = tag_of(owner);
  std::size_t released = 0;
  for (auto id = roster_->find_any(tag, owner); id != Roster::kNone; id = roster_->find_any(tag, owner)) {
    by_number_[roster_->at(id).subnet()]->release(tag, id);
    ++released;
  }
  return released;
}

Status Registry::check() const {
  std::size_t leases = 0;
  for (std::size_t number = 0; number < by_number_.size(); ++number) {
    const Allocator* allocator = by_number_[number];
    if (allocator == nullptr) continue;
    if (allocator->number() != number || find(allocator->config().name) != allocator) {
      return fail(ErrorCode::internal, fmt::format("subnet {} is not under its name", allocator->config().name));
    }
    if (auto status = allocator->check(); !status) return status;
    leases += allocator->lease_count();
  }
  if (leases != roster_->size()) return fail(ErrorCode::internal, "the roster has leases of no subnet");
  return {};
}

}  // namespace berth::ipam
