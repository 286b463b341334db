#include "agent/veth.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "agent/rtnl.h"

namespace berth::agent {
namespace {

constexpr int kTunnelOverhead = 100;
constexpr int kTxQueueLength = 1000;

// Of the interface in the calling thread's namespace.
Status disable_tx_checksum(const std::string& name) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(ErrorCode::internal, fmt::format("socket: {}", std::generic_category().message(errno)));
  ethtool_value value{ETHTOOL_STXCSUM, 0};
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int outcome = ::ioctl(fd, SIOCETHTOOL, &request);
  const int code = errno;
  ::close(fd);
  if (outcome != 0 && code != EOPNOTSUPP)
    return fail(ErrorCode::internal,
                fmt::format("checksum offload of {}: {}", name, std::generic_category().message(code)));
  return {};
}

// Runtimes switch IPv6 off in new namespaces; an interface with an IPv6 address needs it. A kernel without IPv6 has no
// such file, and refuses the address later with a reason.
void enable_ipv6(const std::string& name) {
  const int fd = ::open(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", name).c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!::write(fd, "0", 1);
  ::close(fd);
}

bool is_on_link(const net::Address& gateway, const std::vector<InterfaceAddress>& addresses) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const auto& a) { return a.cidr.contains(gateway); });
}

// Inside the container's namespace. Everything in it may be there already.
Status configure_inside(const VethPlan& plan) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto link = rtnl->find_link(plan.ifname);
  if (!link) return fail(link.error());
  if (!*link) return fail(ErrorCode::internal, plan.ifname + " has vanished from the container");
  const int index = (*link)->index;
  if (auto status = disable_tx_checksum(plan.ifname); !status) return status;
  LinkChange change;
  change.mtu = plan.mtu;
  change.up = true;
  if (auto status = rtnl->set_link(index, change); !status) return status;
  if (std::any_of(plan.addresses.begin(), plan.addresses.end(), [](const auto& a) { return !a.address.is_v4(); }))
    enable_ipv6(plan.ifname);
  for (const auto& address : plan.addresses) {
    if (auto status = rtnl->add_address(index, address); !status) return status;
  }
  for (const auto& route : plan.routes) {
    if (auto status = rtnl->put_route(index, route, !is_on_link(route.gateway, plan.addresses)); !status) return status;
  }
  return {};
}

// Inside the container's namespace: whether its interface is the other end of this link, with the planned MAC and
// addresses and no others.
Status matches_inside(const VethPlan& plan, int host_index) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto link = rtnl->find_link(plan.ifname);
  if (!link) return fail(link.error());
  if (!*link || (*link)->peer_index != host_index || (*link)->mac != plan.mac)
    return fail(ErrorCode::conflict, plan.ifname + " is not what it should be");
  const auto present = rtnl->addresses();
  if (!present) return fail(present.error());
  for (const auto& entry : *present) {
    if (entry.index != (*link)->index) continue;
    if (std::find(plan.addresses.begin(), plan.addresses.end(), entry.address) == plan.addresses.end())
      return fail(ErrorCode::conflict, plan.ifname + " has another address");
  }
  return {};
}

Status check_inside(const CheckSpec& spec, int host_index) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto link = rtnl->find_link(spec.key.ifname);
  if (!link) return fail(link.error());
  if (!*link) return fail(ErrorCode::not_found, fmt::format("interface {} is gone", spec.key.ifname));
  if ((*link)->peer_index != host_index)
    return fail(ErrorCode::conflict, fmt::format("interface {} is another one", spec.key.ifname));
  if (!(*link)->up) return fail(ErrorCode::conflict, fmt::format("interface {} is down", spec.key.ifname));
  const auto present = rtnl->addresses();
  if (!present) return fail(present.error());
  for (const auto& wanted : spec.addresses) {
    const bool found = std::any_of(present->begin(), present->end(), [&](const auto& entry) {
      return entry.index == (*link)->index && entry.address == wanted;
    });
    if (!found)
      return fail(ErrorCode::not_found,
                  fmt::format("address {} is gone", net::with_prefix(wanted.address, wanted.cidr)));
  }
  const auto routes = rtnl->routes((*link)->index);
  if (!routes) return fail(routes.error());
  for (const auto& wanted : spec.routes) {
    if (std::find(routes->begin(), routes->end(), wanted) == routes->end())
      return fail(ErrorCode::not_found, fmt::format("route to {} via {} is gone", wanted.destination.to_string(),
                                                    wanted.gateway.to_string()));
  }
  return {};
}

