#pragma once

// The ports of the node's integration bridge, in the local Open vSwitch database. Only on the Scheduler's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scheduler.h"
#include "ovsdb/database.h"

namespace berth::agent {

inline constexpr std::string_view kVendor = "kube-ovn";  // external_ids:vendor of every port that is ours

struct OvsPort {
  std::string name;
  std::map<std::string, std::string> external_ids;  // of the interface
  std::string error;                                // what ovs-vswitchd says is wrong with it

  [[nodiscard]] std::string id(const std::string& key) const {
    const auto it = external_ids.find(key);
    return it == external_ids.end() ? std::string() : it->second;
  }
  // ovn-controller has written all flows of the port.
  [[nodiscard]] bool installed() const { return id("ovn-installed") == "true"; }
};

class OvsPorts {
 public:
  using Done = std::function<void(Status)>;

  // References must outlive this object; the database is started by start() and used by nobody else.
  OvsPorts(Scheduler& scheduler, ovsdb::Database& database, std::string bridge);
  ~OvsPorts();
  OvsPorts(const OvsPorts&) = delete;
  OvsPorts& operator=(const OvsPorts&) = delete;

  struct Observer {
    std::function<void()> on_snapshot;  // the database has been read from the start
    std::function<void()> on_ready;     // ready() holds now and did not before
  };
  void start(Observer observer);

  [[nodiscard]] Status ready() const;  // unavailable: not connected, or there is no such bridge

  // Adds a port with one system interface and these external_ids, in one transaction that takes iface-id away from
  // every other interface and removes the ports that had it; then waits until OVN has installed it. A port that is
  // there already, with the same external_ids, is kept. Errors: unavailable, timeout, conflict (another took the port
  // away). After an error the caller removes it.
  void add(const std::string& name, std::map<std::string, std::string> external_ids, TimePoint deadline, Done done);

  // No such port is no error.
  void remove(const std::string& name, Done done);

  [[nodiscard]] std::optional<OvsPort> find(const std::string& name) const;
  [[nodiscard]] std::vector<OvsPort> ours() const;  // those with our vendor and a container_id

  // Open_vSwitch.external_ids:ovn-encap-ip, the first of several; empty if not set.
  [[nodiscard]] const std::string& tunnel_address() const { return tunnel_address_; }

 private:
  struct Row;  // of any of the tables that count here
  struct Waiter;

  void on_rows(const std::vector<ovsdb::RowChange>& changes, bool all);
  void apply(const ovsdb::RowChange& change);
  void wait_installed(std::string uuid, const std::string& name, TimePoint deadline, Done done);
  void look_after_waiters();
  [[nodiscard]] std::vector<std::string> ports_with(const std::function<bool(const OvsPort&)>& wanted) const;
  [[nodiscard]] boost::json::object removal(const std::vector<std::string>& port_uuids) const;

  struct PortRow {
    std::string name;
    std::vector<std::string> interfaces;
  };

  Scheduler& scheduler_;
  ovsdb::Database& database_;
  std::string bridge_;
  Observer observer_;
  bool connected_ = false;
  bool was_ready_ = false;
  std::map<std::string, OvsPort> interfaces_;   // by UUID
  std::map<std::string, PortRow> ports_;        // by UUID
  std::map<std::string, std::string> bridges_;  // UUID -> name
  std::string tunnel_address_;
  std::map<std::uint64_t, std::unique_ptr<Waiter>> waiters_;
  std::uint64_t next_waiter_ = 1;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace berth::agent
