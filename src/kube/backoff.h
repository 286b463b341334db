#pragma once

#include "base/random.h"
#include "base/scheduler.h"

namespace berth::kube {

// How long to wait before the next try: doubles from first to cap, each time drawn from the upper half of its step, so
// that many clients of a server that comes back do not arrive together.
class Backoff {
 public:
  // The generator must outlive this.
  Backoff(Duration first, Duration cap, Random& random) : first_(first), cap_(cap), step_(first), random_(&random) {}

  [[nodiscard]] Duration next();

  void reset() { step_ = first_; }

 private:
  Duration first_;
  Duration cap_;
  Duration step_;
  Random* random_;
};

// A draw from [from, to].
[[nodiscard]] Duration draw(Duration from, Duration to, Random& random);

}  // namespace berth::kube
