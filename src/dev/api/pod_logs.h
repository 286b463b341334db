#pragma once

// GET of a pod's log, followed if the client asks.

#include <memory>
#include <mutex>

#include "dev/api/api_server.h"
#include "dev/api/resource_requests.h"
#include "dev/api/workers.h"

namespace berth::dev {

class PodLogs {
 public:
  // All must outlive it.
  PodLogs(sim::ApiStore& store, Workers& workers) : store_(store), workers_(workers) {}

  void set_source(LogSource source);
  void answer(const ResourceRequest& request, const http::Responder& responder);

 private:
  [[nodiscard]] std::shared_ptr<const LogSource> source();

  sim::ApiStore& store_;
  Workers& workers_;
  std::mutex mutex_;
  std::shared_ptr<const LogSource> source_;  // guarded by mutex_
};

// The last `lines` lines of the text.
[[nodiscard]] std::string_view tail_of(std::string_view text, std::uint64_t lines);

}  // namespace berth::dev
