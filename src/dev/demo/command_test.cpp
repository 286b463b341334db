#include "dev/demo/command.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace berth::dev {
namespace {

// All of these are said before a cluster is started, so they end at once.
TEST(DemoCommandTest, WhatMakesNoSenseEndsInStatus2BeforeAnythingIsStarted) {
  const auto ends_with = [](DemoCommand command) {
    testing::internal::CaptureStdout();
    const int status = run_demo_command(command);
    const std::string said = testing::internal::GetCapturedStdout();
    EXPECT_EQ(status, 2) << said;
    return said;
  };
  DemoCommand chart;
  chart.chart = "/nonexistent";
  EXPECT_NE(ends_with(chart).find("--chart /nonexistent: has no Chart.yaml; name the folder"), std::string::npos);
  DemoCommand helm;
  const char* root = std::getenv("BERTH_SOURCE_DIR");
  helm.chart = std::string(root == nullptr ? "." : root) + "/examples/tenant";
  helm.helm = "/nonexistent/helm";
  EXPECT_NE(ends_with(helm).find("--helm /nonexistent/helm: No such file or directory; name Helm 3"),
            std::string::npos);
  DemoCommand report;
  report.chart = helm.chart;
  report.report = "/nonexistent/report.json";
  EXPECT_NE(ends_with(report).find("--report /nonexistent/report.json: No such file or directory; name a file"),
            std::string::npos);
}

}  // namespace
}  // namespace berth::dev
