#include "api/subnet_network.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "api/annotations.h"
#include "net/mac.h"

namespace berth::api {
namespace {

constexpr int kHighestPriority = 32767;  // OVN's limit

Error invalid(const Subnet& subnet, std::string_view field, std::string_view value, std::string_view remedy) {
  return Error{ErrorCode::invalid,
               fmt::format("Subnet {}: spec.{} \"{}\": {}", subnet.meta.name, field, value, remedy)};
}

bool has_upper(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool has_family(const std::vector<net::Cidr>& cidrs, net::Family family) {
  return std::ranges::any_of(cidrs, [&](const net::Cidr& c) { return c.family() == family; });
}

// Brackets that do not pair, or an open quote: OVN would drop the rule without a word to the user.
bool is_balanced(std::string_view match) {
  std::string open;
  bool quoted = false;
  for (const char c : match) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '(' || c == '{') open.push_back(c);
    if (c != ')' && c != '}') continue;
    if (open.empty() || open.back() != (c == ')' ? '(' : '{')) return false;
    open.pop_back();
  }
  return open.empty() && !quoted;
}

Status check_acls(const Subnet& s) {
  static constexpr std::array kDirections{"from-lport", "to-lport"};
  static constexpr std::array kActions{"allow", "allow-related", "allow-stateless", "drop", "reject"};
  for (std::size_t i = 0; i < s.acls.size(); ++i) {
    const SubnetAcl& acl = s.acls[i];
    const auto field = [&](std::string_view name) { return fmt::format("acls[{}].{}", i, name); };
    if (std::ranges::find(kDirections, acl.direction) == kDirections.end())
      return fail(invalid(s, field("direction"), acl.direction, "must be from-lport or to-lport"));
    if (std::ranges::find(kActions, acl.action) == kActions.end()) {
      return fail(
          invalid(s, field("action"), acl.action, "must be allow, allow-related, allow-stateless, drop or reject"));
    }
    if (acl.priority < 0 || acl.priority > kHighestPriority)
      return fail(invalid(s, field("priority"), std::to_string(acl.priority), "must be between 0 and 32767"));
    if (acl.match.empty() || !is_balanced(acl.match))
      return fail(invalid(s, field("match"), acl.match, "must be an OVN expression, such as ip4.src == 10.0.0.0/8"));
  }
  return {};
}

Status check_options(const Subnet& s, std::string_view field, const std::string& text) {
  if (const auto options = parse_options(text); !options) return fail(invalid(s, field, text, options.error().message));
  return {};
}

Status check_vips(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  for (const std::string& item : s.vips) {
    if (has_upper(item)) return fail(invalid(s, "vips", item, "IPv6 must be written in lower case"));
    const auto address = net::Address::parse(item);
    if (!address) return fail(invalid(s, "vips", item, address.error().message));
    if (std::ranges::none_of(cidrs, [&](const net::Cidr& c) { return c.contains(*address); }))
      return fail(invalid(s, "vips", item, fmt::format("is not in {}; use an address of it", to_string(cidrs))));
  }
  return {};
}

Status check_egress(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  const std::string& text = s.external_egress_gateway;
  if (text.empty()) return {};
  constexpr const char* kField = "externalEgressGateway";
  if (has_upper(text)) return fail(invalid(s, kField, text, "IPv6 must be written in lower case"));
  const auto items = split_list(text);
  if (items.size() > 2) return fail(invalid(s, kField, text, "at most one address for each family; remove the others"));
  for (const std::string& item : items) {
    const auto address = net::Address::parse(item);
    if (!address) return fail(invalid(s, kField, text, address.error().message));
    if (!has_family(cidrs, address->family()))
      return fail(invalid(s, kField, text, fmt::format("{} fits no family of cidrBlock; remove it", item)));
  }
  return {};
}

Status check_underlay(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  if (s.overlay_only_routing && (!s.u2o_interconnection || s.vlan.empty())) {
    return fail(invalid(s, "u2oFeatures.overlayOnlyRouting", "true",
                        "needs u2oInterconnection and vlan; set them, or remove it"));
  }
  const std::string& text = s.u2o_interconnection_ip;
  if (text.empty()) return {};
  if (has_upper(text)) return fail(invalid(s, "u2oInterconnectionIP", text, "IPv6 must be written in lower case"));
  const auto gateways = split_list(s.gateway);
  for (const std::string& item : split_list(text)) {
    const auto address = net::Address::parse(item);
    if (!address) return fail(invalid(s, "u2oInterconnectionIP", text, address.error().message));
    if (std::ranges::none_of(cidrs, [&](const net::Cidr& c) { return c.contains(*address); })) {
      return fail(invalid(s, "u2oInterconnectionIP", text,
                          fmt::format("{} is not in {}; use an address of it", item, to_string(cidrs))));
    }
    if (std::ranges::find(gateways, item) != gateways.end())
      return fail(invalid(s, "u2oInterconnectionIP", text, fmt::format("{} is the gateway; use another", item)));
  }
  return {};
}

// The one family of a list of addresses and CIDRs.
Result<net::Family> family_of_list(const std::string& text) {
  std::optional<net::Family> family;
  for (const std::string& item : split_list(text)) {
    const auto address = net::Address::parse(item);
    const auto cidr = address ? Result<net::Cidr>(fail(ErrorCode::invalid, "")) : net::Cidr::parse(item);
    if (!address && !cidr)
      return fail(ErrorCode::invalid,
                  fmt::format("{} is neither an address nor a CIDR; write such as 192.0.2.0/24", item));
    const net::Family is = address ? address->family() : cidr->family();
    if (family && *family != is) return fail(ErrorCode::invalid, "must be of one family; split the rule");
    family = is;
  }
  if (!family) return fail(ErrorCode::invalid, "is empty; write an address or a CIDR, or remove the field");
  return *family;
}

Status check_nat_rules(const Subnet& s) {
  for (std::size_t i = 0; i < s.nat_rules.size(); ++i) {
    const SubnetNatRule& rule = s.nat_rules[i];
    const auto field = [&](std::string_view name) { return fmt::format("natOutgoingPolicyRules[{}].{}", i, name); };
    if (rule.action != "nat" && rule.action != "forward")
      return fail(invalid(s, field("action"), rule.action, "must be nat or forward"));
    std::optional<net::Family> family;
    for (const auto& [name, text] : {std::pair("match.srcIPs", &rule.sources), {"match.dstIPs", &rule.destinations}}) {
      if (text->empty()) continue;
      const auto is = family_of_list(*text);
      if (!is) return fail(invalid(s, field(name), *text, is.error().message));
      if (family && *family != *is)
        return fail(invalid(s, field(name), *text, "must be of the same family as srcIPs; split the rule"));
      family = *is;
    }
  }
  return {};
}

void parse_lists(const JsonObject& spec, Subnet& s) {
  if (const JsonArray* acls = find_array(spec, {"acls"})) {
    for (const JsonValue& item : *acls) {
      const JsonObject* a = item.if_object();
      if (a == nullptr) continue;
      s.acls.push_back({string_at(*a, {"direction"}), int_at(*a, {"priority"}), string_at(*a, {"match"}),
                        string_at(*a, {"action"})});
    }
  }
  if (const JsonArray* rules = find_array(spec, {"natOutgoingPolicyRules"})) {
    for (const JsonValue& item : *rules) {
      const JsonObject* r = item.if_object();
      if (r == nullptr) continue;
      s.nat_rules.push_back(
          {string_at(*r, {"match", "srcIPs"}), string_at(*r, {"match", "dstIPs"}), string_at(*r, {"action"})});
    }
  }
  if (const JsonArray* selectors = find_array(spec, {"gatewayNodeSelectors"})) {
    for (const JsonValue& item : *selectors) {
      if (item.is_object()) s.gateway_node_selectors.push_back(LabelSelector::parse(item.get_object()));
    }
  }
}

void find_unsupported(const JsonObject& spec, Subnet& s) {
  const auto note = [&](bool set, const char* field) {
    if (set) s.unsupported.emplace_back(field);
  };
  for (const char* field : {"vlan", "u2oInterconnectionIP", "externalEgressGateway", "nodeNetwork"})
    note(!string_at(spec, {field}).empty(), field);
  for (const char* field :
       {"logicalGateway", "u2oInterconnection", "enableEcmp", "enableMulticastSnoop", "enableExternalLBAddress"})
    note(bool_at(spec, {field}), field);
  for (const char* field : {"policyRoutingPriority", "policyRoutingTableID"}) note(int_at(spec, {field}) != 0, field);
  note(s.overlay_only_routing, "u2oFeatures.overlayOnlyRouting");
  note(!s.nat_rules.empty(), "natOutgoingPolicyRules");
  note(s.gateway_node.find(':') != std::string::npos, "gatewayNode (its egress addresses)");
  std::ranges::sort(s.unsupported);
}

}  // namespace

