#include "binding/knowledge.h"

#include <algorithm>

#include "api/annotations.h"

namespace berth::binding {

bool SubnetView::contains(const net::Address& address) const {
  return std::ranges::any_of(cidrs, [&](const net::Cidr& cidr) { return cidr.contains(address); });
}

Expectation expectation_of(const api::Namespace& ns) {
  const auto text = ns.meta.annotation(api::kExpectsSubnetAnnotation);
  if (!text) return Expectation::unset;
  const auto items = api::split_list(*text);
  if (items.empty()) return Expectation::unset;
  if (items.size() == 1 && items[0] == "none") return Expectation::none;
  if (items.size() == 1 && items[0] == "any") return Expectation::any;
  return Expectation::named;
}

std::optional<std::string> user_switches(const api::Namespace& ns) {
  const auto key = [](std::string_view suffix) { return api::annotation_key(api::kDefaultProvider, suffix); };
  auto text = api::user_annotation(ns.meta, key(api::suffix::kLogicalSwitch));
  if (!text || *text == api::kDefaultSubnet) return std::nullopt;
  const bool computed = !api::BindingRecord::of(ns.meta) && ns.meta.annotation(key(api::suffix::kCidr));
  return computed ? std::nullopt : text;
}

std::vector<std::string> user_subnets(const api::Namespace& ns) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  if (const auto text = user_switches(ns)) {
    for (const std::string& name : api::split_list(*text)) add(name);
  }
  if (expectation_of(ns) == Expectation::named) {
    for (const std::string& name : api::split_list(*ns.meta.annotation(api::kExpectsSubnetAnnotation))) add(name);
  }
  return names;
}

}  // namespace berth::binding
