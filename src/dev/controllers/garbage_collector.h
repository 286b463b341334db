#pragma once

// Owner references: ends what lost its last owner (background), ends dependents before their owner (foreground), and
// sets dependents free (orphan), as kube-controller-manager's garbage collector does. Pods bound to a Node that is
// deleted are ended with it.

#include <map>
#include <set>
#include <string>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class GarbageCollector final : public Controller {
 public:
  explicit GarbageCollector(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  struct Owners;

  void index(const Key& key, const sim::Change& change);
  [[nodiscard]] Owners sort_owners(const boost::json::object& object) const;
  [[nodiscard]] std::vector<std::pair<sim::TypePtr, sim::Object>> dependents_of(std::string_view uid) const;

  void orphan_dependents(const sim::ResourceType& type, const boost::json::object& owner);
  void end_dependents(const sim::ResourceType& type, const boost::json::object& owner);
  void collect(const sim::ResourceType& type, const boost::json::object& object);
  void drop_references(const sim::ResourceType& type, const boost::json::object& object,
                       const std::set<std::string>& uids);

  Cluster& cluster_;
  // Kept by on_change, so always as the store is.
  std::map<std::string, Key, std::less<>> by_uid_;                  // every object there is
  std::map<std::string, std::set<Key>, std::less<>> dependents_;    // owner's UID -> those that name it
  std::map<std::string, std::set<Key>, std::less<>> pods_on_node_;  // node -> pods bound to it
  std::set<std::string, std::less<>> lost_nodes_;                   // deleted, and not there again
};

}  // namespace berth::dev
