#include "reconcile/announce.h"

#include "api/annotations.h"

namespace berth::reconcile {
namespace {

// A pod that is wired keeps the range and gateway that it was wired with, whatever its Subnet says since.
bool is_settled(const api::Pod& pod, const Granted& granted) {
  const auto said = [&](std::string_view suffix) {
    return pod.meta.annotation(api::annotation_key(granted.provider, suffix));
  };
  return (granted.ip.claimed() || !pod.pod_ips.empty()) && said(api::suffix::kAllocated) == "true" &&
         said(api::suffix::kCidr) && said(api::suffix::kGateway) &&
         (granted.ip.mac.is_none() || said(api::suffix::kLogicalSwitch) == granted.ip.subnet) &&
         said(api::suffix::kIpAddress) == api::to_string(granted.ip.addresses);
}

void describe(const world::World& world, const api::Pod& pod, const Granted& granted,
              std::map<std::string, std::string>& out) {
  const auto set = [&](std::string_view suffix, std::string value) {
    out[api::annotation_key(granted.provider, suffix)] = std::move(value);
  };
  const api::Subnet* subnet = world.subnets().find(granted.ip.subnet);
  const world::SubnetState& state = world.subnet_state(granted.ip.subnet);
  set(api::suffix::kIpAddress, api::to_string(granted.ip.addresses));
  if (!granted.ip.mac.is_none()) set(api::suffix::kMacAddress, granted.ip.mac.to_string());
  if (is_settled(pod, granted)) {
    for (const auto suffix : {api::suffix::kCidr, api::suffix::kGateway})
      set(suffix, *pod.meta.annotation(api::annotation_key(granted.provider, suffix)));
  } else if (state.in_force) {
    std::vector<net::Cidr> cidrs;
    std::vector<net::Address> gateways;
    for (const net::Address& a : granted.ip.addresses) {
      for (const net::Cidr& c : state.in_force->cidrs) {
        if (c.family() == a.family()) cidrs.push_back(c);
      }
      for (const net::Address& g : state.in_force->gateways) {
        if (g.family() == a.family()) gateways.push_back(g);
      }
    }
    set(api::suffix::kCidr, api::to_string(cidrs));
    set(api::suffix::kGateway, api::to_string(gateways));
  }
  const bool ovn = subnet == nullptr || subnet->is_ovn();
  if (ovn) set(api::suffix::kLogicalSwitch, granted.ip.subnet);
  set(api::suffix::kPodNicType, "veth-pair");
  if (subnet != nullptr && subnet->is_ovn()) set(api::suffix::kLogicalRouter, world.vpc_in_force(*subnet));
  set(api::suffix::kAllocated, "true");
  set(api::suffix::kRouted, "true");
}

}  // namespace

api::JsonObject announcement(const world::World& world, const api::Pod& pod, const std::vector<Granted>& grants) {
  std::map<std::string, std::string> wanted;
  api::BindingRecord record;
  record.pod_uid = pod.meta.uid;
  for (const Granted& granted : grants) {
    describe(world, pod, granted, wanted);
    record.networks[granted.provider] = {granted.ip.rule, granted.ip.subnet, granted.ip.subnet_uid};
  }
  for (const auto& [key, value] : wanted) {
    const auto said = api::user_annotation(pod.meta, key);
    if (said && *said == value) continue;
    record.wrote[key] = value;
    if (said) record.user[key] = *said;
  }
  wanted[std::string(api::kBindingAnnotation)] = record.to_string();
  api::JsonObject patch;
  for (const auto& [key, value] : wanted) {
    const auto is = pod.meta.annotation(key);
    if (!is || *is != value) patch[key] = value;
  }
  // What an earlier binding wrote and this one does not.
  if (const auto before = api::own_record(pod.meta)) {
    for (const auto& [key, value] : before->wrote) {
      if (!wanted.contains(key) && pod.meta.annotations.contains(key)) patch[key] = nullptr;
    }
  }
  return patch;
}

api::JsonObject withdrawal(const api::Pod& pod) {
  api::JsonObject patch;
  const auto record = api::own_record(pod.meta);
  if (!record) return patch;
  for (const auto& [key, value] : record->wrote) {
    const auto is = pod.meta.annotation(key);
    if (!is || *is != value) continue;
    const auto said = record->user.find(key);
    patch[key] = said == record->user.end() ? api::JsonValue(nullptr) : api::JsonValue(said->second);
  }
  patch[api::kBindingAnnotation] = nullptr;
  return patch;
}

}  // namespace berth::reconcile
