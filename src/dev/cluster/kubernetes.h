#pragma once

// A real Kubernetes control plane on loopback: etcd and kube-apiserver, and with them the real controllers and
// scheduler. In place of the embedded API, to prove that both give the same results.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "dev/process/supervisor.h"
#include "http/certificates.h"
#include "http/client.h"

namespace berth::dev {

struct KubernetesOptions {
  std::string programs;    // folder of kube-apiserver; with controllers also kube-controller-manager and kube-scheduler
  std::string dir;         // an empty folder for certificates and data; whoever made it removes it
  std::string logs;        // folder for the programs' logs
  std::uint16_t port = 0;  // 0: any free one
  std::string service_cidr = "10.96.0.0/16";
  bool controllers = true;
};

class Kubernetes {
 public:
  // Empty if the programs are there; else what is missing, and how to get it. etcd is taken from the folder, else from
  // the PATH (Debian: etcd-server).
  [[nodiscard]] static std::string missing(const KubernetesOptions& options);

  // Ready to take objects when it returns. The supervisor must outlive it. Errors: invalid (missing programs),
  // unavailable, timeout (with the end of the API server's log).
  [[nodiscard]] static Result<std::unique_ptr<Kubernetes>> start(Supervisor& supervisor, KubernetesOptions options);
  ~Kubernetes();
  Kubernetes(const Kubernetes&) = delete;
  Kubernetes& operator=(const Kubernetes&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }  // "https://127.0.0.1:4711"

  // Kubeconfigs (YAML) with a client certificate of their own.
  [[nodiscard]] std::string kubeconfig() const { return kubeconfig_for("admin", {"system:masters"}); }
  [[nodiscard]] std::string kubeconfig_for(const std::string& user, const std::vector<std::string>& groups) const;

  // As a member of system:masters. The path begins with a slash; a body is sent as JSON, a merge patch with PATCH.
  [[nodiscard]] Result<http::ClientResponse> call(const std::string& method, const std::string& path,
                                                  std::string body = {});

  // Creates them, and waits until their kinds are served.
  [[nodiscard]] Status install_crds(const std::vector<boost::json::object>& crds);

 private:
  Kubernetes(Supervisor& supervisor, KubernetesOptions options)
      : supervisor_(supervisor), options_(std::move(options)) {}
  [[nodiscard]] Status make_certificates();
  [[nodiscard]] Status start_server();
  [[nodiscard]] Status start_controllers();
  [[nodiscard]] Status run(const std::string& program, std::vector<std::string> flags);
  [[nodiscard]] Status await_served(const std::string& path);

  Supervisor& supervisor_;
  KubernetesOptions options_;
  std::string url_;
  http::KeyPair authority_;
  std::unique_ptr<http::Client> client_;
  std::vector<Supervisor::Id> processes_;
};

}  // namespace berth::dev
