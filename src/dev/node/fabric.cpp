#include "dev/node/fabric.h"

#include <fmt/format.h>

#include <chrono>

#include "dev/node/offload.h"
#include "dev/process/netns.h"

namespace berth::dev {

Status ip_batch(Supervisor& supervisor, const std::string& netns, const std::string& lines) {
  auto done = run_command(
      supervisor,
      {.name = "ip", .argv = {"ip", "-n", netns, "-batch", "-"}, .input = lines, .timeout = std::chrono::seconds(20)});
  if (!done) return fail(done.error());
  return {};
}

Result<Fabric> Fabric::make(Supervisor& supervisor, Ledger& ledger, const RunDir& dir) {
  Fabric fabric(supervisor, dir.namespace_of("fabric"));
  if (auto made = ledger.make_namespace(fabric.netns_); !made) return fail(made.error());
  auto linked = ip_batch(supervisor, fabric.netns_,
                         fmt::format("link add fabric type bridge\n"
                                     "addr add {}/{} dev fabric\n"
                                     "link set fabric up\n",
                                     gateway(), kPrefixLength));
  if (!linked) return fail(linked.error());
  return fabric;
}

std::string Fabric::address_of(int index) { return fmt::format("198.18.0.{}", 10 + index); }

Status Fabric::plug(int index, const std::string& node_netns) {
  const std::string port = fmt::format("node-{}", index);
  auto made = ip_batch(*supervisor_, netns_,
                       fmt::format("link add {0} type veth peer name uplink netns {1}\n"
                                   "link set {0} master fabric up\n",
                                   port, node_netns));
  if (!made) return made;
  if (auto up = ip_batch(*supervisor_, node_netns, "link set uplink up\n"); !up) return up;
  auto off = netns::run_inside(netns_, [&] { return disable_checksum_offload(port); });
  if (!off) return off;
  return netns::run_inside(node_netns, [] { return disable_checksum_offload("uplink"); });
}

}  // namespace berth::dev
