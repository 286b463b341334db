#include <fmt/core.h>

#include "sim/api/crd.h"
#include "sim/api/defaults.h"
#include "sim/api/patch.h"
#include "sim/api/schema.h"
#include "sim/api/validate.h"
#include "sim/api_store.h"
#include "sim/api_store_table.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

void copy_field(json::object& to, const json::object& from, std::string_view key) {
  if (const json::value* v = from.if_contains(key)) {
    to[key] = *v;
  } else {
    to.erase(key);
  }
}

bool same_field(const json::object& a, const json::object& b, std::string_view key) {
  const json::value* x = a.if_contains(key);
  const json::value* y = b.if_contains(key);
  return x && y ? *x == *y : x == y;
}

// All but what the subresource is about stays as it was.
json::object confine(const ResourceType& type, const json::object& old, json::object next,
                     std::string_view subresource) {
  if (subresource == "status") {
    json::object out = old;
    copy_field(out, next, "status");
    if (!type.custom) {
      const json::object meta = metadata_of(next);
      json::object& kept = metadata_of(out);
      copy_field(kept, meta, "annotations");
      copy_field(kept, meta, "finalizers");
      if (type.group != "apps") copy_field(kept, meta, "labels");
    }
    return out;
  }
  if (subresource == "finalize") {
    json::object out = old;
    copy_field(ensure_object(out, "spec"), ensure_object(next, "spec"), "finalizers");
    return out;
  }
  if (type.has_status) copy_field(next, old, "status");
  if (is_namespace(type)) copy_field(ensure_object(next, "spec"), *object_at(old, {"spec"}), "finalizers");
  return next;
}

// True if the wanted state differs: for custom resources all but metadata (and status, where it is a subresource).
bool wants_differ(const ResourceType& type, const json::object& old, const json::object& next) {
  if (!type.custom) return !same_field(old, next, "spec") || !same_field(old, next, "webhooks");
  json::object a = old;
  json::object b = next;
  for (json::object* o : {&a, &b}) {
    o->erase("metadata");
    if (type.has_status) o->erase("status");
  }
  return a != b;
}

ApiResult<void> check_identity(const ResourceType& type, const json::object& old, const json::object& next) {
  const std::string_view name = name_of(old);
  if (!name_of(next).empty() && name_of(next) != name) {
    return tl::unexpected(bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name_of(next), name)));
  }
  if (const std::string_view ns = namespace_of(next); !ns.empty() && ns != namespace_of(old)) {
    return tl::unexpected(
        bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  }
  const std::string_view version = string_at(next, {"metadata", "resourceVersion"});
  if (version.empty() || version == "0") {
    if (type.unconditional_update) return {};
    ApiError error =
        invalid(type, name, {invalid_value("metadata.resourceVersion", 0, "must be specified for an update")});
    error.details["kind"] = type.plural;
    return tl::unexpected(std::move(error));
  }
  if (version != string_at(old, {"metadata", "resourceVersion"})) return tl::unexpected(modified(type, name));
  return {};
}

