#include "api/ip.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "api/annotations.h"
#include "api/subnet.h"

namespace berth::api {

Owner Owner::parse(std::string_view text) {
  const auto parts = split_list(text, '/');
  Owner owner;
  if (parts.size() == 2 && parts[0] == "pod") owner = {Kind::pod, parts[1], 0};
  if (parts.size() == 2 && parts[0] == "node") owner = {Kind::node, parts[1], 0};
  if (parts.size() == 1 && parts[0] == "reserved") owner = {Kind::reserved, "", 0};
  if (parts.size() == 3 && parts[0] == "statefulset") {
    owner = {Kind::stateful_set, parts[1], 0};
    std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), owner.ordinal);
  }
  return owner;
}

std::string Owner::to_string() const {
  switch (kind) {
    case Kind::none:
      return "";
    case Kind::pod:
      return "pod/" + id;
    case Kind::node:
      return "node/" + id;
    case Kind::reserved:
      return "reserved";
    case Kind::stateful_set:
      return fmt::format("statefulset/{}/{}", id, ordinal);
  }
  return "";
}

Ip Ip::parse(const JsonObject& object) {
  Ip ip;
  ip.meta = ObjectMeta::parse(object);
  const JsonObject empty;
  const JsonObject* found = find_object(object, {"spec"});
  const JsonObject& spec = found == nullptr ? empty : *found;
  ip.pod_name = string_at(spec, {"podName"});
  ip.pod_ns = string_at(spec, {"namespace"});
  ip.subnet = string_at(spec, {"subnet"});
  ip.node_name = string_at(spec, {"nodeName"});
  ip.container_id = string_at(spec, {"containerID"});
  ip.pod_type = string_at(spec, {"podType"});
  std::string text = string_at(spec, {"v4IpAddress"}) + "," + string_at(spec, {"v6IpAddress"});
  if (text == ",") text = string_at(spec, {"ipAddress"});
  for (const std::string& item : split_list(text)) {
    if (const auto address = net::Address::parse(item)) {
      ip.addresses.push_back(*address);
    } else {
      ip.malformed = fmt::format("\"{}\": {}", item, address.error().message);
    }
  }
  std::ranges::sort(ip.addresses);
  if (std::ranges::adjacent_find(ip.addresses, {}, &net::Address::family) != ip.addresses.end())
    ip.malformed = fmt::format("\"{}\": at most one address of each family", text);
  const std::string mac_text = string_at(spec, {"macAddress"});
  if (const auto mac = net::Mac::parse(mac_text)) {
    ip.mac = *mac;
  } else if (!mac_text.empty()) {
    ip.malformed = fmt::format("\"{}\": {}", mac_text, mac.error().message);
  }
  ip.owner = Owner::parse(ip.meta.annotation(kOwnerAnnotation).value_or(""));
  const std::string epoch = ip.meta.annotation(kEpochAnnotation).value_or("");
  std::from_chars(epoch.data(), epoch.data() + epoch.size(), ip.epoch);
  ip.rule = ip.meta.annotation(kRuleAnnotation).value_or("");
  ip.subnet_uid = ip.meta.annotation(kSubnetUidAnnotation).value_or("");
  ip.pod_uid = ip.meta.annotation(kPodUidAnnotation).value_or("");
  if (const auto label = ip.meta.labels.find(std::string(kIpReservedLabel)); label != ip.meta.labels.end())
    ip.reserved_label = label->second;
  return ip;
}

bool Ip::is_reserved() const {
  if (!reserved_label.empty()) return reserved_label == "true";
  if (owner.kind != Owner::Kind::none) return owner.kind == Owner::Kind::reserved;
  const bool has_finalizer = meta.has_finalizer(kFinalizer) || meta.has_finalizer(kLegacyFinalizer);
  return !pod_ns.empty() && !has_finalizer && !meta.labels.contains(std::string(kSubnetLabel));
}

bool Ip::is_request() const {
  return is_reserved() && owner.kind == Owner::Kind::none && !meta.has_finalizer(kFinalizer) &&
         !meta.has_finalizer(kLegacyFinalizer);
}

bool Ip::is_idle() const {
  return is_reserved() && (owner.kind == Owner::Kind::none || owner.kind == Owner::Kind::reserved);
}

std::string port_name(std::string_view pod, std::string_view ns, std::string_view provider) {
  return provider == kDefaultProvider ? fmt::format("{}.{}", pod, ns) : fmt::format("{}.{}.{}", pod, ns, provider);
}

std::string node_port_name(std::string_view node) { return fmt::format("node-{}", node); }

JsonObject ip_manifest(const Ip& ip) {
  std::string v4, v6;
  for (const net::Address& a : ip.addresses) (a.is_v4() ? v4 : v6) = a.to_string();
  const bool reserved = ip.reserved_label == "true" || ip.owner.kind == Owner::Kind::reserved;
  JsonObject labels{{kSubnetLabel, ip.subnet},
                    {kNodeNameLabel, ip.node_name},
                    {kIpReservedLabel, reserved ? "true" : "false"},
                    {ip.subnet, ""}};
  JsonObject annotations{{kOwnerAnnotation, ip.owner.to_string()},
                         {kEpochAnnotation, std::to_string(ip.epoch)},
                         {kRuleAnnotation, ip.rule},
                         {kSubnetUidAnnotation, ip.subnet_uid},
                         {kPodUidAnnotation, ip.pod_uid}};
  JsonObject spec{{"podName", ip.pod_name},
                  {"namespace", ip.pod_ns},
                  {"subnet", ip.subnet},
                  {"nodeName", ip.node_name},
                  {"ipAddress", to_string(ip.addresses)},
                  {"v4IpAddress", v4},
                  {"v6IpAddress", v6},
                  {"macAddress", ip.mac.is_none() ? "" : ip.mac.to_string()},
                  {"containerID", ip.container_id},
                  {"podType", ip.pod_type},
                  {"attachSubnets", JsonArray{}},
                  {"attachIps", JsonArray{}},
                  {"attachMacs", JsonArray{}}};
  JsonObject metadata{{"name", ip.meta.name},
                      {"labels", std::move(labels)},
                      {"annotations", std::move(annotations)},
                      {"finalizers", JsonArray{JsonValue(kFinalizer)}}};
  return JsonObject{
      {"apiVersion", "kubeovn.io/v1"}, {"kind", "IP"}, {"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

}  // namespace berth::api
