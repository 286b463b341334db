#pragma once

// The plays of the demo: the same chart, sent in different ways.

#include <string>
#include <vector>

#include "base/scheduler.h"

namespace berth::dev {

// What of the chart the release holds: its values vpc.enabled, subnets.enabled and expectsSubnet.
struct Release {
  bool subnets = true;
  bool vpc = true;
  std::string expects_subnet{};  // empty: the Namespaces say nothing

  friend bool operator==(const Release&, const Release&) = default;
};

struct Step {
  Duration after{0};  // the first pod was seen; the first step begins the play
  Release release{};
  std::string says{};  // "the Subnets follow"
  // Sent later than this after the first pod was seen, the play is another one than it says; 0: whenever.
  Duration latest{0};
};

struct Play {
  std::string title;
  std::vector<Step> steps;  // the first installs, the others upgrade; the last one sends the whole chart
};

[[nodiscard]] std::vector<Play> demo_plays();

}  // namespace berth::dev
