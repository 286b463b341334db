#include <fmt/core.h>

#include "sim/api_store.h"
#include "sim/api_store_table.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kCrdCleanup = "customresourcecleanup.apiextensions.k8s.io";

ApiResult<void> check_preconditions(const ResourceType& type, const json::object& object,
                                    const DeleteOptions& options) {
  if (!options.uid.empty() && options.uid != uid_of(object)) {
    return tl::unexpected(
        conflict(type, name_of(object),
                 fmt::format("the UID in the precondition ({}) does not match the UID in record ({}). The "
                             "object might have been deleted and then recreated",
                             options.uid, uid_of(object))));
  }
  const std::string_view version = string_at(object, {"metadata", "resourceVersion"});
  if (!options.resource_version.empty() && options.resource_version != version) {
    return tl::unexpected(conflict(type, name_of(object),
                                   fmt::format("the ResourceVersion in the precondition ({}) does not match the "
                                               "ResourceVersion in record ({}). The object "
                                               "might have been modified",
                                               options.resource_version, version)));
  }
  return {};
}

std::int64_t pod_grace(const json::object& pod, const DeleteOptions& options) {
  const std::string_view phase = string_at(pod, {"status", "phase"});
  if (string_at(pod, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") return 0;
  const std::int64_t grace =
      options.grace_period_seconds.value_or(int_at(pod, {"spec", "terminationGracePeriodSeconds"}, 30));
  return grace < 0 ? 1 : grace;
}

void set_gc_finalizer(const ResourceType& type, const DeleteOptions& options, json::object& object) {
  const auto policy = options.propagation ? options.propagation
                                          : (type.orphans_by_default && !has_finalizer(object, kForeground)
                                                 ? std::optional(Propagation::orphan)
                                                 : std::nullopt);
  if (!policy) return;  // finalizers that are there already go on saying what to do
  remove_finalizer(object, kForeground);
  remove_finalizer(object, kOrphan);
  if (*policy == Propagation::foreground) add_finalizer(object, kForeground);
  if (*policy == Propagation::orphan) add_finalizer(object, kOrphan);
}

}  // namespace

ApiResult<DeleteOptions> DeleteOptions::from_object(const json::object& body) {
  DeleteOptions options;
  if (const json::value* grace = find_at(body, {"gracePeriodSeconds"}); grace && !grace->is_null()) {
    if (!grace->is_int64()) return tl::unexpected(bad_request("gracePeriodSeconds must be an integer"));
    options.grace_period_seconds = grace->get_int64();
  }
  options.uid = string_at(body, {"preconditions", "uid"});
  options.resource_version = string_at(body, {"preconditions", "resourceVersion"});
  const std::string_view policy = string_at(body, {"propagationPolicy"});
  if (policy == "Background") {
    options.propagation = Propagation::background;
  } else if (policy == "Foreground") {
    options.propagation = Propagation::foreground;
  } else if (policy == "Orphan") {
    options.propagation = Propagation::orphan;
  } else if (!policy.empty()) {
    ResourceType type;
    type.group = "meta.k8s.io";
    type.kind = "DeleteOptions";
    return tl::unexpected(invalid(
        type, "", {not_supported("propagationPolicy", json::string(policy), {"Background", "Foreground", "Orphan"})}));
  }
  if (const json::value* orphan = find_at(body, {"orphanDependents"});
      orphan && orphan->is_bool() && !options.propagation) {
    options.propagation = orphan->get_bool() ? Propagation::orphan : Propagation::background;
  }
  if (const json::array* dry = array_at(body, {"dryRun"}); dry && !dry->empty()) options.dry_run = true;
  return options;
}

json::object Deleted::reply(const ResourceType& type) const {
  const bool shows_object = is_pod(type) || is_type(type, "", "services") || is_type(type, "", "serviceaccounts");
  if (!removed || shows_object) return *object;
  json::object details{{"name", name_of(*object)}};
  if (!type.group.empty()) details["group"] = type.group;
  details["kind"] = type.plural;
  details["uid"] = uid_of(*object);
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", json::object()},
          {"status", "Success"},
          {"details", std::move(details)}};
}

bool ApiStore::ready_to_vanish(const ResourceType& type, const json::object& object) const {
  if (!is_terminating(object) || has_finalizers(object)) return false;
  if (int_at(object, {"metadata", "deletionGracePeriodSeconds"}) > 0) return false;
  if (is_namespace(type)) {
    const json::array* finalizers = array_at(object, {"spec", "finalizers"});
    return !finalizers || finalizers->empty();
  }
  return true;
}

