#pragma once

// A Wiring that remembers what it was asked for. Header-only, for *_test.cpp.

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/wiring.h"

namespace berth::agent::testing {

class FakeWiring final : public Wiring {
 public:
  explicit FakeWiring(Scheduler& scheduler) : scheduler_(scheduler) {}

  std::map<AttachmentKey, WireSpec> wired;
  std::vector<std::string> calls;      // "wire c1 eth0", "unwire c1 eth0"
  std::vector<Result<Wired>> results;  // of the next calls of wire(); none left: success
  Status readiness;
  Status check_result;
  std::optional<CheckSpec> checked;
  std::set<AttachmentKey> retained;
  bool hold = false;  // wire() and unwire() answer only on release()

  // Lets the oldest held call do its work and answer.
  void release() {
    auto work = std::move(held_.front());
    held_.pop_front();
    scheduler_.post(std::move(work));
  }

  [[nodiscard]] Status ready() const override { return readiness; }

  void wire(WireSpec spec, std::function<void(Result<Wired>)> done) override {
    calls.push_back("wire " + spec.key.container_id + " " + spec.key.ifname);
    run([this, spec = std::move(spec), done = std::move(done)] {
      Result<Wired> result = Wired{spec.key.container_id + "_h", net::Mac(0x020000000001), 1400};
      if (!results.empty()) {
        result = results.front();
        results.erase(results.begin());
      }
      if (result) wired.insert_or_assign(spec.key, spec);
      done(result);
    });
  }

  void unwire(AttachmentKey key, std::function<void(Status)> done) override {
    calls.push_back("unwire " + key.container_id + " " + key.ifname);
    run([this, key = std::move(key), done = std::move(done)] {
      wired.erase(key);
      done({});
    });
  }

  void check(CheckSpec spec, std::function<void(Status)> done) override {
    checked = std::move(spec);
    scheduler_.post([done = std::move(done), result = check_result] { done(result); });
  }

  void retain(std::set<AttachmentKey> valid, std::function<void(Status)> done) override {
    retained = std::move(valid);
    scheduler_.post([done = std::move(done)] { done({}); });
  }

 private:
  void run(std::function<void()> work) {
    if (hold) {
      held_.push_back(std::move(work));
    } else {
      scheduler_.post(std::move(work));
    }
  }

  Scheduler& scheduler_;
  std::deque<std::function<void()>> held_;
};

}  // namespace berth::agent::testing
