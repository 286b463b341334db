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
tl::unexpected<Refusal> refuse(Denial denial, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Refusal>(Refusal{denial, fmt::format(format, std::forward<Args>(args)...)});
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

Allocator::Allocator(Config config)
    : config_(std::move(config)), spaces_{AddressSpace(Family::v4), AddressSpace(Family::v6)} {
  configure_spaces();
}

void Allocator::reconfigure(Config config) {
  config_ = std::move(config);
  configure_spaces();
}

void Allocator::configure_spaces() {
  for (auto& space : spaces_) {
    const auto of_family = [&](const Cidr& cidr) { return cidr.family() == space.family(); };
    assert(std::ranges::count_if(config_.cidrs, of_family) <= 1);
    const auto cidr = std::ranges::find_if(config_.cidrs, of_family);
    space.configure(cidr == config_.cidrs.end() ? std::nullopt : std::optional(*cidr), config_.gateways,
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
    space(family).set_pool(pool, std::move(by_family[static_cast<std::size_t>(family)]));
  }
  return {};
}

void Allocator::remove_pool(const std::string& pool) {
  for (auto& space : spaces_) space.remove_pool(pool);
}

bool Allocator::has_pool(const std::string& pool) const { return space(Family::v4).has_pool(pool); }

std::optional<Usage> Allocator::pool_usage(const std::string& pool, Family family) const {
  const auto usage = space(family).pool_usage(pool);
  if (!usage) return std::nullopt;
  return Usage{usage->size,
               usage->used.size(),
               usage->reserved.size(),
               usage->available.size(),
               usage->used.to_string(),
               usage->available.to_string()};
}

tl::expected<Lease, Refusal> Allocator::acquire(const Ask& ask, Random& random) {
  // Everything is chosen before anything is taken, so that a refusal leaves no trace.
  const auto families = families_of(ask);
  if (!families) return tl::unexpected(families.error());
  const Lease* held = find(ask.owner);
  Lease lease;
  for (const auto family : *families) {
    const auto address = choose(ask, family, held);
    if (!address) return tl::unexpected(address.error());
    slot(lease, family) = *address;
  }
  const auto mac = choose_mac(ask, held, random);
  if (!mac) return tl::unexpected(mac.error());
  lease.mac = *mac;
  store(ask.owner, lease);
  return lease;
}

tl::expected<std::vector<Family>, Refusal> Allocator::families_of(const Ask& ask) const {
  for (auto it = ask.wanted.begin(); it != ask.wanted.end(); ++it) {
    const auto same = std::find_if(std::next(it), ask.wanted.end(),
                                   [&](const Address& other) { return other.family() == it->family(); });
    if (same != ask.wanted.end()) {
      return refuse(Denial::InvalidIPFamily, "subnet {}: {} asks for {} and {}; ask for at most one {} address",
                    config_.name, ask.owner, it->to_string(), same->to_string(), name_of(it->family()));
    }
    if (ask.only && *ask.only != it->family()) {
      return refuse(Denial::InvalidIPFamily,
                    "subnet {}: {} asks for {} and for {} only; drop one of the two annotations", config_.name,
                    ask.owner, it->to_string(), name_of(*ask.only));
    }
    if (!space(it->family()).cidr()) {
      return refuse(Denial::AddressOutOfRange,
                    "subnet {}: {} is outside {}, which has no {} part; ask for an address inside, or use another "
                    "subnet",
                    config_.name, it->to_string(), join_cidrs(config_.cidrs), name_of(it->family()));
    }
  }
  if (ask.only && !space(*ask.only).cidr()) {
    return refuse(Denial::InvalidIPFamily,
                  "subnet {}: {} asks for {}, but the subnet has {}; correct ip_family, or use "
                  "another subnet",
                  config_.name, ask.owner, name_of(*ask.only), join_cidrs(config_.cidrs));
  }
  std::vector<Family> families;
  for (const auto family : kFamilies) {
    if (space(family).cidr() && (!ask.only || *ask.only == family)) families.push_back(family);
  }
  return families;
}

tl::expected<Address, Refusal> Allocator::choose(const Ask& ask, Family family, const Lease* held) const {
  const auto wanted = std::ranges::find(ask.wanted, family, &Address::family);
  if (wanted != ask.wanted.end()) return choose_wanted(ask, *wanted);

  const auto& from = space(family);
  if (held != nullptr && slot(*held, family)) {
    const Address& address = *slot(*held, family);
    const bool gateway = std::ranges::find(config_.gateways, address) != config_.gateways.end();
    if (from.contains(address) && !gateway && !from.is_network_or_broadcast(address) &&
        from.pool_of(address) == ask.pool) {
      return address;
    }
  }
  if (const auto next = from.next(ask.pool)) return *next;
  return tl::unexpected(Refusal{Denial::NoAvailableAddress, exhausted(ask, family)});
}

tl::expected<Address, Refusal> Allocator::choose_wanted(const Ask& ask, const Address& wanted) const {
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
  const std::string* holder = holder_of(wanted);
  if (holder != nullptr && *holder != ask.owner) {
    return refuse(Denial::AddressConflict,
                  "subnet {}: {} is held by {}; delete that holder, or ask for another address", config_.name,
                  wanted.to_string(), *holder);
  }
  return wanted;
}

tl::expected<Mac, Refusal> Allocator::choose_mac(const Ask& ask, const Lease* held, Random& random) const {
  const Mac own = held == nullptr ? Mac() : held->mac;
  if (ask.mac.is_none()) {
    if (!own.is_none() && own != config_.gateway_mac) return own;
    Mac mac = Mac::random(random);
    while (mac == config_.gateway_mac || mac_holder_.contains(mac.bits())) mac = Mac::random(random);
    return mac;
  }
  if (ask.mac == config_.gateway_mac) {
    return refuse(Denial::AddressConflict, "subnet {}: MAC {} is held by the subnet's gateway; ask for another MAC",
                  config_.name, ask.mac.to_string());
  }
  const auto holder = ask.mac == own ? nullptr : other_holder(ask.mac, ask.owner);
  if (holder != nullptr) {
    return refuse(Denial::AddressConflict,
                  "subnet {}: MAC {} is held by {}; delete that holder, or ask for another MAC", config_.name,
                  ask.mac.to_string(), *holder);
  }
  return ask.mac;
}

Allocator::Owner Allocator::other_holder(const Mac& mac, std::string_view owner) const {
  const auto [begin, end] = mac_holder_.equal_range(mac.bits());
  const auto it = std::find_if(begin, end, [&](const auto& entry) { return *entry.second != owner; });
  return it == end ? nullptr : it->second;
}

std::string Allocator::exhausted(const Ask& ask, Family family) const {
  const auto& from = space(family);
  if (ask.pool.empty()) {
    const auto counts = from.counts();
    return fmt::format(
        "subnet {}: no {} address is left in {} ({} used, {} reserved, {} kept for pools); delete holders, shorten "
        "excludeIps, or use a larger cidrBlock",
        config_.name, name_of(family), from.cidr()->to_string(), net::to_string(counts.used),
        net::to_string(counts.reserved), net::to_string(counts.pooled));
  }
  const auto usage = from.pool_usage(ask.pool);
  if (!usage) {
    return fmt::format("subnet {}: it has no pool {}; create the IPPool in this subnet, or correct ip_pool",
                       config_.name, ask.pool);
  }
  return fmt::format(
      "subnet {}: no {} address is left in pool {} ({} inside {}: {} used, {} reserved); delete holders, or extend the "
      "IPPool",
      config_.name, name_of(family), ask.pool, net::to_string(usage->size), from.cidr()->to_string(),
      net::to_string(usage->used.size()), net::to_string(usage->reserved.size()));
}

tl::expected<void, Refusal> Allocator::adopt(const std::string& owner, const Lease& lease) {
  for (const auto& address : lease.addresses()) {
    const std::string* holder = holder_of(address);
    if (holder != nullptr && *holder != owner) {
      return refuse(Denial::AddressConflict,
                    "subnet {}: {} claims {}, which is held by {}; delete one of the two and let it be made again",
                    config_.name, owner, address.to_string(), *holder);
    }
  }
  store(owner, lease);
  return {};
}

void Allocator::store(const std::string& owner, const Lease& lease) {
  const auto it = leases_.try_emplace(owner).first;
  Lease& held = it->second;
  for (const auto family : kFamilies) {
    auto& before = slot(held, family);
    const auto& after = slot(lease, family);
    assert(!after || after->family() == family);
    if (before == after) continue;
    if (before) {
      space(family).give_back(*before);
      holder_.erase(*before);
    }
    if (after) {
      space(family).take(*after);
      holder_.emplace(*after, &it->first);
    }
    before = after;
  }
  if (held.mac != lease.mac) {
    forget_mac(held.mac, &it->first);
    if (!lease.mac.is_none()) mac_holder_.emplace(lease.mac.bits(), &it->first);
    held.mac = lease.mac;
  }
}

void Allocator::forget_mac(const Mac& mac, Owner owner) {
  const auto [begin, end] = mac_holder_.equal_range(mac.bits());
  const auto it = std::find_if(begin, end, [&](const auto& entry) { return entry.second == owner; });
  if (it != end) mac_holder_.erase(it);
}

bool Allocator::release(std::string_view owner) {
  const auto it = leases_.find(owner);
  if (it == leases_.end()) return false;
  for (const auto& address : it->second.addresses()) {
    space(address.family()).give_back(address);
    holder_.erase(address);
  }
  forget_mac(it->second.mac, &it->first);
  leases_.erase(it);
  return true;
}

const Lease* Allocator::find(std::string_view owner) const {
  const auto it = leases_.find(owner);
  return it == leases_.end() ? nullptr : &it->second;
}

const std::string* Allocator::holder_of(const Address& address) const {
  const auto it = holder_.find(address);
  return it == holder_.end() ? nullptr : it->second;
}

bool Allocator::has_room(std::optional<Family> only, const std::string& pool) const {
  if (only) return space(*only).next(pool).has_value();
  return std::ranges::all_of(spaces_, [&](const auto& space) { return !space.cidr() || space.next(pool); });
}

Usage Allocator::usage(Family family) const {
  const auto& of = space(family);
  const auto counts = of.counts();
  return {counts.size,      counts.used,           counts.reserved,
          counts.available, of.used().to_string(), of.available().to_string()};
}

Status Allocator::check() const {
  const auto wrong = [&](std::string message) {
    return fail(ErrorCode::internal, fmt::format("subnet {}: {}", config_.name, message));
  };
  for (const auto family : kFamilies) {
    if (auto status = space(family).check(); !status) return fail(status.error().with_context(name_of(family)));
    RangeSet held;
    for (const auto& [owner, lease] : leases_) {
      if (slot(lease, family)) held.add(*slot(lease, family));
    }
    if (const auto taken = space(family).taken(); taken != held) {
      return wrong(
          fmt::format("leases hold {}, the {} sets say {}", held.to_string(), name_of(family), taken.to_string()));
    }
  }
  std::size_t addresses = 0;
  std::size_t macs = 0;
  for (const auto& [owner, lease] : leases_) {
    for (const auto& address : lease.addresses()) {
      ++addresses;
      const auto holder = holder_.find(address);
      if (holder == holder_.end() || holder->second != &owner)
        return wrong(address.to_string() + " is not its holder's");
    }
    if (lease.mac.is_none()) continue;
    ++macs;
    const auto [begin, end] = mac_holder_.equal_range(lease.mac.bits());
    if (std::none_of(begin, end, [&](const auto& entry) { return entry.second == &owner; })) {
      return wrong(lease.mac.to_string() + " is not its holder's");
    }
  }
  if (addresses != holder_.size()) return wrong("an address has a holder without a lease");
  if (macs != mac_holder_.size()) return wrong("a MAC has a holder without a lease");
  return {};
}

}  // namespace berth::ipam
