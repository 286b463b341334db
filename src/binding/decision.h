#pragma once

// The binding decision (ARCHITECTURE.md, "The decision"): which subnet a network of a pod gets, or what it waits for,
// or why it cannot be. A pure function; the chain of reasons comes with it.

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "binding/knowledge.h"
#include "binding/request.h"
#include "ipam/allocator.h"

namespace berth::binding {

// The rules in order of precedence. To add one: a value here, its name in to_string, its step in decision.cpp.
enum class Rule {
  pod_subnet,         // 1 the user names a subnet on the pod
  pod_pool,           // 2 the user names an IPPool on the pod
  namespace_subnets,  // 3 the user names subnets on the Namespace
  claimed,            // 4 Subnets claim the Namespace
  expected,           // 5 something is expected for the Namespace: wait
  settling,           // 6 the Namespace is new, or just lost its last claim: wait
  vpc_default,        // 7 a custom Vpc lists the Namespace
  cluster_default,    // 8 the cluster's default subnet
  attachment,         // attachment networks: named on the pod, else the oldest of the provider
};
[[nodiscard]] std::string_view to_string(Rule rule);
// Rules whose outcome an arrival can overrule: taken only on fresh knowledge; wired pods under them may turn out
// misplaced.
[[nodiscard]] inline bool is_fallback(Rule rule) { return rule == Rule::vpc_default || rule == Rule::cluster_default; }
[[nodiscard]] std::optional<Rule> rule_from(std::string_view text);

// What a waiting pod is woken by.
struct WaitKey {
  enum class Kind {
    subnet,      // that Subnet appears, becomes ready, or changes
    room,        // an address of that Subnet is released
    pool,        // that IPPool appears or changes
    network,     // that NetworkAttachmentDefinition ("ns/name") appears
    vpc,         // that Vpc changes
    namespace_,  // the binding of that Namespace changes: its annotations, labels, claims
    vip,         // that Vip appears, gets its address, or has it back
    fresh_read,  // a consistent read for that Namespace ends
  };
  Kind kind = Kind::namespace_;
  std::string name;
  auto operator<=>(const WaitKey&) const = default;
};
[[nodiscard]] std::string to_string(const WaitKey& key);

struct Bind {
  std::string subnet;
  std::string subnet_uid;
  std::string pool;  // empty: outside all pools
  std::vector<net::Address> fixed;
  std::string vip{};  // not empty: fixed are that Vip's, and its MAC comes along
  std::vector<std::vector<net::Address>>
      alternatives;  // a literal pool's entries that lie in the subnet; one of them is taken
};

struct Wait {
  std::set<WaitKey> keys;
  std::optional<TimePoint> until;  // also woken then
  std::string for_what;            // "Subnet web, which does not exist yet"
};

struct Refuse {
  ipam::Denial denial = ipam::Denial::AddressOutOfRange;
  std::set<WaitKey> keys;  // decided again when one of these changes
  std::string why;         // names object, field, value, remedy
};

// One link of the chain: the object at a generation, and what it contributed.
struct Because {
  std::string object;  // "Subnet/web"
  std::int64_t generation = 0;
  std::string text;
};

struct Decision {
  Rule rule = Rule::cluster_default;
  std::variant<Bind, Wait, Refuse> outcome;
  std::vector<Because> chain;

  [[nodiscard]] const Bind* bind() const { return std::get_if<Bind>(&outcome); }
  [[nodiscard]] const Wait* wait() const { return std::get_if<Wait>(&outcome); }
  [[nodiscard]] const Refuse* refuse() const { return std::get_if<Refuse>(&outcome); }
};

[[nodiscard]] Decision decide(const api::Pod& pod, const NetworkRequest& request, const Knowledge& knowledge);

}  // namespace berth::binding