// A patch cannot state the UID as a precondition: another one is an attempt to change it.
void check_immutable_metadata(const json::object& old, const json::object& next, Causes& causes) {
  for (const char* key : {"uid", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    const json::value* before = find_at(old, {"metadata", key});
    const json::value* after = find_at(next, {"metadata", key});
    const bool given = after && !after->is_null() && *after != json::value("");
    if (given && (!before || *before != *after)) {
      causes.push_back(invalid_value(fmt::format("metadata.{}", key), *after, "field is immutable"));
    }
  }
}

void keep_system_metadata(const json::object& old, json::object& next) {
  const json::object& from = *object_at(old, {"metadata"});
  json::object& to = metadata_of(next);
  to.erase("managedFields");
  to.erase("selfLink");
  for (const char* key : {"name", "namespace", "uid", "generateName", "creationTimestamp", "deletionTimestamp",
                          "deletionGracePeriodSeconds", "generation", "resourceVersion"}) {
    copy_field(to, from, key);
  }
}

void check_new_finalizers(const json::object& old, const json::object& next, Causes& causes) {
  if (!is_terminating(old)) return;
  const json::array* list = array_at(next, {"metadata", "finalizers"});
  if (!list) return;
  for (const json::value& v : *list) {
    if (!v.is_string() || has_finalizer(old, v.get_string())) continue;
    causes.push_back(forbidden_field(
        "metadata.finalizers",
        fmt::format(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{\"{}\"}}",
            std::string_view(v.get_string()))));
  }
}

}  // namespace

ApiResult<Object> ApiStore::replace(const ResourceType& type, const Object& old, json::object next,
                                    std::string_view subresource, const WriteOptions& options) {
  if (auto ok = decode_object(type, next); !ok) return tl::unexpected(ok.error());
  if (auto ok = check_identity(type, *old, next); !ok) return tl::unexpected(ok.error());
  Causes causes;
  // The status of a custom resource is taken out of whatever comes; its metadata is not even looked at.
  if (!(type.custom && subresource == "status")) check_immutable_metadata(*old, next, causes);
  next = confine(type, *old, std::move(next), subresource);
  next["kind"] = type.kind;
  next["apiVersion"] = string_at(*old, {"apiVersion"});
  keep_system_metadata(*old, next);
  if (type.custom && type.schema) {
    type.schema->prune(next);
    type.schema->apply_defaults(next);
  } else if (!type.custom) {
    if (type.plural != "controllerrevisions") drop_nulls(next);  // its data is raw JSON
    apply_defaults(type, next);
  }
  if (is_crd(type)) default_crd(next);

  Causes more = validate_metadata(type, next);
  causes.insert(causes.end(), more.begin(), more.end());
  check_new_finalizers(*old, next, causes);
  more = type.custom ? (type.schema ? type.schema->validate(next) : Causes{}) : validate_new(type, next);
  causes.insert(causes.end(), more.begin(), more.end());
  if (!type.custom) {
    more = validate_change(type, *old, next);
    causes.insert(causes.end(), more.begin(), more.end());
  }
  if (!causes.empty()) return tl::unexpected(invalid(type, name_of(*old), causes));
  if (is_type(type, "", "services")) {
    if (auto ok = assign_service_addresses(next, old.get()); !ok) return tl::unexpected(ok.error());
  }
  if (is_crd(type) && subresource.empty() && !is_terminating(next)) establish_crd(next, now_());

  if (type.tracks_generation && wants_differ(type, *old, next)) {
    metadata_of(next)["generation"] = int_at(*old, {"metadata", "generation"}) + 1;
  }
  if (next == *old) return present(type, old);
  if (options.dry_run) return present(type, std::make_shared<const json::object>(std::move(next)));
  if (ready_to_vanish(type, next)) {
    const Object last = std::make_shared<const json::object>(std::move(next));
    (void)drop(type, old);
    return present(type, last);
  }
  return present(type, store(type, std::move(next), old));
}

ApiResult<Object> ApiStore::update(const ResourceType& type, std::string_view ns, std::string_view name,
                                   json::object body, std::string_view subresource, const WriteOptions& options) {
  if (!table_of(type) || (!subresource.empty() && !type.has_subresource(subresource))) {
    return tl::unexpected(no_such_resource());
  }
  const Object old = find(type, ns, name);
  if (!old) return tl::unexpected(not_found(type, name));
  if (subresource == "scale") return replace_scale(type, old, body, options);
  const std::string_view kind = string_at(body, {"kind"});
  if (!kind.empty() && kind != type.kind) {
    return tl::unexpected(bad_request(fmt::format("{} in version \"{}\" cannot be handled as a {}", kind,
                                                  string_at(body, {"apiVersion"}), type.kind)));
  }
  if (name_of(body).empty()) {
    return tl::unexpected(bad_request(
        fmt::format("the name of the object ({} based on URL) was undeterminable: name must be provided", name)));
  }
  if (const std::string_view uid = uid_of(body); !uid.empty() && uid != uid_of(*old)) {
    return tl::unexpected(conflict(
        type, name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid, uid_of(*old))));
  }
  return replace(type, old, std::move(body), subresource, options);
}

ApiResult<Object> ApiStore::patch(const ResourceType& type, std::string_view ns, std::string_view name, PatchType kind,
                                  const json::value& patch, std::string_view subresource, const WriteOptions& options) {
  if (!table_of(type) || (!subresource.empty() && !type.has_subresource(subresource))) {
    return tl::unexpected(no_such_resource());
  }
  const Object old = find(type, ns, name);
  if (!old) return tl::unexpected(not_found(type, name));
  json::value document = *present(type, old);
  if (subresource == "scale") {
    auto scale = get_subresource(type, ns, name, "scale");
    if (!scale) return tl::unexpected(scale.error());
    document = **scale;
  }
  if (kind == PatchType::strategic && type.custom) {
    return tl::unexpected(
        ApiError{415,
                 "UnsupportedMediaType",
                 "the body of the request was in an unknown format - accepted media types include: "
                 "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                 {}});
  }
  if (kind != PatchType::json && !patch.is_object()) {
    return tl::unexpected(bad_request("error decoding patch: the patch must be an object"));
  }
  switch (kind) {
    case PatchType::json: {
      auto patched = json_patch(std::move(document), patch);
      if (!patched) return tl::unexpected(patched.error());
      document = std::move(*patched);
      break;
    }
    case PatchType::merge:
      merge_patch(document, patch);
      break;
    case PatchType::strategic: {
      auto patched = strategic_merge_patch(std::move(document.get_object()), patch.get_object(), type);
      if (!patched) return tl::unexpected(patched.error());
      document = std::move(*patched);
      break;
    }
  }
  if (!document.is_object()) return tl::unexpected(bad_request("the patched document is no object"));
  if (subresource == "scale") return replace_scale(type, old, document.get_object(), options);
  return replace(type, old, std::move(document.get_object()), subresource, options);
}

}  // namespace berth::sim
