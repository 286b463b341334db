#include "dev/controllers/namespace_controller.h"

#include <fmt/core.h>

#include <map>
#include <set>

#include <boost/json/array.hpp>

#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;

namespace {

struct Remaining {
  std::map<std::string, int> resources;   // "pods." -> how many
  std::map<std::string, int> finalizers;  // finalizer -> on how many objects
};

std::string list_of(const std::map<std::string, int>& counts, std::string_view format) {
  std::string out;
  for (const auto& [name, count] : counts) {
    out += fmt::format("{}{}{}{}{}", out.empty() ? "" : ", ", name, format, count, " resource instances");
  }
  return out;
}

// The conditions that `kubectl describe namespace` shows while it waits.
json::object waiting_status(const json::object& ns, const Remaining& remaining, WallTime now) {
  json::object status = *sim::object_at(ns, {"status"});
  status["phase"] = "Terminating";
  json::array& conditions = sim::ensure_array(status, "conditions");
  const bool content = !remaining.resources.empty();
  const bool finalizers = !remaining.finalizers.empty();
  sim::set_condition(conditions,
                     {"NamespaceContentRemaining", content, content ? "SomeResourcesRemain" : "ContentRemoved",
                      content ? "Some resources are remaining: " + list_of(remaining.resources, " has ")
                              : "All content successfully removed"},
                     now);
  sim::set_condition(
      conditions,
      {"NamespaceFinalizersRemaining", finalizers, finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
       finalizers ? "Some content in the namespace has finalizers remaining: " + list_of(remaining.finalizers, " in ")
                  : "All content-preserving finalizers finished"},
      now);
  return status;
}

void note(const sim::ResourceType& type, const json::object& object, Remaining& remaining) {
  ++remaining.resources[type.plural + "." + type.group];
  const json::array* finalizers = sim::array_at(object, {"metadata", "finalizers"});
  if (!finalizers) return;
  for (const json::value& v : *finalizers) {
    if (v.is_string()) ++remaining.finalizers[std::string(v.get_string())];
  }
}

}  // namespace

void NamespaceController::on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) {
  if (type.group_resource() == "namespaces" && change.type != sim::Change::Type::deleted) {
    if (sim::is_terminating(*change.object)) dirty.push_back(key_of(type, *change.object));
  } else if (type.namespaced && sim::is_terminating(*change.object)) {
    // One object less, or one that lost a finalizer; whether its namespace is ending is seen when the key is looked at.
    dirty.push_back({"namespaces", "", std::string(sim::namespace_of(*change.object))});
  } else if (type.namespaced && change.type == sim::Change::Type::deleted) {
    dirty.push_back({"namespaces", "", std::string(sim::namespace_of(*change.object))});
  }
}

std::optional<Duration> NamespaceController::reconcile(const Key& key) {
  const sim::Object ns = cluster_.get(key);
  if (!ns || !sim::is_terminating(*ns)) return std::nullopt;
  const json::array* own = sim::array_at(*ns, {"spec", "finalizers"});
  if (!own || own->empty()) return std::nullopt;  // what is left are other people's finalizers on the namespace itself

  Remaining remaining;
  std::set<std::string> seen;
  for (const sim::TypePtr& type : cluster_.types().all()) {
    if (!type->namespaced || !seen.insert(type->group_resource()).second) continue;
    for (const sim::Object& object : cluster_.list(*type, key.name)) {
      if (!sim::is_terminating(*object)) cluster_.remove(*type, *object);
    }
    for (const sim::Object& object : cluster_.list(*type, key.name)) note(*type, *object, remaining);
  }
  if (remaining.resources.empty()) {
    cluster_.finalize_namespace(*ns);
  } else {
    cluster_.set_status(cluster_.namespaces(), *ns, waiting_status(*ns, remaining, cluster_.now()));
  }
  return std::nullopt;
}

}  // namespace berth::dev
