#include "dev/controllers/ownership.h"

#include <boost/json/array.hpp>

#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

json::object controller_reference(const json::object& owner) {
  return {{"apiVersion", string_at(owner, {"apiVersion"})},
          {"kind", string_at(owner, {"kind"})},
          {"name", sim::name_of(owner)},
          {"uid", sim::uid_of(owner)},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

const json::object* controller_of(const json::object& object) {
  const json::array* owners = sim::array_at(object, {"metadata", "ownerReferences"});
  if (!owners) return nullptr;
  for (const json::value& v : *owners) {
    if (v.is_object() && sim::bool_at(v.get_object(), {"controller"})) return &v.get_object();
  }
  return nullptr;
}

bool is_controlled_by(const json::object& object, const json::object& owner) {
  const json::object* controller = controller_of(object);
  return controller && string_at(*controller, {"uid"}) == sim::uid_of(owner);
}

void add_controller_key(const json::object& object, const sim::ResourceType& owner_type, std::vector<Key>& dirty) {
  const json::object* controller = controller_of(object);
  if (!controller || string_at(*controller, {"kind"}) != owner_type.kind) return;
  dirty.push_back({owner_type.group_resource(), std::string(sim::namespace_of(object)),
                   std::string(string_at(*controller, {"name"}))});
}

namespace {

sim::Object adopt(Cluster& cluster, const sim::ResourceType& type, const json::object& child,
                  const json::object& owner) {
  const json::array* old = sim::array_at(child, {"metadata", "ownerReferences"});
  json::array owners = old ? *old : json::array();
  owners.emplace_back(controller_reference(owner));
  return cluster.patch(type, child, {{"metadata", {{"ownerReferences", std::move(owners)}}}});
}

void release(Cluster& cluster, const sim::ResourceType& type, const json::object& child, const json::object& owner) {
  json::array kept;
  for (const json::value& v : *sim::array_at(child, {"metadata", "ownerReferences"})) {
    if (!v.is_object() || string_at(v.get_object(), {"uid"}) != sim::uid_of(owner)) kept.push_back(v);
  }
  cluster.patch(type, child, {{"metadata", {{"ownerReferences", std::move(kept)}}}});
}

}  // namespace

std::vector<sim::Object> claim(Cluster& cluster, const sim::ResourceType& child_type, const json::object& owner,
                               const sim::LabelSelector& selector) {
  std::vector<sim::Object> claimed;
  const bool ending = sim::is_terminating(owner);
  for (const sim::Object& child : cluster.list(child_type, sim::namespace_of(owner))) {
    const bool matches = selector.matches_object(*child);
    if (is_controlled_by(*child, owner)) {
      if (matches) {
        claimed.push_back(child);
      } else if (!ending) {
        release(cluster, child_type, *child, owner);
      }
    } else if (matches && !ending && !controller_of(*child) && !sim::is_terminating(*child)) {
      if (sim::Object adopted = adopt(cluster, child_type, *child, owner)) claimed.push_back(std::move(adopted));
    }
  }
  return claimed;
}

sim::LabelSelector selector_of(const json::object& object) {
  const json::object* selector = sim::object_at(object, {"spec", "selector"});
  auto parsed = selector ? sim::LabelSelector::from_object(*selector) : sim::LabelSelector::parse("a,!a");
  return parsed ? std::move(*parsed) : *sim::LabelSelector::parse("a,!a");
}

}  // namespace berth::dev
