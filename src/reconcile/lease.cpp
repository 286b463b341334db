#include "reconcile/lease.h"

#include "api/annotations.h"
#include "reconcile/subnet_rows.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

api::Request create_ip(const api::Ip& ip) {
  api::Request request{api::Verb::create, api::Kind::ip, "", "", "", {}, "", ""};
  request.body = api::ip_manifest(ip);
  return request;
}

bool same_content(const api::Ip& is, const api::Ip& wanted) {
  return is.subnet == wanted.subnet && is.addresses == wanted.addresses && is.mac == wanted.mac &&
         is.owner == wanted.owner && is.subnet_uid == wanted.subnet_uid && is.pod_uid == wanted.pod_uid &&
         is.pod_name == wanted.pod_name && is.pod_ns == wanted.pod_ns;
}

// The whole of spec, labels and annotations at once: another binding, or another incarnation of the owner.
api::Request rewrite_ip(const api::Ip& is, api::Ip wanted, bool same_version) {
  if (is.is_reserved()) wanted.reserved_label = "true";  // a person's word, whoever has the address
  api::JsonObject manifest = api::ip_manifest(wanted);
  api::JsonObject metadata = manifest["metadata"].as_object();
  metadata.erase("name");
  metadata.erase("finalizers");
  if (is.subnet != wanted.subnet && !is.subnet.empty()) metadata["labels"].as_object()[is.subnet] = nullptr;
  api::JsonObject body{{"metadata", std::move(metadata)}, {"spec", manifest["spec"]}};
  if (!is.meta.has_finalizer(api::kFinalizer)) add_finalizer(body, is.meta);
  return patch(api::Kind::ip, is.meta, std::move(body), same_version);
}

// Rebound: object and port have both moved.
void release_others(world::World& world, const Grant& grant) {
  for (const std::string& other : world.leases_of(grant.ip.meta.name)) {
    if (other != grant.ip.subnet) world.release(other, grant.ip.meta.name);
  }
}

}  // namespace

ipam::Lease lease_of(const api::Ip& ip) {
  ipam::Lease lease;
  lease.mac = ip.mac;
  for (const net::Address& a : ip.addresses) (a.is_v4() ? lease.v4 : lease.v6) = a;
  return lease;
}

bool give(world::World& world, const Grant& grant, Plan& plan) {
  const std::string& name = grant.ip.meta.name;
  const api::Ip* ip = world.ips().find(name);
  if (ip == nullptr) {
    plan.writes.push_back(create_ip(grant.ip));
    return false;
  }
  if (ip->meta.deleting) {  // a user deleted it under a living pod: it is made again, with the same address
    plan.writes.push_back(patch_finalizer(api::Kind::ip, ip->meta, false));
    return false;
  }
  if (!same_content(*ip, grant.ip) || !ip->meta.has_finalizer(api::kFinalizer)) {
    plan.writes.push_back(rewrite_ip(*ip, grant.ip, world.safeguards().claim_precondition));
    return false;
  }
  const bool observed_port = world.ports().contains(name);
  if (const api::Subnet* object = world.subnets().find(grant.ip.subnet); object != nullptr && !object->is_ovn()) {
    if (observed_port) plan.ovn.emplace_back(world::RemovePort{name});  // of a binding to another subnet
    if (!observed_port) release_others(world, grant);
    return !observed_port;
  }
  world::LogicalPort wanted{name, grant.ip.subnet, grant.ip.mac, grant.ip.addresses, grant.external_ids};
  const world::SubnetState& subnet = world.subnet_state(grant.ip.subnet);
  for (const net::Address& address : grant.ip.addresses) {
    if (address.is_v4() && subnet.dhcp_v4) wanted.dhcp_v4 = world::kSwitchOptions;
    if (!address.is_v4() && subnet.dhcp_v6) wanted.dhcp_v6 = world::kSwitchOptions;
  }
  if (const std::string& node = grant.ip.node_name; subnet.distributed && !node.empty())
    wanted.groups[gateway_group(grant.ip.subnet, node)] = gateway_group_ids(grant.ip.subnet, node);
  const auto observed = world.ports().find(name);
  if (observed == world.ports().end() || !(observed->second == wanted)) {
    plan.ovn.emplace_back(world::PutPort{std::move(wanted)});
    return false;
  }
  release_others(world, grant);
  return true;
}

bool keep_reserved(world::World& world, const api::Ip& wanted, Plan& plan) {
  const api::Ip& ip = *world.ips().find(wanted.meta.name);
  const bool said = same_content(ip, wanted) && !ip.claimed() && ip.pod_type == wanted.pod_type &&
                    ip.reserved_label == "true" && ip.meta.has_finalizer(api::kFinalizer);
  if (!said) {
    plan.writes.push_back(rewrite_ip(ip, wanted, true));
    return false;
  }
  if (world.ports().contains(ip.meta.name)) {
    plan.ovn.emplace_back(world::RemovePort{ip.meta.name});
    return false;
  }
  return true;
}

void sign(const world::World& world, const api::Ip& wanted, Plan& plan) {
  plan.writes.push_back(rewrite_ip(*world.ips().find(wanted.meta.name), wanted, true));
}

bool take_back(world::World& world, const std::string& port, bool unclaimed_only, Plan& plan) {
  const binding::Safeguards& safe = world.safeguards();
  const api::Ip* ip = world.ips().find(port);
  const bool port_there = world.ports().contains(port);
  if (!safe.free_after_acknowledgement) {
    for (const std::string& subnet : world.leases_of(port)) world.release(subnet, port);
  }
  if (ip != nullptr && !ip->meta.deleting) {
    plan.writes.push_back(remove(api::Kind::ip, ip->meta, unclaimed_only && safe.claim_precondition));
    return false;
  }
  if (port_there && safe.remove_port_first) {
    plan.ovn.emplace_back(world::RemovePort{port});
    return false;
  }
  if (ip != nullptr) {
    if (is_finalized(ip->meta)) plan.writes.push_back(patch_finalizer(api::Kind::ip, ip->meta, false));
    return false;  // another controller's finalizer: its removal is an event
  }
  for (const std::string& subnet : world.leases_of(port)) world.release(subnet, port);
  world.forget_reservation(port);
  if (port_there) {
    plan.ovn.emplace_back(world::RemovePort{port});
    return false;
  }
  return true;
}

}  // namespace berth::reconcile
