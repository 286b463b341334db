#pragma once

// The address allocator of one subnet: who holds which address and MAC, and what is still free. A value without clock,
// I/O or Kubernetes; the deciding thread owns all of them.
//
// Always true (check() asserts it): per family, free + released + used + reserved = size, where
//   free      never drawn since the subnet was configured; drawn lowest first
//   released  held once and given back; drawn, lowest first, only when nothing is free
//   used      held by an owner, whether drawn, taken by name, or adopted
//   reserved  network, IPv4 broadcast, IPv6 last address, gateways and excludeIps that nobody holds; never drawn
// and every address is in exactly one of them. Ranges owned by a named pool are drawn only through that pool.
// Every lease is found by its owner, by each of its addresses and by its MAC, and nothing else is found.
// Cost of acquire, adopt and release: O(1), whatever the subnet's size, how full and how torn it is (address_space.h
// says what adds a logarithm). Memory of an IPv4 lease: 16 bytes and the owner's name, in steps of 16, and 13 to 20 in
// each of the three indexes.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "ipam/address_space.h"
#include "ipam/roster.h"
#include "ipam/snapshot.h"
#include "net/address.h"
#include "net/cidr.h"
#include "net/mac.h"
#include "net/range.h"
#include "net/range_set.h"

namespace berth::ipam {

// Kube-OVN's error words (they appear in events and are matched by users). to_string gives exactly these.
enum class Denial { AddressOutOfRange, AddressConflict, NoAvailableAddress, InvalidIPFamily };
[[nodiscard]] std::string_view to_string(Denial denial);

struct Refusal {
  Denial denial = Denial::NoAvailableAddress;
  std::string message;  // names subnet, address, holder and remedy
  bool operator==(const Refusal&) const = default;
};

// What one owner holds in one subnet.
struct Lease {
  std::optional<net::Address> v4;
  std::optional<net::Address> v6;
  net::Mac mac;
  [[nodiscard]] std::vector<net::Address> addresses() const;  // IPv4 first
  bool operator==(const Lease&) const = default;
};

struct Config {
  std::string name;                    // of the Subnet; for messages
  std::vector<net::Cidr> cidrs;        // one per family, IPv4 first
  std::vector<net::Address> gateways;  // one per family; never given to anybody
  std::vector<net::Range> excludes;    // clipped to the CIDRs; given only by name
  net::Mac gateway_mac;                // none: unknown; never given to anybody
  bool operator==(const Config&) const = default;
};

struct Ask {
  std::string owner;  // unique within the subnet: "<network's port name>" or what the caller chooses; opaque here
  std::vector<net::Address> wanted;  // static addresses, at most one per family; the other families are drawn
  std::optional<net::Family> only;   // ip_family: a single family of a dual-stack subnet
  net::Mac mac;                      // none: random
  std::string pool;                  // named pool to draw from; empty: outside all pools
};

struct Usage {
  net::Uint128 size = 0;  // of the CIDR, all addresses
  net::Uint128 used = 0;
  net::Uint128 reserved = 0;
  net::Uint128 available = 0;    // free + released, named pools included
  std::string used_ranges;       // RangeSet::to_string
  std::string available_ranges;  // RangeSet::to_string
  bool operator==(const Usage&) const = default;
};

class Allocator {
 public:
  // Allocators that share a roster keep their leases in it, so that all that an owner holds can be found at once
  // (registry.h). Without one it has its own.
  explicit Allocator(Config config, std::shared_ptr<Roster> roster = nullptr);
  Allocator(Allocator&& other) noexcept;
  Allocator& operator=(Allocator&& other) noexcept;
  ~Allocator();

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }  // Holder::subnet of its leases

  // A new CIDR, gateway or exclude list. Holders keep what they hold, even outside the new CIDR or inside a new exclude
  // range (they count as used while inside the CIDR). Never-drawn and released addresses keep their state where still
  // valid.
  void reconfigure(Config config);

  // A named pool is a view of the subnet: the addresses of its ranges (IPs, ranges and CIDRs of both families) belong
  // to it alone and are drawn by nobody who does not name it; who asks for one of them by address gets it. Ranges
  // outside the CIDR wait for a CIDR that has them. Setting a pool moves no lease: addresses held inside it count as
  // its used ones, whoever holds them, and are its own again when they are released; what it no longer has goes back to
  // the general supply. The same ranges again: nothing happens. Overlap with another pool: Error invalid, nothing
  // changes. Cost: what lies inside its ranges, not the subnet.
  Status set_pool(const std::string& pool, const std::vector<net::Range>& ranges);
  void remove_pool(const std::string& pool);
  [[nodiscard]] bool has_pool(std::string_view pool) const;
  [[nodiscard]] Counts pool_counts(std::string_view pool, net::Family family) const;  // kept, not counted; else zeros
  [[nodiscard]] std::optional<Usage> pool_usage(const std::string& pool, net::Family family) const;

