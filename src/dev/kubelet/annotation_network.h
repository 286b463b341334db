#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/scheduler.h"
#include "dev/kubelet/pod_network.h"

namespace berth::dev {

// For clusters without a data path: a pod is attached when its annotations ovn.kubernetes.io/allocated and …/routed are
// "true", and has the addresses of …/ip_address. Waits for that for ever, also when the annotations are those of a
// copied manifest: with a berth.io/binding that speaks of another UID.
class AnnotationNetwork final : public PodNetwork {
 public:
  explicit AnnotationNetwork(Scheduler& scheduler) : scheduler_(scheduler) {}

  void attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) override;
  void cancel(const Sandbox& sandbox) override;
  void detach(const Sandbox& sandbox, std::function<void(Status)> done) override;
  void pod_changed(const boost::json::object& pod) override;
  void pod_gone(const std::string& uid) override;

 private:
  using Done = std::function<void(Result<PodAddresses>)>;

  void answer(const std::string& uid, Result<PodAddresses> result);

  Scheduler& scheduler_;
  std::map<std::string, Done> waiting_;          // by UID
  std::map<std::string, PodAddresses> decided_;  // by UID: what the annotations say
};

}  // namespace berth::dev
