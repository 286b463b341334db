#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "kube/transport.h"

namespace berth::controller {

// Passes everything on to another Transport and knows which writes have no answer yet: a leader gives its Lease back
// only when none is left, because the next one may begin at once. On the Scheduler's thread.
class WriteCounter final : public kube::Transport {
 public:
  explicit WriteCounter(kube::Transport& inner) : inner_(inner) {}

  void send(api::Request request, Reply done) override;
  WatchId watch(kube::WatchRequest request, WatchHandler handler) override {
    return inner_.watch(std::move(request), std::move(handler));
  }
  void stop_watch(WatchId id) override { inner_.stop_watch(id); }

  // fn runs once, as soon as no write is under way: at once if none is.
  void when_idle(std::function<void()> fn);

 private:
  struct State {
    std::size_t writes = 0;
    std::function<void()> idle;
  };
  kube::Transport& inner_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace berth::controller
