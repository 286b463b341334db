#pragma once

// The demo's way to the Kubernetes API: calls that wait for their answer, and collections that are followed.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "api/request.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "kube/reflector.h"
#include "kube/transport.h"

namespace berth::dev {

// Runs a loop on a thread of its own for the Transport and what it calls back.
class Api {
 public:
  using MakeTransport = std::function<std::unique_ptr<kube::Transport>(Scheduler&)>;

  // kube::Client, as a kubeconfig file says.
  [[nodiscard]] static Result<MakeTransport> over_https(const std::string& kubeconfig);

  // `make` is called once, on the loop's thread.
  explicit Api(const MakeTransport& make);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // From any thread but the loop's own. Errors as of kube::Transport; timeout after 30 s.
  [[nodiscard]] Result<boost::json::value> call(api::Request request);

  // The items of all Namespaces.
  [[nodiscard]] Result<std::vector<boost::json::object>> list(api::Kind kind);

  // Called on the loop's thread for every object that is there, and for every change; `deleted` with the last that was
  // known of it. Objects may be told more than once. Must not call call(), list() or follow().
  using OnChange = std::function<void(const boost::json::object& object, bool deleted)>;
  void follow(api::Kind kind, OnChange on_change);

 private:
  class Follower;

  EventLoop loop_;
  Random random_{std::random_device()()};
  std::unique_ptr<kube::Transport> transport_;  // loop thread only, as are the followers
  std::vector<std::unique_ptr<Follower>> followers_;
  std::thread thread_;
};

}  // namespace berth::dev
