#pragma once

// Links, addresses and routes of one network namespace, by rtnetlink. Blocking; one thread at a time.

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/wiring.h"
#include "base/result.h"
#include "net/mac.h"

namespace berth::agent {

struct Link {
  int index = 0;
  std::string name;
  net::Mac mac;
  int mtu = 0;
  bool up = false;
  int peer_index = 0;  // of a veth: its other end, in that end's namespace
};

struct VethPair {
  std::string host_name;
  std::string peer_name;
  net::Mac peer_mac;
  int peer_netns = -1;  // descriptor of the namespace that the peer is created in
  int mtu = 0;          // of both
};

// What set_link changes; the rest stays.
struct LinkChange {
  std::optional<bool> up;
  std::optional<int> mtu;
  std::optional<net::Mac> mac;
  std::optional<int> tx_queue_length;
  bool no_ipv6_link_local = false;  // no address of its own, and so no router solicitations into the pod's network
};

class Rtnl {
 public:
  // Works in the network namespace that the calling thread is in now.
  [[nodiscard]] static Result<Rtnl> open();

  [[nodiscard]] Result<std::optional<Link>> find_link(const std::string& name);
  [[nodiscard]] Result<std::optional<Link>> find_link(int index);

  // already_exists: one of the names is taken.
  [[nodiscard]] Status create_veth(const VethPair& pair);
  [[nodiscard]] Status delete_link(const std::string& name);  // gone already is no error
  [[nodiscard]] Status set_link(int index, const LinkChange& change);

  struct AddressEntry {
    int index = 0;
    InterfaceAddress address;
  };
  // Of all interfaces, without IPv6 link-local ones.
  [[nodiscard]] Result<std::vector<AddressEntry>> addresses();
  // Usable at once (IPv6: without duplicate address detection); there already is no error.
  [[nodiscard]] Status add_address(int index, const InterfaceAddress& address);

  // Those of the main table that leave by this interface through a gateway.
  [[nodiscard]] Result<std::vector<Route>> routes(int index);
  // Replaces one to the same destination. on_link: the gateway need not lie in a network of the interface.
  [[nodiscard]] Status put_route(int index, const Route& route, bool on_link);

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const;
  };
  explicit Rtnl(mnl_socket* socket) : socket_(socket) {}

  [[nodiscard]] Status execute(nlmsghdr* request, const std::function<void(const nlmsghdr*)>& on_reply = {});
  [[nodiscard]] Result<std::optional<Link>> query_link(nlmsghdr* request);

  std::unique_ptr<mnl_socket, Closer> socket_;
  unsigned sequence_ = 0;
};

}  // namespace berth::agent
