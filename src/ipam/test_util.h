#pragma once

// Short ways to write configurations, asks and leases in this folder's tests.

#include <string>
#include <string_view>
#include <vector>

#include "ipam/allocator.h"

namespace berth::ipam {

inline net::Address addr(std::string_view text) { return net::Address::parse(text).value(); }
inline net::Range range(std::string_view text) { return net::Range::parse_with_cidr(text).value(); }
inline net::Mac mac(std::string_view text) { return net::Mac::parse(text).value(); }

inline std::vector<net::Range> ranges(const std::vector<std::string_view>& texts) {
  std::vector<net::Range> result;
  for (const auto text : texts) result.push_back(range(text));
  return result;
}

inline Config make_config(std::string_view cidrs, const std::vector<std::string_view>& gateways = {},
                          const std::vector<std::string_view>& excludes = {}) {
  Config config;
  config.name = "tenant";
  config.cidrs = net::Cidr::parse_list(cidrs).value();
  for (const auto text : gateways) config.gateways.push_back(addr(text));
  config.excludes = ranges(excludes);
  return config;
}

inline Ask ask_for(std::string owner, const std::vector<std::string_view>& wanted = {}, std::string pool = {}) {
  Ask ask;
  ask.owner = std::move(owner);
  for (const auto text : wanted) ask.wanted.push_back(addr(text));
  ask.pool = std::move(pool);
  return ask;
}

inline Lease make_lease(const std::vector<std::string_view>& addresses, net::Mac mac = {}) {
  Lease lease;
  for (const auto text : addresses) (addr(text).is_v4() ? lease.v4 : lease.v6) = addr(text);
  lease.mac = mac;
  return lease;
}

// "10.0.0.1", "10.0.0.1 fd00::1", or the denial's word.
inline std::string outcome(const tl::expected<Lease, Refusal>& result) {
  if (!result) return std::string(to_string(result.error().denial));
  std::string text;
  for (const auto& address : result->addresses()) text += (text.empty() ? "" : " ") + address.to_string();
  return text;
}

}  // namespace berth::ipam
