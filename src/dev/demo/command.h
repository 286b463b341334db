#pragma once

// `berth-dev demo` as a command: a cluster of its own, the plays on it, the verdict, the report.

#include <string>

#include "base/scheduler.h"

namespace berth::dev {

struct DemoCommand {
  std::string dir;               // of the cluster; empty: run/demo beside the folder of the programs
  std::string chart;             // empty: examples/tenant of the source tree that the programs were built in
  std::string helm;              // empty: `helm` on PATH, if there is one
  std::string report;            // file for the JSON report; empty: none
  bool datapath = true;          // false, or not root: pods get addresses, but are not wired
  bool keep = false;             // goes on until SIGINT or SIGTERM, with the last play's tenant
  bool sabotage = false;         // late binding and confirmations off
  bool kill_controller = false;  // at random moments
};

// Returns the program's exit status: 0 if all of it holds, 1 if not, 2 if it could not begin. SIGINT and SIGTERM must
// be blocked in all threads; they end the demo early, and what it made is removed.
[[nodiscard]] int run_demo_command(const DemoCommand& command);

}  // namespace berth::dev
