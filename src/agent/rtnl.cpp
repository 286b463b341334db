#include "agent/rtnl.h"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace berth::agent {
namespace {

using Buffer = std::array<char, 8192>;

nlmsghdr* new_request(Buffer& buffer, std::uint16_t type, int flags) {
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  return header;
}

template <typename T>
T* put_extra(nlmsghdr* header) {
  return static_cast<T*>(mnl_nlmsg_put_extra_header(header, sizeof(T)));
}

std::uint8_t family_of(const net::Address& address) { return address.is_v4() ? AF_INET : AF_INET6; }

// Network byte order, 4 or 16 bytes.
void put_address(nlmsghdr* header, std::uint16_t type, const net::Address& address) {
  std::array<std::uint8_t, 16> bytes{};
  const std::size_t size = address.is_v4() ? 4 : 16;
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(address.bits() >> (8 * (size - 1 - i)));
  mnl_attr_put(header, type, size, bytes.data());
}

void put_mac(nlmsghdr* header, std::uint16_t type, const net::Mac& mac) {
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(mac.bits() >> (8 * (5 - i)));
  mnl_attr_put(header, type, bytes.size(), bytes.data());
}

net::Uint128 number_of(const nlattr* attr) {
  const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attr));
  net::Uint128 number = 0;
  for (std::size_t i = 0; i < mnl_attr_get_payload_len(attr); ++i) number = number << 8 | bytes[i];
  return number;
}

std::optional<net::Address> address_of(const nlattr* attr, int family) {
  const auto size = mnl_attr_get_payload_len(attr);
  if (family == AF_INET && size == 4) return net::Address(net::Family::v4, number_of(attr));
  if (family == AF_INET6 && size == 16) return net::Address(net::Family::v6, number_of(attr));
  return std::nullopt;
}

// Calls fn for each attribute behind a header of `offset` bytes.
void for_each_attribute(const nlmsghdr* header, std::size_t offset, const std::function<void(const nlattr*)>& fn) {
  const auto callback = [](const nlattr* attr, void* data) {
    (*static_cast<const std::function<void(const nlattr*)>*>(data))(attr);
    return MNL_CB_OK;
  };
  mnl_attr_parse(header, static_cast<unsigned>(offset), callback, const_cast<void*>(static_cast<const void*>(&fn)));
}

Link read_link(const nlmsghdr* header) {
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(header));
  Link link;
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  for_each_attribute(header, sizeof *info, [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case IFLA_IFNAME:
        link.name = mnl_attr_get_str(attr);
        break;
      case IFLA_MTU:
        link.mtu = static_cast<int>(mnl_attr_get_u32(attr));
        break;
      case IFLA_LINK:
        link.peer_index = static_cast<int>(mnl_attr_get_u32(attr));
        break;
      case IFLA_ADDRESS:
        link.mac = net::Mac(static_cast<std::uint64_t>(number_of(attr)));
        break;
      default:
        break;
    }
  });
  return link;
}

Error system_error(int code, std::string_view what) {
  const auto kind = code == EEXIST                     ? ErrorCode::already_exists
                    : code == ENODEV || code == ENOENT ? ErrorCode::not_found
                    : code == EPERM                    ? ErrorCode::forbidden
                                                       : ErrorCode::internal;
  return {kind, fmt::format("{}: {}", what, std::generic_category().message(code))};
}

Status with_context(Status status, const std::string& what) {
  if (status) return status;
  return fail(status.error().with_context(what));
}

}  // namespace

void Rtnl::Closer::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Result<Rtnl> Rtnl::open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr) return fail(system_error(errno, "netlink"));
  Rtnl rtnl(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) return fail(system_error(errno, "netlink"));
  const timeval patience{5, 0};  // the kernel answers at once, or something is very wrong
  (void)::setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return rtnl;
}

