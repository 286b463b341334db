#pragma once

// A machine and a network that a test plays by hand. Header-only, for *_test.cpp.

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dev/kubelet/host.h"
#include "dev/kubelet/pod_network.h"

namespace berth::dev {

class FakeHost final : public Host {
 public:
  struct Process {
    ProcessSpec spec;
    OnEnd on_end;
    bool command = false;           // started by run()
    std::vector<Duration> stopped;  // graces
  };

  explicit FakeHost(Scheduler& scheduler) : scheduler_(scheduler) {}

  std::map<Id, Process> processes;  // alive
  std::set<std::string> namespaces;
  std::string unexecutable;     // start() and run() fail for this argv[0]
  std::string namespace_error;  // make_namespace() fails with it
  std::string remove_error;     // remove_namespace() fails with it

  Result<Id> start(ProcessSpec spec, OnEnd on_end) override { return add(std::move(spec), std::move(on_end), false); }
  Result<Id> run(ProcessSpec spec, OnEnd on_end) override { return add(std::move(spec), std::move(on_end), true); }

  void stop(Id id, Duration grace) override {
    const auto found = processes.find(id);
    if (found != processes.end()) found->second.stopped.push_back(grace);
  }

  Status make_namespace(const std::string& name) override {
    if (!namespace_error.empty()) return fail(ErrorCode::unavailable, namespace_error);
    namespaces.insert(name);
    return {};
  }

  Status remove_namespace(const std::string& name) override {
    if (!remove_error.empty()) return fail(ErrorCode::unavailable, remove_error);
    namespaces.erase(name);
    return {};
  }

  // The oldest live process whose argv[0] is this; 0 if there is none.
  [[nodiscard]] Id find(const std::string& program) const {
    for (const auto& [id, process] : processes) {
      if (process.spec.argv.front() == program) return id;
    }
    return 0;
  }

  void end(Id id, ProcessEnd how) {
    const auto node = processes.extract(id);
    if (node) scheduler_.post([fn = std::move(node.mapped().on_end), how = std::move(how)] { fn(how); });
  }

 private:
  Result<Id> add(ProcessSpec spec, OnEnd on_end, bool command) {
    if (spec.argv.front() == unexecutable) return fail(ErrorCode::invalid, "execute " + unexecutable + ": not found");
    processes.emplace(++last_, Process{std::move(spec), std::move(on_end), command, {}});
    return last_;
  }

  Scheduler& scheduler_;
  Id last_ = 0;
};

class FakeNetwork final : public PodNetwork {
 public:
  explicit FakeNetwork(Scheduler& scheduler) : scheduler_(scheduler) {}

  std::deque<std::pair<Sandbox, std::function<void(Result<PodAddresses>)>>> attaching;  // not answered yet
  std::deque<std::pair<Sandbox, std::function<void(Status)>>> detaching;
  std::vector<std::string> cancelled;  // ids

  void attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) override {
    attaching.emplace_back(sandbox, std::move(done));
  }
  void cancel(const Sandbox& sandbox) override { cancelled.push_back(sandbox.id); }
  void detach(const Sandbox& sandbox, std::function<void(Status)> done) override {
    detaching.emplace_back(sandbox, std::move(done));
  }
  void pod_changed(const boost::json::object&) override {}
  void pod_gone(const std::string&) override {}

  Sandbox answer_attach(Result<PodAddresses> result) {
    auto [sandbox, done] = std::move(attaching.front());
    attaching.pop_front();
    scheduler_.post([done = std::move(done), result = std::move(result)] { done(result); });
    return sandbox;
  }
  Sandbox answer_detach(Status status) {
    auto [sandbox, done] = std::move(detaching.front());
    detaching.pop_front();
    scheduler_.post([done = std::move(done), status = std::move(status)] { done(status); });
    return sandbox;
  }

 private:
  Scheduler& scheduler_;
};

}  // namespace berth::dev
