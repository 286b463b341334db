#include "reconcile/takeover.h"

#include <algorithm>
#include <charconv>

#include "api/annotations.h"

namespace berth::reconcile {
namespace {

using net::Address;

std::vector<Address> addresses_in(const std::string& text) {
  std::vector<Address> out;
  for (const std::string& item : api::split_list(text)) {
    if (const auto address = Address::parse(item)) out.push_back(*address);
  }
  std::ranges::sort(out);
  return out;
}

// The Subnet that the addresses belong to: the one that is named, or of the provider's the one that contains them.
const api::Subnet* subnet_of(const world::World& world, const std::string& provider, const std::string& name,
                             const std::vector<Address>& addresses) {
  if (!name.empty()) return world.subnets().find(name);
  for (const binding::SubnetView& view : world.of_provider(provider)) {
    if (std::ranges::all_of(addresses, [&](const Address& a) { return view.contains(a); })) return view.object;
  }
  return nullptr;
}

}  // namespace

std::optional<api::Ip> wired_by_kube_ovn(const world::World& world, const api::Pod& pod,
                                         const binding::NetworkRequest& request, const binding::Decision& decision,
                                         api::Ip blank) {
  const auto said = [&](std::string_view suffix) {
    return pod.meta.annotation(api::annotation_key(request.provider, suffix)).value_or("");
  };
  if (api::own_record(pod.meta) || said(api::suffix::kAllocated) != "true") return std::nullopt;
  if (pod.pod_ips.empty()) return std::nullopt;  // what is not wired is decided like any other
  blank.addresses = addresses_in(said(api::suffix::kIpAddress));
  if (blank.addresses.empty()) return std::nullopt;
  const auto runs_with = [&](const Address& a) {
    return std::ranges::find(pod.pod_ips, a.to_string()) != pod.pod_ips.end();
  };
  if (request.is_default() && std::ranges::none_of(blank.addresses, runs_with)) return std::nullopt;

  const api::Ip* ip = world.ips().find(request.port);
  const bool known = ip != nullptr && ip->addresses == blank.addresses;
  const api::Subnet* subnet =
      subnet_of(world, request.provider, known ? ip->subnet : said(api::suffix::kLogicalSwitch), blank.addresses);
  if (subnet == nullptr) return std::nullopt;
  blank.subnet = subnet->meta.name;
  blank.subnet_uid = subnet->meta.uid;
  if (const auto mac = net::Mac::parse(said(api::suffix::kMacAddress))) {
    blank.mac = *mac;
  } else if (known) {
    blank.mac = ip->mac;
  }
  if (blank.mac.is_none() && subnet->is_ovn()) return std::nullopt;
  const bool same = decision.bind() != nullptr && decision.bind()->subnet == blank.subnet;
  const bool by_default = !same && blank.subnet == api::kDefaultSubnet;
  blank.rule = by_default ? binding::to_string(binding::Rule::cluster_default) : binding::to_string(decision.rule);
  return blank;
}

std::optional<api::Ip> kept_by_kube_ovn(const world::World& world, const api::Ip& ip) {
  if (!ip.is_foreign() || ip.meta.deleting || ip.pod_type != "StatefulSet") return std::nullopt;
  const api::Subnet* subnet = world.subnets().find(ip.subnet);
  const auto dash = ip.pod_name.rfind('-');
  if (subnet == nullptr || subnet->meta.deleting || dash == std::string::npos) return std::nullopt;
  const api::StatefulSet* set = world.stateful_sets().find(ip.pod_ns + "/" + ip.pod_name.substr(0, dash));
  std::int64_t ordinal = -1;
  std::from_chars(ip.pod_name.data() + dash + 1, ip.pod_name.data() + ip.pod_name.size(), ordinal);
  if (set == nullptr || set->meta.deleting || ordinal < set->start || ordinal >= set->start + set->replicas)
    return std::nullopt;
  api::Ip out = ip;
  out.owner = {api::Owner::Kind::stateful_set, set->meta.uid, ordinal};
  out.subnet_uid = subnet->meta.uid;
  out.epoch = world.epoch();
  out.rule = "kept";
  return out;
}

}  // namespace berth::reconcile
