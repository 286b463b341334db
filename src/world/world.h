#pragma once

// The indexed model of what is known: Kubernetes objects, what OVN was observed to hold, who holds which address, who
// waits for what. Owned by the deciding thread. It never does I/O and never looks at a clock: the engine sets the time.
//
// Every change marks the keys that it concerns as dirty; the engine takes them and reconciles. All rules of "what
// concerns whom" are in world_hooks.cpp.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/ip.h"
#include "api/ip_pool.h"
#include "api/resource.h"
#include "api/subnet.h"
#include "api/vip.h"
#include "api/vpc.h"
#include "api/workload.h"
#include "binding/knowledge.h"
#include "ipam/registry.h"
#include "world/key.h"
#include "world/logical_network.h"
#include "world/table.h"
#include "world/waiting.h"

namespace berth::world {

struct Settings {
  std::vector<net::Cidr> default_cidr;
  std::vector<net::Cidr> join_cidr;
  std::vector<net::Cidr> service_cidr;
  Duration settle = std::chrono::seconds(5);
  binding::Safeguards safeguards;
};

// What the subnet reconciler last established. Readiness is this, never a condition read back from the API.
struct SubnetState {
  bool ready = false;
  std::string unready{};                    // why not, for people
  std::optional<api::SubnetPlan> in_force;  // what the allocator and OVN follow; absent: nothing is programmed
  std::vector<net::Cidr> retiring{};        // older ranges that pods still use: routed, but not given any more
  bool dhcp_v4 = false;                     // OVN holds DHCP options for its ports
  bool dhcp_v6 = false;
  bool distributed = false;  // its ports are members of the port group of their node
  std::string gateway{};     // the node of its centralized gateway; empty: none
  std::string gateway_type{};
  bool operator==(const SubnetState&) const = default;
};

// What is in force of an IPPool, from the texts of all pools of its subnet (world_pools.cpp).
struct PoolState {
  std::vector<net::Range> in_force;  // set aside in the allocator; empty: nothing is
  std::int64_t generation = 0;       // whose text is in force, or was refused
  std::string problem;               // why the text is not in force; empty: it is
  bool operator==(const PoolState&) const = default;
};

// Counted for metrics; the three of the promise are asserted by tests.
struct Counters {
  std::uint64_t missed_wakeups = 0;
  std::uint64_t wrong_subnet_prevented = 0;
  std::uint64_t wrong_subnet_delivered = 0;
  std::uint64_t bound = 0;
  std::uint64_t rebound = 0;
  std::uint64_t released = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t misplaced = 0;
};

class World final : public binding::Knowledge {
 public:
  explicit World(Settings settings);
  ~World() override;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] const Settings& settings() const { return settings_; }
  void set_time(TimePoint now, WallTime wall) { now_ = now, wall_ = wall; }
  [[nodiscard]] WallTime wall_now() const { return wall_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  // ---- What Kubernetes says. Kinds that Berth does not keep are ignored.
  void upsert(api::Kind kind, const api::JsonObject& object);
  void affirm_pod(const api::JsonObject& object) { pods_.affirm(api::Pod::parse(object)); }  // by a GET
  void remove(api::Kind kind, const api::JsonObject& object);
  void replace(api::Kind kind, const api::JsonArray& items, std::uint64_t version);
  // The Namespace of that name alone, by a list with a field selector at this version.
  void replace_namespace(const std::string& name, const api::JsonArray& items, std::uint64_t version);

  [[nodiscard]] const Table<api::Pod>& pods() const { return pods_; }
  [[nodiscard]] const Table<api::Namespace>& namespaces() const { return namespaces_; }
  [[nodiscard]] const Table<api::Node>& nodes() const { return nodes_; }
  [[nodiscard]] const Table<api::StatefulSet>& stateful_sets() const { return stateful_sets_; }
  [[nodiscard]] const Table<api::Subnet>& subnets() const { return subnets_; }
  [[nodiscard]] const Table<api::Ip>& ips() const { return ips_; }
  [[nodiscard]] const Table<api::IpPool>& pools() const { return pools_; }
  [[nodiscard]] const Table<api::Vpc>& vpcs() const { return vpcs_; }
  [[nodiscard]] const Table<api::Vip>& vips() const { return vips_; }

  // Names of IP objects, observed ports and reservations that belong to a key; each may exist without the others.
  [[nodiscard]] std::set<std::string> ports_of(const Key& key) const;
  [[nodiscard]] const std::set<std::string>& ips_in(const std::string& subnet) const;
  [[nodiscard]] const std::set<std::string>& pods_in(const std::string& ns) const;
  // Since when a Subnet claims a namespace, as far as is known for certain: if the claim came later than the Subnet,
  // when its news arrived. None if it does not.
  [[nodiscard]] std::optional<WallTime> claimed_since(const std::string& ns, const std::string& subnet) const;
  [[nodiscard]] std::vector<std::string> claimant_names(
      const std::string& ns) const;  // any provider, by age, then name
  [[nodiscard]] const std::set<std::string>& claimed_by(const std::string& subnet) const;  // existing namespaces
  // The Vpc that a Subnet is in: the one whose router OVN joins it with, until an edit of spec.vpc is in force.
  [[nodiscard]] std::string vpc_in_force(const api::Subnet& subnet) const;
  // Those that are in it.
  [[nodiscard]] std::vector<const api::Subnet*> subnets_of_vpc(const std::string& vpc) const;

  // Proof that a pod of this UID is gone: its deletion was seen, or a GET said so.
  // An empty UID stands for a pod whose UID nobody wrote down (IP objects that Kube-OVN made).
  [[nodiscard]] bool is_proven_gone(const std::string& pod_key, const std::string& pod_uid) const;
  void prove_gone(const std::string& pod_key, const std::string& pod_uid);
  void forget_gone(const std::string& pod_key) { gone_.erase(pod_key); }  // nothing of the pod is left

  // ---- What OVN was observed to hold
  void observe_router(const std::string& name, std::optional<LogicalRouter> router);
  void observe_switch(const std::string& name, std::optional<LogicalSwitch> logical_switch);
  void observe_port(const std::string& name, std::optional<LogicalPort> port);
  void observe_address_set(const std::string& name, std::optional<AddressSet> address_set);
  [[nodiscard]] const std::map<std::string, AddressSet>& address_sets() const { return address_sets_; }
  [[nodiscard]] const std::map<std::string, LogicalRouter>& routers() const { return routers_; }
  [[nodiscard]] const std::map<std::string, LogicalSwitch>& switches() const { return switches_; }
  [[nodiscard]] const std::map<std::string, LogicalPort>& ports() const { return ports_; }

  // Ports of that switch whose external_ids:vips name the address: the ones that may hold it.
  [[nodiscard]] const std::set<std::string>& parents_of_vip(const std::string& switch_name,
                                                            const std::string& address) const;
  // Subnets with the nodes on which port groups of theirs have ports.
  [[nodiscard]] const std::map<std::string, std::map<std::string, int>>& gateway_pairs() const {
    return gateway_pairs_;
  }

  // ---- What the controller established
  [[nodiscard]] const SubnetState& subnet_state(const std::string& name) const;
  void set_subnet_state(const std::string& name, SubnetState state);
  // The range of a logical switch whose transaction is under way; nobody else may be given it meanwhile.
  void note_switch_under_way(const std::string& subnet, std::vector<net::Cidr> cidrs);
  [[nodiscard]] const std::vector<net::Cidr>& switch_under_way(const std::string& subnet) const;
  // Why a Subnet's text is not taken (empty: it is), and the Subnet against which it lost, if it did. Who lost is
  // looked at again when that one's range, or what is said about it, changes.
  void note_refusal(const std::string& subnet, const std::string& why, const std::string& rival);
  // Since this process runs and the Subnet exists; for the auditor, whose news may be late.
  [[nodiscard]] const std::set<net::Cidr>& ranges_ever_in_force(const std::string& subnet) const;
  [[nodiscard]] bool vpc_ready(const std::string& name) const;

  // The allocator of a subnet; null: none is in force. Leases are kept by port name, those of Vips by vip_lease().
  [[nodiscard]] const ipam::Allocator* allocator(const std::string& subnet) const;
  // Creates or reconfigures it; a new one takes note of everything known to be held (IP objects first, then ports).
  void configure_allocator(const std::string& subnet, const ipam::Config& config);
  void drop_allocator(const std::string& subnet);
  // Gives the pools of a subnet their ranges, in its allocator, in the same turn in which a text or the subnet changes:
  // nobody is given in between what a pool keeps. Who holds a range keeps it; among newcomers (an edit is one too) age,
  // then name. A text that is refused leaves in force what was.
  void configure_pools(const std::string& subnet);
  [[nodiscard]] const PoolState& pool_state(const std::string& pool) const;
  // The pool that an address belongs to; empty: none.
  [[nodiscard]] std::string pool_of(const std::string& subnet, const net::Address& address) const;
  [[nodiscard]] const std::set<std::string>& pools_in(const std::string& subnet) const;
  [[nodiscard]] const std::set<std::string>& vips_in(const std::string& subnet) const;
  // A Vip holds, under vip_lease(), those of its addresses that nobody else holds: all of them, unless a pod uses it.
  void hold_vip(const api::Vip& vip);
  // Whether this IP object may have the Vip's address: its pod names the Vip, or it is kept for one to come.
  [[nodiscard]] bool may_use_vip(const api::Ip& ip, const std::string& vip) const;
  // Gives them to the port of a pod that names the Vip; they return to the Vip, and to nobody else, on release().
  bool hand_over_vip(const api::Vip& vip, const std::string& port, const ipam::Lease& lease);
  // Subnets in which this port name holds a lease.
  [[nodiscard]] std::vector<std::string> leases_of(const std::string& port) const;
  // Remembers for whom a lease was drawn, before anything outside says so, and after nothing does any more. The UID is
  // the pod's; empty: nobody wrote it down.
  void note_reservation(const Key& key, const std::string& port, const std::string& pod_uid);
  [[nodiscard]] std::string reserved_for(const std::string& port) const;  // that UID
  // The allocator's own, with everybody told whom the change concerns: the Subnet's and its pools' counters, Vips whose
  // address it is, and who waits for room. The subnet must have an allocator; release() does without.
  [[nodiscard]] tl::expected<ipam::Lease, ipam::Refusal> acquire(const std::string& subnet, const ipam::Ask& ask,
                                                                 Random& random);
  [[nodiscard]] tl::expected<void, ipam::Refusal> adopt(const std::string& subnet, const std::string& owner,
                                                        const ipam::Lease& lease);
  void release(const std::string& subnet, const std::string& owner);
  // The same addresses under another MAC; nothing happens if none is to be had.
  void renew_mac(const std::string& subnet, const std::string& owner, Random& random);
  // Nothing of the port is left, nor to be given back.
  void forget_reservation(const std::string& port);

  // Why an IP object that a person made keeps no address (an empty text: it does). True if the text is new. It is
  // looked at again when an address of its subnet is given back.
  bool set_ip_problem(const api::Ip& ip, const std::string& text);

  // The last claim of a port that was seen for a pod that still exists, though its IP object may be gone; null: none.
  struct Claim {
    std::string node_name;
    std::string container_id;
  };
  [[nodiscard]] const Claim* claim_of(const std::string& pod_uid, const std::string& port) const;

  // IP objects that an agent has claimed since this was last asked.
  [[nodiscard]] std::set<std::string> take_to_audit() { return std::exchange(to_audit_, {}); }

  // Records which Subnet a node's address lies in (an empty text: none). True if the text is new and not empty.
  bool set_node_problem(const std::string& node, const std::string& text);
  // Records that a wired pod's binding was overtaken (an empty text: it was not). True if the text is new.
  bool set_displaced(const std::string& pod, const std::string& text);
  [[nodiscard]] std::size_t displaced_count() const { return displaced_.size(); }

  // When counters of a Subnet's or Vpc's status were last sent; they are sent at most once a second.
  [[nodiscard]] TimePoint status_written(const std::string& key) const;
  void note_status_written(const std::string& key) { status_written_[key] = now_; }

  // ---- Waiting
  [[nodiscard]] const WaitingIndex& waiting() const { return waiting_; }
  bool set_waiting(const std::string& pod, const binding::Wait& wait);
  std::optional<Waiting> clear_waiting(const std::string& pod) { return waiting_.clear(pod); }
  void wake(const binding::WaitKey& key);

  // ---- Consistent reads
  [[nodiscard]] std::uint64_t begin_read() { return ++sequence_; }
  void end_read(std::uint64_t begun, const std::set<std::string>& namespaces);

  // ---- Dirty keys, in order of marking, each once
  void mark_dirty(Key key);
  // For those who may have lost against something that has changed, which can be many: seven others go first.
  void mark_dirty_later(const Key& key);
  void mark_all_dirty();
  [[nodiscard]] std::optional<Key> take_dirty();
  [[nodiscard]] bool has_dirty() const { return !dirty_.empty() || !dirty_later_.empty(); }

  Counters counters;

  // ---- binding::Knowledge
  [[nodiscard]] const binding::Safeguards& safeguards() const override { return settings_.safeguards; }
  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] const api::Namespace* find_namespace(const std::string& ns) const override;
  [[nodiscard]] const api::NetworkAttachmentDefinition* find_network(const std::string& ns,
                                                                     const std::string& name) const override;
  [[nodiscard]] const api::IpPool* find_pool(const std::string& name) const override;
  [[nodiscard]] const api::Vip* find_vip(const std::string& name) const override;
  [[nodiscard]] std::optional<binding::SubnetView> subnet(const std::string& name) const override;
  [[nodiscard]] std::vector<binding::SubnetView> claimants(const std::string& ns) const override;
  [[nodiscard]] std::vector<binding::SubnetView> of_provider(const std::string& provider) const override;
  [[nodiscard]] std::vector<const api::IpPool*> pools(const std::string& ns, const std::string& subnet) const override;
  [[nodiscard]] std::optional<binding::ReservedIp> reserved_ip(const std::string& port) const override;
  [[nodiscard]] std::optional<std::string> pool_problem(const std::string& pool) const override;
  [[nodiscard]] const api::Vpc* vpc_of(const std::string& ns) const override;
  [[nodiscard]] std::vector<binding::SubnetView> defaults_of(const std::string& vpc) const override;
  [[nodiscard]] bool has_room(const std::string& subnet, const std::string& port, std::optional<net::Family> only,
                              const std::string& pool) const override;
  [[nodiscard]] std::optional<std::string> inferred_expectation(const std::string& ns) const override;
  [[nodiscard]] TimePoint settled_at(const std::string& ns) const override;
  [[nodiscard]] bool is_fresh_for(const api::Pod& pod) const override;

