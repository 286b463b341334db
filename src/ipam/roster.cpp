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
  for_each([&](Id id) { records_.remove(id); });
}

std::uint32_t Roster::open_subnet() {
  if (closed_.empty()) return next_subnet_++;
  const std::uint32_t subnet = closed_.back();
  closed_.pop_back();
  return subnet;
}

void Roster::close_subnet(std::uint32_t subnet, std::size_t lease_count) {
  std::vector<Id> leases;
  leases.reserve(lease_count);
  if (lease_count > 0) {
    for_each([&](Id id) {
      if (at(id).subnet() == subnet) leases.push_back(id);
    });
  }
  for (const Id id : leases) remove(tag_of(at(id).owner()), id);
  closed_.push_back(subnet);
}

std::vector<Roster::Id> Roster::find_all(std::string_view owner) const {
  std::vector<Id> found;
  (void)by_owner_.find(tag_of(owner), [&](Id id) {
    if (at(id).owner() == owner) found.push_back(id);
    return false;
  });
  return found;
}

Roster::Id Roster::add(std::uint32_t tag, std::string_view owner, std::uint32_t subnet, bool room_for_v6) {
  const Id id = records_.add(owner, subnet, room_for_v6);
  by_owner_.insert(tag, id);
  return id;
}

Roster::Id Roster::replace_with_room_for_v6(std::uint32_t tag, Id id) {
  const Id larger = add(tag, at(id).owner(), at(id).subnet(), true);
  if (at(id).has_v4()) hold(larger, net::Address(net::Family::v4, at(id).v4()));
  set_mac(larger, at(id).mac());
  remove(tag, id);
  return larger;
}

void Roster::remove(std::uint32_t tag, Id id) {
  const Holder& holder = at(id);
  if (holder.has_v4()) let_go(id, net::Address(net::Family::v4, holder.v4()));
  if (holder.has_v6()) let_go(id, net::Address(net::Family::v6, holder.v6()));
  set_mac(id, net::Mac());
  [[maybe_unused]] const bool known = by_owner_.erase(tag, id);
  assert(known);
  records_.remove(id);
}

void Roster::hold(Id id, const net::Address& address) {
  if (address.is_v4()) {
    at(id).set_v4(static_cast<std::uint32_t>(address.bits()));
  } else {
    at(id).set_v6(address.bits());
  }
  by_address_.insert(tag_of(address, at(id).subnet()), id);
}

void Roster::let_go(Id id, const net::Address& address) {
  if (address.is_v4()) {
    at(id).clear_v4();
  } else {
    at(id).clear_v6();
  }
  by_address_.erase(tag_of(address, at(id).subnet()), id);
}

void Roster::set_mac(Id id, net::Mac mac) {
  Holder& holder = at(id);
  const net::Mac before = holder.mac();
  if (before == mac) return;
  if (!before.is_none()) by_mac_.erase(tag_of(before, holder.subnet()), id);
  if (!mac.is_none()) by_mac_.insert(tag_of(mac, holder.subnet()), id);
  holder.set_mac(mac);
}

Status Roster::check() const {
  std::size_t macs = 0;
  std::size_t addresses = 0;
  std::string wrong;
  for_each([&](Id id) {
    const Holder& holder = at(id);
    const std::uint32_t tag = tag_of(holder.owner());
    if (find(tag, holder.owner(), holder.subnet()) != id) {
      wrong = fmt::format("{} is not found by its name, or twice", holder.owner());
    }
    addresses += (holder.has_v4() ? 1 : 0) + (holder.has_v6() ? 1 : 0);
    if (holder.mac().is_none()) return;
    ++macs;
    if (by_mac_.find(tag_of(holder.mac(), holder.subnet()), [&](Id other) { return other == id; }) != id) {
      wrong = fmt::format("{} is not found by its MAC", holder.owner());
    }
  });
  if (macs != by_mac_.size()) wrong = "the index by MAC has records that are not in use";
  if (addresses != by_address_.size()) wrong = "the index by address has records that are not in use";
  if (!by_owner_.check() || !by_address_.check() || !by_mac_.check()) wrong = "an index of the roster is out of order";
  return wrong.empty() ? Status{} : fail(ErrorCode::internal, std::move(wrong));
}

}  // namespace berth::ipam
