#pragma once

// The story of a play as the API tells it: which pod waits for what, since when, and what woke it. Pure: watch events
// go in with the time they came, lines for people come out. It believes annotations and events; the verdict does not
// ask it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"

namespace berth::dev {

// Times are measured from the start of the play.
struct PodStory {
  enum class State { created, waiting, bound, running, leaving };

  std::string ns;
  std::string name;
  std::string node;
  State state = State::created;
  Duration created{0};            // when it was first seen
  std::optional<Duration> bound;  // when its address was first seen
  std::string waits_for;          // message of its last WaitingForSubnet event
  std::string subnet;             // that it was bound to
  std::string address;
  std::string rule;  // by which it was bound; empty if not said

  // From its creation to its address, or until now.
  [[nodiscard]] Duration waited(Duration now) const { return bound.value_or(now) - created; }
};

class Timeline {
 public:
  using Lines = std::vector<std::string>;

  // Each takes an object as a watch shows it, `deleted` telling that it is gone, and returns what there is to say.
  // Objects of one kind come in order; kinds may overtake each other.
  [[nodiscard]] Lines pod(const boost::json::object& object, bool deleted, Duration now);
  [[nodiscard]] Lines subnet(const boost::json::object& object, bool deleted, Duration now);
  [[nodiscard]] Lines vpc(const boost::json::object& object, bool deleted, Duration now);
  [[nodiscard]] Lines event(const boost::json::object& object, Duration now);

  // One line for each pod that does not run yet: the live part of the screen.
  [[nodiscard]] Lines pending(Duration now) const;

  // By UID.
  [[nodiscard]] const std::map<std::string, PodStory>& pods() const { return pods_; }

 private:
  struct Readiness {
    bool ready = false;
    Duration since{0};
  };

  Lines network(std::string_view kind, const boost::json::object& object, bool ready, bool deleted, Duration now);
  [[nodiscard]] std::string woken_by(const PodStory& story, Duration now) const;

  std::map<std::string, PodStory> pods_;
  std::map<std::string, Readiness> networks_;  // by "Subnet x", "Vpc y"
  std::map<std::string, std::string> early_;   // by pod UID: an event that came before its pod
};

}  // namespace berth::dev