 private:
  // world_hooks.cpp: what a change concerns
  void on_pod(const std::optional<api::Pod>& before, const api::Pod* after, bool proven);
  void on_namespace(const std::optional<api::Namespace>& before, const api::Namespace* after);
  void on_node(const std::optional<api::Node>& before, const api::Node* after);
  void on_stateful_set(const std::optional<api::StatefulSet>& before, const api::StatefulSet* after);
  void on_network(const std::optional<api::NetworkAttachmentDefinition>& before,
                  const api::NetworkAttachmentDefinition* after);
  void on_subnet(const std::optional<api::Subnet>& before, const api::Subnet* after);
  void on_ip(const std::optional<api::Ip>& before, const api::Ip* after);
  void reserve_as_written(const api::Ip& ip);
  void on_pool(const std::optional<api::IpPool>& before, const api::IpPool* after);
  void on_vpc(const std::optional<api::Vpc>& before, const api::Vpc* after);
  // Addresses were taken or given back: the pools that have them have other numbers now.
  void mark_pools_with(const std::string& subnet, const std::vector<net::Address>& addresses);
  // An IP object that no node has claimed, with an address that a Vip has: a write of an older leader that came late.
  [[nodiscard]] bool intrudes_on_vip(const api::Ip& ip) const;
  void lease_changed(const std::string& subnet, const std::optional<ipam::Lease>& before,
                     const std::vector<net::Address>& now);
  void mark_pool_of(const AddressSet& address_set);
  void on_vip(const std::optional<api::Vip>& before, const api::Vip* after);
  void mark_vips_with(const std::string& subnet, const std::vector<net::Address>& addresses, bool released);
  void mark_vips_of_namespace(const std::string& ns);
  void namespace_binding_changed(const std::string& ns);
  void index_port(const LogicalPort& port, bool there);
  void mark_gateways();
  void mark_losers_of(const std::string& subnet);
  void update_claims(const std::string& subnet, const api::Subnet* after, WallTime since);
  void set_claim(const std::string& ns, const std::string& subnet, bool claims, WallTime since);
  [[nodiscard]] binding::SubnetView view_of(const api::Subnet& subnet) const;
  [[nodiscard]] std::vector<binding::SubnetView> views_sorted(std::vector<const api::Subnet*> subnets) const;

