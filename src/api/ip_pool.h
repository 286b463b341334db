#pragma once

// IPPool (kubeovn.io/v1): a part of a Subnet set aside by name.

#include <string>
#include <string_view>
#include <vector>

#include "api/condition.h"
#include "api/metadata.h"
#include "net/range.h"

namespace berth::api {

struct IpPool {
  ObjectMeta meta;
  std::string subnet;
  std::vector<std::string> namespaces;
  std::vector<std::string> ips;
  bool enable_address_set = false;
  std::vector<Condition> conditions;
  JsonObject status;

  [[nodiscard]] static IpPool parse(const JsonObject& object);
};

// The ranges that spec.ips means, merged and ascending, IPv4 first. The error names field, value and remedy. Rules
// about the Subnet and other pools are the world's (World::configure_pools).
[[nodiscard]] Result<std::vector<net::Range>> plan_ip_pool(const IpPool& pool);

// "a,b..c" as Berth itself writes it; what cannot be read is left out.
[[nodiscard]] std::vector<net::Range> parse_ranges(std::string_view text);
[[nodiscard]] std::string to_string(const std::vector<net::Range>& ranges);

// The name of the OVN address set of a pool: '-' is an operator in OVN's matches, so it becomes '.'. Error: the name
// cannot be one, because it begins with a digit.
[[nodiscard]] Result<std::string> address_set_name(const IpPool& pool);

// The fewest addresses and CIDRs that cover the ranges exactly, as an address set lists them.
[[nodiscard]] std::vector<std::string> address_set_entries(const std::vector<net::Range>& ranges);

}  // namespace berth::api
