#include "ovn/feed.h"

#include <boost/json/array.hpp>

namespace berth::ovn {

namespace json = boost::json;
using ovsdb::Row;
using ovsdb::RowChange;

namespace {

std::string text(const json::value& v) { return v.is_string() ? std::string(v.get_string()) : std::string(); }

std::string text(const Row& row, std::string_view column) {
  const auto* v = row.if_contains(column);
  return v == nullptr ? std::string() : text(*v);
}

// The members of ["set", […]] or the pairs of ["map", […]].
const json::array& members(const Row& row, std::string_view column) {
  static const json::array kNone;
  const auto* v = row.if_contains(column);
  const auto* tagged = v == nullptr ? nullptr : v->if_array();
  if (tagged == nullptr || tagged->size() != 2 || !(*tagged)[1].is_array()) return kNone;
  return (*tagged)[1].get_array();
}

Strings strings(const Row& row, std::string_view column) {
  Strings out;
  for (const auto& v : members(row, column)) out.insert(text(v));
  return out;
}

StringMap map(const Row& row, std::string_view column) {
  StringMap out;
  for (const auto& pair : members(row, column)) {
    const auto* p = pair.if_array();
    if (p != nullptr && p->size() == 2) out.emplace(text((*p)[0]), text((*p)[1]));
  }
  return out;
}

// The UUID in ["uuid", "…"].
std::string_view uuid(const json::value& v) {
  const auto* a = v.if_array();
  return a != nullptr && a->size() == 2 && (*a)[1].is_string() ? std::string_view((*a)[1].get_string())
                                                               : std::string_view();
}

const json::array& references(const std::optional<Row>& row, std::string_view column) {
  static const Row kNone;
  return members(row ? *row : kNone, column);
}

// The only member of a set of references; empty: none.
Id reference(const Row& row, std::string_view column) {
  const json::array& all = members(row, column);
  return all.empty() ? Id() : Id(uuid(all.front()));
}

SwitchPortRow read_switch_port(const Row& row) {
  return {text(row, "name"),
          text(row, "type"),
          strings(row, "addresses"),
          map(row, "options"),
          map(row, "external_ids"),
          reference(row, "dhcpv4_options"),
          reference(row, "dhcpv6_options")};
}

RouteRow read_route(const Row& row) {
  const bool by_source = strings(row, "policy").contains("src-ip");
  RouteRow out;
  out.external_ids = map(row, "external_ids");
  out.route = {text(row, "ip_prefix"), text(row, "nexthop"), by_source, text(row, "route_table"),
               without_vendor(out.external_ids)};
  return out;
}

std::string first_of(const Strings& strings) { return strings.empty() ? std::string() : *strings.begin(); }

RouterPortRow read_router_port(const Row& row) {
  return {text(row, "name"),
          text(row, "mac"),
          strings(row, "networks"),
          map(row, "external_ids"),
          first_of(strings(row, "peer")),
          map(row, "options"),
          map(row, "ipv6_ra_configs")};
}

int integer(const Row& row, std::string_view column) {
  const auto* v = row.if_contains(column);
  return v != nullptr && v->is_int64() ? static_cast<int>(v->get_int64()) : 0;
}

AclRow read_acl(const Row& row) {
  AclRow out;
  out.external_ids = map(row, "external_ids");
  out.acl = {text(row, "direction"), integer(row, "priority"), text(row, "match"), text(row, "action"), {}, {}};
  const auto* log = row.if_contains("log");
  if (log != nullptr && log->is_bool() && log->get_bool()) out.acl.log_name = first_of(strings(row, "name"));
  out.acl.ids = without_vendor(out.external_ids);
  return out;
}

PolicyRow read_policy(const Row& row) {
  PolicyRow out;
  out.policy.priority = integer(row, "priority");
  out.policy.match = text(row, "match");
  out.policy.action = text(row, "action");
  out.policy.nexthops = strings(row, "nexthops");
  out.policy.nexthops.merge(strings(row, "nexthop"));  // the column's older form
  out.external_ids = map(row, "external_ids");
  out.policy.ids = without_vendor(out.external_ids);
  return out;
}

class Feeder {
 public:
  Feeder(Model& model, Touched& touched) : model_(model), touched_(touched) {}

  void apply(const RowChange& change);
  void mark(const RowChange& change);
  void mark_children(const RowChange& change);

