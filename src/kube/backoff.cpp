#include "kube/backoff.h"

#include <algorithm>
#include <random>

namespace berth::kube {

Duration draw(Duration from, Duration to, Random& random) {
  return Duration(std::uniform_int_distribution<Duration::rep>(from.count(), std::max(from, to).count())(random));
}

Duration Backoff::next() {
  const Duration delay = draw(step_ / 2, step_, *random_);
  step_ = std::min(step_ * 2, cap_);
  return delay;
}

}  // namespace berth::kube
