#include "cni/result.h"

#include <array>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cni/version.h"

namespace berth::cni {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 3> kInterfaceFieldsOf110 = {"mtu", "socketPath", "pciID"};
constexpr std::array<std::string_view, 5> kRouteFieldsOf110 = {"mtu", "advmss", "priority", "table", "scope"};

tl::unexpected<Error> malformed(std::string what) {
  return fail(kDecodingFailure, "the agent's result is malformed", std::move(what));
}

// Calls fn on each object of result[key]; an absent list is empty.
template <typename Fn>
Result<void> for_each(json::object& result, std::string_view key, Fn fn) {
  auto* list = result.if_contains(json::string_view(key));
  if (list == nullptr) return {};
  if (!list->is_array()) return malformed(std::string(key) + " is not a list");
  for (auto& item : list->get_array()) {
    if (!item.is_object()) return malformed(std::string(key) + " holds something that is not an object");
    if (auto status = fn(item.get_object()); !status) return status;
  }
  return {};
}

template <std::size_t N>
auto remover(const std::array<std::string_view, N>& keys) {
  return [&keys](json::object& object) -> Result<void> {
    for (const auto key : keys) object.erase(json::string_view(key));
    return {};
  };
}

Result<void> add_family(json::object& ip) {
  const auto* address = ip.if_contains("address");
  if (address == nullptr || !address->is_string()) return malformed("an address is missing in ips");
  ip["version"] = std::string_view(address->get_string()).contains(':') ? "6" : "4";
  return {};
}

}  // namespace

std::string print_error(std::string_view cni_version, const Error& error) {
  json::object out;
  out["cniVersion"] = json::string_view(is_supported(cni_version) ? cni_version : kLatestVersion);
  out["code"] = error.code;
  out["msg"] = error.msg;
  if (!error.details.empty()) out["details"] = error.details;
  return json::serialize(out);
}

Result<std::string> print_result(std::string_view cni_version, const json::object& result) {
  json::object out;
  out["cniVersion"] = json::string_view(cni_version);
  for (const auto& [key, value] : result) {
    if (key != "cniVersion") out[key] = value;
  }
  if (!at_least(cni_version, "1.1.0")) {
    if (auto status = for_each(out, "interfaces", remover(kInterfaceFieldsOf110)); !status)
      return tl::unexpected<Error>(status.error());
    if (auto status = for_each(out, "routes", remover(kRouteFieldsOf110)); !status)
      return tl::unexpected<Error>(status.error());
  }
  if (!at_least(cni_version, "1.0.0")) {
    if (auto status = for_each(out, "ips", add_family); !status) return tl::unexpected<Error>(status.error());
  }
  return json::serialize(out);
}

}  // namespace berth::cni