Status configure_host(Rtnl& rtnl, const Link& link, const VethPlan& plan) {
  if (auto status = disable_tx_checksum(plan.host_name); !status) return status;
  LinkChange quiet;
  quiet.no_ipv6_link_local = true;
  (void)rtnl.set_link(link.index, quiet);  // a kernel without IPv6 refuses it, and needs no quiet
  LinkChange change;
  change.tx_queue_length = kTxQueueLength;
  change.mtu = plan.mtu;
  change.up = true;
  return rtnl.set_link(link.index, change);
}

// Creates the pair unless it is there; the Link is the node's end.
Result<Link> ensure_pair(Rtnl& rtnl, const VethPlan& plan, const NetNs& ns) {
  auto existing = rtnl.find_link(plan.host_name);
  if (!existing) return fail(existing.error());
  if (*existing) {
    if (ns.run([&] { return matches_inside(plan, (*existing)->index); })) return **existing;
    if (auto status = rtnl.delete_link(plan.host_name); !status) return fail(status.error());
  }
  const VethPair pair{plan.host_name, plan.ifname, plan.mac, ns.fd(), plan.mtu};
  if (auto status = rtnl.create_veth(pair); !status) return fail(status.error());
  auto created = rtnl.find_link(plan.host_name);
  if (!created) return fail(created.error());
  if (!*created) return fail(ErrorCode::internal, plan.host_name + " has vanished");
  return **created;
}

}  // namespace

std::string host_veth_name(const AttachmentKey& key) {
  if (key.ifname == "eth0") return key.container_id.substr(0, 12) + "_h";
  std::string middle = key.ifname;
  if (middle.size() > 8) {
    std::uint32_t hash = 2166136261U;  // FNV-1a
    for (const char c : middle) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    middle = fmt::format("{:06x}", hash & 0xFFFFFFU);
  }
  return fmt::format("{}_{}_h", key.container_id.substr(0, 12 - middle.size()), middle);
}

Result<net::Mac> ensure_veth(const VethPlan& plan, const NetNs& ns) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto link = ensure_pair(*rtnl, plan, ns);
  if (!link) return fail(link.error());
  auto status = ns.run([&] { return configure_inside(plan); });
  if (status) status = configure_host(*rtnl, *link, plan);
  if (!status) {
    (void)rtnl->delete_link(plan.host_name);
    return fail(status.error());
  }
  return link->mac;
}

Status remove_veth(const std::string& host_name) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  return rtnl->delete_link(host_name);
}

Status check_veth(const std::string& host_name, const CheckSpec& spec, const NetNs& ns) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto link = rtnl->find_link(host_name);
  if (!link) return fail(link.error());
  if (!*link) return fail(ErrorCode::not_found, fmt::format("the node's interface {} is gone", host_name));
  if (!(*link)->up) return fail(ErrorCode::conflict, fmt::format("the node's interface {} is down", host_name));
  return ns.run([&] { return check_inside(spec, (*link)->index); });
}

Result<int> tunnel_mtu(const net::Address& tunnel_address) {
  auto rtnl = Rtnl::open();
  if (!rtnl) return fail(rtnl.error());
  const auto addresses = rtnl->addresses();
  if (!addresses) return fail(addresses.error());
  for (const auto& entry : *addresses) {
    if (entry.address.address != tunnel_address) continue;
    const auto link = rtnl->find_link(entry.index);
    if (!link) return fail(link.error());
    if (*link) return (*link)->mtu - kTunnelOverhead;
  }
  return fail(ErrorCode::not_found, fmt::format("no interface has the tunnel address {}", tunnel_address.to_string()));
}

}  // namespace berth::agent
