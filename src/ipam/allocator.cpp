#include "ipam/allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace berth::ipam {

using net::Address;
using net::Cidr;
using net::Family;
using net::Mac;
using net::Range;
using net::RangeSet;

namespace {

constexpr std::array kFamilies{Family::v4, Family::v6};

std::string_view name_of(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }

std::optional<Address>& slot(Lease& lease, Family family) { return family == Family::v4 ? lease.v4 : lease.v6; }
const std::optional<Address>& slot(const Lease& lease, Family family) {
  return family == Family::v4 ? lease.v4 : lease.v6;
}

template <typename... Args>
Refusal refusal(Denial denial, fmt::format_string<Args...> format, Args&&... args) {
  return {denial, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
tl::unexpected<Refusal> refuse(Denial denial, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Refusal>(refusal(denial, format, std::forward<Args>(args)...));
}

std::string join_cidrs(const std::vector<Cidr>& cidrs) {
  std::string text;
  for (const auto& cidr : cidrs) text += (text.empty() ? "" : ",") + cidr.to_string();
  return text.empty() ? "no cidrBlock" : text;
}

}  // namespace

std::string_view to_string(Denial denial) {
  switch (denial) {
    case Denial::AddressOutOfRange:
      return "AddressOutOfRange";
    case Denial::AddressConflict:
      return "AddressConflict";
    case Denial::NoAvailableAddress:
      return "NoAvailableAddress";
    case Denial::InvalidIPFamily:
      return "InvalidIPFamily";
  }
  return "";
}

std::vector<Address> Lease::addresses() const {
  std::vector<Address> all;
  if (v4) all.push_back(*v4);
  if (v6) all.push_back(*v6);
  return all;
}

Allocator::Allocator(Config config, std::shared_ptr<Roster> roster)
    : config_(std::move(config)),
      roster_(roster ? std::move(roster) : std::make_shared<Roster>()),
      number_(roster_->open_subnet()) {
  configure_spaces();
}

Allocator::Allocator(Allocator&& other) noexcept = default;

Allocator& Allocator::operator=(Allocator&& other) noexcept {
  if (this == &other) return *this;
  if (roster_) roster_->close_subnet(number_, lease_count_);
  config_ = std::move(other.config_);
  spaces_ = std::move(other.spaces_);
  roster_ = std::move(other.roster_);
  number_ = other.number_;
  lease_count_ = other.lease_count_;
  next_mac_ = other.next_mac_;
  return *this;
}

Allocator::~Allocator() {
  if (roster_) roster_->close_subnet(number_, lease_count_);
}

void Allocator::reconfigure(Config config) {
  config_ = std::move(config);
  configure_spaces();
}

const AddressSpace& Allocator::absent(Family family) {
  static const std::array<AddressSpace, 2> spaces{AddressSpace(Family::v4), AddressSpace(Family::v6)};
  return spaces.at(static_cast<std::size_t>(family));
}

AddressSpace& Allocator::make_space(Family family) {
  auto& space = spaces_[static_cast<std::size_t>(family)];
  if (!space) space = std::make_unique<AddressSpace>(family);
  return *space;
}

void Allocator::configure_spaces() {
  for (const auto family : kFamilies) {
    const auto of_family = [&](const Cidr& cidr) { return cidr.family() == family; };
    assert(std::ranges::count_if(config_.cidrs, of_family) <= 1);
    const auto cidr = std::ranges::find_if(config_.cidrs, of_family);
    if (cidr == config_.cidrs.end() && !has(family)) continue;
    make_space(family).configure(cidr == config_.cidrs.end() ? std::nullopt : std::optional(*cidr), config_.gateways,
                                 config_.excludes);
  }
}

Status Allocator::set_pool(const std::string& pool, const std::vector<Range>& ranges) {
  std::array<RangeSet, 2> by_family;
  for (const auto& range : ranges) {
    if (const auto taken = space(range.family()).overlap(pool, range)) {
      return fail(ErrorCode::invalid,
                  fmt::format("pool {} of subnet {}: {} overlaps {} of pool {}; an address belongs to one pool only, "
                              "take it out of one of them",
                              pool, config_.name, range.to_string(), taken->second.to_string(), taken->first));
    }
    by_family[static_cast<std::size_t>(range.family())].add(range);
  }
  for (const auto family : kFamilies) {
    make_space(family).set_pool(pool, by_family[static_cast<std::size_t>(family)]);
  }
  return {};
}

void Allocator::remove_pool(const std::string& pool) {
  for (auto& space : spaces_) {
    if (space) space->remove_pool(pool);
  }
}

bool Allocator::has_pool(std::string_view pool) const { return space(Family::v4).has_pool(pool); }

Counts Allocator::pool_counts(std::string_view pool, Family family) const {
  return pool.empty() ? Counts{} : space(family).counts(pool);
}

std::optional<Usage> Allocator::pool_usage(const std::string& pool, Family family) const {
  const Snapshot now = snapshot(family);
  if (!now.has_pool(pool)) return std::nullopt;
  const Counts counts = now.counts(pool);
  return Usage{counts.size,      counts.used,           counts.reserved,
               counts.available, now.used_ranges(pool), now.available_ranges(pool)};
}

tl::expected<Lease, Refusal> Allocator::acquire(const Ask& ask, Random& random) {
  // Everything is chosen before anything is taken, so that a refusal leaves no trace.
  const std::uint32_t tag = tag_of(ask.owner);
  roster_->expect_owner(tag);
  const Mac mac_to_try = ask.mac.is_none() ? likely_mac(random) : ask.mac;
  if (auto refusal = wrong_family(ask)) return tl::unexpected(std::move(*refusal));
  const Id id = roster_->find(tag, ask.owner, number_);
  Lease lease;
  for (const auto family : kFamilies) {
    if (!has(family) || (ask.only && *ask.only != family)) continue;
    auto address = choose(ask, family, id);
    if (!address) return tl::unexpected(std::move(address.error()));
    slot(lease, family) = *address;
    roster_->expect_address(*address, number_);
  }
  auto mac = choose_mac(ask, mac_to_try, id, random);
  if (!mac) return tl::unexpected(std::move(mac.error()));
  lease.mac = *mac;
  store(tag, ask.owner, id, lease);
  return lease;
}

std::optional<Refusal> Allocator::wrong_family(const Ask& ask) const {
  for (auto it = ask.wanted.begin(); it != ask.wanted.end(); ++it) {
    const auto same = std::find_if(std::next(it), ask.wanted.end(),
                                   [&](const Address& other) { return other.family() == it->family(); });
    if (same != ask.wanted.end()) {
      return refusal(Denial::InvalidIPFamily, "subnet {}: {} asks for {} and {}; ask for at most one {} address",
                     config_.name, ask.owner, it->to_string(), same->to_string(), name_of(it->family()));
    }
    if (ask.only && *ask.only != it->family()) {
      return refusal(Denial::InvalidIPFamily,
                     "subnet {}: {} asks for {} and for {} only; drop one of the two annotations", config_.name,
                     ask.owner, it->to_string(), name_of(*ask.only));
    }
    if (!has(it->family())) {
      return refusal(Denial::AddressOutOfRange,
                     "subnet {}: {} is outside {}, which has no {} part; ask for an address inside, or use another "
                     "subnet",
                     config_.name, it->to_string(), join_cidrs(config_.cidrs), name_of(it->family()));
    }
  }
  if (ask.only && !has(*ask.only)) {
    return refusal(Denial::InvalidIPFamily,
                   "subnet {}: {} asks for {}, but the subnet has {}; correct ip_family, or use "
                   "another subnet",
                   config_.name, ask.owner, name_of(*ask.only), join_cidrs(config_.cidrs));
  }
  return std::nullopt;
}

tl::expected<Address, Refusal> Allocator::choose(const Ask& ask, Family family, Id holder) {
  const auto wanted = std::ranges::find(ask.wanted, family, &Address::family);
  if (wanted != ask.wanted.end()) return choose_wanted(*wanted, holder);

  auto& from = make_space(family);
  if (const auto address = held(holder, family)) {
    const bool gateway = std::ranges::find(config_.gateways, *address) != config_.gateways.end();
    if (from.contains(*address) && !gateway && !from.is_network_or_broadcast(*address) &&
        from.pool_of(*address) == ask.pool) {
      return *address;
    }
  }
  if (const auto next = from.next(ask.pool)) return *next;
  return tl::unexpected(Refusal{Denial::NoAvailableAddress, exhausted(ask, family)});
}

tl::expected<Address, Refusal> Allocator::choose_wanted(const Address& wanted, Id holder) const {
  const auto& from = space(wanted.family());
  if (!from.contains(wanted)) {
    return refuse(Denial::AddressOutOfRange,
                  "subnet {}: {} is outside {}; ask for an address from {} to {}, or use another subnet", config_.name,
                  wanted.to_string(), from.cidr()->to_string(), from.cidr()->first_usable().to_string(),
                  from.cidr()->last_usable().to_string());
  }
  if (std::ranges::find(config_.gateways, wanted) != config_.gateways.end()) {
    return refuse(Denial::AddressConflict, "subnet {}: {} is held by the subnet's gateway; ask for another address",
                  config_.name, wanted.to_string());
  }
  if (from.is_network_or_broadcast(wanted)) {
    return refuse(Denial::AddressOutOfRange, "subnet {}: {} is the {} address of {}; ask for an address from {} to {}",
                  config_.name, wanted.to_string(), wanted == from.cidr()->network() ? "network" : "broadcast",
                  from.cidr()->to_string(), from.cidr()->first_usable().to_string(),
                  from.cidr()->last_usable().to_string());
  }
  const Id other = holder_id(wanted);
  if (other != kNone && other != holder) {
    return refuse(Denial::AddressConflict,
                  "subnet {}: {} is held by {}; delete that holder, or ask for another address", config_.name,
                  wanted.to_string(), roster_->at(other).owner());
  }
  return wanted;
}

// Drawn one ahead, so that the index has a whole acquire's time to get the place where it will be looked for.
Mac Allocator::likely_mac(Random& random) {
  const Mac mac = next_mac_.is_none() ? Mac::random(random) : next_mac_;
  next_mac_ = Mac::random(random);
  roster_->expect_mac(next_mac_, number_);
  return mac;
}

tl::expected<Mac, Refusal> Allocator::choose_mac(const Ask& ask, Mac to_try, Id holder, Random& random) const {
  const Mac own = holder == kNone ? Mac() : roster_->at(holder).mac();
  if (ask.mac.is_none()) {
    if (!own.is_none() && own != config_.gateway_mac) return own;
    Mac mac = to_try;
    while (mac == config_.gateway_mac || roster_->find(mac, number_, kNone) != kNone) mac = Mac::random(random);
    return mac;
  }
  if (ask.mac == config_.gateway_mac) {
    return refuse(Denial::AddressConflict, "subnet {}: MAC {} is held by the subnet's gateway; ask for another MAC",
                  config_.name, ask.mac.to_string());
  }
  const Id other = ask.mac == own ? kNone : roster_->find(ask.mac, number_, holder);
  if (other != kNone) {
    return refuse(Denial::AddressConflict,
                  "subnet {}: MAC {} is held by {}; delete that holder, or ask for another MAC", config_.name,
                  ask.mac.to_string(), roster_->at(other).owner());
  }
  return ask.mac;
}

std::string Allocator::exhausted(const Ask& ask, Family family) const {
  const auto& from = space(family);
  if (ask.pool.empty()) {
    const auto counts = from.counts();
    return fmt::format(
        "subnet {}: no {} address is left in {} ({} used, {} reserved, {} kept for pools); delete holders, shorten "
        "excludeIps, or use a larger cidrBlock",
        config_.name, name_of(family), from.cidr()->to_string(), net::to_string(counts.used),
        net::to_string(counts.reserved), net::to_string(from.pooled()));
  }
  if (!from.has_pool(ask.pool)) {
    return fmt::format("subnet {}: it has no pool {}; create the IPPool in this subnet, or correct ip_pool",
                       config_.name, ask.pool);
  }
  const auto counts = from.counts(ask.pool);
  return fmt::format(
      "subnet {}: no {} address is left in pool {} ({} inside {}: {} used, {} reserved); delete holders, or extend the "
      "IPPool",
      config_.name, name_of(family), ask.pool, net::to_string(counts.size), from.cidr()->to_string(),
      net::to_string(counts.used), net::to_string(counts.reserved));
}

tl::expected<void, Refusal> Allocator::adopt(std::string_view owner, const Lease& lease) {
  const std::uint32_t tag = tag_of(owner);
  const Id id = roster_->find(tag, owner, number_);
  for (const auto family : kFamilies) {
    const auto& address = slot(lease, family);
    const Id other = address ? holder_id(*address) : kNone;
    if (other != kNone && other != id) {
      return refuse(Denial::AddressConflict,
                    "subnet {}: {} claims {}, which is held by {}; delete one of the two and let it be made again",
                    config_.name, owner, address->to_string(), roster_->at(other).owner());
    }
  }
  store(tag, owner, id, lease);
  return {};
}

std::optional<Address> Allocator::held(Id id, Family family) const {
  if (id == kNone) return std::nullopt;
  const Holder& holder = roster_->at(id);
  if (family == Family::v4) return holder.has_v4() ? std::optional(Address(family, holder.v4())) : std::nullopt;
  return holder.has_v6() ? std::optional(Address(family, holder.v6())) : std::nullopt;
}

Lease Allocator::lease_at(Id id) const { return {held(id, Family::v4), held(id, Family::v6), roster_->at(id).mac()}; }

Allocator::Id Allocator::holder_id(const Address& address) const {
  return space(address.family()).is_taken(address) ? roster_->find(address, number_) : kNone;
}

void Allocator::hold(Id id, const Address& address) {
  make_space(address.family()).take(address);
  roster_->hold(id, address);
}

void Allocator::let_go(Id id, const Address& address) {
  make_space(address.family()).give_back(address);
  roster_->let_go(id, address);
}

void Allocator::store(std::uint32_t tag, std::string_view owner, Id id, const Lease& lease) {
  if (id == kNone) {
    id = roster_->add(tag, owner, number_, lease.v6.has_value());
    ++lease_count_;
  } else if (lease.v6 && !roster_->at(id).has_room_for_v6()) {
    id = roster_->replace_with_room_for_v6(tag, id);
  }
  for (const auto family : kFamilies) {
    const auto before = held(id, family);
    const auto& after = slot(lease, family);
    assert(!after || after->family() == family);
    if (before == after) continue;
    if (before) let_go(id, *before);
    if (after) hold(id, *after);
  }
  roster_->set_mac(id, lease.mac);
}

bool Allocator::release(std::string_view owner) {
  const std::uint32_t tag = tag_of(owner);
  const Id id = roster_->find(tag, owner, number_);
  if (id == kNone) return false;
  release(tag, id);
  return true;
}

void Allocator::release(std::uint32_t tag, Id id) {
  roster_->expect_mac(roster_->at(id).mac(), number_);
  if (const auto address = held(id, Family::v4)) roster_->expect_address(*address, number_);
  for (const auto family : kFamilies) {
    if (const auto address = held(id, family)) make_space(family).give_back(*address);
  }
  roster_->remove(tag, id);
  --lease_count_;
}

std::optional<Lease> Allocator::find(std::string_view owner) const {
  const Id id = roster_->find(tag_of(owner), owner, number_);
  return id == kNone ? std::nullopt : std::optional(lease_at(id));
}

bool Allocator::holds(std::string_view owner) const { return roster_->find(tag_of(owner), owner, number_) != kNone; }

std::optional<std::string_view> Allocator::holder_of(const Address& address) const {
  const Id id = holder_id(address);
  return id == kNone ? std::nullopt : std::optional(roster_->at(id).owner());
}

bool Allocator::has_room(std::optional<Family> only, std::string_view pool) const {
  if (only) return space(*only).has_room(pool);
  return std::ranges::all_of(kFamilies, [&](Family family) { return !has(family) || space(family).has_room(pool); });
}

Usage Allocator::usage(Family family) const {
  const Snapshot now = snapshot(family);
  const Counts counts = now.counts();
  return {counts.size, counts.used, counts.reserved, counts.available, now.used_ranges(), now.available_ranges()};
}

Status Allocator::check() const {
  const auto wrong = [&](std::string message) {
    return fail(ErrorCode::internal, fmt::format("subnet {}: {}", config_.name, message));
  };
  if (auto status = roster_->check(); !status) return status;
  std::array<RangeSet, 2> held_addresses;
  std::size_t leases = 0;
  Status leases_ok;
  roster_->for_each([&](Id id) {
    if (roster_->at(id).subnet() != number_) return;
    ++leases;
    if (leases_ok) leases_ok = check_lease(id);
    for (const auto& address : lease_at(id).addresses()) {
      held_addresses.at(static_cast<std::size_t>(address.family())).add(address);
    }
  });
  if (!leases_ok) return leases_ok;
  if (leases != lease_count_) return wrong("the roster has other leases than were counted");
  for (const auto family : kFamilies) {
    if (auto status = space(family).check(); !status) return fail(status.error().with_context(name_of(family)));
    const auto& held_set = held_addresses.at(static_cast<std::size_t>(family));
    if (const auto taken = space(family).taken(); taken != held_set) {
      return wrong(
          fmt::format("leases hold {}, the {} sets say {}", held_set.to_string(), name_of(family), taken.to_string()));
    }
  }
  return {};
}

Status Allocator::check_lease(Id id) const {
  const auto lost = [&](const std::string& what) {
    return fail(ErrorCode::internal,
                fmt::format("subnet {}: {} is not its holder's, {}", config_.name, what, roster_->at(id).owner()));
  };
  const Lease lease = lease_at(id);
  for (const auto& address : lease.addresses()) {
    if (holder_id(address) != id) return lost(address.to_string());
  }
  return {};
}

}  // namespace berth::ipam
