#pragma once

// A container's interface: one end of a veth pair in its network namespace, the other on the node. Blocking; run these
// on a worker thread that is in the node's network namespace.

#include <string>
#include <vector>

#include "agent/netns.h"
#include "agent/wiring.h"

namespace berth::agent {

struct VethPlan {
  std::string host_name;
  std::string ifname;
  net::Mac mac;
  std::vector<InterfaceAddress> addresses;
  std::vector<Route> routes;
  int mtu = 0;
};

// The node's end, at most 15 characters: "<container id, 12>_h"; of an interface other than eth0 its name comes in
// between, and shortens the id (Kube-OVN's scheme; names longer than 8 enter as a hash).
[[nodiscard]] std::string host_veth_name(const AttachmentKey& key);

// Makes the pair, or finds it as planned; a pair of that name that differs is replaced. Transmit checksum offload is
// off at both ends: a datapath in user space gets packets as they are, and nobody behind it fills checksums in. Returns
// the MAC of the node's end. After an error nothing is left. Errors: already_exists (the container has another
// interface of that name), internal.
[[nodiscard]] Result<net::Mac> ensure_veth(const VethPlan& plan, const NetNs& ns);

[[nodiscard]] Status remove_veth(const std::string& host_name);  // gone already is no error

// not_found or conflict: what is missing or different.
[[nodiscard]] Status check_veth(const std::string& host_name, const CheckSpec& spec, const NetNs& ns);

// MTU of the interface of this node that has the address, less what Geneve adds (100 bytes leave room for IPv6 and
// options). not_found: none has it.
[[nodiscard]] Result<int> tunnel_mtu(const net::Address& tunnel_address);

}  // namespace berth::agent
