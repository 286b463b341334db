#pragma once

// What a pod asks for, network by network, in its own words.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/workload.h"
#include "base/result.h"
#include "binding/knowledge.h"
#include "net/address.h"
#include "net/mac.h"

namespace berth::binding {

struct NetworkRequest {
  std::string provider;         // "ovn", "<nad>.<ns>.ovn", "<nad>.<ns>"; ".<interface>" if a NAD is attached again
  std::string subnet_provider;  // what Subnets of this network carry: the same without interface
  std::string port;             // name of its port and IP object
  std::optional<std::string> subnet;                    // <provider>/logical_switch
  std::optional<std::string> pool;                      // <provider>/ip_pool naming one IPPool
  std::vector<net::Address> addresses;                  // <provider>/ip_address, IPv4 first
  std::vector<std::vector<net::Address>> literal_pool;  // <provider>/ip_pool listing addresses, one entry a pod
  std::optional<std::string> vip;                       // ovn.kubernetes.io/vip: take over this Vip's addresses
  std::vector<net::Address> port_vips;                  // <provider>/port_vips
  std::optional<net::Family> only;                      // <provider>/ip_family
  net::Mac mac;                                         // <provider>/mac_address
  std::optional<ReservedIp> reserved;                   // what an IP object keeps for this port
  [[nodiscard]] bool is_default() const;
};

// A network that is named but not there yet.
struct MissingNetwork {
  std::string ns;
  std::string name;
  std::string ports;  // how the names of the pod's ports in this network begin, whatever its kind was
};

using PodNetworks = std::vector<std::variant<NetworkRequest, MissingNetwork>>;

// The pod's networks: the default one, unless v1.multus-cni.io/default-network puts another in its place, then its
// attachments that are Berth's to serve. Error invalid: an annotation that cannot be understood; it names annotation,
// value and remedy.
[[nodiscard]] Result<PodNetworks> networks_of(const api::Pod& pod, const Knowledge& knowledge);

}  // namespace berth::binding
