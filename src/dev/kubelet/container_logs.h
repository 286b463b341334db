#pragma once

// Which file holds which container's output: what `kubectl logs` reads. Filled by kubelets, read by the API server's
// threads.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "dev/api/api_server.h"
#include "dev/kubelet/pod_spec.h"

namespace berth::dev {

// Thread-safe. The files stay when the pod is gone.
class ContainerLogs {
 public:
  // A run (from 0) of a container begins, writing to a file.
  void begin(const PodSpec& pod, const std::string& container, int run, const std::string& file);

  // Nothing of the pod runs any more.
  void end(const PodSpec& pod);

  // The pod is gone from the API.
  void forget(const PodSpec& pod);

  // A LogSource. not_found: no such pod or container; invalid: it has not run yet, or not twice.
  [[nodiscard]] Result<LogChunk> read(const LogRequest& request, std::uint64_t offset) const;

 private:
  struct Pod {
    std::string uid;
    std::vector<std::string> containers;                    // in the order of the spec, init containers first
    std::string first;                                      // the first that is no init container
    std::map<std::string, std::vector<std::string>> files;  // by container: one a run
    bool ended = false;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Pod> pods_;  // by "ns/name"; guarded by mutex_
};

}  // namespace berth::dev
