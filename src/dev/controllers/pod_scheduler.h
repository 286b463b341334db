#pragma once

// Binds each pod without a node, and without scheduling gates, to the fitting node with the fewest pods. What a node
// has room for is not looked at.

#include <map>
#include <set>
#include <string>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class PodScheduler final : public Controller {
 public:
  explicit PodScheduler(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  [[nodiscard]] std::string choose(const boost::json::object& pod, std::map<std::string, int>& refusals,
                                   std::size_t& nodes) const;
  void report(const boost::json::object& pod, const std::map<std::string, int>& refusals, std::size_t nodes);

  Cluster& cluster_;
  // Kept by on_change, so always as the store is.
  std::set<Key> waiting_;                       // pods to be bound
  std::map<std::string, std::set<Key>> bound_;  // node -> its pods that are not finished
};

}  // namespace berth::dev
