#include "agent/cni_result.h"

#include <fmt/core.h>

#include "api/json.h"

namespace berth::agent {
namespace {

namespace json = boost::json;

// The index of the interface that CHECK is about; -1: prevResult does not name it.
std::int64_t interface_index(const json::object& result, const std::string& ifname) {
  const auto* interfaces = api::find_array(result, {"interfaces"});
  if (interfaces == nullptr) return -1;
  for (std::size_t i = 0; i < interfaces->size(); ++i) {
    const auto* entry = (*interfaces)[i].if_object();
    if (entry != nullptr && api::string_at(*entry, {"name"}) == ifname && !api::string_at(*entry, {"sandbox"}).empty())
      return static_cast<std::int64_t>(i);
  }
  return -1;
}

Result<InterfaceAddress> parse_interface_address(const std::string& text) {
  const auto slash = text.find('/');
  const auto address = net::Address::parse(text.substr(0, slash));
  if (!address) return fail(address.error());
  const auto cidr = net::Cidr::parse(text);
  if (!cidr) return fail(cidr.error());
  return InterfaceAddress{*address, *cidr};
}

}  // namespace

json::object add_result(const AttachmentKey& key, const std::string& netns, const PodNetwork& network,
                        const Wired& wired, const json::object& config) {
  json::object out;
  out["cniVersion"] = "1.1.0";
  out["interfaces"] = {
      {{"name", wired.host_interface}, {"mac", wired.host_mac.to_string()}},
      {{"name", key.ifname}, {"mac", network.mac.to_string()}, {"mtu", wired.mtu}, {"sandbox", netns}}};
  json::array ips;
  for (const auto& [address, cidr] : network.addresses) {
    json::object ip{{"address", net::with_prefix(address, cidr)}, {"interface", 1}};
    for (const auto& gateway : network.gateways) {
      if (gateway.family() == address.family()) ip["gateway"] = gateway.to_string();
    }
    ips.push_back(std::move(ip));
  }
  out["ips"] = std::move(ips);
  json::array routes;
  for (const auto& route : network.all_routes())
    routes.push_back({{"dst", route.destination.to_string()}, {"gw", route.gateway.to_string()}});
  out["routes"] = std::move(routes);
  const auto* dns = api::find_object(config, {"dns"});
  out["dns"] = dns == nullptr ? json::object{} : *dns;
  return out;
}

Result<CheckSpec> check_spec(const AttachmentKey& key, const std::string& netns, const json::object& config) {
  const auto* previous = api::find_object(config, {"prevResult"});
  if (previous == nullptr) return fail(ErrorCode::invalid, "prevResult is missing");
  CheckSpec spec{key, netns, {}, {}};
  const auto index = interface_index(*previous, key.ifname);
  if (index < 0) return fail(ErrorCode::invalid, fmt::format("prevResult has no interface {}", key.ifname));
  if (const auto* ips = api::find_array(*previous, {"ips"})) {
    for (const auto& value : *ips) {
      const auto* ip = value.if_object();
      if (ip == nullptr || api::int_at(*ip, {"interface"}, -1) != index) continue;
      auto address = parse_interface_address(api::string_at(*ip, {"address"}));
      if (!address) return fail(address.error().with_context("prevResult.ips"));
      spec.addresses.push_back(*address);
    }
  }
  if (const auto* routes = api::find_array(*previous, {"routes"})) {
    for (const auto& value : *routes) {
      const auto* route = value.if_object();
      if (route == nullptr) continue;
      const auto destination = net::Cidr::parse(api::string_at(*route, {"dst"}));
      const auto gateway = net::Address::parse(api::string_at(*route, {"gw"}));
      if (destination && gateway) spec.routes.push_back({*destination, *gateway});
    }
  }
  return spec;
}

Result<std::set<AttachmentKey>> valid_attachments(const json::object& config) {
  const auto* list = api::find_array(config, {"cni.dev/valid-attachments"});
  if (list == nullptr) list = api::find_array(config, {"cni.dev/attachments"});
  if (list == nullptr) return fail(ErrorCode::invalid, "cni.dev/valid-attachments is missing");
  std::set<AttachmentKey> valid;
  for (const auto& value : *list) {
    const auto* entry = value.if_object();
    AttachmentKey key;
    if (entry != nullptr) key = {api::string_at(*entry, {"containerID"}), api::string_at(*entry, {"ifname"})};
    if (key.container_id.empty() || key.ifname.empty())
      return fail(ErrorCode::invalid, "cni.dev/valid-attachments holds an entry without containerID and ifname");
    valid.insert(std::move(key));
  }
  return valid;
}

}  // namespace berth::agent
