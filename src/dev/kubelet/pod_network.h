#pragma once

// How a pod gets its addresses. Production: CniNetwork, the CNI protocol; without a data path: AnnotationNetwork, which
// believes the pod's annotations; tests: a fake. All on the Scheduler's thread; callbacks never inside the call.

#include <functional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace berth::dev {

struct Sandbox {
  std::string ns;
  std::string pod;
  std::string uid;
  std::string id;          // CNI's container id: another one for each attempt
  std::string namespace_;  // name of the network namespace
  std::string networks;    // the pod's k8s.v1.cni.cncf.io/networks
};

struct PodAddresses {
  std::vector<std::string> addresses{};  // of the default network, without prefix length
  std::string network_status{};  // k8s.v1.cni.cncf.io/network-status; empty if there is only the default network
};

class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  // On failure what was done remains to be undone by detach().
  virtual void attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) = 0;

  // A pending attach() of that sandbox ends soon, probably with an error.
  virtual void cancel(const Sandbox& sandbox) = 0;

  // Succeeds if there is nothing to undo.
  virtual void detach(const Sandbox& sandbox, std::function<void(Status)> done) = 0;

  // The pod as the API has it now.
  virtual void pod_changed(const boost::json::object& pod) = 0;

  // It will not be heard of again.
  virtual void pod_gone(const std::string& uid) = 0;
};

}  // namespace berth::dev
