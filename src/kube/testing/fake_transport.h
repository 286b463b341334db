#pragma once

// A Transport that a test plays by hand: it keeps what was sent until the test answers it. Header-only, for *_test.cpp.

#include <cassert>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/scheduler.h"
#include "kube/transport.h"

namespace berth::kube::testing {

class FakeTransport final : public Transport {
 public:
  struct Call {
    api::Request request;
    Reply reply;
  };

  explicit FakeTransport(Scheduler& scheduler) : scheduler_(scheduler) {}

  std::deque<Call> calls;                   // not answered yet, oldest first
  std::map<WatchId, WatchRequest> watches;  // open
  std::vector<WatchRequest> all_watches;    // ever opened

  // Answers every request at once, instead of keeping it in calls.
  std::function<Result<boost::json::value>(const api::Request&)> responder;

  void send(api::Request request, Reply done) override {
    if (!responder) {
      calls.push_back({std::move(request), std::move(done)});
      return;
    }
    auto result = responder(request);
    deliver(std::move(done), std::move(result));
  }

  WatchId watch(WatchRequest request, WatchHandler handler) override {
    const WatchId id = next_++;
    all_watches.push_back(request);
    watches.emplace(id, std::move(request));
    handlers_.emplace(id, std::make_shared<WatchHandler>(std::move(handler)));
    return id;
  }

  void stop_watch(WatchId id) override {
    watches.erase(id);
    handlers_.erase(id);
  }

  // Takes the oldest unanswered request.
  Call take() {
    assert(!calls.empty());
    Call call = std::move(calls.front());
    calls.pop_front();
    return call;
  }

  // Answers the oldest unanswered request and returns it.
  api::Request answer(Result<boost::json::value> result) {
    Call call = take();
    deliver(std::move(call.reply), std::move(result));
    return std::move(call.request);
  }

  void deliver(Reply reply, Result<boost::json::value> result) {
    scheduler_.post([reply = std::move(reply), result = std::move(result)]() mutable { reply(std::move(result)); });
  }

  // The watch opened last, which must be open.
  [[nodiscard]] WatchId open_watch() const {
    assert(!watches.empty());
    return watches.rbegin()->first;
  }

  void emit(WatchEvent::Type type, boost::json::value object) {
    scheduler_.post([this, id = open_watch(), type, object = std::move(object)]() mutable {
      if (const auto it = handlers_.find(id); it != handlers_.end()) {
        const auto handler = it->second;
        handler->on_event({type, std::move(object)});
      }
    });
  }

  void end(Error error) {
    const WatchId id = open_watch();
    watches.erase(id);
    scheduler_.post([this, id, error = std::move(error)]() mutable {
      if (const auto node = handlers_.extract(id)) node.mapped()->on_end(std::move(error));
    });
  }

 private:
  Scheduler& scheduler_;
  std::map<WatchId, std::shared_ptr<WatchHandler>> handlers_;
  WatchId next_ = 1;
};

}  // namespace berth::kube::testing
