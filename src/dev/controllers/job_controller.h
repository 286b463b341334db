#pragma once

// Job: runs pods until enough have succeeded, or too many have failed. NonIndexed completion mode; suspend,
// activeDeadlineSeconds and ttlSecondsAfterFinished are honoured, podFailurePolicy and successPolicy are not.

#include "dev/controllers/cluster.h"

namespace berth::dev {

class JobController final : public Controller {
 public:
  explicit JobController(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  struct Round;  // what one reconcile works on

  [[nodiscard]] Round look(const sim::Object& job);
  void finish(Round& round, bool success, std::string_view reason, std::string_view message);
  void run_pods(Round& round);
  [[nodiscard]] std::optional<Duration> remove_when_old(const boost::json::object& job);

  Cluster& cluster_;
};

}  // namespace berth::dev
