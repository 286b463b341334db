#pragma once

// The verifier's eyes: asks the API, ovn-nbctl, ovs-vsctl, ip and ping what there is. Believes nobody's records.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dev/demo/api.h"
#include "dev/demo/expectation.h"
#include "dev/demo/observation.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

// Where to look.
struct Places {
  struct Node {
    std::string name;
    std::string netns;   // name of its network namespace
    std::string ovs_db;  // "unix:/…"; both empty without a data path
  };
  std::string ovn_nb;  // "unix:/…"
  std::vector<Node> nodes;
  bool datapath = true;
  std::function<std::string(const SeenPod&)> netns_of;  // name of a pod's network namespace; empty: it has none
  std::function<std::vector<std::string>()> pod_netns;  // names of all that pods have
};

// One thread at a time; every call waits for the programs that it runs.
class Eyes {
 public:
  // References must outlive this.
  Eyes(Api& api, Supervisor& supervisor, Places places);

  // Pods of the expected Namespaces, OVN's ports, what is inside the pods' namespaces, and, with a data path, pings
  // from every pod to every other one. Pings that are not answered are tried again until `patience` has passed.
  [[nodiscard]] Result<Observation> look(const Expectation& expectation, Duration patience);

  // All that a tenant could leave behind, whoever made it.
  [[nodiscard]] Result<Inventory> inventory();

 private:
  Result<std::string> run(std::vector<std::string> words);
  Result<std::vector<SeenPod>> pods(const Expectation& expectation);
  Result<SeenNamespace> look_inside(const std::string& netns);
  std::vector<SeenPing> ping_all(const Expectation& expectation, const std::vector<SeenPod>& pods, Duration patience);
  Status add_objects(Inventory& inventory);
  Status add_rows(Inventory& inventory);
  Status add_links(Inventory& inventory);

  Api& api_;
  Supervisor& supervisor_;
  Places places_;
};

}  // namespace berth::dev
