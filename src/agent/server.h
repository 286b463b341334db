#pragma once

// The agent's doors: the unix socket that berth-cni calls, and the one for Prometheus.

#include <sys/types.h>

#include <memory>
#include <string>

#include "agent/attacher.h"
#include "agent/metrics.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "http/server.h"

namespace berth::agent {

// Serves CNI calls (cni/protocol.h) on a unix socket of mode 0600. Only processes of one user are heard, whatever the
// socket's mode says by then. Sizes and times are bounded; a caller that leaves abandons its call.
class CniServer {
 public:
  struct Options {
    std::string path;  // its folder is made if it is missing; a socket that is left over is replaced
    uid_t uid = 0;     // the one user that may call
  };

  // Serves when it returns. Scheduler and attacher must outlive this object, which belongs to the Scheduler's thread.
  [[nodiscard]] static Result<std::unique_ptr<CniServer>> start(const Options& options, Scheduler& scheduler,
                                                                Attacher& attacher);
  ~CniServer();
  CniServer(const CniServer&) = delete;
  CniServer& operator=(const CniServer&) = delete;

 private:
  CniServer(Scheduler& scheduler, Attacher& attacher) : scheduler_(scheduler), attacher_(attacher) {}
  void on_request(const http::ServerRequest& request, const http::Responder& responder);

  Scheduler& scheduler_;
  Attacher& attacher_;
  uid_t uid_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<http::Server> server_;
};

// GET /metrics and /healthz on "address:port" ("127.0.0.1:10665", "[::1]:0", ":10665"). Metrics must outlive the
// server. Errors: invalid (the address), unavailable (cannot bind).
[[nodiscard]] Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& address, const Metrics& metrics);

}  // namespace berth::agent
