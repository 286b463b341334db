#include "reconcile/retention.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/lease.h"
#include "reconcile/takeover.h"

namespace berth::reconcile {
namespace {

// Whether an IP object outlives the pod that used it.
bool is_retained(const world::World& world, const api::Ip& ip) {
  if (ip.meta.deleting || ip.owner.kind != api::Owner::Kind::stateful_set) return false;
  const api::Subnet* subnet = world.subnets().find(ip.subnet);
  if (subnet == nullptr || subnet->meta.deleting || subnet->meta.uid != ip.subnet_uid) return false;
  for (const auto& [key, set] : world.stateful_sets().all()) {
    if (set.meta.uid == ip.owner.id)
      return !set.meta.deleting && ip.owner.ordinal >= set.start && ip.owner.ordinal < set.start + set.replicas;
  }
  return false;
}

// The UID whose absence has to be proven before the object may go; none: nothing to prove.
std::optional<std::string> unproven(const world::World& world, const std::string& key, const api::Pod* present,
                                    const std::string& port) {
  std::string uid;
  if (const api::Ip* ip = world.ips().find(port)) {
    uid = ip->pod_uid;
  } else if (const auto it = world.ports().find(port); it != world.ports().end()) {
    const auto id = it->second.external_ids.find("pod_uid");
    if (id != it->second.external_ids.end()) uid = id->second;
  } else {
    uid = world.reserved_for(port);
  }
  if (present != nullptr)
    return std::nullopt;  // another incarnation, or this one, is there: finished, or on the host's network
  if (!world.safeguards().prove_absence || world.is_proven_gone(key, uid)) return std::nullopt;
  return uid;
}

// Why an IP object that a person wrote can keep nothing, whatever its Subnet says; empty: it can.
std::string wrong_with(const api::Ip& ip, const api::Subnet* subnet) {
  const auto said = [&](std::string text) { return fmt::format("IP {}: {}", ip.meta.name, std::move(text)); };
  if (ip.pod_name.empty() || ip.pod_ns.empty())
    return said("spec.podName and spec.namespace must name the pod that is to have the address");
  if (ip.subnet.empty()) return said("spec.subnet must name the Subnet of the address");
  if (!ip.pod_type.empty() && ip.pod_type != "StatefulSet" && ip.pod_type != "VirtualMachine")
    return said(fmt::format("spec.podType \"{}\": must be StatefulSet, VirtualMachine or empty", ip.pod_type));
  if (!ip.malformed.empty()) return said("spec: " + ip.malformed);
  if (subnet == nullptr) return {};
  const std::string name = api::port_name(ip.pod_name, ip.pod_ns, subnet->effective_provider());
  if (name != ip.meta.name)
    return said(fmt::format("an IP object for pod {}/{} in Subnet {} must be named {}; delete this one and create that",
                            ip.pod_ns, ip.pod_name, ip.subnet, name));
  return {};
}

api::Ip idle_form(const world::World& world, const api::Ip& ip) {
  api::Ip wanted;
  wanted.meta.name = ip.meta.name;
  wanted.pod_name = ip.pod_name;
  wanted.pod_ns = ip.pod_ns;
  wanted.pod_type = ip.pod_type;
  wanted.subnet = ip.subnet;
  wanted.subnet_uid = ip.subnet_uid;
  wanted.addresses = ip.addresses;
  wanted.mac = ip.mac;
  wanted.owner = {api::Owner::Kind::reserved, "", 0};
  wanted.epoch = world.epoch();
  wanted.rule = "reserved";
  return wanted;
}

EventNote about(const api::Ip& ip, bool warning, std::string reason, std::string message) {
  return {api::Kind::ip, "", ip.meta.name, ip.meta.uid, warning, std::move(reason), std::move(message)};
}

}  // namespace

api::Owner owner_of(const api::Pod& pod) {
  const api::OwnerReference* controller = pod.meta.controller();
  if (controller != nullptr && controller->kind == "StatefulSet") {
    const auto dash = pod.meta.name.rfind('-');
    if (dash != std::string::npos)
      return api::Owner::parse(fmt::format("statefulset/{}/{}", controller->uid, pod.meta.name.substr(dash + 1)));
  }
  return {api::Owner::Kind::pod, pod.meta.uid, 0};
}

bool hold_reserved(world::World& world, const api::Ip& ip, Random& random, Plan& plan) {
  const api::Subnet* subnet = world.subnets().find(ip.subnet);
  if (const std::string wrong = wrong_with(ip, subnet); !wrong.empty()) {
    if (world.set_ip_problem(ip, wrong)) plan.events.push_back(about(ip, true, "ValidateIPFailed", wrong));
    return true;
  }
  const auto view = world.subnet(ip.subnet);
  if (!view || !view->ready || world.allocator(ip.subnet) == nullptr) {  // its readiness marks its IP objects
    const std::string text = fmt::format("IP {}: waits for Subnet {}, which {}", ip.meta.name, ip.subnet,
                                         view ? "is not ready: " + view->unready : "does not exist yet");
    if (world.set_ip_problem(ip, text)) plan.events.push_back(about(ip, false, "WaitingForSubnet", text));
    return true;
  }
  const auto lease = world.acquire(ip.subnet, {ip.meta.name, ip.addresses, {}, ip.mac, {}}, random);
  if (!lease) {
    world.release(ip.subnet, ip.meta.name);  // an older range may have had it
    const std::string text =
        fmt::format("{}: IP {}: {}", ipam::to_string(lease.error().denial), ip.meta.name, lease.error().message);
    if (world.set_ip_problem(ip, text)) plan.events.push_back(about(ip, true, "AcquireAddressFailed", text));
    return true;
  }
  (void)world.set_ip_problem(ip, "");
  world.note_reservation(world::key_of(ip), ip.meta.name, "");
  api::Ip wanted = idle_form(world, ip);
  wanted.subnet_uid = view->object->meta.uid;
  wanted.addresses = lease->addresses();
  wanted.mac = lease->mac;
  return keep_reserved(world, wanted, plan);
}

bool let_go(world::World& world, const std::string& port, bool unclaimed_only, Plan& plan) {
  const api::Ip* ip = world.ips().find(port);
  if (ip == nullptr || ip->meta.deleting || !ip->is_reserved()) return take_back(world, port, unclaimed_only, plan);
  return keep_reserved(world, idle_form(world, *ip), plan);
}

Plan release_pod(world::World& world, const std::string& key, const api::Pod* finished, Random& random) {
  Plan plan;
  world.clear_waiting(key);
  bool left = false;
  for (const std::string& port : world.ports_of({world::KeyKind::pod, key})) {
    const api::Ip* ip = world.ips().find(port);
    if (ip != nullptr) {
      if (const auto kept = kept_by_kube_ovn(world, *ip)) {
        sign(world, *kept, plan);
        left = true;
        continue;
      }
    }
    if (ip != nullptr && is_retained(world, *ip)) {
      left = true;
      continue;
    }
    if (ip != nullptr && !ip->meta.deleting && ip->is_idle()) {
      left = true;
      (void)hold_reserved(world, *ip, random, plan);
      continue;
    }
    if (const auto uid = unproven(world, key, finished, port)) {
      plan.prove_pod = key;
      plan.prove_uid = *uid;
      left = true;
      continue;
    }
    left |= !let_go(world, port, false, plan);
  }
  if (!left) world.forget_gone(key);
  return plan;
}

}  // namespace berth::reconcile
