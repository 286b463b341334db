#pragma once

// StatefulSet: pods with ordinals, made and ended in order (OrderedReady) or at once (Parallel), updated from the
// highest ordinal down to the partition. Revisions are kept as ControllerRevisions. volumeClaimTemplates are ignored:
// the embedded cluster has no storage.

#include <map>
#include <set>
#include <string>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class StatefulSetController final : public Controller {
 public:
  explicit StatefulSetController(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  struct Round;  // what one reconcile works on

  [[nodiscard]] Round look(const sim::Object& set);
  [[nodiscard]] std::string record_revision(const boost::json::object& set);
  [[nodiscard]] boost::json::object template_of(const boost::json::object& set, const std::string& revision) const;
  void drop_history(const Round& round);

  // Each does the next thing due and answers true if what comes after it must wait.
  [[nodiscard]] bool fill(Round& round);
  [[nodiscard]] bool shrink(Round& round);
  void update(Round& round);

  [[nodiscard]] bool create_pod(Round& round, std::int64_t ordinal);
  void remove_pod(Round& round, const boost::json::object& pod);
  void write_status(const Round& round);

  Cluster& cluster_;
  std::set<Key> known_;
};

}  // namespace berth::dev
