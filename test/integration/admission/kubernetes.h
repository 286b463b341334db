#pragma once

// A real kube-apiserver on a real etcd, for the time of the test program, on loopback.

#include <memory>
#include <string>

#include <boost/json.hpp>

#include "dev/cluster/kubernetes.h"
#include "dev/process/supervisor.h"
#include "integration/ovsdb/servers.h"

namespace berth::test {

struct Answer {
  int status = 0;
  boost::json::value body;
  std::string text;
  std::string warnings;  // all Warning headers, one a line
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

class Kubernetes {
 public:
  // Empty if kube-apiserver and etcd are here (KUBEBUILDER_ASSETS, then the PATH for etcd); else what is missing.
  [[nodiscard]] static std::string missing();

  // Ready when it returns; a failure to start ends the program.
  Kubernetes();
  ~Kubernetes();

  // As a member of system:masters.
  Answer call(const std::string& method, const std::string& path, const boost::json::value& body = nullptr);
  Answer merge_patch(const std::string& path, const std::string& patch);

  [[nodiscard]] const std::string& kubeconfig() const { return kubeconfig_; }  // a file

 private:
  Answer send(const std::string& method, const std::string& path, std::string body);

  TempFolder folder_;
  dev::Supervisor supervisor_{nullptr};
  std::string kubeconfig_;
  std::unique_ptr<dev::Kubernetes> kubernetes_;
};

}  // namespace berth::test
