#include "agent/ovs_ports.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include <boost/json/value.hpp>

#include "api/json.h"

namespace berth::agent {
namespace {

namespace json = boost::json;

std::string text_of(const ovsdb::Row& row, std::string_view column) {
  const auto* value = row.if_contains(json::string_view(column));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The elements of a column in ["set", […]] or ["map", […]] form; a bare value is its own only element.
json::array elements_of(const ovsdb::Row& row, std::string_view column) {
  const auto* value = row.if_contains(json::string_view(column));
  if (value == nullptr) return {};
  const auto* pair = value->if_array();
  if (pair == nullptr) return {*value};
  if (pair->size() == 2 && (*pair)[0] == "uuid") return {*value};
  if (pair->size() == 2 && (*pair)[1].is_array()) return (*pair)[1].get_array();
  return {};
}

std::vector<std::string> uuids_of(const ovsdb::Row& row, std::string_view column) {
  std::vector<std::string> out;
  for (const auto& element : elements_of(row, column)) {
    const auto* pair = element.if_array();
    if (pair != nullptr && pair->size() == 2 && (*pair)[1].is_string()) out.emplace_back((*pair)[1].get_string());
  }
  return out;
}

std::map<std::string, std::string> map_of(const ovsdb::Row& row, std::string_view column) {
  std::map<std::string, std::string> out;
  for (const auto& element : elements_of(row, column)) {
    const auto* pair = element.if_array();
    if (pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string())
      out.emplace(std::string((*pair)[0].get_string()), std::string((*pair)[1].get_string()));
  }
  return out;
}

json::array to_map(const std::map<std::string, std::string>& values) {
  json::array pairs;
  for (const auto& [key, value] : values) pairs.push_back(json::array{key, value});
  return {"map", std::move(pairs)};
}

json::array where(json::array condition) { return json::array{json::value(std::move(condition))}; }

// Makes the whole transaction fail if there is no such bridge: a port outside every bridge would vanish without a word.
json::object require_bridge(const std::string& bridge) {
  return {{"op", "wait"},
          {"table", "Bridge"},
          {"timeout", 0},
          {"until", "=="},
          {"columns", {"name"}},
          {"where", where({"name", "==", bridge})},
          {"rows", json::array{json::object{{"name", bridge}}}}};
}

json::object take_iface_id(const std::string& iface_id) {
  json::array which{"external_ids", "includes", to_map({{"iface-id", iface_id}})};
  json::array mutation{"external_ids", "delete", json::array{"set", json::array{"iface-id"}}};
  return {{"op", "mutate"},
          {"table", "Interface"},
          {"where", where(std::move(which))},
          {"mutations", json::array{json::value(std::move(mutation))}}};
}

json::object change_ports(const std::string& bridge, std::string_view mutator, json::array ports) {
  json::array mutation{"ports", json::string_view(mutator), json::array{"set", std::move(ports)}};
  return {{"op", "mutate"},
          {"table", "Bridge"},
          {"where", where({"name", "==", bridge})},
          {"mutations", json::array{json::value(std::move(mutation))}}};
}

json::object insert(std::string_view table, std::string_view uuid_name, json::object row) {
  return {{"op", "insert"},
          {"table", json::string_view(table)},
          {"uuid-name", json::string_view(uuid_name)},
          {"row", std::move(row)}};
}

}  // namespace

struct OvsPorts::Waiter {
  std::string uuid;
  std::string name;
  Done done;
  bool seen = false;
  Scheduler::TimerId timer = 0;
};

OvsPorts::OvsPorts(Scheduler& scheduler, ovsdb::Database& database, std::string bridge)
    : scheduler_(scheduler), database_(database), bridge_(std::move(bridge)) {}

OvsPorts::~OvsPorts() {
  for (const auto& [id, waiter] : waiters_) scheduler_.cancel(waiter->timer);
}

void OvsPorts::start(Observer observer) {
  observer_ = std::move(observer);
  const auto guard = [this, alive = std::weak_ptr<int>(alive_)](auto fn) {
    return [alive, fn = std::move(fn)](auto&&... args) {
      if (!alive.expired()) fn(std::forward<decltype(args)>(args)...);
    };
  };
  database_.start(
      {.on_snapshot = guard([this](const std::vector<ovsdb::RowChange>& all) {
         connected_ = true;
         on_rows(all, true);
         observer_.on_snapshot();
       }),
       .on_change = guard([this](const std::vector<ovsdb::RowChange>& changes) { on_rows(changes, false); }),
       .on_disconnect = guard([this](const Error&) { connected_ = was_ready_ = false; })});
}

void OvsPorts::on_rows(const std::vector<ovsdb::RowChange>& changes, bool all) {
  if (all) {
    interfaces_.clear();
    ports_.clear();
    bridges_.clear();
  }
  for (const auto& change : changes) apply(change);
  look_after_waiters();
  const bool was_ready = std::exchange(was_ready_, ready().has_value());
  if (was_ready_ && !was_ready) observer_.on_ready();
}

void OvsPorts::apply(const ovsdb::RowChange& change) {
  if (change.table == "Interface") {
    interfaces_.erase(change.uuid);
    if (!change.after) return;
    OvsPort port{text_of(*change.after, "name"), map_of(*change.after, "external_ids"), ""};
    const auto errors = elements_of(*change.after, "error");
    if (!errors.empty() && errors[0].is_string()) port.error = std::string(errors[0].get_string());
    interfaces_.emplace(change.uuid, std::move(port));
  } else if (change.table == "Port") {
    ports_.erase(change.uuid);
    if (change.after) ports_[change.uuid] = {text_of(*change.after, "name"), uuids_of(*change.after, "interfaces")};
  } else if (change.table == "Bridge") {
    bridges_.erase(change.uuid);
    if (change.after) bridges_[change.uuid] = text_of(*change.after, "name");
  } else if (change.table == "Open_vSwitch" && change.after) {
    const auto ids = map_of(*change.after, "external_ids");
    const auto it = ids.find("ovn-encap-ip");
    const auto addresses = it == ids.end() ? std::vector<std::string>{} : api::split_list(it->second);
    tunnel_address_ = addresses.empty() ? std::string() : addresses.front();
  }
}

Status OvsPorts::ready() const {
  if (!connected_) return fail(ErrorCode::unavailable, "Open vSwitch's database is not connected");
  const bool found = std::any_of(bridges_.begin(), bridges_.end(), [&](const auto& b) { return b.second == bridge_; });
  if (!found)
    return fail(ErrorCode::unavailable,
                fmt::format("Open vSwitch has no bridge {} (is ovn-controller running?)", bridge_));
  return {};
}

// UUIDs of the Port rows one of whose interfaces is wanted.
std::vector<std::string> OvsPorts::ports_with(const std::function<bool(const OvsPort&)>& wanted) const {
  std::vector<std::string> out;
  for (const auto& [uuid, port] : ports_) {
    const bool found = std::any_of(port.interfaces.begin(), port.interfaces.end(), [&](const std::string& interface) {
      const auto it = interfaces_.find(interface);
      return it != interfaces_.end() && wanted(it->second);
    });
    if (found) out.push_back(uuid);
  }
  return out;
}

json::object OvsPorts::removal(const std::vector<std::string>& port_uuids) const {
  json::array uuids;
  for (const auto& uuid : port_uuids) uuids.push_back(json::array{"uuid", uuid});
  return change_ports(bridge_, "delete", std::move(uuids));
}

void OvsPorts::add(const std::string& name, std::map<std::string, std::string> external_ids, TimePoint deadline,
                   Done done) {
  if (auto status = ready(); !status) {
    scheduler_.post([done = std::move(done), status] { done(status); });
    return;
  }
  for (const auto& [uuid, interface] : interfaces_) {
    const bool same =
        interface.name == name && std::all_of(external_ids.begin(), external_ids.end(),
                                              [&, &i = interface](const auto& e) { return i.id(e.first) == e.second; });
    if (!same) continue;
    wait_installed(uuid, name, deadline, std::move(done));
    return;
  }
  const auto iface_id = external_ids["iface-id"];
  json::array operations{require_bridge(bridge_), take_iface_id(iface_id)};
  const auto older = ports_with([&](const OvsPort& p) { return p.name == name || p.id("iface-id") == iface_id; });
  if (!older.empty()) operations.push_back(removal(older));
  operations.push_back(insert("Interface", "iface", {{"name", name}, {"external_ids", to_map(external_ids)}}));
  const auto inserted = operations.size() - 1;
  operations.push_back(insert("Port", "port", {{"name", name}, {"interfaces", {"named-uuid", "iface"}}}));
  operations.push_back(change_ports(bridge_, "insert", json::array{json::array{"named-uuid", "port"}}));
  database_.transact(std::move(operations), [this, alive = std::weak_ptr<int>(alive_), name, deadline, inserted,
                                             done = std::move(done)](const Result<json::array>& reply) mutable {
    if (alive.expired()) return;
    if (!reply) {
      const auto code = reply.error().code == ErrorCode::fenced ? ErrorCode::unavailable : reply.error().code;
      done(fail(code, fmt::format("adding port {} to Open vSwitch: {}", name, reply.error().message)));
      return;
    }
    const auto* result = inserted < reply->size() ? (*reply)[inserted].if_object() : nullptr;
    const auto uuids = result == nullptr ? std::vector<std::string>{} : uuids_of(*result, "uuid");
    if (uuids.empty()) {
      done(fail(ErrorCode::internal, fmt::format("adding port {} to Open vSwitch: no UUID in the reply", name)));
      return;
    }
    wait_installed(uuids.front(), name, deadline, std::move(done));
  });
}

void OvsPorts::wait_installed(std::string uuid, const std::string& name, TimePoint deadline, Done done) {
  const auto id = next_waiter_++;
  auto waiter = std::make_unique<Waiter>(Waiter{std::move(uuid), name, std::move(done)});
  const auto left = std::max(Duration::zero(), deadline - scheduler_.now());
  waiter->timer = scheduler_.after(left, [this, id] {
    const auto late = std::move(waiters_.extract(id).mapped());
    const auto it = interfaces_.find(late->uuid);
    const auto error = it == interfaces_.end() ? std::string() : it->second.error;
    late->done(fail(ErrorCode::timeout, error.empty()
                                            ? fmt::format("OVN has not installed port {} in time", late->name)
                                            : fmt::format("Open vSwitch cannot use port {}: {}", late->name, error)));
  });
  waiters_.emplace(id, std::move(waiter));
  scheduler_.post([this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) look_after_waiters();
  });
}

void OvsPorts::look_after_waiters() {
  std::vector<std::pair<std::unique_ptr<Waiter>, Status>> answered;
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    auto& waiter = it->second;
    const auto row = interfaces_.find(waiter->uuid);
    std::optional<Status> outcome;
    if (row != interfaces_.end()) {
      waiter->seen = true;
      if (row->second.installed()) outcome = Status{};
    } else if (waiter->seen && connected_) {
      outcome = fail(ErrorCode::conflict, fmt::format("port {} was taken away", waiter->name));
    }
    if (!outcome) {
      ++it;
      continue;
    }
    scheduler_.cancel(waiter->timer);
    answered.emplace_back(std::move(waiter), std::move(*outcome));
    it = waiters_.erase(it);
  }
  for (const auto& [waiter, outcome] : answered) waiter->done(outcome);
}

void OvsPorts::remove(const std::string& name, Done done) {
  if (!connected_) {
    scheduler_.post(
        [done = std::move(done)] { done(fail(ErrorCode::unavailable, "Open vSwitch's database is not connected")); });
    return;
  }
  const auto uuids = ports_with([&](const OvsPort& p) { return p.name == name && p.id("vendor") == kVendor; });
  if (uuids.empty()) {
    scheduler_.post([done = std::move(done)] { done({}); });
    return;
  }
  database_.transact(json::array{removal(uuids)}, [done = std::move(done), name](const Result<json::array>& reply) {
    if (reply) return done({});
    done(fail(reply.error().with_context(fmt::format("removing port {} from Open vSwitch", name))));
  });
}

std::optional<OvsPort> OvsPorts::find(const std::string& name) const {
  for (const auto& [uuid, interface] : interfaces_) {
    if (interface.name == name) return interface;
  }
  return std::nullopt;
}

std::vector<OvsPort> OvsPorts::ours() const {
  std::vector<OvsPort> out;
  for (const auto& [uuid, interface] : interfaces_) {
    if (interface.id("vendor") == kVendor && !interface.id("container_id").empty()) out.push_back(interface);
  }
  return out;
}

}  // namespace berth::agent
