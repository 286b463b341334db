#pragma once

// `berth-dev demo`: plays the tenant chart on a running cluster, verifies what came of it, and reports.

#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "dev/demo/api.h"
#include "dev/demo/eyes.h"
#include "dev/demo/report.h"
#include "dev/demo/screen.h"
#include "dev/demo/sender.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

// The cluster that the demo plays on. References and what the functions use must outlive the demo.
struct Stage {
  Api::MakeTransport transport;
  Places places;
  std::string kubeconfig;  // file, for Helm
  std::string scratch;     // folder for Helm's files
  // SIGKILL to the controller, and a new one; empty: the controller is left alone.
  std::function<Status()> crash_controller;
};

struct DemoOptions {
  std::string chart;  // folder of examples/tenant
  std::string helm;   // program; empty: send the objects ourselves
  bool sabotage = false;
  bool keep = false;     // the last play's tenant stays
  std::stop_token stop;  // ends the demo early, and the tenant stays as it is
};

// Plays all plays, or, if one of them does not hold, those up to it.
[[nodiscard]] DemoReport run_demo(Stage stage, const DemoOptions& options, Supervisor& supervisor, Screen& screen);

}  // namespace berth::dev
