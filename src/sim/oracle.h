#pragma once

// The invariants, asserted on the truth: what is stored in the API, what OVN holds, what nodes have wired. Shares no
// code with the decision: it remembers when each claim began and judges each wiring by that.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ovsdb/memory_store.h"
#include "sim/api_store.h"
#include "sim/nodes.h"
#include "sim/pool_oracle.h"

namespace berth::sim {

class Oracle {
 public:
  Oracle(Scheduler& scheduler, ApiStore& store, ovsdb::MemoryStore& ovn, Duration settle);
  ~Oracle();

  void on_wired(const WiredPod& wired, const std::map<std::string, WiredPod>& all);

  // After each step; cheap when nothing has changed.
  void check_ovn();

  // When all has come to rest: what is published equals what is, and every wired pod still holds what it was wired
  // with.
  void check_published();
  void check_wired(const std::map<std::string, WiredPod>& all);

  // In runs without any fault: of the Subnets that claimed a namespace, and were ready, before the pod came, the
  // oldest.
  void set_calm(bool calm) { calm_ = calm; }

  // When everything was deleted: nothing is left but what a cluster always has.
  void check_empty();

  PoolOracle pools{[this](const std::string& what) { fail(what); }};

  void fail(const std::string& what) { violations_.push_back(what); }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Claim {
    std::uint64_t version = 0;
    TimePoint at{};
  };
  struct SubnetTruth {
    std::string uid;
    std::string name;
    bool deleting = false;
    std::map<std::string, Claim> claims;  // namespace -> since when, without a break
    std::set<std::string> ever_claimed;
    std::optional<std::uint64_t> ready_since;  // version; without a break
    bool roomy = false;
    std::set<std::string> cidrs;  // every cidrBlock it ever had
  };
  struct NamespaceTruth {
    TimePoint created{};
    bool always_expected = false;  // berth.io/expects-subnet, other than none, since it was created
    std::set<std::string> named;   // every subnet that its annotations ever named
  };

  void on_change(const ResourceType& type, const Change& change);
  void reclaim();

  Scheduler& scheduler_;
  ApiStore& store_;
  ovsdb::MemoryStore& ovn_;
  Duration settle_;
  ApiStore::ObserverId observer_ = 0;
  std::map<std::string, SubnetTruth> subnets_;     // by UID
  std::map<std::string, Object> live_subnets_;     // by name
  std::map<std::string, Object> live_namespaces_;  // by name
  std::map<std::string, NamespaceTruth> namespaces_;
  std::map<std::string, std::uint64_t> pod_created_;  // UID -> version
  std::set<std::string> pods_with_address_;           // UIDs of pods whose users ask for an address
  std::map<std::string, std::string> pod_names_;      // UID -> the subnet that the user named on it
  void note_ip(const Change& change);
  void check_ranges();
  void check_rows(const std::string& name, const boost::json::object& object);

  std::map<std::string, std::map<std::string, std::uint64_t>>
      ip_holders_;  // "subnet address" -> IP object -> epoch of its writer
  bool calm_ = false;
  std::uint64_t seen_transactions_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace berth::sim