void parse_network(const JsonObject& spec, Subnet& s) {
  s.gateway_node = string_at(spec, {"gatewayNode"});
  s.vips = strings_at(spec, {"vips"});
  s.enable_dhcp = bool_at(spec, {"enableDHCP"});
  s.dhcp_v4_options = string_at(spec, {"dhcpV4Options"});
  s.dhcp_v6_options = string_at(spec, {"dhcpV6Options"});
  s.enable_ipv6_ra = bool_at(spec, {"enableIPv6RA"});
  s.ipv6_ra_configs = string_at(spec, {"ipv6RAConfigs"});
  s.allow_ew_traffic = bool_at(spec, {"allowEWTraffic"});
  s.route_table = string_at(spec, {"routeTable"});
  s.u2o_interconnection_ip = string_at(spec, {"u2oInterconnectionIP"});
  s.overlay_only_routing = bool_at(spec, {"u2oFeatures", "overlayOnlyRouting"});
  parse_lists(spec, s);
  find_unsupported(spec, s);
}

Status check_network(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  if (auto ok = check_acls(s); !ok) return ok;
  if (auto ok = check_options(s, "dhcpV4Options", s.dhcp_v4_options); !ok) return ok;
  if (auto ok = check_options(s, "dhcpV6Options", s.dhcp_v6_options); !ok) return ok;
  if (auto ok = check_options(s, "ipv6RAConfigs", s.ipv6_ra_configs); !ok) return ok;
  if (auto ok = check_vips(s, cidrs); !ok) return ok;
  if (auto ok = check_egress(s, cidrs); !ok) return ok;
  if (auto ok = check_underlay(s, cidrs); !ok) return ok;
  if (auto ok = check_nat_rules(s); !ok) return ok;
  for (std::size_t i = 0; i < s.gateway_node_selectors.size(); ++i) {
    if (const auto problem = s.gateway_node_selectors[i].problem())
      return fail(Error{ErrorCode::invalid,
                        fmt::format("Subnet {}: spec.gatewayNodeSelectors[{}]: {}", s.meta.name, i, *problem)});
  }
  return {};
}

