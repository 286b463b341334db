#include "controller/write_counter.h"

#include <utility>

#include "kube/rest.h"

namespace berth::controller {

void WriteCounter::send(api::Request request, Reply done) {
  if (!kube::is_write(request.verb)) return inner_.send(std::move(request), std::move(done));
  ++state_->writes;
  inner_.send(std::move(request), [state = state_, done = std::move(done)](Result<boost::json::value> reply) {
    --state->writes;
    done(std::move(reply));
    if (state->writes > 0 || !state->idle) return;
    std::exchange(state->idle, {})();
  });
}

void WriteCounter::when_idle(std::function<void()> fn) {
  if (state_->writes == 0) return fn();
  state_->idle = std::move(fn);
}

}  // namespace berth::controller
