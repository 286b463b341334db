#pragma once

// The nodes' part, modelled: a scheduler, kubelets, and agents that confirm and claim before they wire. What is wired
// is kept here as the truth that the invariants are asserted on.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "net/address.h"
#include "sim/api_store.h"
#include "sim/faults.h"

namespace berth::sim {

struct WiredPod {
  std::string pod;  // "ns/name"
  std::string pod_uid;
  std::string subnet;
  std::string subnet_uid;
  std::vector<net::Address> addresses;
  TimePoint at{};
};

class SimNodes {
 public:
  struct Hooks {
    std::function<void(const WiredPod&)> on_wired;
  };

  // confirm false: agents wire what the annotations say, as they were when first looked at.
  SimNodes(Scheduler& scheduler, ApiStore& store, Faults& faults, Random& random, std::vector<std::string> nodes,
           bool confirm, Hooks hooks);
  ~SimNodes();

  [[nodiscard]] const std::map<std::string, WiredPod>& wired() const { return wired_; }  // by pod UID

 private:
  void on_change(const ResourceType& type, const Change& change);
  void look(const std::string& pod);
  void schedule(const std::string& pod);
  void attempt(const std::string& pod, const std::string& uid);
  void claim(const std::string& pod, const std::string& uid, const WiredPod& wanted, const Object& ip);
  void tear_down(const std::string& pod, const std::string& uid);
  void later(Duration delay, std::function<void()> fn);
  [[nodiscard]] Object get(const char* group, const char* version, const char* plural, std::string_view ns,
                           std::string_view name) const;

  Scheduler& scheduler_;
  ApiStore& store_;
  Faults& faults_;
  Random& random_;
  std::vector<std::string> nodes_;
  bool confirm_;
  Hooks hooks_;
  ApiStore::ObserverId observer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::map<std::string, WiredPod> wired_;
  std::set<std::string> busy_;  // pod UIDs with an attempt, a scheduling or a tear-down under way
  std::uint64_t next_container_ = 1;
};

}  // namespace berth::sim