ApiResult<Deleted> ApiStore::remove_object(const ResourceType& type, const Object& object,
                                           const DeleteOptions& options) {
  if (auto ok = check_preconditions(type, *object, options); !ok) return tl::unexpected(ok.error());
  json::object next = *object;
  set_gc_finalizer(type, options, next);
  if (is_crd(type)) {
    // Its objects go first; finish_crd_of() takes the finalizer away after the last one.
    const Table* instances = tables_.at(std::string(name_of(*object))).get();
    if (!instances->objects.empty()) add_finalizer(next, kCrdCleanup);
  }
  const bool was_terminating = is_terminating(*object);
  const std::int64_t grace = is_pod(type) ? pod_grace(next, options) : 0;
  json::object& meta = metadata_of(next);
  if (was_terminating && grace >= int_at(*object, {"metadata", "deletionGracePeriodSeconds"}) && grace > 0) {
    return Deleted{false, present(type, object)};
  }
  if (!was_terminating || grace < int_at(*object, {"metadata", "deletionGracePeriodSeconds"})) {
    meta["deletionTimestamp"] = format_time(now_() + std::chrono::seconds(grace));
    meta["deletionGracePeriodSeconds"] = grace;
    if (!was_terminating && meta.if_contains("generation")) meta["generation"] = int_at(meta, {"generation"}) + 1;
  }
  if (is_namespace(type)) ensure_object(next, "status")["phase"] = "Terminating";
  if (is_crd(type) && has_finalizer(next, kCrdCleanup)) {
    set_condition(ensure_array(ensure_object(next, "status"), "conditions"),
                  {"Terminating", true, "InstanceDeletionInProgress", "CustomResource deletion is in progress"},
                  now_());
  }

  if (ready_to_vanish(type, next)) {
    if (options.dry_run) return Deleted{true, present(type, object)};
    return Deleted{true, present(type, drop(type, object))};
  }
  if (options.dry_run) return Deleted{false, present(type, std::make_shared<const json::object>(std::move(next)))};
  Object waiting = next == *object ? object : store(type, std::move(next), object);
  if (is_crd(type) && has_finalizer(*waiting, kCrdCleanup)) {
    remove_instances(*waiting);
    if (!find(type, "", name_of(*waiting))) return Deleted{true, present(type, waiting)};
  }
  return Deleted{false, present(type, waiting)};
}

void ApiStore::remove_instances(const json::object& crd) {
  const TypePtr type =
      registry_.find_stored(string_at(crd, {"spec", "group"}), string_at(crd, {"spec", "names", "plural"}));
  if (!type) return;
  for (const Object& object : select(*table_of(*type), Selection{})) {
    [[maybe_unused]] const auto removed = remove_object(*type, object, {});
  }
}

void ApiStore::finish_crd_of(const ResourceType& type) {
  const TypePtr crds = registry_.find_stored("apiextensions.k8s.io", "customresourcedefinitions");
  const Object crd = find(*crds, "", type.group_resource());
  if (!crd || !has_finalizer(*crd, kCrdCleanup) || !table_of(type)->objects.empty()) return;
  json::object next = *crd;
  remove_finalizer(next, kCrdCleanup);
  if (ready_to_vanish(*crds, next)) {
    (void)drop(*crds, crd);
  } else {
    store(*crds, std::move(next), crd);
  }
}

ApiResult<Deleted> ApiStore::remove(const ResourceType& type, std::string_view ns, std::string_view name,
                                    const DeleteOptions& options) {
  if (!table_of(type)) return tl::unexpected(no_such_resource());
  const Object object = find(type, ns, name);
  if (!object) return tl::unexpected(not_found(type, name));
  return remove_object(type, object, options);
}

ApiResult<std::vector<Object>> ApiStore::remove_collection(const ResourceType& type, std::string_view ns,
                                                           const ListOptions& selection, const DeleteOptions& options) {
  auto found = list(type, ns, {selection.label_selector, selection.field_selector, 0, {}});
  if (!found) return tl::unexpected(found.error());
  for (const Object& object : found->items) {
    // An earlier removal may have changed or taken this one.
    const Object now = find(type, namespace_of(*object), name_of(*object));
    if (!now) continue;
    if (auto removed = remove_object(type, now, options); !removed) return tl::unexpected(removed.error());
  }
  return std::move(found->items);
}

}  // namespace berth::sim
