#include <fmt/core.h>

#include "sim/api/selectors.h"
#include "sim/api_store.h"
#include "sim/api_store_table.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

json::object scale_of(const json::object& object) {
  json::object meta;
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const json::value* v = find_at(object, {"metadata", key})) meta[key] = *v;
  }
  json::object status{{"replicas", int_at(object, {"status", "replicas"})}};
  if (const json::object* selector = object_at(object, {"spec", "selector"})) {
    if (const auto parsed = LabelSelector::from_object(*selector)) status["selector"] = parsed->to_string();
  }
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(meta)},
          {"spec", {{"replicas", int_at(object, {"spec", "replicas"}, 1)}}},
          {"status", std::move(status)}};
}

json::object success(int code) {
  return {
      {"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Success"}, {"code", code}};
}

}  // namespace

ApiResult<Object> ApiStore::get_subresource(const ResourceType& type, std::string_view ns, std::string_view name,
                                            std::string_view subresource) const {
  if (!type.has_subresource(subresource)) return tl::unexpected(no_such_resource());
  auto object = get(type, ns, name);
  if (!object || subresource == "status") return object;
  if (subresource == "scale") return std::make_shared<const json::object>(scale_of(**object));
  return tl::unexpected(method_not_allowed("the server does not allow this method on the requested resource"));
}

ApiResult<Object> ApiStore::replace_scale(const ResourceType& type, const Object& old, const json::object& scale,
                                          const WriteOptions& options) {
  const json::value* replicas = find_at(scale, {"spec", "replicas"});
  if (replicas && (!replicas->is_int64() || replicas->get_int64() < 0)) {
    return tl::unexpected(invalid(type, name_of(*old),
                                  {invalid_value("spec.replicas", *replicas, "must be greater than or equal to 0")}));
  }
  json::object next = *present(type, old);
  ensure_object(next, "spec")["replicas"] = replicas ? replicas->get_int64() : 0;
  if (const std::string_view version = string_at(scale, {"metadata", "resourceVersion"}); !version.empty()) {
    metadata_of(next)["resourceVersion"] = version;
  }
  auto written = replace(type, old, std::move(next), "", options);
  if (!written) return written;
  return std::make_shared<const json::object>(scale_of(**written));
}

ApiResult<json::object> ApiStore::bind(const ResourceType& type, const Object& pod, const json::object& binding) {
  const std::string_view name = name_of(*pod);
  const std::string_view node = string_at(binding, {"target", "name"});
  if (node.empty()) return tl::unexpected(invalid(type, name, {required("target.name", "")}));
  if (const std::string_view uid = uid_of(binding); !uid.empty() && uid != uid_of(*pod)) {
    return tl::unexpected(conflict(
        type, name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid, uid_of(*pod))));
  }
  ResourceType bindings = type;  // so that refusals name "pods/binding"
  bindings.plural += "/binding";
  const auto refuse = [&](const std::string& why) { return tl::unexpected(conflict(bindings, name, why)); };
  if (is_terminating(*pod)) return refuse(fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
  if (const std::string_view bound = string_at(*pod, {"spec", "nodeName"}); !bound.empty()) {
    return refuse(fmt::format("pod {} is already assigned to node \"{}\"", name, bound));
  }
  if (const json::array* gates = array_at(*pod, {"spec", "schedulingGates"}); gates && !gates->empty()) {
    return refuse(fmt::format("pod {} has non-empty .spec.schedulingGates", name));
  }
  json::object next = *pod;
  ensure_object(next, "spec")["nodeName"] = node;
  json::object& meta = metadata_of(next);
  for (const char* key : {"annotations", "labels"}) {
    const json::object* added = object_at(binding, {"metadata", key});
    if (!added) continue;
    for (const auto& [k, v] : *added) ensure_object(meta, key)[k] = v;
  }
  set_condition(ensure_array(ensure_object(next, "status"), "conditions"), {"PodScheduled", true, "", ""}, now_());
  store(type, std::move(next), pod);
  return success(201);
}

ApiResult<json::object> ApiStore::create_subresource(const ResourceType& type, std::string_view ns,
                                                     std::string_view name, std::string_view subresource,
                                                     const json::object& body) {
  if (!table_of(type) || !type.has_subresource(subresource)) return tl::unexpected(no_such_resource());
  const Object object = find(type, ns, name);
  if (!object) return tl::unexpected(not_found(type, name));
  if (subresource == "binding") return bind(type, object, body);
  if (subresource == "eviction") {
    const json::object* wanted = object_at(body, {"deleteOptions"});
    auto options = DeleteOptions::from_object(wanted ? *wanted : json::object());
    if (!options) return tl::unexpected(options.error());
    if (auto removed = remove_object(type, object, *options); !removed) return tl::unexpected(removed.error());
    return success(201);
  }
  return tl::unexpected(method_not_allowed("the server does not allow this method on the requested resource"));
}

}  // namespace berth::sim
