#pragma once

// What is told at the end of a play and of the demo: the table, the verdict, the JSON file. Pure.

#include <map>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "dev/demo/expectation.h"
#include "dev/demo/observation.h"
#include "dev/demo/timeline.h"
#include "dev/demo/verdict.h"

namespace berth::dev {

// A line of the table.
struct PodRow {
  std::string ns;
  std::string pod;
  std::string node;
  std::string subnet;   // of its OVN port; "-" if there is none
  std::string address;  // of its status; "-" if there is none
  std::string waited;   // until it had its address
  std::string hook;     // "ok", "failed", "-" if it has none, "not run" without a data path
};

struct PlayReport {
  std::string title;
  std::vector<PodRow> rows;
  Verdict up;               // while the tenant is there
  Verdict gone;             // after it was deleted
  std::string error;        // why the play could not be played to its end; empty if it was
  bool late = false;        // a step came too late for the play to mean what it says: nothing is proved either way
  std::size_t repeats = 0;  // how often it was late before
  Duration took{0};

  [[nodiscard]] bool holds() const { return error.empty() && !late && up.holds() && gone.holds(); }
};

struct DemoReport {
  std::string sender;  // "helm v3.19.5"
  bool helm = false;
  bool datapath = true;
  bool sabotage = false;
  std::size_t controller_kills = 0;
  std::vector<PlayReport> plays;
  std::size_t plays_meant = 0;  // a demo that stopped early has fewer reports
  std::string error;            // why the demo could not go on; empty if it could
  Duration took{0};

  [[nodiscard]] bool holds() const;
};

// Rows in order of Namespace and name. `stories` are those of the timeline, by UID.
[[nodiscard]] std::vector<PodRow> rows_of(const Expectation& expectation, const Observation& seen,
                                          const std::map<std::string, PodStory>& stories);

[[nodiscard]] std::vector<std::string> table_of(const std::vector<PodRow>& rows);

// "7 addresses in the Subnet meant for them, 2 hooks succeeded, 30 pings answered …", or what failed, one line each.
[[nodiscard]] std::vector<std::string> summary_of(const PlayReport& play);

[[nodiscard]] boost::json::object to_json(const DemoReport& report);

}  // namespace berth::dev
