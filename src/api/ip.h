#pragma once

// IP (kubeovn.io/v1): the lease of one port, and the truth about who holds an address.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/metadata.h"
#include "net/address.h"
#include "net/mac.h"

namespace berth::api {

// Who owns an address, in the annotation berth.io/owner:
//   pod/<uid>   statefulset/<uid>/<ordinal>   node/<name>   reserved
struct Owner {
  enum class Kind { none, pod, stateful_set, node, reserved };
  Kind kind = Kind::none;
  std::string id;  // UID, or the node's name
  std::int64_t ordinal = 0;

  [[nodiscard]] static Owner parse(std::string_view text);  // Kind::none: unknown
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Owner&) const = default;
};

struct Ip {
  ObjectMeta meta;
  std::string pod_name;
  std::string pod_ns;
  std::string subnet;
  std::string node_name;
  std::string container_id;  // set by the agent when it claims the object, before it touches the pod's namespace
  std::string pod_type;      // "", "StatefulSet", "VirtualMachine"
  std::vector<net::Address> addresses;  // IPv4 first
  net::Mac mac;
  Owner owner;
  std::uint64_t epoch = 0;
  std::string rule;
  std::string subnet_uid;
  std::string
      pod_uid;  // of the incarnation that it was bound for; a StatefulSet's pod of the next one takes the object over
  std::string reserved_label;  // ovn.kubernetes.io/ip_reserved: "true", "false", or "": there is none
  std::string malformed;       // what is wrong with the addresses or the MAC that somebody wrote; empty: nothing

  [[nodiscard]] static Ip parse(const JsonObject& object);
  [[nodiscard]] bool claimed() const { return !container_id.empty(); }

  // A person wants it to stay without its pod: it is labelled so, or was made by hand (no controller's mark is on it).
  [[nodiscard]] bool is_reserved() const;
  // Reserved, and no pod has it.
  [[nodiscard]] bool is_idle() const;
  // A person's wish, which nobody has checked yet: nothing is held for it.
  [[nodiscard]] bool is_request() const;
  // A lease that Kube-OVN wrote, and Berth has not taken over yet.
  [[nodiscard]] bool is_foreign() const { return owner.kind == Owner::Kind::none && !is_reserved(); }
};

// "<pod>.<ns>" or "<pod>.<ns>.<provider>": the name of a port and of its IP object. node: "node-<node>".
[[nodiscard]] std::string port_name(std::string_view pod, std::string_view ns, std::string_view provider);
[[nodiscard]] std::string node_port_name(std::string_view node);

// The manifest of an IP object; node_name may be empty. The label ip_reserved is "true" if reserved_label or the owner
// says so.
[[nodiscard]] JsonObject ip_manifest(const Ip& ip);

}  // namespace berth::api
