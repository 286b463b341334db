#pragma once

// For tests: a Northbound over a database in memory, and what it has reported.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/manual_scheduler.h"
#include "ovn/northbound.h"
#include "ovsdb/memory_database.h"

namespace berth::ovn {

using namespace world;
using ovsdb::MemoryDatabase;
using ovsdb::MemoryStore;

struct Peer {
  Peer(ManualScheduler& scheduler, MemoryStore& store, MemoryDatabase::Faults faults = {})
      : loop(scheduler), database(scheduler, store, std::move(faults)) {
    northbound.emplace(scheduler, database);
    northbound->start({
        .on_synced = [this] { ++synced; },
        .on_lost = [this](const Error&) { ++lost; },
        .on_router = [this](const auto& name, auto object) { note(routers, name, std::move(object)); },
        .on_switch = [this](const auto& name, auto object) { note(switches, name, std::move(object)); },
        .on_port = [this](const auto& name, auto object) { note(ports, name, std::move(object)); },
        .on_address_set = [this](const auto& name, auto object) { note(address_sets, name, std::move(object)); },
    });
    loop.run_until_idle();
  }

  template <typename T>
  void note(std::map<std::string, T>& objects, const std::string& name, std::optional<T> object) {
    ++reports;
    if (object) {
      objects.insert_or_assign(name, *object);
    } else {
      EXPECT_EQ(objects.erase(name), 1U) << name;
    }
  }

  std::shared_ptr<std::optional<Status>> send(std::vector<OvnChange> changes) {
    auto out = std::make_shared<std::optional<Status>>();
    northbound->commit(std::move(changes), [out](Status s) { *out = std::move(s); });
    return out;
  }
  Status commit(std::vector<OvnChange> changes) {
    const auto out = send(std::move(changes));
    EXPECT_FALSE(out->has_value()) << "answered inside the call";
    loop.run_until_idle();
    EXPECT_TRUE(out->has_value()) << "never answered";
    return out->value_or(fail(ErrorCode::internal, "no answer"));
  }
  Status raise(std::uint64_t epoch) {
    std::optional<Status> out;
    northbound->raise_epoch(epoch, [&out](Status s) { out = std::move(s); });
    loop.run_until([&] { return out.has_value(); }, std::chrono::seconds(10));
    return out.value_or(fail(ErrorCode::internal, "no answer"));
  }

  ManualScheduler& loop;
  MemoryDatabase database;
  std::optional<Northbound> northbound;
  int synced = 0;
  int lost = 0;
  int reports = 0;
  std::map<std::string, LogicalRouter> routers;
  std::map<std::string, LogicalSwitch> switches;
  std::map<std::string, LogicalPort> ports;
  std::map<std::string, AddressSet> address_sets;
};

}  // namespace berth::ovn
