#pragma once

// OVN's central part: the northbound and southbound databases and ovn-northd, reached over unix sockets (all nodes
// share the machine's files, so there is no need for TCP).

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dev/cluster/run_dir.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class OvnCentral {
 public:
  // Serves when it returns. Both must outlive it. Error invalid if OVN is not installed.
  [[nodiscard]] static Result<std::unique_ptr<OvnCentral>> start(Supervisor& supervisor, const RunDir& dir);
  ~OvnCentral();
  OvnCentral(const OvnCentral&) = delete;
  OvnCentral& operator=(const OvnCentral&) = delete;

  [[nodiscard]] const std::string& northbound() const { return northbound_; }  // "unix:/…/ovn/nb.sock"
  [[nodiscard]] const std::string& southbound() const { return southbound_; }

  // Waits until ovn-controller has registered itself under this name (system-id).
  [[nodiscard]] Status await_chassis(const std::string& name);

 private:
  explicit OvnCentral(Supervisor& supervisor) : supervisor_(supervisor) {}

  Supervisor& supervisor_;
  std::vector<Supervisor::Id> processes_;
  std::string northbound_;
  std::string southbound_;
};

}  // namespace berth::dev