Status Rtnl::execute(nlmsghdr* request, const std::function<void(const nlmsghdr*)>& on_reply) {
  request->nlmsg_seq = ++sequence_;
  // A dump ends with a message of its own; everything else must be told to acknowledge. (Each bit of NLM_F_DUMP means
  // something else in other requests.)
  if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) request->nlmsg_flags |= NLM_F_ACK;
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return fail(system_error(errno, "netlink"));
  const auto callback = [](const nlmsghdr* header, void* data) {
    const auto& fn = *static_cast<const std::function<void(const nlmsghdr*)>*>(data);
    if (fn) fn(header);
    return MNL_CB_OK;
  };
  std::array<char, 32768> buffer;
  for (;;) {
    const auto size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (size < 0) return fail(system_error(errno, "netlink"));
    const int more = mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), request->nlmsg_seq,
                                mnl_socket_get_portid(socket_.get()), callback,
                                const_cast<void*>(static_cast<const void*>(&on_reply)));
    if (more < 0) return fail(system_error(errno, "netlink"));
    if (more == MNL_CB_STOP) return {};
  }
}

Result<std::optional<Link>> Rtnl::query_link(nlmsghdr* request) {
  std::optional<Link> link;
  const auto status = execute(request, [&](const nlmsghdr* header) {
    if (header->nlmsg_type == RTM_NEWLINK) link = read_link(header);
  });
  if (!status && status.error().code != ErrorCode::not_found) return fail(status.error());
  return link;
}

Result<std::optional<Link>> Rtnl::find_link(const std::string& name) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_GETLINK, 0);
  put_extra<ifinfomsg>(request)->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request, IFLA_IFNAME, name.c_str());
  return query_link(request);
}

Result<std::optional<Link>> Rtnl::find_link(int index) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_GETLINK, 0);
  put_extra<ifinfomsg>(request)->ifi_index = index;
  return query_link(request);
}

Status Rtnl::create_veth(const VethPair& pair) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  put_extra<ifinfomsg>(request)->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request, IFLA_IFNAME, pair.host_name.c_str());
  mnl_attr_put_u32(request, IFLA_MTU, static_cast<std::uint32_t>(pair.mtu));
  auto* info = mnl_attr_nest_start(request, IFLA_LINKINFO);
  mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
  auto* data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
  auto* peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
  put_extra<ifinfomsg>(request)->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request, IFLA_IFNAME, pair.peer_name.c_str());
  mnl_attr_put_u32(request, IFLA_MTU, static_cast<std::uint32_t>(pair.mtu));
  put_mac(request, IFLA_ADDRESS, pair.peer_mac);
  mnl_attr_put_u32(request, IFLA_NET_NS_FD, static_cast<std::uint32_t>(pair.peer_netns));
  mnl_attr_nest_end(request, peer);
  mnl_attr_nest_end(request, data);
  mnl_attr_nest_end(request, info);
  return with_context(execute(request), fmt::format("creating {} with peer {}", pair.host_name, pair.peer_name));
}

Status Rtnl::delete_link(const std::string& name) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_DELLINK, 0);
  put_extra<ifinfomsg>(request)->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request, IFLA_IFNAME, name.c_str());
  auto status = execute(request);
  if (!status && status.error().code == ErrorCode::not_found) return {};
  return with_context(std::move(status), "deleting " + name);
}

Status Rtnl::set_link(int index, const LinkChange& change) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_NEWLINK, 0);
  auto* info = put_extra<ifinfomsg>(request);
  info->ifi_family = AF_UNSPEC;
  info->ifi_index = index;
  if (change.up) {
    info->ifi_change = IFF_UP;
    info->ifi_flags = *change.up ? static_cast<unsigned>(IFF_UP) : 0U;
  }
  if (change.mtu) mnl_attr_put_u32(request, IFLA_MTU, static_cast<std::uint32_t>(*change.mtu));
  if (change.mac) put_mac(request, IFLA_ADDRESS, *change.mac);
  if (change.tx_queue_length)
    mnl_attr_put_u32(request, IFLA_TXQLEN, static_cast<std::uint32_t>(*change.tx_queue_length));
  if (change.no_ipv6_link_local) {
    auto* all = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    auto* v6 = mnl_attr_nest_start(request, AF_INET6);
    mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(request, v6);
    mnl_attr_nest_end(request, all);
  }
  return with_context(execute(request), fmt::format("changing interface {}", index));
}

