#pragma once

// The ServiceAccount "default" of every Namespace, and the ConfigMap kube-root-ca.crt.

#include <string>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class ServiceAccountController final : public Controller {
 public:
  // root_ca: PEM; empty: no ConfigMap.
  ServiceAccountController(Cluster& cluster, std::string root_ca) : cluster_(cluster), root_ca_(std::move(root_ca)) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  Cluster& cluster_;
  std::string root_ca_;
};

}  // namespace berth::dev
