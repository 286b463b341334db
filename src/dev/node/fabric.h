#pragma once

// What connects the nodes: a Linux bridge in a network namespace of its own, so that the machine's own network is not
// touched at all and clusters do not see each other. Addresses are of 198.18.0.0/24 (RFC 2544, for benchmarks: in
// nobody's way); the bridge itself holds .1 and stands for "the outside world".

#include <string>

#include "base/result.h"
#include "dev/cluster/run_dir.h"
#include "dev/process/ledger.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class Fabric {
 public:
  static constexpr int kMostNodes = 100;

  // Needs root. References must outlive it; the ledger takes it away.
  [[nodiscard]] static Result<Fabric> make(Supervisor& supervisor, Ledger& ledger, const RunDir& dir);

  [[nodiscard]] const std::string& netns() const { return netns_; }
  [[nodiscard]] static std::string gateway() { return "198.18.0.1"; }
  [[nodiscard]] static std::string address_of(int index);  // of node 1, 2, …: "198.18.0.11"
  static constexpr int kPrefixLength = 24;

  // Plugs a namespace in: a veth from the bridge (end "node-<index>") to there (end "uplink"), both up, offloads off.
  [[nodiscard]] Status plug(int index, const std::string& node_netns);

 private:
  Fabric(Supervisor& supervisor, std::string netns) : supervisor_(&supervisor), netns_(std::move(netns)) {}

  Supervisor* supervisor_;
  std::string netns_;
};

// Runs `ip -n <netns> -batch -` over the lines.
[[nodiscard]] Status ip_batch(Supervisor& supervisor, const std::string& netns, const std::string& lines);

}  // namespace berth::dev