  Settings settings_;
  TimePoint now_{};
  WallTime wall_{};
  std::uint64_t epoch_ = 0;

  Table<api::Pod> pods_;
  Table<api::Namespace> namespaces_;
  Table<api::Node> nodes_;
  Table<api::StatefulSet> stateful_sets_;
  Table<api::NetworkAttachmentDefinition> networks_;
  Table<api::Subnet> subnets_;
  Table<api::Ip> ips_;
  Table<api::IpPool> pools_;
  Table<api::Vpc> vpcs_;
  Table<api::Vip> vips_;

  std::map<std::string, std::set<std::string>> pods_by_ns_;
  std::map<std::string, std::set<std::string>> ips_by_subnet_;
  std::map<Key, std::set<std::string>> ips_by_key_;
  std::map<Key, std::set<std::string>> ports_by_key_;
  std::map<std::string, std::map<std::string, WallTime>> claims_;  // namespace -> subnets that claim it, since when
  std::map<std::string, std::set<std::string>> claimed_by_;        // the other way round
  std::map<std::string, std::set<std::string>> named_by_;          // subnet -> namespaces whose user names it
  std::map<std::string, std::map<std::string, int>> gateway_pairs_;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> vip_parents_;  // (switch, address) -> ports
  std::map<std::string, std::set<std::string>> gone_;  // pod key -> UIDs proven gone, while something of theirs is left
  std::map<std::string, std::map<std::string, Claim>> claims_by_pod_;  // pod UID -> port
  std::map<Key, std::set<std::string>> reservations_;
  struct Reservation {
    Key key;
    std::string pod_uid;
  };
  std::map<std::string, Reservation> reservation_of_;                      // by port
  std::map<std::string, std::string> displaced_;                           // pod key -> how
  std::map<std::string, std::map<std::string, std::string>> ip_problems_;  // subnet -> IP object
  std::set<std::string> to_audit_;                                         // IP objects claimed since the last audit
  std::map<std::string, TimePoint> status_written_;

