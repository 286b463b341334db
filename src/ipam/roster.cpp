#include "ipam/roster.h"

#include <fmt/format.h>

#include <cassert>

namespace berth::ipam {

std::uint32_t tag_of(std::string_view name) {
  constexpr std::uint64_t kSecret = 0xA076'1D64'78BD'642FULL;
  const char* text = name.data();
  std::size_t left = name.size();
  std::uint64_t hash = mix(name.size() ^ 0xE703'7ED1'A0B4'28DBULL, kSecret);
  for (; left >= 8; left -= 8, text += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text, 8);
    hash = mix(hash ^ word, kSecret);
  }
  std::uint64_t word = 0;
  if (left >= 4) {
    std::uint32_t high = 0;
    std::uint32_t low = 0;
    std::memcpy(&high, text, 4);
    std::memcpy(&low, text + left - 4, 4);
    word = (static_cast<std::uint64_t>(high) << 32) | low;
  } else {
    for (; left > 0; --left, ++text) word = (word << 8) | static_cast<unsigned char>(*text);
  }
  hash = mix(hash ^ word, kSecret ^ 0x8EBC'6AF0'9C88'C6E3ULL);
  return static_cast<std::uint32_t>(hash >> 16);
}

Roster::~Roster() {
  for (Id id = 0; id < end_; ++id) {
    if (at(id).name != nullptr) names_.remove(at(id).name, at(id).length);
  }
}

std::uint32_t Roster::open_subnet() {
  if (closed_.empty()) return next_subnet_++;
  const std::uint32_t subnet = closed_.back();
  closed_.pop_back();
  return subnet;
}

void Roster::close_subnet(std::uint32_t subnet, std::size_t lease_count) {
  for (Id id = 0; id < end_ && lease_count > 0; ++id) {
    if (at(id).name == nullptr || at(id).subnet != subnet) continue;
    remove(tag_of(at(id).owner()), id);
    --lease_count;
  }
  closed_.push_back(subnet);
}

std::vector<Roster::Id> Roster::find_all(std::string_view owner) const {
  std::vector<Id> found;
  (void)index_.find(tag_of(owner), [&](Id id) {
    if (at(id).owner() == owner) found.push_back(id);
    return false;
  });
  return found;
}

Roster::Id Roster::add(std::uint32_t tag, std::string_view owner, std::uint32_t subnet) {
  Id id = free_;
  if (id == kNone) {
    if (end_ % kChunk == 0) chunks_.push_back({std::make_unique<Holder[]>(kChunk), nullptr});
    id = end_++;
  } else {
    free_ = at(id).v4;
  }
  Holder& holder = at(id);
  holder = Holder{};
  holder.name = names_.add(owner);
  holder.length = static_cast<std::uint32_t>(owner.size());
  holder.subnet = subnet;
  index_.insert(tag, id);
  return id;
}

void Roster::remove(std::uint32_t tag, Id id) {
  [[maybe_unused]] const bool known = index_.erase(tag, id);
  assert(known);
  Holder& holder = at(id);
  names_.remove(holder.name, holder.length);
  holder.name = nullptr;
  holder.v4 = free_;
  free_ = id;
}

void Roster::set_v6(Id id, net::Uint128 bits) {
  auto& v6 = chunks_[id / kChunk].v6;
  if (!v6) v6 = std::make_unique<net::Uint128[]>(kChunk);
  v6[id % kChunk] = bits;
}

Status Roster::check() const {
  std::size_t in_use = 0;
  for (Id id = 0; id < end_; ++id) {
    const Holder& holder = at(id);
    if (holder.name == nullptr) continue;
    ++in_use;
    if (find(tag_of(holder.owner()), holder.owner(), holder.subnet) != id) {
      return fail(ErrorCode::internal, fmt::format("{} is not found by its name, or twice", holder.owner()));
    }
  }
  if (in_use != index_.size()) return fail(ErrorCode::internal, "the index holds records that are not in use");
  if (!index_.check()) return fail(ErrorCode::internal, "the index of owners is out of order");
  return {};
}

}  // namespace berth::ipam
