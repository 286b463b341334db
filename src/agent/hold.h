#pragma once

// Why an interface is not wired (yet).

#include <string>
#include <string_view>

namespace berth::agent {

enum class Reason {
  // Plain waiting.
  not_synced,
  pod_unknown,
  not_bound,
  api_unreachable,
  // Refusals: something contradicts what the pod's annotations, or the caller, say.
  pod_of_another_uid,
  pod_ending,
  void_record,  // berth.io/binding is missing, speaks of another pod, or disagrees with the annotations
  bad_annotation,
  subnet_missing,
  subnet_terminating,
  subnet_replaced,  // same name, another UID
  address_outside,
  ip_missing,
  ip_deleting,
  ip_of_another,  // the IP object belongs to another pod or owner
  ip_differs,     // the IP object holds another subnet, address or MAC
};

[[nodiscard]] std::string_view to_string(Reason reason);  // the metrics' label: "subnet_missing"

[[nodiscard]] constexpr bool is_refusal(Reason reason) { return reason >= Reason::pod_of_another_uid; }

// Refusals that kept a pod from getting an address of a subnet that is not, or no longer, its own.
[[nodiscard]] constexpr bool prevents_wrong_subnet(Reason reason) {
  return reason >= Reason::subnet_missing && reason != Reason::ip_missing;
}

struct Hold {
  Reason reason = Reason::pod_unknown;
  std::string text;  // names the objects and values
  bool operator==(const Hold&) const = default;
};

}  // namespace berth::agent
