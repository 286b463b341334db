#pragma once

// What the agent does to the node for one interface of one container. Production: LinuxWiring (veth pairs, network
// namespaces, Open vSwitch). Tests: a fake. All callbacks run on the Scheduler's thread, never inside the call that
// caused them.

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/scheduler.h"
#include "net/address.h"
#include "net/cidr.h"
#include "net/mac.h"

namespace berth::agent {

// Names one interface for all time: a container id is never used again.
struct AttachmentKey {
  std::string container_id;
  std::string ifname;
  auto operator<=>(const AttachmentKey&) const = default;
};

struct InterfaceAddress {
  net::Address address;
  net::Cidr cidr;  // the network that it lies in
  bool operator==(const InterfaceAddress&) const = default;
};

struct Route {
  net::Cidr destination;
  net::Address gateway;
  bool operator==(const Route&) const = default;
};

struct WireSpec {
  AttachmentKey key;
  std::string netns;  // path
  std::string port;   // OVN's name for the logical port: external_ids:iface-id
  std::string pod_name;
  std::string pod_ns;
  std::string pod_uid;
  net::Mac mac;
  std::vector<InterfaceAddress> addresses;  // IPv4 first, at most one per family
  std::vector<Route> routes;                // default routes too
  int mtu = 0;                              // 0: what fits into the tunnel
  TimePoint deadline{};                     // OVN must have installed the port's flows until then
};

struct Wired {
  std::string host_interface;
  net::Mac host_mac;
  int mtu = 0;
};

struct CheckSpec {
  AttachmentKey key;
  std::string netns;
  std::vector<InterfaceAddress> addresses;  // that must be there
  std::vector<Route> routes;                // that must be there
};

class Wiring {
 public:
  virtual ~Wiring() = default;

  // Whether wire() can work now; the error says what is missing.
  [[nodiscard]] virtual Status ready() const = 0;

  // Makes it so, or finds that it is so already, and waits until OVN has installed the port. A port of the same name
  // that belongs to another container is taken away from it. After an error nothing of it is left. Errors: invalid (no
  // such namespace, not a network namespace), already_exists (the container has another interface of that name),
  // unavailable, timeout (both: try later), internal.
  virtual void wire(WireSpec spec, std::function<void(Result<Wired>)> done) = 0;

  // Takes away what wire() made for key; what is gone already is no error.
  virtual void unwire(AttachmentKey key, std::function<void(Status)> done) = 0;

  // not_found or conflict, with what is missing or different.
  virtual void check(CheckSpec spec, std::function<void(Status)> done) = 0;

  // Takes away everything that wire() ever made on this node, except for these.
  virtual void retain(std::set<AttachmentKey> valid, std::function<void(Status)> done) = 0;
};

}  // namespace berth::agent
