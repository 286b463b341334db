#include "api/subnet.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "api/annotations.h"
#include "api/subnet_network.h"

namespace berth::api {
namespace {

Error invalid(const Subnet& subnet, std::string_view field, std::string_view value, std::string_view remedy) {
  return Error{ErrorCode::invalid,
               fmt::format("Subnet {}: spec.{} \"{}\": {}", subnet.meta.name, field, value, remedy)};
}

bool has_upper(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Networks that no pod may live in.
const std::vector<net::Cidr>& forbidden_networks() {
  static const std::vector<net::Cidr> networks = [] {
    std::vector<net::Cidr> out;
    for (const char* text : {"255.255.255.255/32", "224.0.0.0/4", "127.0.0.0/8", "0.0.0.0/32", "169.254.0.0/16",
                             "::/128", "::1/128", "ff00::/8", "fe80::/10"}) {
      out.push_back(*net::Cidr::parse(text));
    }
    return out;
  }();
  return networks;
}

// A Subnet of a vlan without a CIDR: its pods have MAC addresses, and no others.
Error mac_only(const Subnet& s) {
  constexpr const char* kNoAddresses = "a Subnet without cidrBlock has no addresses; remove it, or set spec.cidrBlock";
  if (!s.gateway.empty()) return invalid(s, "gateway", s.gateway, kNoAddresses);
  if (!s.exclude_ips.empty()) return invalid(s, "excludeIps", join(s.exclude_ips, ","), kNoAddresses);
  if (!s.vips.empty()) return invalid(s, "vips", join(s.vips, ","), kNoAddresses);
  if (!s.u2o_interconnection_ip.empty())
    return invalid(s, "u2oInterconnectionIP", s.u2o_interconnection_ip, kNoAddresses);
  return invalid(s, "cidrBlock", "", "Berth gives no MAC addresses without IP addresses yet; write a CIDR");
}

Result<std::vector<net::Cidr>> plan_cidrs(const Subnet& s) {
  if (s.cidr_block.empty() && !s.vlan.empty()) return fail(mac_only(s));
  if (s.cidr_block.empty()) {
    return fail(invalid(s, "cidrBlock", "", "a CIDR is needed, such as 10.66.0.0/16, or IPv4 and IPv6 with a comma"));
  }
  if (has_upper(s.cidr_block)) return fail(invalid(s, "cidrBlock", s.cidr_block, "IPv6 must be written in lower case"));
  const auto cidrs = net::Cidr::parse_list(s.cidr_block);
  if (!cidrs) return fail(invalid(s, "cidrBlock", s.cidr_block, cidrs.error().message));
  for (const net::Cidr& cidr : *cidrs) {
    if (cidr.prefix_length() == cidr.network().width()) {
      return fail(invalid(s, "cidrBlock", s.cidr_block,
                          "a single address leaves no room for a gateway and pods; use a shorter prefix"));
    }
    if (cidr.prefix_length() == 0)
      return fail(invalid(s, "cidrBlock", s.cidr_block, "a prefix length of 0 covers everything; use a longer prefix"));
    for (const net::Cidr& bad : forbidden_networks()) {
      if (cidr.overlaps(bad)) {
        return fail(invalid(s, "cidrBlock", s.cidr_block,
                            fmt::format("overlaps {}, which is reserved; choose another range", bad.to_string())));
      }
    }
  }
  return cidrs;
}

Result<std::vector<net::Address>> plan_gateways(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  if (has_upper(s.gateway)) return fail(invalid(s, "gateway", s.gateway, "IPv6 must be written in lower case"));
  std::vector<net::Address> given;
  for (const std::string& item : split_list(s.gateway)) {
    const auto address = net::Address::parse(item);
    if (!address) return fail(invalid(s, "gateway", s.gateway, address.error().message));
    given.push_back(*address);
  }
  std::vector<net::Address> out;
  for (const net::Cidr& cidr : cidrs) {
    const auto it = std::ranges::find(given, cidr.family(), &net::Address::family);
    if (it == given.end()) {
      out.push_back(cidr.first_usable());
      continue;
    }
    const bool p2p = cidr.prefix_length() >= cidr.network().width() - 1;
    if (!cidr.contains(*it)) {
      return fail(invalid(s, "gateway", s.gateway,
                          fmt::format("{} is not in {}; use an address such as {}", it->to_string(), cidr.to_string(),
                                      cidr.first_usable().to_string())));
    }
    if (!p2p && (*it == cidr.network() || (it->is_v4() && *it == cidr.last()))) {
      return fail(invalid(s, "gateway", s.gateway,
                          fmt::format("{} is the network or broadcast address of {}; use one such as {}",
                                      it->to_string(), cidr.to_string(), cidr.first_usable().to_string())));
    }
    out.push_back(*it);
    given.erase(it);
  }
  if (!given.empty()) {
    return fail(invalid(s, "gateway", s.gateway,
                        fmt::format("{} fits no family of cidrBlock {} that is not served yet; remove it",
                                    given.front().to_string(), s.cidr_block)));
  }
  return out;
}

Result<std::vector<net::Range>> plan_excludes(const Subnet& s, const std::vector<net::Address>& gateways) {
  std::vector<net::Range> out;
  for (const std::string& item : s.exclude_ips) {
    if (has_upper(item)) return fail(invalid(s, "excludeIps", item, "IPv6 must be written in lower case"));
    const auto range = net::Range::parse(item);
    if (!range) return fail(invalid(s, "excludeIps", item, range.error().message));
    const bool just_gateway =
        range->first == range->last && std::ranges::find(gateways, range->first) != gateways.end();
    if (!just_gateway) out.push_back(*range);
  }
  return out;
}

Status check_choices(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  static constexpr std::array kGatewayTypes{"", "distributed", "centralized"};
  static constexpr std::array kProtocols{"", "IPv4", "IPv6", "Dual", "Mac"};
  const auto among = [](const auto& list, const std::string& value) {
    return std::ranges::find(list, value) != list.end();
  };
  if (!among(kGatewayTypes, s.gateway_type))
    return fail(invalid(s, "gatewayType", s.gateway_type, "must be distributed or centralized"));
  if (!among(kProtocols, s.protocol))
    return fail(invalid(s, "protocol", s.protocol, "must be IPv4, IPv6 or Dual; leave it out, it follows cidrBlock"));
  const bool v6 = std::ranges::any_of(cidrs, [](const net::Cidr& c) { return c.family() == net::Family::v6; });
  if (v6 && s.mtu > 0 && s.mtu < 1280)
    return fail(invalid(s, "mtu", std::to_string(s.mtu), "IPv6 needs at least 1280"));
  if (s.effective_vpc() == s.meta.name)
    return fail(invalid(s, "vpc", s.vpc, "a Subnet and its Vpc must not have the same name; rename one"));
  const bool of_the_system = s.meta.name == kDefaultSubnet || s.meta.name == kJoinSubnet;
  if (of_the_system && s.effective_vpc() != kDefaultVpc)
    return fail(invalid(s, "vpc", s.vpc, fmt::format("must stay {}: the cluster itself needs it there", kDefaultVpc)));
  for (std::size_t i = 0; i < s.namespace_selectors.size(); ++i) {
    if (const auto problem = s.namespace_selectors[i].problem())
      return fail(Error{ErrorCode::invalid,
                        fmt::format("Subnet {}: spec.namespaceSelectors[{}]: {}", s.meta.name, i, *problem)});
  }
  for (const std::string& item : s.allow_subnets) {
    if (has_upper(item)) return fail(invalid(s, "allowSubnets", item, "IPv6 must be written in lower case"));
    if (const auto cidr = net::Cidr::parse(item); !cidr)
      return fail(invalid(s, "allowSubnets", item, cidr.error().message));
  }
  if (s.nat_outgoing && !s.external_egress_gateway.empty()) {
    return fail(invalid(s, "externalEgressGateway", s.external_egress_gateway,
                        "cannot be used together with natOutgoing; remove one"));
  }
  if (s.logical_gateway && s.u2o_interconnection)
    return fail(invalid(s, "logicalGateway", "true", "cannot be used together with u2oInterconnection; remove one"));
  return {};
}

}  // namespace

std::vector<std::string> formatted_excludes(const SubnetPlan& plan) {
  std::vector<net::Range> all = plan.excludes;
  for (const net::Address& gateway : plan.gateways) {
    if (std::ranges::none_of(plan.excludes, [&](const net::Range& r) { return r.contains(gateway); }))
      all.push_back({gateway, gateway});
  }
  std::ranges::sort(all);
  std::vector<net::Range> out;
  for (const net::Range& range : all) {
    if (!out.empty() && out.back().family() == range.family() && range.first <= out.back().last) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  std::vector<std::string> text;
  for (const net::Range& range : out) text.push_back(range.to_string());
  std::ranges::sort(text);
  return text;
}

Subnet Subnet::parse(const JsonObject& object) {
  Subnet s;
  s.meta = ObjectMeta::parse(object);
  const JsonObject empty;
  const JsonObject* found = find_object(object, {"spec"});
  const JsonObject& spec = found == nullptr ? empty : *found;
  s.is_default = bool_at(spec, {"default"});
  s.vpc = string_at(spec, {"vpc"});
  s.protocol = string_at(spec, {"protocol"});
  s.namespaces = strings_at(spec, {"namespaces"});
  if (const JsonArray* selectors = find_array(spec, {"namespaceSelectors"})) {
    for (const JsonValue& item : *selectors) {
      if (item.is_object()) s.namespace_selectors.push_back(LabelSelector::parse(item.get_object()));
    }
  }
  s.cidr_block = string_at(spec, {"cidrBlock"});
  s.gateway = string_at(spec, {"gateway"});
  s.exclude_ips = strings_at(spec, {"excludeIps"});
  s.provider = string_at(spec, {"provider"});
  s.gateway_type = string_at(spec, {"gatewayType"});
  s.vlan = string_at(spec, {"vlan"});
  s.mtu = int_at(spec, {"mtu"});
  s.nat_outgoing = bool_at(spec, {"natOutgoing"});
  s.private_ = bool_at(spec, {"private"});
  s.allow_subnets = strings_at(spec, {"allowSubnets"});
  s.disable_interconnection = bool_at(spec, {"disableInterConnection"});
  s.external_egress_gateway = string_at(spec, {"externalEgressGateway"});
  s.logical_gateway = bool_at(spec, {"logicalGateway"});
  s.u2o_interconnection = bool_at(spec, {"u2oInterconnection"});
  parse_network(spec, s);
  s.conditions = parse_conditions(object);
  if (const JsonObject* status = find_object(object, {"status"})) s.status = *status;
  return s;
}

std::string Subnet::cidr_in_force() const { return meta.annotation(kCidrInForceAnnotation).value_or(cidr_block); }

bool is_ovn_provider(const std::string& provider) {
  if (provider.empty() || provider == kDefaultProvider) return true;
  const auto parts = split_list(provider, '.');
  return parts.size() == 3 && parts[2] == kDefaultProvider;
}

bool Subnet::is_ovn() const { return is_ovn_provider(provider); }

std::string Subnet::effective_provider() const { return provider.empty() ? std::string(kDefaultProvider) : provider; }

std::string Subnet::effective_vpc() const {
  if (!vpc.empty()) return vpc;
  return is_ovn() ? std::string(kDefaultVpc) : std::string();
}

bool Subnet::claims(const std::string& ns, const std::map<std::string, std::string>& labels) const {
  return std::ranges::find(namespaces, ns) != namespaces.end() ||
         std::ranges::any_of(namespace_selectors,
                             [&](const LabelSelector& selector) { return selector.matches(labels); });
}

Result<SubnetPlan> plan_subnet(const Subnet& subnet) {
  SubnetPlan plan;
  auto cidrs = plan_cidrs(subnet);
  if (!cidrs) return fail(cidrs.error());
  plan.cidrs = std::move(*cidrs);
  auto gateways = plan_gateways(subnet, plan.cidrs);
  if (!gateways) return fail(gateways.error());
  plan.gateways = std::move(*gateways);
  auto excludes = plan_excludes(subnet, plan.gateways);
  if (!excludes) return fail(excludes.error());
  plan.excludes = std::move(*excludes);
  if (auto ok = check_choices(subnet, plan.cidrs); !ok) return fail(ok.error());
  if (auto ok = check_network(subnet, plan.cidrs); !ok) return fail(ok.error());
  return plan;
}

JsonObject normalisation_patch(const Subnet& subnet, const SubnetPlan& plan) {
  JsonObject patch;
  const auto set = [&](std::string_view field, const std::string& is, const std::string& wanted) {
    if (is != wanted) patch[field] = wanted;
  };
  set("cidrBlock", subnet.cidr_block, to_string(plan.cidrs));
  set("gateway", subnet.gateway, to_string(plan.gateways));
  set("protocol", subnet.protocol, protocol_of(plan.cidrs));
  set("provider", subnet.provider, subnet.effective_provider());
  set("vpc", subnet.vpc, subnet.effective_vpc());
  if (subnet.gateway_type.empty() && subnet.effective_vpc() == kDefaultVpc && subnet.meta.name != kJoinSubnet)
    patch["gatewayType"] = "distributed";
  if (!subnet.gateway_node.empty() && subnet.gateway_type != "centralized") patch["gatewayNode"] = "";
  if (subnet.is_default && subnet.effective_vpc() == kDefaultVpc && subnet.meta.name != kDefaultSubnet)
    patch["default"] = false;
  if (const auto excludes = formatted_excludes(plan); excludes != subnet.exclude_ips)
    patch["excludeIps"] = to_json(excludes);
  return patch;
}

std::string protocol_of(const std::vector<net::Cidr>& cidrs) {
  if (cidrs.size() == 2) return "Dual";
  return !cidrs.empty() && cidrs.front().family() == net::Family::v6 ? "IPv6" : "IPv4";
}

std::string to_string(const std::vector<net::Cidr>& cidrs) {
  std::vector<std::string> text;
  for (const net::Cidr& cidr : cidrs) text.push_back(cidr.to_string());
  return join(text, ",");
}

std::string to_string(const std::vector<net::Address>& addresses) {
  std::vector<std::string> text;
  for (const net::Address& address : addresses) text.push_back(address.to_string());
  return join(text, ",");
}

}  // namespace berth::api
