#pragma once

// From wishes to operations: the difference between what a world::OvnChange wants and what the model holds. Each change
// is carried out on the model too, so that the next one sees its effect.

#include "base/result.h"
#include "ovn/model.h"
#include "ovn/transaction.h"
#include "world/logical_network.h"

namespace berth::ovn {

class Planner {
 public:
  Planner(Model& model, Transaction& transaction) : model_(model), transaction_(transaction) {}

  // conflict: a switch or router that the change needs is not there (yet); invalid: a row of that name exists that
  // Berth does not own, or that is of another kind. After an error the caller rolls back to where this change began.
  [[nodiscard]] Status apply(const world::OvnChange& change);

 private:
  Status put(const world::PutRouter& change);
  Status put(const world::PutSwitch& change);
  Status put(const world::PutPort& change);
  Status put(const world::RemoveRouter& change);
  Status put(const world::RemoveSwitch& change);
  Status put(const world::RemovePort& change);
  Status put(const world::PutAddressSet& change);
  Status put(const world::RemoveAddressSet& change);

  void put_routes(const Id& router, const std::set<world::StaticRoute>& wanted);
  void put_policies(const Id& router, const std::set<world::RouterPolicy>& wanted);
  Status put_peers(const Id& router, const world::LogicalRouter& wanted);
  Status put_router_port(const Id& router, RouterPortRow wanted);
  void put_acls(const Id& switch_id, const std::set<world::Acl>& wanted);
  void put_dhcp(const std::string& switch_name, bool v6, const std::optional<world::DhcpOptions>& wanted);
  Status put_virtual_ports(const Id& switch_id, const world::LogicalSwitch& wanted);
  Status put_groups(const Id& port, const std::map<std::string, world::Ids>& wanted);
  void leave_group(const Id& group, const Id& port);
  void forget_port(const Id& port);
  Status put_switch_router_port(const Id& switch_id, const std::string& name, const std::string& router_port);
  Id insert_switch_port(const Id& switch_id, SwitchPortRow row);
  void update_switch_port(const Id& id, const SwitchPortRow& old, SwitchPortRow wanted);
  void place_switch_port(const Id& switch_id, const Id& port);
  void remove_switch_port(const Id& id);
  void remove_router_port(const Id& id);
  void remove_join(const std::string& switch_name, const std::string& router);
  void remove_switch(const Id& id);
  void remove_router(const Id& id);

  Model& model_;
  Transaction& transaction_;
};

}  // namespace berth::ovn
