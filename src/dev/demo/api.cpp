#include "dev/demo/api.h"

#include <fmt/core.h>

#include <future>
#include <map>
#include <utility>

#include "api/json.h"
#include "kube/client.h"
#include "kube/config.h"

namespace berth::dev {

namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

std::string uid_of(const boost::json::object& object) { return api::string_at(object, {"metadata", "uid"}); }

}  // namespace

// Turns what a Reflector passes on into changes of single objects.
class Api::Follower {
 public:
  Follower(kube::Transport& transport, Scheduler& scheduler, Random& random, api::Kind kind, OnChange on_change)
      : on_change_(std::move(on_change)),
        reflector_(transport, scheduler, random, options(kind),
                   {[this](kube::ReflectorEvent event) { std::visit([this](auto& e) { take(e); }, event); }, {}, {}}) {
    reflector_.start();
  }

 private:
  static kube::Reflector::Options options(api::Kind kind) {
    kube::Reflector::Options options;
    options.kind = kind;
    return options;
  }

  void take(kube::Replace& all) {
    std::map<std::string, boost::json::object> before = std::exchange(known_, {});
    for (boost::json::value& item : all.items) {
      if (!item.is_object()) continue;
      before.erase(uid_of(item.get_object()));
      tell(item.get_object());
    }
    for (const auto& [uid, gone] : before) on_change_(gone, true);
  }

  void take(kube::Upsert& changed) {
    if (changed.object.is_object()) tell(changed.object.get_object());
  }

  void take(kube::Delete& gone) {
    if (!gone.object.is_object()) return;
    known_.erase(uid_of(gone.object.get_object()));
    on_change_(gone.object.get_object(), true);
  }

  void tell(const boost::json::object& object) {
    known_.insert_or_assign(uid_of(object), object);
    on_change_(object, false);
  }

  OnChange on_change_;
  std::map<std::string, boost::json::object> known_;  // by UID
  kube::Reflector reflector_;
};

Result<Api::MakeTransport> Api::over_https(const std::string& kubeconfig) {
  Result<kube::Config> config = kube::load_kubeconfig({kubeconfig});
  if (!config) return fail(std::move(config.error()));
  return [config = std::move(*config)](Scheduler& scheduler) {
    kube::Client::Options options;
    options.user_agent = "berth-dev-demo";
    return std::make_unique<kube::Client>(scheduler, config, options);
  };
}

Api::Api(const MakeTransport& make) {
  std::promise<void> made;
  loop_.post([&] {
    transport_ = make(loop_);
    made.set_value();
  });
  thread_ = std::thread([this] { loop_.run(); });
  made.get_future().wait();
}

Api::~Api() {
  std::promise<void> cleared;
  loop_.post([&] {
    followers_.clear();
    transport_.reset();
    cleared.set_value();
  });
  cleared.get_future().wait();
  loop_.stop();
  thread_.join();
}

Result<boost::json::value> Api::call(api::Request request) {
  using Answer = Result<boost::json::value>;
  const auto answer = std::make_shared<std::promise<Answer>>();
  std::future<Answer> future = answer->get_future();
  loop_.post([this, answer, request = std::move(request)]() mutable {
    transport_->send(std::move(request), [answer](Answer result) { answer->set_value(std::move(result)); });
  });
  if (future.wait_for(kTimeout) != std::future_status::ready)
    return fail(ErrorCode::timeout, "the API did not answer in 30 s");
  return future.get();
}

Result<std::vector<boost::json::object>> Api::list(api::Kind kind) {
  api::Request request;
  request.verb = api::Verb::list;
  request.kind = kind;
  Result<boost::json::value> answer = call(std::move(request));
  if (!answer) return fail(answer.error().with_context(fmt::format("list {}", api::resource_of(kind).plural)));
  std::vector<boost::json::object> items;
  const boost::json::array* found = answer->is_object() ? api::find_array(answer->get_object(), {"items"}) : nullptr;
  if (found == nullptr) return items;
  for (const boost::json::value& item : *found) {
    if (item.is_object()) items.push_back(item.get_object());
  }
  return items;
}

void Api::follow(api::Kind kind, OnChange on_change) {
  loop_.post([this, kind, on_change = std::move(on_change)]() mutable {
    followers_.push_back(std::make_unique<Follower>(*transport_, loop_, random_, kind, std::move(on_change)));
  });
}

}  // namespace berth::dev
