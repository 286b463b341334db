#pragma once

// Empties a Namespace that is being deleted, then lets it go.

#include "dev/controllers/cluster.h"

namespace berth::dev {

class NamespaceController final : public Controller {
 public:
  explicit NamespaceController(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  Cluster& cluster_;
};

}  // namespace berth::dev
