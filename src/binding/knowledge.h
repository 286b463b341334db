#pragma once

// What the decision may ask of the world. World implements it; tests fill a plain one.

#include <optional>
#include <string>
#include <vector>

#include "api/ip_pool.h"
#include "api/subnet.h"
#include "api/vip.h"
#include "api/vpc.h"
#include "api/workload.h"
#include "base/scheduler.h"
#include "binding/safeguards.h"
#include "net/cidr.h"

namespace berth::binding {

struct SubnetView {
  const api::Subnet* object = nullptr;  // owned by the Knowledge, valid for the turn
  bool ready = false;                   // valid, programmed in OVN, not terminating
  std::string unready;                  // why not, for people
  std::vector<net::Cidr> cidrs;  // in force; of a Subnet that is not ready what its text says, empty if that is no CIDR

  [[nodiscard]] const std::string& name() const { return object->meta.name; }
  [[nodiscard]] bool contains(const net::Address& address) const;
};

// An IP object that keeps an address for the port of its name, whoever has it now.
struct ReservedIp {
  std::string object;  // its name
  std::string subnet;  // empty: whatever the pod gets
  std::vector<net::Address> addresses;
  net::Mac mac;  // none: any
};

class Knowledge {
 public:
  virtual ~Knowledge() = default;

  [[nodiscard]] virtual const Safeguards& safeguards() const = 0;
  [[nodiscard]] virtual TimePoint now() const = 0;

  [[nodiscard]] virtual const api::Namespace* find_namespace(const std::string& ns) const = 0;
  [[nodiscard]] virtual const api::NetworkAttachmentDefinition* find_network(const std::string& ns,
                                                                             const std::string& name) const = 0;
  [[nodiscard]] virtual const api::IpPool* find_pool(const std::string& name) const = 0;

  [[nodiscard]] virtual std::optional<SubnetView> subnet(const std::string& name) const = 0;
  // Both by age, then name, each once.
  [[nodiscard]] virtual std::vector<SubnetView> claimants(const std::string& ns) const = 0;  // of provider "ovn"
  [[nodiscard]] virtual std::vector<SubnetView> of_provider(const std::string& provider) const = 0;
  // Pools in that subnet that list the namespace, by age, then name.
  [[nodiscard]] virtual std::vector<const api::IpPool*> pools(const std::string& ns,
                                                              const std::string& subnet) const = 0;
  [[nodiscard]] virtual const api::Vip* find_vip(const std::string&) const { return nullptr; }
  // What a person keeps for that port; none: nothing.
  [[nodiscard]] virtual std::optional<ReservedIp> reserved_ip(const std::string&) const { return std::nullopt; }
  // Why none can be drawn from that pool, whatever its room; absent: it is in force.
  [[nodiscard]] virtual std::optional<std::string> pool_problem(const std::string&) const { return std::nullopt; }
  // The oldest custom Vpc that lists the namespace; null: none.
  [[nodiscard]] virtual const api::Vpc* vpc_of(const std::string& ns) const = 0;
  // Subnets of a Vpc that say default: true, by age, then name.
  [[nodiscard]] virtual std::vector<SubnetView> defaults_of(const std::string& vpc) const = 0;

  // Whether a draw would succeed; a port that holds an address there already has room.
  [[nodiscard]] virtual bool has_room(const std::string& subnet, const std::string& port,
                                      std::optional<net::Family> only, const std::string& pool) const = 0;

  // What is expected for a namespace though no object says so yet (a Helm release under way); none: nothing.
  [[nodiscard]] virtual std::optional<std::string> inferred_expectation(const std::string& ns) const = 0;
  // When a namespace that was just seen, or just lost its last claim, counts as settled; in the past: it is.
  [[nodiscard]] virtual TimePoint settled_at(const std::string& ns) const = 0;
  // Whether Subnets, Vpcs, IPPools and the Namespace were read consistently since the pod was first seen.
  [[nodiscard]] virtual bool is_fresh_for(const api::Pod& pod) const = 0;
};

// The subnets that the user names on a Namespace (rule 3), in order, each once: logical_switch if the user set it, then
// the names in berth.io/expects-subnet. An unmarked "ovn-default" is Kube-OVN's doing, never the user's.
[[nodiscard]] std::vector<std::string> user_subnets(const api::Namespace& ns);

// logical_switch of a Namespace if the user set it. Kube-OVN computes it from the Subnets, over whatever was there, and
// writes cidr beside it: with that, and without Berth's record, it is Kube-OVN's.
[[nodiscard]] std::optional<std::string> user_switches(const api::Namespace& ns);

enum class Expectation { unset, none, any, named };
[[nodiscard]] Expectation expectation_of(const api::Namespace& ns);

}  // namespace berth::binding
