#pragma once

// ReplicaSet: as many active pods of its template as spec.replicas says.

#include <set>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class ReplicaSetController final : public Controller {
 public:
  explicit ReplicaSetController(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  // False if a pod could not be made.
  [[nodiscard]] bool scale(const boost::json::object& set, const std::vector<sim::Object>& pods);
  std::optional<Duration> write_status(const boost::json::object& set, const std::vector<sim::Object>& pods);

  Cluster& cluster_;
  // All sets there are: those of a namespace are asked when a pod without a controller turns up.
  std::set<Key> known_;
};

}  // namespace berth::dev