  struct NamespaceTimes {
    TimePoint first_seen{};
    std::optional<TimePoint> lost_last_claim;
    std::uint64_t lost_sequence = 0;  // of the same, in the order of reads; 0: never
  };
  std::map<std::string, NamespaceTimes> namespace_times_;

  std::map<std::string, LogicalRouter> routers_;
  std::map<std::string, LogicalSwitch> switches_;
  std::map<std::string, LogicalPort> ports_;
  std::map<std::string, AddressSet> address_sets_;
  std::map<std::string, SubnetState> subnet_states_;
  std::map<std::string, std::set<net::Cidr>> ranges_ever_;
  std::map<std::string, std::vector<net::Cidr>> switches_under_way_;
  std::map<std::string, std::string> node_problems_;
  struct Refusal {
    std::string why;
    std::string rival;
  };
  std::map<std::string, Refusal> refusals_;
  std::map<std::string, std::set<std::string>> losers_of_;
  ipam::Registry allocators_;
  struct PooledRange {
    net::Address last;
    std::string pool;
  };
  std::map<std::string, std::map<net::Address, PooledRange>> pooled_;  // subnet -> first address; as in the allocator
  std::map<std::string, std::set<std::string>> pools_by_subnet_;
  std::map<std::string, PoolState> pool_states_;
  std::map<std::string, std::set<std::string>> vips_by_subnet_;  // by Vip::held_in
  std::map<std::string, std::set<std::string>> vips_by_ns_;
  WaitingIndex waiting_;

  std::uint64_t sequence_ = 0;                       // orders "pod seen" and "claim lost" against "read begun"
  std::map<std::string, std::uint64_t> pod_seen_;    // pod UID -> sequence when it was first seen
  std::map<std::string, std::uint64_t> read_begun_;  // namespace -> sequence of the latest read that ended

  std::deque<Key> dirty_order_;
  std::set<Key> dirty_;
  std::deque<Key> later_order_;  // also keys that are not in dirty_later_ any more
  std::set<Key> dirty_later_;
  unsigned taken_ = 0;
};

// The name under which a Vip holds its lease; no port has such a name.
[[nodiscard]] std::string vip_lease(const std::string& vip);

// The key that an IP object or port belongs to, by its podName and namespace.
[[nodiscard]] Key key_of(const api::Ip& ip);
[[nodiscard]] std::optional<Key> key_of(const LogicalPort& port);  // none: not a port of a pod or node

}  // namespace berth::world
