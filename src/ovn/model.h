#pragma once

// The northbound rows that Berth looks at, indexed by name and by owner. It holds what the replica holds; a plan
// changes it as its operations would and is then undone, so that later calls of one batch see the effect of earlier
// ones.
//
// Invariant: a row's name stands in the index iff the row is held; a child has at most one owner.

#include <cassert>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "world/logical_network.h"

namespace berth::ovn {

using Id = std::string;  // a row's UUID, or "@" and the uuid-name of a row that this transaction inserts
using Strings = std::set<std::string>;
using StringMap = std::map<std::string, std::string>;

struct SwitchRow {
  std::string name;
  StringMap external_ids;
};
struct SwitchPortRow {
  std::string name;
  std::string type;  // "": a pod or a node; "router", "localnet", …
  Strings addresses;
  StringMap options;
  StringMap external_ids;
  Id dhcp_v4{};  // a DHCP_Options row; empty: none
  Id dhcp_v6{};
};
struct RouterRow {
  std::string name;
  StringMap external_ids;
};
struct RouterPortRow {
  std::string name;
  std::string mac;
  Strings networks;
  StringMap external_ids;
  std::string peer{};
  StringMap options{};
  StringMap ra_configs{};
};
struct RouteRow {
  world::StaticRoute route;  // its ids are external_ids without vendor
  StringMap external_ids;
};
struct PolicyRow {
  world::RouterPolicy policy;
  StringMap external_ids;
};
struct AclRow {
  world::Acl acl;
  StringMap external_ids;
};
struct DhcpRow {
  std::string cidr;
  StringMap options;
  StringMap external_ids;  // ls: the switch; port: only for that port
};
struct GroupRow {
  std::string name;
  StringMap external_ids;
};
struct AddressSetRow {
  std::string name;
  Strings addresses;
  StringMap external_ids;
};
struct GlobalRow {
  StringMap external_ids;
};

// Names under which a row is found.
[[nodiscard]] Strings index_names(const SwitchRow& row);
[[nodiscard]] Strings index_names(const SwitchPortRow& row);  // of type router: also its beginnings before a '-'
[[nodiscard]] Strings index_names(const RouterRow& row);
[[nodiscard]] Strings index_names(const RouterPortRow& row);  // also its endings behind a '-': see ending_key
[[nodiscard]] Strings index_names(const RouteRow& row);       // guard_key
[[nodiscard]] Strings index_names(const PolicyRow& row);      // guard_key
[[nodiscard]] Strings index_names(const AclRow& row);         // none
[[nodiscard]] Strings index_names(const DhcpRow& row);        // the switch whose ports share it
[[nodiscard]] Strings index_names(const GroupRow& row);       // also gateway_groups_key
[[nodiscard]] Strings index_names(const AddressSetRow& row);
[[nodiscard]] Strings index_names(const GlobalRow& row);

// "<router>-<switch>" and "<switch>-<router>" are found by their switch although either name may hold dashes.
[[nodiscard]] std::string ending_key(const std::string& switch_name);
[[nodiscard]] std::string beginning_key(const std::string& switch_name);
[[nodiscard]] std::string virtual_key(const std::string& switch_name);         // ports "<switch>-vip-<address>"
[[nodiscard]] std::string gateway_groups_key(const std::string& switch_name);  // groups "<switch>.<node>"
[[nodiscard]] std::string guard_key(const world::StaticRoute& route);
[[nodiscard]] std::string guard_key(const world::RouterPolicy& policy);

[[nodiscard]] bool is_ours(const StringMap& external_ids);  // vendor=kube-ovn
// Marks of Kube-OVN's security groups on a port, which stay as they are: it needs them when it comes back.
[[nodiscard]] bool is_of_security_groups(std::string_view key);
[[nodiscard]] StringMap with_vendor(StringMap ids);
[[nodiscard]] StringMap without_vendor(StringMap external_ids);
[[nodiscard]] bool is_gateway_group(const GroupRow& row);  // ours, of one subnet's pods on one node

// What to undo, last first. Records only while enabled.
class Journal {
 public:
  bool recording = false;

  void add(std::function<void()> undo) {
    if (recording) undo_.push_back(std::move(undo));
  }
  [[nodiscard]] std::size_t mark() const { return undo_.size(); }
  void roll_back(std::size_t mark) {
    const bool was = std::exchange(recording, false);
    while (undo_.size() > mark) {
      undo_.back()();
      undo_.pop_back();
    }
    recording = was;
  }

 private:
  std::vector<std::function<void()>> undo_;
};

template <typename Row>
class Table {
 public:
  explicit Table(Journal& journal) : journal_(journal) {}

