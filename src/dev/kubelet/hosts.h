#pragma once

// The two production Hosts.

#include <map>
#include <memory>

#include "dev/kubelet/host.h"
#include "dev/process/ledger.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

// Processes and network namespaces of this machine. References must outlive it.
class LinuxHost final : public Host {
 public:
  LinuxHost(Scheduler& scheduler, Supervisor& supervisor, Ledger& ledger)
      : scheduler_(scheduler), supervisor_(supervisor), ledger_(ledger) {}
  ~LinuxHost() override;

  Result<Id> start(ProcessSpec spec, OnEnd on_end) override;
  Result<Id> run(ProcessSpec spec, OnEnd on_end) override { return start(std::move(spec), std::move(on_end)); }
  void stop(Id id, Duration grace) override { supervisor_.stop(id, grace); }
  Status make_namespace(const std::string& name) override { return ledger_.make_namespace(name); }
  Status remove_namespace(const std::string& name) override { return ledger_.remove_namespace(name); }

 private:
  Scheduler& scheduler_;
  Supervisor& supervisor_;
  Ledger& ledger_;
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  // false once this is gone; read on the scheduler's thread
};

// No machine at all: containers are said to run until they are stopped, hooks to succeed. For clusters without a data
// path.
class NoHost final : public Host {
 public:
  explicit NoHost(Scheduler& scheduler) : scheduler_(scheduler) {}

  Result<Id> start(ProcessSpec spec, OnEnd on_end) override;
  Result<Id> run(ProcessSpec spec, OnEnd on_end) override;
  void stop(Id id, Duration grace) override;
  Status make_namespace(const std::string&) override { return {}; }
  Status remove_namespace(const std::string&) override { return {}; }

 private:
  Scheduler& scheduler_;
  std::map<Id, OnEnd> running_;
  Id last_ = 0;
};

}  // namespace berth::dev