 private:
  template <typename Row, typename Read>
  void put(Table<Row>& table, const RowChange& change, Read read) {
    if (change.after) {
      table.put(change.uuid, read(*change.after));
    } else {
      table.erase(change.uuid);
    }
  }
  static void relate(Ownership& ownership, const RowChange& change, std::string_view column);
  template <typename Mark>
  static void for_changed(const RowChange& change, std::string_view column, Mark mark);
  void mark_port(const Id& id);
  void mark_router_port(const Id& id);
  void mark_dhcp(const Id& id);
  void mark_group(const RowChange& change);
  void mark_router(const Id& id);

  Model& model_;
  Touched& touched_;
};

void Feeder::apply(const RowChange& change) {
  if (change.table == "Logical_Switch") {
    put(model_.switches, change, [](const Row& r) { return SwitchRow{text(r, "name"), map(r, "external_ids")}; });
    relate(model_.switch_of, change, "ports");
    relate(model_.switch_of_acl, change, "acls");
  } else if (change.table == "Logical_Switch_Port") {
    put(model_.switch_ports, change, read_switch_port);
  } else if (change.table == "Logical_Router") {
    put(model_.routers, change, [](const Row& r) { return RouterRow{text(r, "name"), map(r, "external_ids")}; });
    relate(model_.router_of_port, change, "ports");
    relate(model_.router_of_route, change, "static_routes");
    relate(model_.router_of_policy, change, "policies");
  } else if (change.table == "Logical_Router_Port") {
    put(model_.router_ports, change, read_router_port);
  } else if (change.table == "Logical_Router_Static_Route") {
    put(model_.routes, change, read_route);
  } else if (change.table == "Logical_Router_Policy") {
    put(model_.policies, change, read_policy);
  } else if (change.table == "ACL") {
    put(model_.acls, change, read_acl);
  } else if (change.table == "DHCP_Options") {
    put(model_.dhcp, change,
        [](const Row& r) { return DhcpRow{text(r, "cidr"), map(r, "options"), map(r, "external_ids")}; });
  } else if (change.table == "Port_Group") {
    put(model_.groups, change, [](const Row& r) { return GroupRow{text(r, "name"), map(r, "external_ids")}; });
    for_changed(change, "ports", [&](const Id& port, bool added) {
      added ? model_.members.add(change.uuid, port) : model_.members.remove(change.uuid, port);
    });
  } else if (change.table == "Address_Set") {
    put(model_.address_sets, change,
        [](const Row& r) { return AddressSetRow{text(r, "name"), strings(r, "addresses"), map(r, "external_ids")}; });
  } else if (change.table == "NB_Global") {
    put(model_.globals, change, [](const Row& r) { return GlobalRow{map(r, "external_ids")}; });
  }
}

void Feeder::relate(Ownership& ownership, const RowChange& change, std::string_view column) {
  for_changed(change, column, [&](const Id& child, bool added) {
    const Id* owner = ownership.owner(child);
    if (added) {
      ownership.link(change.uuid, child);
    } else if (owner != nullptr && *owner == change.uuid) {
      ownership.unlink(child);
    }
  });
}

// Calls mark(UUID, whether it was added) for each reference that came or went. Both lists ascend, as Row promises: a
// switch may have ten thousand ports, of which one changes.
template <typename Mark>
void Feeder::for_changed(const RowChange& change, std::string_view column, Mark mark) {
  const json::array& before = references(change.before, column);
  const json::array& after = references(change.after, column);
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    const auto order = old == before.end() ? 1 : now == after.end() ? -1 : uuid(*old).compare(uuid(*now));
    if (order < 0) mark(Id(uuid(*old)), false);
    if (order > 0) mark(Id(uuid(*now)), true);
    if (order <= 0) ++old;
    if (order >= 0) ++now;
  }
}

void Feeder::mark_port(const Id& id) {
  const SwitchPortRow* row = model_.switch_ports.find(id);
  if (row == nullptr) return;
  touched_.ports.insert(row->name);
  const Id* owner = row->type.empty() ? nullptr : model_.switch_of.owner(id);
  const SwitchRow* owner_row = owner == nullptr ? nullptr : model_.switches.find(*owner);
  if (owner_row != nullptr) touched_.switches.insert(owner_row->name);
}

void Feeder::mark_router_port(const Id& id) {
  const RouterPortRow* row = model_.router_ports.find(id);
  const Id* owner = model_.router_of_port.owner(id);
  const RouterRow* router = owner == nullptr ? nullptr : model_.routers.find(*owner);
  if (row != nullptr && router != nullptr && row->name.starts_with(router->name + "-")) {
    touched_.switches.insert(row->name.substr(router->name.size() + 1));
    if (!row->peer.empty()) touched_.routers.insert(router->name);
  }
}

// The ports that use a row, and their switch.
void Feeder::mark_dhcp(const Id& id) {
  const DhcpRow* row = model_.dhcp.find(id);
  if (row == nullptr) return;
  for (const std::string& name : index_names(*row)) {
    touched_.switches.insert(name);
    for (const Id& switch_id : model_.switches.named(name)) {
      for (const Id& port : model_.switch_of.children(switch_id)) mark_port(port);
    }
  }
}

void Feeder::mark_group(const RowChange& change) {
  const GroupRow* row = model_.groups.find(change.uuid);
  if (row != nullptr && is_gateway_group(*row)) touched_.switches.insert(row->external_ids.at("subnet"));
  for_changed(change, "ports", [&](const Id& id, bool) { mark_port(id); });
  const bool same = change.before && change.after && text(*change.before, "name") == text(*change.after, "name") &&
                    map(*change.before, "external_ids") == map(*change.after, "external_ids");
  if (same) return;
  for (const Id& id : model_.members.ports(change.uuid)) mark_port(id);
}

void Feeder::mark_router(const Id& id) {
  if (const RouterRow* row = model_.routers.find(id)) touched_.routers.insert(row->name);
}

// The object that a row belongs to, as the model now has it.
void Feeder::mark(const RowChange& change) {
  if (change.table == "Logical_Switch") {
    if (const SwitchRow* row = model_.switches.find(change.uuid)) touched_.switches.insert(row->name);
  } else if (change.table == "Logical_Switch_Port") {
    mark_port(change.uuid);
  } else if (change.table == "Logical_Router") {
    mark_router(change.uuid);
  } else if (change.table == "Logical_Router_Port") {
    mark_router_port(change.uuid);
  } else if (change.table == "ACL") {
    const Id* owner = model_.switch_of_acl.owner(change.uuid);
    const SwitchRow* row = owner == nullptr ? nullptr : model_.switches.find(*owner);
    if (row != nullptr) touched_.switches.insert(row->name);
  } else if (change.table == "DHCP_Options") {
    if (!change.before || !change.after || map(*change.before, "external_ids") != map(*change.after, "external_ids")) {
      mark_dhcp(change.uuid);
    } else {
      if (const DhcpRow* row = model_.dhcp.find(change.uuid)) touched_.switches.merge(index_names(*row));
    }
  } else if (change.table == "Port_Group") {
    mark_group(change);
  } else if (change.table == "Logical_Router_Static_Route") {
    if (const Id* owner = model_.router_of_route.owner(change.uuid)) mark_router(*owner);
  } else if (change.table == "Logical_Router_Policy") {
    if (const Id* owner = model_.router_of_policy.owner(change.uuid)) mark_router(*owner);
  } else if (change.table == "Address_Set") {
    if (const AddressSetRow* row = model_.address_sets.find(change.uuid)) touched_.address_sets.insert(row->name);
  }
}

// Ports that a switch or router gains or loses; all of them if it changes its name or its vendor mark.
void Feeder::mark_children(const RowChange& change) {
  const bool is_switch = change.table == "Logical_Switch";
  if (!is_switch && change.table != "Logical_Router") return;
  const auto mark_child = [&](const Id& id) { is_switch ? mark_port(id) : mark_router_port(id); };
  for_changed(change, "ports", [&](const Id& id, bool) { mark_child(id); });
  const bool same = change.before && change.after && text(*change.before, "name") == text(*change.after, "name") &&
                    is_ours(map(*change.before, "external_ids")) == is_ours(map(*change.after, "external_ids"));
  if (same) return;
  for (const auto& id : (is_switch ? model_.switch_of : model_.router_of_port).children(change.uuid)) mark_child(id);
}

}  // namespace

void feed(Model& model, const std::vector<RowChange>& changes, Touched& touched) {
  Feeder feeder(model, touched);
  const auto mark_all = [&] {
    for (const auto& change : changes) {
      feeder.mark(change);
      feeder.mark_children(change);
    }
  };
  mark_all();
  for (const auto& change : changes) feeder.apply(change);
  mark_all();
}

}  // namespace berth::ovn