  [[nodiscard]] const Row* find(const Id& id) const {
    const auto it = rows_.find(id);
    return it == rows_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const std::set<Id>& named(const std::string& name) const {
    static const std::set<Id> kNone;
    const auto it = names_.find(name);
    return it == names_.end() ? kNone : it->second;
  }
  // The first row of that name that Berth owns, or nullptr.
  [[nodiscard]] const Id* ours(const std::string& name) const {
    for (const auto& id : named(name)) {
      if (is_ours(rows_.at(id).external_ids)) return &id;
    }
    return nullptr;
  }
  [[nodiscard]] const std::map<Id, Row>& rows() const { return rows_; }

  void put(const Id& id, Row row) {
    erase(id);
    for (const auto& name : index_names(row)) names_[name].insert(id);
    rows_.emplace(id, std::move(row));
    if (journal_.recording) journal_.add([this, id] { erase(id); });
  }
  void erase(const Id& id) {
    auto node = rows_.extract(id);
    if (node.empty()) return;
    for (const auto& name : index_names(node.mapped())) {
      const auto it = names_.find(name);
      it->second.erase(id);
      if (it->second.empty()) names_.erase(it);
    }
    if (journal_.recording) journal_.add([this, id, row = std::move(node.mapped())] { put(id, row); });
  }
  void clear() {
    rows_.clear();
    names_.clear();
  }

 private:
  Journal& journal_;
  std::map<Id, Row> rows_;
  std::map<std::string, std::set<Id>> names_;
};

// Which row's reference column holds a row.
class Ownership {
 public:
  explicit Ownership(Journal& journal) : journal_(journal) {}

  [[nodiscard]] const Id* owner(const Id& child) const {
    const auto it = owner_.find(child);
    return it == owner_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const std::set<Id>& children(const Id& owner) const;
  void link(const Id& owner, const Id& child);  // takes it from another owner
  void unlink(const Id& child);
  void clear();

 private:
  Journal& journal_;
  std::map<Id, Id> owner_;
  std::map<Id, std::set<Id>> children_;
};

// Which port groups a switch port is a member of.
class Membership {
 public:
  explicit Membership(Journal& journal) : journal_(journal) {}

  [[nodiscard]] const std::set<Id>& groups(const Id& port) const;
  [[nodiscard]] const std::set<Id>& ports(const Id& group) const;
  void add(const Id& group, const Id& port);
  void remove(const Id& group, const Id& port);
  void clear();

 private:
  Journal& journal_;
  std::map<Id, std::set<Id>> groups_;
  std::map<Id, std::set<Id>> ports_;
};

struct Model {
  Journal journal;
  Table<SwitchRow> switches{journal};
  Table<SwitchPortRow> switch_ports{journal};
  Table<RouterRow> routers{journal};
  Table<RouterPortRow> router_ports{journal};
  Table<RouteRow> routes{journal};
  Table<PolicyRow> policies{journal};
  Table<AclRow> acls{journal};
  Table<DhcpRow> dhcp{journal};
  Table<GroupRow> groups{journal};
  Table<AddressSetRow> address_sets{journal};
  Table<GlobalRow> globals{journal};
  Ownership switch_of{journal};         // of switch ports
  Ownership router_of_port{journal};    // of router ports
  Ownership router_of_route{journal};   // of static routes
  Ownership router_of_policy{journal};  // of policies
  Ownership switch_of_acl{journal};     // of access rules
  Membership members{journal};

  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void clear();

  // Routers that a switch is joined to, fully or by one half: "<switch>-<router>" of type router on the switch, or
  // "<router>-<switch>" on the router.
  [[nodiscard]] Strings joined_routers(const Id& switch_id) const;

  // The DHCP options of that family that the ports of a switch share; null: none.
  [[nodiscard]] const Id* dhcp_of(const std::string& switch_name, bool v6) const;
};

// What the rows of that name say, in the vocabulary of the World; absent unless there is one that Berth owns.
[[nodiscard]] std::optional<world::LogicalRouter> observe_router(const Model& model, const std::string& name);
// Without the switch, but with rows that belong to it: one with exists=false.
// A join of which a half is missing or wrong is shown without networks, so that it equals no wish.
[[nodiscard]] std::optional<world::LogicalSwitch> observe_switch(const Model& model, const std::string& name);
// Ports of type "", and Vips' of type "virtual", that hang on a switch. Addresses that are not "MAC IP…" are shown as
// none.
[[nodiscard]] std::optional<world::LogicalPort> observe_port(const Model& model, const std::string& name);
[[nodiscard]] std::optional<world::AddressSet> observe_address_set(const Model& model, const std::string& name);

}  // namespace berth::ovn
