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
    if (const auto address = net::Address::parse(item)) ip.addresses.push_back(*address);
  }
  std::ranges::sort(ip.addresses);
  if (const auto mac = net::Mac::parse(string_at(spec, {"macAddress"}))) ip.mac = *mac;
  ip.owner = Owner::parse(ip.meta.annotation(kOwnerAnnotation).value_or(""));
  const std::string epoch = ip.meta.annotation(kEpochAnnotation).value_or("");
  std::from_chars(epoch.data(), epoch.data() + epoch.size(), ip.epoch);
  ip.rule = ip.meta.annotation(kRuleAnnotation).value_or("");
  ip.subnet_uid = ip.meta.annotation(kSubnetUidAnnotation).value_or("");
  ip.pod_uid = ip.meta.annotation(kPodUidAnnotation).value_or("");
  return ip;
}

std::string port_name(std::string_view pod, std::string_view ns, std::string_view provider) {
  return provider == kDefaultProvider ? fmt::format("{}.{}", pod, ns) : fmt::format("{}.{}.{}", pod, ns, provider);
}

std::string node_port_name(std::string_view node) { return fmt::format("node-{}", node); }

JsonObject ip_manifest(const Ip& ip) {
  std::string v4, v6;
  for (const net::Address& a : ip.addresses) (a.is_v4() ? v4 : v6) = a.to_string();
  JsonObject labels{
      {kSubnetLabel, ip.subnet}, {kNodeNameLabel, ip.node_name}, {kIpReservedLabel, "false"}, {ip.subnet, ""}};
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
                  {"macAddress", ip.mac.to_string()},
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
