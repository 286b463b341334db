#include "api/vpc.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "net/cidr.h"

namespace berth::api {
namespace {

constexpr int kHighestPriority = 32767;  // OVN's limit

Error invalid(const Vpc& vpc, std::string_view field, std::string_view value, std::string_view remedy) {
  return Error{ErrorCode::invalid, fmt::format("Vpc {}: spec.{} \"{}\": {}", vpc.meta.name, field, value, remedy)};
}

void parse_routes(const JsonObject& spec, Vpc& vpc) {
  const auto each = [&spec](const char* field, auto take) {
    const JsonArray* list = find_array(spec, {field});
    if (list == nullptr) return;
    for (const JsonValue& item : *list) {
      if (const JsonObject* o = item.if_object()) take(*o);
    }
  };
  bool ecmp = false;
  bool bfd = false;
  each("staticRoutes", [&](const JsonObject& r) {
    vpc.static_routes.push_back(
        {string_at(r, {"policy"}), string_at(r, {"cidr"}), string_at(r, {"nextHopIP"}), string_at(r, {"routeTable"})});
    ecmp |= !string_at(r, {"ecmpMode"}).empty();
    bfd |= !string_at(r, {"bfdId"}).empty();
  });
  each("policyRoutes", [&](const JsonObject& r) {
    vpc.policy_routes.push_back({int_at(r, {"priority"}), string_at(r, {"match"}), string_at(r, {"action"}),
                                 split_list(string_at(r, {"nextHopIP"}))});
  });
  each("vpcPeerings", [&](const JsonObject& r) {
    vpc.peerings.push_back({string_at(r, {"remoteVpc"}), string_at(r, {"localConnectIP"})});
  });
  const auto note = [&](bool set, const char* field) {
    if (set) vpc.unsupported.emplace_back(field);
  };
  note(bool_at(spec, {"bfdPort", "enabled"}), "bfdPort");
  note(bool_at(spec, {"enableBfd"}), "enableBfd");
  note(bool_at(spec, {"enableExternal"}), "enableExternal");
  note(!strings_at(spec, {"extraExternalSubnets"}).empty(), "extraExternalSubnets");
  note(bfd, "staticRoutes[].bfdId");
  note(ecmp, "staticRoutes[].ecmpMode");
}

Status check_static_routes(const Vpc& vpc) {
  for (std::size_t i = 0; i < vpc.static_routes.size(); ++i) {
    const Vpc::StaticRoute& route = vpc.static_routes[i];
    const auto field = [&](std::string_view name) { return fmt::format("staticRoutes[{}].{}", i, name); };
    if (!route.policy.empty() && route.policy != "policyDst" && route.policy != "policySrc")
      return fail(invalid(vpc, field("policy"), route.policy, "must be policyDst or policySrc"));
    const auto cidr = net::Cidr::parse(route.cidr);
    const auto host = net::Address::parse(route.cidr);
    if (!cidr && !host) return fail(invalid(vpc, field("cidr"), route.cidr, "must be an address or a CIDR"));
    const auto next = net::Address::parse(route.next_hop);
    if (!next) return fail(invalid(vpc, field("nextHopIP"), route.next_hop, next.error().message));
    if (next->family() != (cidr ? cidr->family() : host->family())) {
      return fail(invalid(vpc, field("nextHopIP"), route.next_hop,
                          fmt::format("must be of the same family as cidr {}", route.cidr)));
    }
  }
  return {};
}

Status check_policy_routes(const Vpc& vpc) {
  for (std::size_t i = 0; i < vpc.policy_routes.size(); ++i) {
    const Vpc::PolicyRoute& route = vpc.policy_routes[i];
    const auto field = [&](std::string_view name) { return fmt::format("policyRoutes[{}].{}", i, name); };
    if (route.priority < 0 || route.priority > kHighestPriority)
      return fail(invalid(vpc, field("priority"), std::to_string(route.priority), "must be between 0 and 32767"));
    if (route.match.empty())
      return fail(invalid(vpc, field("match"), "", "must be an OVN expression, such as ip4.src == 10.0.0.0/8"));
    if (route.action != "allow" && route.action != "drop" && route.action != "reroute")
      return fail(invalid(vpc, field("action"), route.action, "must be allow, drop or reroute"));
    const std::string hops = join(route.next_hops, ",");
    if (route.action != "reroute") continue;  // Kube-OVN ignores next hops then
    if (route.next_hops.empty()) return fail(invalid(vpc, field("nextHopIP"), "", "reroute needs an address"));
    for (const std::string& hop : route.next_hops) {
      if (const auto address = net::Address::parse(hop); !address)
        return fail(invalid(vpc, field("nextHopIP"), hops, address.error().message));
    }
  }
  return {};
}

Status check_peerings(const Vpc& vpc) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < vpc.peerings.size(); ++i) {
    const Vpc::Peering& peering = vpc.peerings[i];
    const auto field = [&](std::string_view name) { return fmt::format("vpcPeerings[{}].{}", i, name); };
    if (peering.remote.empty() || peering.remote == vpc.meta.name)
      return fail(invalid(vpc, field("remoteVpc"), peering.remote, "must name another Vpc"));
    if (!seen.insert(peering.remote).second)
      return fail(invalid(vpc, field("remoteVpc"), peering.remote, "is named twice; remove one"));
    const auto items = split_list(peering.connect);
    for (const std::string& item : items) {
      if (item.find('/') == std::string::npos || !net::Cidr::parse(item)) {
        return fail(invalid(vpc, field("localConnectIP"), peering.connect,
                            "must be an address with a prefix length, such as 169.254.0.1/30"));
      }
    }
    if (items.empty()) {
      return fail(invalid(vpc, field("localConnectIP"), "",
                          "an address with a prefix length is needed, such as 169.254.0.1/30"));
    }
  }
  return {};
}

}  // namespace

Vpc Vpc::parse(const JsonObject& object) {
  Vpc vpc;
  vpc.meta = ObjectMeta::parse(object);
  vpc.default_subnet = string_at(object, {"spec", "defaultSubnet"});
  vpc.namespaces = strings_at(object, {"spec", "namespaces"});
  if (const JsonObject* spec = find_object(object, {"spec"})) parse_routes(*spec, vpc);
  vpc.conditions = parse_conditions(object);
  if (const JsonObject* status = find_object(object, {"status"})) vpc.status = *status;
  return vpc;
}

Status check_vpc(const Vpc& vpc) {
  if (auto ok = check_static_routes(vpc); !ok) return ok;
  if (auto ok = check_policy_routes(vpc); !ok) return ok;
  return check_peerings(vpc);
}

}  // namespace berth::api
