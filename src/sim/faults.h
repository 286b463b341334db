#pragma once

// What goes wrong in a simulated run, how often, and how often it did. All dice are one seeded generator.

#include <cstdint>
#include <map>
#include <string>

#include "base/random.h"
#include "base/scheduler.h"

namespace berth::sim {

// Probabilities, each of one opportunity.
struct FaultRates {
  double request_lost = 0;       // an API request never arrives: unavailable
  double reply_lost = 0;         // it is carried out, but the reply is lost: unavailable
  double watch_dropped = 0;      // after an event, the watch ends
  double watch_stalled = 0;      // an event, and all after it on that watch, come seconds late
  double event_repeated = 0;     // an event is delivered twice
  double history_forgotten = 0;  // after a watch ended, the server has forgotten its version: 410
  double list_incomplete = 0;    // a list of pods lacks one that is there
  double ovn_refused = 0;
  double ovn_dropped = 0;                            // the OVSDB connection breaks before or after a commit
  double crash = 0;                                  // the controller dies at an effect
  Duration slowest = std::chrono::milliseconds(50);  // of one message, uniformly from 0
  double very_slow = 0;                              // a message takes up to 40 times as long
};

class Faults {
 public:
  Faults(Random& random, FaultRates rates) : random_(random), rates_(rates) {}

  [[nodiscard]] const FaultRates& rates() const { return rates_; }
  void set_rates(FaultRates rates) { rates_ = rates; }

  // Rolls; a hit is counted under that name.
  bool roll(const std::string& name, double probability) {
    if (probability <= 0 || static_cast<double>(random_() >> 11) * 0x1.0p-53 >= probability) return false;
    ++occurred_[name];
    return true;
  }

  // One message's time on the way.
  Duration delay() {
    const std::uint64_t limit =
        static_cast<std::uint64_t>(rates_.slowest.count()) * (roll("very slow message", rates_.very_slow) ? 40 : 1);
    return Duration(static_cast<Duration::rep>(random_() % (limit + 1)));
  }

  // How long a watch stands still: mostly not at all, else longer than a Namespace takes to settle.
  Duration stall() {
    if (!roll("watch stalled", rates_.watch_stalled)) return Duration::zero();
    return std::chrono::milliseconds(1000 + random_() % 9000);
  }

  void count(const std::string& name) { ++occurred_[name]; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& occurred() const { return occurred_; }

 private:
  Random& random_;
  FaultRates rates_;
  std::map<std::string, std::uint64_t> occurred_;
};

}  // namespace berth::sim
