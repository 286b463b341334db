#pragma once

// Watches as endless chunked answers.

#include <memory>
#include <mutex>
#include <unordered_set>

#include "dev/api/render.h"
#include "dev/api/resource_requests.h"
#include "dev/api/workers.h"
#include "http/server.h"
#include "sim/api_store.h"

namespace berth::dev {

// Events are pulled from the store only as fast as the client reads: one that is slower than the store's history is
// told 410 Expired and lists again.
class Watches {
 public:
  // All must outlive it.
  Watches(sim::ApiStore& store, Workers& workers, std::function<WallTime()> now);
  ~Watches();  // stop()

  // Answers with a stream, or with the error that keeps it from beginning.
  void begin(const ResourceRequest& request, const http::Responder& responder);

  // Ends all of them. Afterwards begin() answers 503.
  void stop();

 private:
  class Session;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace berth::dev
