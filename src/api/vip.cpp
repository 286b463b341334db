#include "api/vip.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"

namespace berth::api {
namespace {

const net::Address* of_family(const std::vector<net::Address>& addresses, net::Family family) {
  const auto it = std::ranges::find(addresses, family, &net::Address::family);
  return it == addresses.end() ? nullptr : &*it;
}

}  // namespace

Vip Vip::parse(const JsonObject& object) {
  Vip vip;
  vip.meta = ObjectMeta::parse(object);
  vip.ns = string_at(object, {"spec", "namespace"});
  vip.subnet = string_at(object, {"spec", "subnet"});
  vip.type = string_at(object, {"spec", "type"});
  vip.v4ip = string_at(object, {"spec", "v4ip"});
  vip.v6ip = string_at(object, {"spec", "v6ip"});
  vip.mac = string_at(object, {"spec", "macAddress"});
  vip.selector = strings_at(object, {"spec", "selector"});
  vip.given_type = string_at(object, {"status", "type"});
  for (const char* key : {"v4ip", "v6ip"}) {
    if (const auto address = net::Address::parse(string_at(object, {"status", key}))) vip.given.push_back(*address);
  }
  if (const auto mac = net::Mac::parse(string_at(object, {"status", "mac"}))) vip.given_mac = *mac;
  vip.conditions = parse_conditions(object);
  if (const JsonObject* status = find_object(object, {"status"})) vip.status = *status;
  return vip;
}

bool Vip::allocated() const { return !given.empty() && meta.has_finalizer(kFinalizer); }

std::string Vip::held_in() const {
  const auto label = meta.labels.find(std::string(kSubnetLabel));
  return allocated() && label != meta.labels.end() && !label->second.empty() ? label->second : subnet;
}

bool Vip::selects(const std::map<std::string, std::string>& labels) const {
  return !selector.empty() && std::ranges::all_of(selector, [&](const std::string& item) {
    const auto colon = item.find(':');
    if (colon == std::string::npos) return false;
    const auto parts = std::pair(split_list(item.substr(0, colon)), split_list(item.substr(colon + 1)));
    if (parts.first.size() != 1) return false;
    const auto label = labels.find(parts.first.front());
    return label != labels.end() && label->second == (parts.second.empty() ? "" : parts.second.front());
  });
}

Result<VipPlan> plan_vip(const Vip& vip) {
  const auto wrong = [&](std::string_view field, std::string_view value, std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("Vip {}: spec.{} \"{}\": {}", vip.meta.name, field, value, why));
  };
  if (vip.subnet.empty()) return wrong("subnet", "", "is missing; name the Subnet that the address is taken from");
  if (!vip.type.empty() && vip.type != kSwitchLbVip && vip.type != kHostVmVip)
    return wrong("type", vip.type, fmt::format("must be empty, {} or {}", kSwitchLbVip, kHostVmVip));
  for (const std::string& item : vip.selector) {
    if (item.find(':') == std::string::npos || item.front() == ':')
      return wrong("selector", item, "is not a label; write key:value");
  }
  VipPlan plan;
  for (const auto& [field, text, family] :
       {std::tuple{"v4ip", &vip.v4ip, net::Family::v4}, {"v6ip", &vip.v6ip, net::Family::v6}}) {
    if (text->empty()) continue;
    const auto address = net::Address::parse(*text);
    if (!address) return wrong(field, *text, address.error().message);
    if (address->family() != family)
      return wrong(field, *text, "is of the other family; write it into the other field");
    if (std::ranges::any_of(*text, [](char c) { return c >= 'A' && c <= 'F'; }))
      return wrong(field, *text, "must be written in lower case");
    plan.wanted.push_back(*address);
  }
  if (vip.mac.empty()) return plan;
  const auto mac = net::Mac::parse(vip.mac);
  if (!mac) return wrong("macAddress", vip.mac, mac.error().message);
  if (mac->is_none() || mac->is_multicast())
    return wrong("macAddress", vip.mac, "must be a unicast address, such as 00:00:00:53:6b:b6");
  plan.mac = *mac;
  return plan;
}

std::string frozen_edit(const Vip& vip) {
  const auto differs = [&](std::string_view field, std::string_view is, std::string_view given) {
    return fmt::format(
        "Vip {}: spec.{} \"{}\": cannot change, {} was given; restore it, or delete the Vip and create it "
        "again",
        vip.meta.name, field, is, given.empty() ? "none" : fmt::format("\"{}\"", given));
  };
  for (const auto& [field, text, family] :
       {std::tuple{"v4ip", &vip.v4ip, net::Family::v4}, {"v6ip", &vip.v6ip, net::Family::v6}}) {
    const net::Address* given = of_family(vip.given, family);
    const auto said = net::Address::parse(*text);
    const bool same = text->empty() || (given != nullptr && said && *said == *given);
    if (!same) return differs(field, *text, given == nullptr ? "" : given->to_string());
  }
  if (const auto mac = net::Mac::parse(vip.mac); !vip.mac.empty() && (!mac || *mac != vip.given_mac))
    return differs("macAddress", vip.mac, vip.given_mac.to_string());
  if (vip.subnet != vip.held_in()) return differs("subnet", vip.subnet, vip.held_in());
  if (vip.type != vip.given_type) return differs("type", vip.type, vip.given_type);
  return {};
}

}  // namespace berth::api