  // All or nothing. An owner who holds a lease already gets the same one if it satisfies the ask, else the difference
  // is released and taken anew. A held address satisfies if it is the wanted one, or none is wanted and it lies in the
  // CIDR and the pool of the ask (excluded or not), and is no gateway, network or broadcast address; a held MAC if none
  // other is wanted and it is not the gateway's. Static: outside the CIDR or a network/broadcast address:
  // AddressOutOfRange; held by another, or the gateway: AddressConflict (names the holder); excluded or pooled
  // addresses are given. Nothing left: NoAvailableAddress.
  [[nodiscard]] tl::expected<Lease, Refusal> acquire(const Ask& ask, Random& random);

  // Takes note of what an owner holds already (rebuild after a restart). Everything is accepted, even an excluded
  // address or one outside the CIDR, and a MAC that another holds; only another holder of the address is a conflict,
  // and then nothing changes. The owner holds exactly this lease afterwards: what it held besides is released.
  [[nodiscard]] tl::expected<void, Refusal> adopt(std::string_view owner, const Lease& lease);

  // The owner's addresses become released (or reserved again). Unknown owner: nothing happens, false.
  bool release(std::string_view owner);

  [[nodiscard]] std::optional<Lease> find(std::string_view owner) const;
  [[nodiscard]] bool holds(std::string_view owner) const;
  [[nodiscard]] std::optional<std::string_view> holder_of(const net::Address& address) const;  // until its release
  [[nodiscard]] std::size_t lease_count() const { return lease_count_; }

  // Would a draw of these families succeed? O(1); used to pass over full subnets.
  [[nodiscard]] bool has_room(std::optional<net::Family> only, std::string_view pool = {}) const;

  // Families the subnet lacks give zeros. counts() is kept, not counted; a snapshot has the counters and the ranges of
  // one moment, of the subnet and all its pools; usage() is a snapshot's, with its texts.
  [[nodiscard]] Counts counts(net::Family family) const { return space(family).counts(); }
  [[nodiscard]] Snapshot snapshot(net::Family family) const { return space(family).snapshot(); }
  [[nodiscard]] Usage usage(net::Family family) const;

  // The invariant at the top; the error says what is wrong. For tests and the simulator.
  [[nodiscard]] Status check() const;

 private:
  friend class Registry;
  using Id = Roster::Id;
  static constexpr Id kNone = Roster::kNone;

  // Of a family that the subnet never had, and nobody holds an address of: an empty one that all share.
  [[nodiscard]] const AddressSpace& space(net::Family family) const {
    const auto& space = spaces_[static_cast<std::size_t>(family)];
    return space ? *space : absent(family);
  }
  [[nodiscard]] static const AddressSpace& absent(net::Family family);
  [[nodiscard]] AddressSpace& make_space(net::Family family);  // if it is not there
  [[nodiscard]] bool has(net::Family family) const { return space(family).cidr().has_value(); }
  void configure_spaces();

  [[nodiscard]] std::optional<Refusal> wrong_family(const Ask& ask) const;
  [[nodiscard]] tl::expected<net::Address, Refusal> choose(const Ask& ask, net::Family family, Id holder);
  [[nodiscard]] tl::expected<net::Address, Refusal> choose_wanted(const net::Address& wanted, Id holder) const;
  [[nodiscard]] net::Mac likely_mac(Random& random);
  [[nodiscard]] tl::expected<net::Mac, Refusal> choose_mac(const Ask& ask, net::Mac to_try, Id holder,
                                                           Random& random) const;
  [[nodiscard]] std::string exhausted(const Ask& ask, net::Family family) const;

  [[nodiscard]] std::optional<net::Address> held(Id id, net::Family family) const;
  [[nodiscard]] Lease lease_at(Id id) const;
  [[nodiscard]] Id holder_id(const net::Address& address) const;
  void hold(Id id, const net::Address& address);
  void let_go(Id id, const net::Address& address);
  void store(std::uint32_t tag, std::string_view owner, Id id, const Lease& lease);
  void release(std::uint32_t tag, Id id);
  [[nodiscard]] Status check_lease(Id id) const;

  Config config_;
  std::array<std::unique_ptr<AddressSpace>, 2> spaces_;  // by Family; null: see space()
  std::shared_ptr<Roster> roster_;                       // null: moved from
  std::uint32_t number_ = 0;
  std::size_t lease_count_ = 0;
  net::Mac next_mac_;  // what the next draw will try; none: nothing was drawn yet
};

}  // namespace berth::ipam
