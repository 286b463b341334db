#pragma once

// Names of tables and small things that the parts of the planner share.

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "ovn/model.h"
#include "ovn/transaction.h"

namespace berth::ovn {

inline constexpr const char* kSwitch = "Logical_Switch";
inline constexpr const char* kSwitchPort = "Logical_Switch_Port";
inline constexpr const char* kRouter = "Logical_Router";
inline constexpr const char* kRouterPort = "Logical_Router_Port";
inline constexpr const char* kRoute = "Logical_Router_Static_Route";
inline constexpr const char* kPolicy = "Logical_Router_Policy";
inline constexpr const char* kAcl = "ACL";
inline constexpr const char* kDhcp = "DHCP_Options";
inline constexpr const char* kAddressSet = "Address_Set";
inline constexpr const char* kGroup = "Port_Group";

template <typename Value>
boost::json::array clause(std::string_view column, const Value& value) {
  boost::json::array where;
  where.push_back(boost::json::array{column, "==", value});
  return where;
}

inline std::string key_of(const char* table, const std::string& name) { return fmt::format("{}\n{}", table, name); }

inline Status not_ours(const char* table, const std::string& name) {
  return fail(
      ErrorCode::invalid,
      fmt::format("OVN: {} {} exists without external_ids:vendor=kube-ovn; Berth leaves it alone: rename or remove it",
                  table, name));
}

inline Status missing(const char* table, const std::string& name, const std::string& needed_by) {
  return fail(ErrorCode::conflict, fmt::format("OVN: {} {} is not there yet; {} needs it", table, name, needed_by));
}

}  // namespace berth::ovn
