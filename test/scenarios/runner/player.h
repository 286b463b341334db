#pragma once

// Plays one scenario: does what its steps say, and waits for what must be seen.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/runner/match.h"
#include "scenarios/runner/place.h"
#include "scenarios/runner/scenario.h"

namespace berth::scenarios {

struct PlayOptions {
  int number = 1;                         // of this scenario: <id>, <net> and <net6> come from it
  std::chrono::milliseconds patience{0};  // how long to wait for each thing to be seen; 0: as the scenario says
  bool clean_up = true;                   // delete what was applied, and see it go
};

struct Outcome {
  enum class Kind {
    passed,
    not_seen,  // something that must be seen was not
    broken,    // a step could not be carried out
  };
  Kind kind = Kind::passed;
  std::string what;  // the step, what was expected, and what was seen
  std::chrono::milliseconds took{0};
};

[[nodiscard]] Variables variables_of(int number);

[[nodiscard]] Outcome play(Place& place, const Scenario& scenario, const PlayOptions& options);

}  // namespace berth::scenarios
