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
// Cost: O(log holes) per operation, whatever the subnet's size.

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "ipam/address_space.h"
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
  explicit Allocator(Config config);
  Allocator(Allocator&&) = default;
  Allocator& operator=(Allocator&&) = default;

  [[nodiscard]] const Config& config() const { return config_; }

  // A new CIDR, gateway or exclude list. Holders keep what they hold, even outside the new CIDR or inside a new exclude
  // range (they count as used while inside the CIDR). Never-drawn and released addresses keep their state where still
  // valid.
  void reconfigure(Config config);

  // A named pool's ranges: they leave the general supply. Overlap with another pool: Error invalid, nothing changes.
  Status set_pool(const std::string& pool, const std::vector<net::Range>& ranges);
  void remove_pool(const std::string& pool);
  [[nodiscard]] bool has_pool(const std::string& pool) const;
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
  [[nodiscard]] tl::expected<void, Refusal> adopt(const std::string& owner, const Lease& lease);

  // The owner's addresses become released (or reserved again). Unknown owner: nothing happens, false.
  bool release(std::string_view owner);

  [[nodiscard]] const Lease* find(std::string_view owner) const;
  [[nodiscard]] const std::string* holder_of(const net::Address& address) const;  // null: nobody
  [[nodiscard]] std::size_t lease_count() const { return leases_.size(); }

  // Would a draw of these families succeed? Cheap; used to pass over full subnets.
  [[nodiscard]] bool has_room(std::optional<net::Family> only, const std::string& pool = {}) const;

  // From one snapshot of the sets above; families the subnet lacks give zeros.
  [[nodiscard]] Usage usage(net::Family family) const;

  // The invariant at the top; the error says what is wrong. For tests and the simulator.
  [[nodiscard]] Status check() const;

 private:
  using Owner = const std::string*;  // the key in leases_, which never moves
  struct OwnerHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view owner) const noexcept { return std::hash<std::string_view>{}(owner); }
  };

  [[nodiscard]] const AddressSpace& space(net::Family family) const {
    return spaces_[static_cast<std::size_t>(family)];
  }
  [[nodiscard]] AddressSpace& space(net::Family family) { return spaces_[static_cast<std::size_t>(family)]; }
  void configure_spaces();

  [[nodiscard]] tl::expected<std::vector<net::Family>, Refusal> families_of(const Ask& ask) const;
  [[nodiscard]] tl::expected<net::Address, Refusal> choose(const Ask& ask, net::Family family, const Lease* held) const;
  [[nodiscard]] tl::expected<net::Address, Refusal> choose_wanted(const Ask& ask, const net::Address& wanted) const;
  [[nodiscard]] tl::expected<net::Mac, Refusal> choose_mac(const Ask& ask, const Lease* held, Random& random) const;
  [[nodiscard]] Owner other_holder(const net::Mac& mac, std::string_view owner) const;
  [[nodiscard]] std::string exhausted(const Ask& ask, net::Family family) const;
  void store(const std::string& owner, const Lease& lease);
  void forget_mac(const net::Mac& mac, Owner owner);

  Config config_;
  std::array<AddressSpace, 2> spaces_;                                         // by Family
  std::unordered_map<std::string, Lease, OwnerHash, std::equal_to<>> leases_;  // never walked to decide anything
  std::unordered_map<net::Address, Owner> holder_;
  std::unordered_multimap<std::uint64_t, Owner> mac_holder_;  // several only by adopt()
};

}  // namespace berth::ipam
