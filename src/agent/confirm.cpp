#include "agent/confirm.h"

#include <fmt/core.h>

#include <algorithm>

#include "net/cidr.h"

namespace berth::agent {

std::optional<Hold> confirm_subnet(const PodNetwork& network, const api::Subnet* subnet) {
  if (subnet == nullptr) return Hold{Reason::subnet_missing, fmt::format("subnet {} does not exist", network.subnet)};
  if (subnet->meta.uid != network.subnet_uid) {
    return Hold{Reason::subnet_replaced, fmt::format("subnet {} has UID {}, the pod was bound to the one with UID {}",
                                                     network.subnet, subnet->meta.uid, network.subnet_uid)};
  }
  if (subnet->meta.deleting)
    return Hold{Reason::subnet_terminating, fmt::format("subnet {} is being deleted", network.subnet)};
  const auto cidrs = net::Cidr::parse_list(subnet->cidr_block);
  for (const auto& [address, cidr] : network.addresses) {
    const bool inside =
        cidrs && std::any_of(cidrs->begin(), cidrs->end(), [&, &a = address](const auto& c) { return c.contains(a); });
    if (!inside) {
      return Hold{Reason::address_outside, fmt::format("{} lies outside subnet {} ({})", address.to_string(),
                                                       network.subnet, subnet->cidr_block)};
    }
  }
  return std::nullopt;
}

bool is_owner(const api::Owner& owner, const api::Pod& pod) {
  if (owner.kind == api::Owner::Kind::pod) return owner.id == pod.meta.uid;
  if (owner.kind != api::Owner::Kind::stateful_set) return false;
  const auto* controller = pod.meta.controller();
  return controller != nullptr && controller->kind == "StatefulSet" && controller->uid == owner.id &&
         pod.meta.name == fmt::format("{}-{}", controller->name, owner.ordinal);
}

std::optional<Hold> confirm_ip(const api::Pod& pod, const PodNetwork& network, const api::Ip& ip) {
  if (ip.meta.deleting) return Hold{Reason::ip_deleting, fmt::format("IP {} is being deleted", network.port)};
  const bool same_pod = ip.pod_name == pod.meta.name && ip.pod_ns == pod.meta.ns && ip.pod_uid == pod.meta.uid;
  if (!same_pod || !is_owner(ip.owner, pod)) {
    return Hold{Reason::ip_of_another,
                fmt::format("IP {} belongs to pod {}/{} (UID \"{}\", owner \"{}\"), not to the pod with UID {}",
                            network.port, ip.pod_ns, ip.pod_name, ip.pod_uid, ip.owner.to_string(), pod.meta.uid)};
  }
  if (ip.subnet != network.subnet || ip.subnet_uid != network.subnet_uid) {
    return Hold{Reason::ip_differs,
                fmt::format("IP {} is of subnet {}, the pod says {}", network.port, ip.subnet, network.subnet)};
  }
  const bool same_addresses =
      std::equal(ip.addresses.begin(), ip.addresses.end(), network.addresses.begin(), network.addresses.end(),
                 [](const net::Address& a, const InterfaceAddress& b) { return a == b.address; });
  if (!same_addresses || ip.mac != network.mac) {
    return Hold{Reason::ip_differs, fmt::format("IP {} holds another address or MAC than the pod says", network.port)};
  }
  return std::nullopt;
}

}  // namespace berth::agent
