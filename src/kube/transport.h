#pragma once

// The Kubernetes API as the engine sees it. Production: kube::Client over HTTPS. Simulation: sim::Transport over an
// in-memory store, with delays, losses and conflicts. All callbacks run on the Scheduler's thread, never inside the
// call that caused them.

#include <cstdint>
#include <functional>
#include <string>

#include <boost/json/value.hpp>

#include "api/request.h"
#include "base/result.h"

namespace berth::kube {

struct WatchEvent {
  enum class Type { added, modified, deleted, bookmark };
  Type type = Type::added;
  boost::json::value object;  // the whole object; of a bookmark only metadata.resourceVersion counts
};

struct WatchRequest {
  api::Kind kind = api::Kind::pod;
  std::string ns;              // empty: all
  std::string field_selector;  // "spec.nodeName=node-1"
  std::string label_selector;
  std::string resource_version;  // events after this one
};

class Transport {
 public:
  using WatchId = std::uint64_t;  // 0 is never a watch
  using Reply = std::function<void(Result<boost::json::value>)>;

  struct WatchHandler {
    std::function<void(WatchEvent)> on_event;
    std::function<void(Error)> on_end;  // last call of this watch: ErrorCode::gone asks for a new list; unavailable is
                                        // also a plain end of stream
  };

  virtual ~Transport() = default;

  // Errors: the ErrorCode that the HTTP status means (404 not_found, 409 conflict or already_exists by the Status'
  // reason, 410 gone, 422 and 400 invalid, 401/403 forbidden, 429 and 5xx unavailable), unavailable when the server
  // cannot be reached. unavailable and timeout leave open whether the write happened: callers find out by reading.
  virtual void send(api::Request request, Reply done) = 0;

  virtual WatchId watch(WatchRequest request, WatchHandler handler) = 0;

  // No callback of the watch runs after this returns.
  virtual void stop_watch(WatchId id) = 0;
};

}  // namespace berth::kube