Result<std::vector<Rtnl::AddressEntry>> Rtnl::addresses() {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_GETADDR, NLM_F_DUMP);
  put_extra<ifaddrmsg>(request)->ifa_family = AF_UNSPEC;
  std::vector<AddressEntry> out;
  const auto status = execute(request, [&](const nlmsghdr* header) {
    const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header));
    if (info->ifa_family == AF_INET6 && info->ifa_scope == RT_SCOPE_LINK) return;
    std::optional<net::Address> address;
    for_each_attribute(header, sizeof *info, [&](const nlattr* attr) {
      const auto type = mnl_attr_get_type(attr);
      // IFA_LOCAL is the interface's own; IFA_ADDRESS is the other end's of a point-to-point link, else the same.
      if (type == IFA_LOCAL || (type == IFA_ADDRESS && !address)) address = address_of(attr, info->ifa_family);
    });
    if (address)
      out.push_back({static_cast<int>(info->ifa_index), {*address, net::Cidr(*address, info->ifa_prefixlen)}});
  });
  if (!status) return fail(status.error());
  return out;
}

Status Rtnl::add_address(int index, const InterfaceAddress& address) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = put_extra<ifaddrmsg>(request);
  info->ifa_family = family_of(address.address);
  info->ifa_prefixlen = static_cast<std::uint8_t>(address.cidr.prefix_length());
  info->ifa_index = static_cast<unsigned>(index);
  info->ifa_scope = RT_SCOPE_UNIVERSE;
  put_address(request, IFA_LOCAL, address.address);
  put_address(request, IFA_ADDRESS, address.address);
  if (!address.address.is_v4()) mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
  return with_context(execute(request), "adding address " + net::with_prefix(address.address, address.cidr));
}

Result<std::vector<Route>> Rtnl::routes(int index) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
  put_extra<rtmsg>(request)->rtm_family = AF_UNSPEC;
  std::vector<Route> out;
  const auto status = execute(request, [&](const nlmsghdr* header) {
    const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
    if (info->rtm_table != RT_TABLE_MAIN || (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)) return;
    const auto family = info->rtm_family == AF_INET ? net::Family::v4 : net::Family::v6;
    net::Address destination(family, 0);
    std::optional<net::Address> gateway;
    int out_index = 0;
    for_each_attribute(header, sizeof *info, [&](const nlattr* attr) {
      switch (mnl_attr_get_type(attr)) {
        case RTA_DST:
          destination = address_of(attr, info->rtm_family).value_or(destination);
          break;
        case RTA_GATEWAY:
          gateway = address_of(attr, info->rtm_family);
          break;
        case RTA_OIF:
          out_index = static_cast<int>(mnl_attr_get_u32(attr));
          break;
        default:
          break;
      }
    });
    if (gateway && out_index == index) out.push_back({net::Cidr(destination, info->rtm_dst_len), *gateway});
  });
  if (!status) return fail(status.error());
  return out;
}

Status Rtnl::put_route(int index, const Route& route, bool on_link) {
  Buffer buffer;
  auto* request = new_request(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = put_extra<rtmsg>(request);
  info->rtm_family = family_of(route.gateway);
  info->rtm_dst_len = static_cast<std::uint8_t>(route.destination.prefix_length());
  info->rtm_table = RT_TABLE_MAIN;
  info->rtm_protocol = RTPROT_STATIC;
  info->rtm_scope = RT_SCOPE_UNIVERSE;
  info->rtm_type = RTN_UNICAST;
  if (on_link) info->rtm_flags = RTNH_F_ONLINK;
  if (route.destination.prefix_length() > 0) put_address(request, RTA_DST, route.destination.network());
  put_address(request, RTA_GATEWAY, route.gateway);
  mnl_attr_put_u32(request, RTA_OIF, static_cast<std::uint32_t>(index));
  return with_context(execute(request), fmt::format("adding route to {} via {}", route.destination.to_string(),
                                                    route.gateway.to_string()));
}

}  // namespace berth::agent
