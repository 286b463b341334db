#pragma once

// The HTTP face for kubelet and Prometheus: /healthz, /readyz, /metrics.

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "controller/loop_thread.h"
#include "controller/metrics.h"
#include "controller/options.h"
#include "http/server.h"

namespace berth::controller {

class Probes {
 public:
  // All called on threads of the Probes; none may block.
  struct Sources {
    std::function<Status()> alive;                                    // the error says what is wrong
    std::function<bool()> in_contact;                                 // the API server has answered once
    std::function<void(std::function<void(Metrics)>)> take_snapshot;  // the answer comes later, on any thread
    Duration patience = std::chrono::seconds(5);                      // with take_snapshot
  };

  // Serves when it returns. Errors: unavailable (cannot bind).
  [[nodiscard]] static Result<std::unique_ptr<Probes>> start(const Endpoint& endpoint, Sources sources);

  // No source is called afterwards. Answers to take_snapshot must not come any more.
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  explicit Probes(Sources sources) : sources_(std::move(sources)) {}
  void handle(const http::ServerRequest& request, http::Responder responder);
  void with_snapshot(http::Responder responder, std::function<http::ServerResponse(const Metrics&)> answer);

  Sources sources_;
  LoopThread loop_;  // for deadlines, and for making texts
  std::unique_ptr<http::Server> server_;
};

}  // namespace berth::controller
