#include "dev/controllers/cluster.h"

#include <fmt/core.h>

#include <boost/json/array.hpp>

#include "dev/controllers/template_hash.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

Key key_of(const sim::ResourceType& type, const json::object& object) {
  return {type.group_resource(), std::string(sim::namespace_of(object)), std::string(sim::name_of(object))};
}

Cluster::Cluster(sim::ApiStore& store, const Scheduler& scheduler)
    : store_(store),
      scheduler_(scheduler),
      pods_(type_of("pods")),
      nodes_(type_of("nodes")),
      namespaces_(type_of("namespaces")),
      events_(type_of("events")),
      replica_sets_(type_of("replicasets.apps")),
      deployments_(type_of("deployments.apps")),
      stateful_sets_(type_of("statefulsets.apps")),
      controller_revisions_(type_of("controllerrevisions.apps")),
      jobs_(type_of("jobs.batch")) {}

sim::TypePtr Cluster::type_of(std::string_view resource) const {
  const std::size_t dot = resource.find('.');
  return store_.types().find_stored(dot == std::string_view::npos ? "" : resource.substr(dot + 1),
                                    resource.substr(0, dot));
}

sim::Object Cluster::get(const sim::ResourceType& type, std::string_view ns, std::string_view name) const {
  auto found = store_.get(type, ns, name);
  return found ? *found : nullptr;
}

sim::Object Cluster::get(const Key& key) const {
  const sim::TypePtr type = type_of(key.resource);
  return type ? get(*type, key.ns, key.name) : nullptr;
}

std::vector<sim::Object> Cluster::list(const sim::ResourceType& type, std::string_view ns) const {
  auto found = store_.list(type, ns);
  return found ? std::move(found->items) : std::vector<sim::Object>();
}

sim::ApiResult<sim::Object> Cluster::create(const sim::ResourceType& type, std::string_view ns, json::object body) {
  body["apiVersion"] = type.api_version();
  body["kind"] = type.kind;
  return store_.create(type, ns, std::move(body));
}

sim::Object Cluster::patch(const sim::ResourceType& type, const json::object& object, const json::object& patch) {
  auto written = store_.patch(type, sim::namespace_of(object), sim::name_of(object), sim::PatchType::merge, patch);
  return written ? *written : nullptr;
}

void Cluster::set_status(const sim::ResourceType& type, const json::object& object, json::object status) {
  const json::object* old = sim::object_at(object, {"status"});
  if (old && *old == status) return;
  json::object next = object;
  sim::metadata_of(next).erase("resourceVersion");
  next["status"] = std::move(status);
  (void)store_.update(type, sim::namespace_of(object), sim::name_of(object), std::move(next), "status");
}

bool Cluster::remove(const sim::ResourceType& type, const json::object& object, sim::DeleteOptions options) {
  options.uid = sim::uid_of(object);
  if (!options.propagation) options.propagation = sim::Propagation::background;
  return store_.remove(type, sim::namespace_of(object), sim::name_of(object), options).has_value();
}

bool Cluster::bind(const json::object& pod, std::string_view node) {
  const json::object binding{{"metadata", {{"name", sim::name_of(pod)}, {"uid", sim::uid_of(pod)}}},
                             {"target", {{"kind", "Node"}, {"name", node}}}};
  return store_.create_subresource(*pods_, sim::namespace_of(pod), sim::name_of(pod), "binding", binding).has_value();
}

void Cluster::finalize_namespace(const json::object& ns) {
  json::object next = ns;
  sim::metadata_of(next).erase("resourceVersion");
  sim::ensure_object(next, "spec")["finalizers"] = json::array();
  (void)store_.update(*namespaces_, "", sim::name_of(ns), std::move(next), "finalize");
}

void Cluster::event(const json::object& about, std::string_view type, std::string_view reason, std::string_view message,
                    std::string_view component) {
  const std::string_view about_ns = sim::namespace_of(about);
  const std::string ns(about_ns.empty() ? "default" : about_ns);
  const std::string same = fmt::format("{}/{}/{}/{}", sim::uid_of(about), type, reason, message);
  const std::string name = fmt::format("{}.{:016x}", sim::name_of(about), fnv64(same));
  const std::string time = sim::format_time(now());
  if (const sim::Object old = get(*events_, ns, name)) {
    patch(*events_, *old, {{"count", sim::int_at(*old, {"count"}, 1) + 1}, {"lastTimestamp", time}});
    return;
  }
  (void)create(*events_, ns,
               {{"metadata", {{"name", name}}},
                {"involvedObject",
                 {{"apiVersion", string_at(about, {"apiVersion"})},
                  {"kind", string_at(about, {"kind"})},
                  {"name", sim::name_of(about)},
                  {"namespace", about_ns},
                  {"resourceVersion", string_at(about, {"metadata", "resourceVersion"})},
                  {"uid", sim::uid_of(about)}}},
                {"type", type},
                {"reason", reason},
                {"message", message},
                {"source", {{"component", component}}},
                {"firstTimestamp", time},
                {"lastTimestamp", time},
                {"count", 1}});
}

}  // namespace berth::dev
