#pragma once

// Wiring on Linux with Open vSwitch: veth pairs on a worker thread, ports through the local OVSDB. A wired interface
// leaves no state in memory; everything is found again by the port's external_ids and the name of the node's end.

#include <memory>
#include <string>

#include "agent/ovs_ports.h"
#include "agent/wiring.h"
#include "agent/worker.h"

namespace berth::agent {

class LinuxWiring final : public Wiring {
 public:
  struct Options {
    std::string bridge = "br-int";
    int mtu = 0;  // where the Subnet says nothing; 0: the tunnel's, and 1400 if that is not known either
  };

  // References must outlive this object. The process must be in the node's network namespace.
  LinuxWiring(Scheduler& scheduler, ovsdb::Database& local_ovs, Options options);
  ~LinuxWiring() override;

  // Connects, and removes ports of containers that are gone, each time the database has been read from the start.
  // on_ready runs whenever ready() comes true.
  void start(std::function<void()> on_ready);

  [[nodiscard]] Status ready() const override;
  void wire(WireSpec spec, std::function<void(Result<Wired>)> done) override;
  void unwire(AttachmentKey key, std::function<void(Status)> done) override;
  void check(CheckSpec spec, std::function<void(Status)> done) override;
  void retain(std::set<AttachmentKey> valid, std::function<void(Status)> done) override;

 private:
  // Runs work on the worker, then done with its outcome on the loop, unless this object is gone by then.
  template <typename Work, typename Done>
  void off_loop(Work work, Done done);

  void add_port(WireSpec spec, Wired wired, std::function<void(Result<Wired>)> done);
  void remove(const std::string& name, std::function<void(Status)> done);
  void remove_ports_of_the_dead();

  Scheduler& scheduler_;
  Options options_;
  OvsPorts ports_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  Worker worker_;
};

}  // namespace berth::agent
