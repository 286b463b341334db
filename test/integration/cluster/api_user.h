#pragma once

// A client of the API for tests: every call waits for its answer.

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "api/json.h"
#include "base/event_loop.h"
#include "kube/client.h"
#include "kube/config.h"

namespace berth::dev {

class ApiUser {
 public:
  explicit ApiUser(const std::string& kubeconfig) {
    auto config = kube::load_kubeconfig({kubeconfig});
    EXPECT_TRUE(config) << config.error().message;
    client_ = std::make_unique<kube::Client>(loop_, *config, kube::Client::Options{});
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ApiUser() {
    std::promise<void> gone;
    loop_.post([&] {
      client_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    loop_.stop();
    thread_.join();
  }
  ApiUser(const ApiUser&) = delete;
  ApiUser& operator=(const ApiUser&) = delete;

  std::vector<boost::json::object> list(api::Kind kind, const std::string& ns) {
    std::vector<boost::json::object> out;
    const auto reply = call(api::Verb::list, kind, ns, {}, {});
    EXPECT_TRUE(reply) << reply.error().message;
    if (!reply) return out;
    for (const auto& item : reply->at("items").as_array()) out.push_back(item.as_object());
    return out;
  }

  bool serves(api::Kind kind) { return call(api::Verb::list, kind, {}, {}, {}).has_value(); }

  // Empty if there is none.
  boost::json::object get(api::Kind kind, const std::string& ns, const std::string& name) {
    auto reply = call(api::Verb::get, kind, ns, name, {});
    return reply && reply->is_object() ? reply->as_object() : boost::json::object{};
  }

  bool create(api::Kind kind, const std::string& ns, boost::json::value body) {
    return ok(call(api::Verb::create, kind, ns, {}, std::move(body)));
  }
  bool patch(api::Kind kind, const std::string& ns, const std::string& name, boost::json::value body) {
    return ok(call(api::Verb::merge_patch, kind, ns, name, std::move(body)));
  }
  bool remove(api::Kind kind, const std::string& ns, const std::string& name) {
    return ok(call(api::Verb::remove, kind, ns, name, {}));
  }

 private:
  static bool ok(const Result<boost::json::value>& reply) {
    EXPECT_TRUE(reply) << reply.error().message;
    return reply.has_value();
  }

  Result<boost::json::value> call(api::Verb verb, api::Kind kind, const std::string& ns, const std::string& name,
                                  boost::json::value body) {
    api::Request request;
    request.verb = verb;
    request.kind = kind;
    request.ns = ns;
    request.name = name;
    request.body = std::move(body);
    std::promise<Result<boost::json::value>> promise;
    auto future = promise.get_future();
    loop_.post([&] {
      client_->send(std::move(request), [&](Result<boost::json::value> reply) { promise.set_value(std::move(reply)); });
    });
    return future.get();
  }

  EventLoop loop_;
  std::unique_ptr<kube::Client> client_;
  std::thread thread_;
};

// The status of a condition: "True", "False", …; "" if it is not there.
inline std::string condition_of(const boost::json::object& object, std::string_view type) {
  const auto* conditions = api::find_array(object, {"status", "conditions"});
  if (conditions == nullptr) return "";
  for (const auto& condition : *conditions) {
    if (condition.is_object() && api::string_at(condition.get_object(), {"type"}) == type) {
      return api::string_at(condition.get_object(), {"status"});
    }
  }
  return "";
}

}  // namespace berth::dev
