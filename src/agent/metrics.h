#pragma once

#include <memory>
#include <string>

#include "agent/hold.h"
#include "base/scheduler.h"

namespace berth::agent {

// The agent's counters. Any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void refused(Reason reason);                       // berth_agent_refused_total{reason}
  void prevented_wrong_subnet();                     // berth_wrong_subnet_prevented_total
  void answered(std::string_view command, bool ok);  // berth_agent_cni_calls_total{command,result}
  void attached(Duration from_request);              // berth_agent_add_seconds
  void set_waiting(std::size_t interfaces);          // berth_agent_waiting_interfaces

  [[nodiscard]] double refusals(Reason reason) const;
  [[nodiscard]] double wrong_subnets_prevented() const;

  [[nodiscard]] std::string text() const;  // Prometheus' text format

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::agent
