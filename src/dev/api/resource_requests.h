#pragma once

// Requests on stored objects that are answered at once: everything but watches, logs and discovery.

#include "dev/api/api_path.h"
#include "http/server.h"
#include "sim/api_store.h"

namespace berth::dev {

// What a request speaks about, resolved against what is served.
struct ResourceRequest {
  const http::ServerRequest& http;
  ApiPath path;
  sim::TypePtr type;
};

class ResourceRequests {
 public:
  // Both must outlive it. Thread-safe: the store is used under its mutex.
  ResourceRequests(sim::ApiStore& store, std::function<WallTime()> now) : store_(store), now_(std::move(now)) {}

  [[nodiscard]] http::ServerResponse answer(const ResourceRequest& request) const;

 private:
  using Answer = sim::ApiResult<http::ServerResponse>;
  [[nodiscard]] Answer get(const ResourceRequest& request) const;
  [[nodiscard]] Answer list(const ResourceRequest& request) const;
  [[nodiscard]] Answer create(const ResourceRequest& request) const;
  [[nodiscard]] Answer create_below(const ResourceRequest& request) const;
  [[nodiscard]] Answer update(const ResourceRequest& request) const;
  [[nodiscard]] Answer patch(const ResourceRequest& request) const;
  [[nodiscard]] Answer remove(const ResourceRequest& request) const;
  [[nodiscard]] Answer remove_collection(const ResourceRequest& request) const;
  [[nodiscard]] Answer dispatch(const ResourceRequest& request) const;

  [[nodiscard]] Answer show(const ResourceRequest& request, int status, const boost::json::object& object) const;

  sim::ApiStore& store_;
  std::function<WallTime()> now_;
};

[[nodiscard]] sim::ApiError not_allowed(const http::ServerRequest& request);

// Whether resourceVersion, resourceVersionMatch and sendInitialEvents of a list or watch go together: 422 if not.
[[nodiscard]] sim::ApiResult<void> check_version_match(const http::ServerRequest& request, bool watch);

}  // namespace berth::dev