Result<OvnOptions> parse_options(std::string_view text) {
  OvnOptions out;
  for (const std::string& item : split_list(text)) {
    const auto equals = item.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == item.size()) {
      return fail(
          ErrorCode::invalid,
          fmt::format("\"{}\" is not key=value; write key=value with commas between, and ';' inside a value", item));
    }
    std::string value = item.substr(equals + 1);
    std::ranges::replace(value, ';', ',');
    if (!out.emplace(item.substr(0, equals), std::move(value)).second)
      return fail(ErrorCode::invalid, fmt::format("{} is given twice; remove one", item.substr(0, equals)));
  }
  return out;
}

OvnOptions dhcp_options(const Subnet& s, const net::Cidr& cidr, const net::Address& gateway) {
  const bool v4 = cidr.family() == net::Family::v4;
  OvnOptions out = parse_options(v4 ? s.dhcp_v4_options : s.dhcp_v6_options).value_or(OvnOptions());
  const std::string mac = net::Mac::derived_from("dhcp-" + s.meta.name).to_string();
  if (!v4) {
    out.emplace("server_id", mac);
    return out;
  }
  out.emplace("lease_time", "3600");
  out.emplace("router", gateway.to_string());
  out.emplace("server_id", "169.254.0.254");
  out.emplace("server_mac", mac);
  if (s.mtu > 0) out.emplace("mtu", std::to_string(s.mtu));
  return out;
}

OvnOptions ra_configs(const Subnet& s, const std::vector<net::Cidr>& cidrs) {
  if (!s.enable_ipv6_ra || !has_family(cidrs, net::Family::v6)) return {};
  OvnOptions out = parse_options(s.ipv6_ra_configs).value_or(OvnOptions());
  if (!out.empty()) return out;
  return {
      {"address_mode", "dhcpv6_stateful"}, {"max_interval", "30"}, {"min_interval", "5"}, {"send_periodic", "true"}};
}

std::vector<std::string> gateway_nodes(const Subnet& s) {
  std::vector<std::string> out;
  for (const std::string& item : split_list(s.gateway_node)) out.push_back(item.substr(0, item.find(':')));
  return out;
}

}  // namespace berth::api
