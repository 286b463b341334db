#pragma once

// Deployment: one ReplicaSet per revision of the pod template; RollingUpdate and Recreate; revisions, conditions and
// status as `kubectl rollout` and `helm --wait` read them. A Deployment that is scaled in the middle of a rollout is
// not scaled in proportion over its sets: the difference goes to the new one.

#include <set>

#include "dev/controllers/cluster.h"

namespace berth::dev {

class DeploymentController final : public Controller {
 public:
  explicit DeploymentController(Cluster& cluster) : cluster_(cluster) {}

  void on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) override;

  // Also takes the key of a ReplicaSet: then it means the Deployment that controls it.
  std::optional<Duration> reconcile(const Key& key) override;

 private:
  struct Rollout;  // what one reconcile works on

  [[nodiscard]] Rollout look(const sim::Object& deployment);
  [[nodiscard]] sim::Object make_new_set(const Rollout& rollout);
  void number_revision(Rollout& rollout);
  void roll(Rollout& rollout);
  void recreate(Rollout& rollout);
  void scale(Rollout& rollout, sim::Object& set, std::int64_t size);
  void drop_history(const Rollout& rollout);
  [[nodiscard]] std::optional<Duration> write_status(const Rollout& rollout);

  Cluster& cluster_;
  std::set<Key>
      known_;  // all Deployments: those of a namespace are asked when a ReplicaSet without a controller turns up
};

}  // namespace berth::dev
