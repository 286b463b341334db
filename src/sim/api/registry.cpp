#include "sim/api/registry.h"

#include <cctype>

#include "sim/api/crd.h"
#include "sim/api/object.h"

namespace berth::sim {

namespace {

// What differs between the built-in types; the rest follows from it.
struct Row {
  const char* group;
  const char* version;
  const char* kind;
  const char* plural;
  const char* short_names;  // space separated
  bool namespaced;
  const char* subresources;  // space separated
  bool in_all;               // category "all"
  bool tracks_generation;
};

constexpr Row kRows[] = {
    {"", "v1", "Pod", "pods", "po", true, "status binding eviction", true, true},
    {"", "v1", "Namespace", "namespaces", "ns", false, "status finalize", false, false},
    {"", "v1", "Node", "nodes", "no", false, "status", false, false},
    {"", "v1", "Secret", "secrets", "", true, "", false, false},
    {"", "v1", "ConfigMap", "configmaps", "cm", true, "", false, false},
    {"", "v1", "Service", "services", "svc", true, "status", true, false},
    {"", "v1", "Endpoints", "endpoints", "ep", true, "", false, false},
    {"", "v1", "ServiceAccount", "serviceaccounts", "sa", true, "", false, false},
    {"", "v1", "Event", "events", "ev", true, "", false, false},
    {"", "v1", "PersistentVolume", "persistentvolumes", "pv", false, "status", false, false},
    {"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true, "status", false, false},
    {"", "v1", "LimitRange", "limitranges", "limits", true, "", false, false},
    {"", "v1", "ResourceQuota", "resourcequotas", "quota", true, "status", false, false},
    {"apps", "v1", "ControllerRevision", "controllerrevisions", "", true, "", false, false},
    {"apps", "v1", "DaemonSet", "daemonsets", "ds", true, "status", true, true},
    {"apps", "v1", "Deployment", "deployments", "deploy", true, "status scale", true, true},
    {"apps", "v1", "ReplicaSet", "replicasets", "rs", true, "status scale", true, true},
    {"apps", "v1", "StatefulSet", "statefulsets", "sts", true, "status scale", true, true},
    {"batch", "v1", "Job", "jobs", "", true, "status", true, true},
    {"coordination.k8s.io", "v1", "Lease", "leases", "", true, "", false, false},
    {"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", true, "status", false, true},
    {"rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", false, "", false, false},
    {"rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", false, "", false, false},
    {"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", true, "", false, false},
    {"rbac.authorization.k8s.io", "v1", "Role", "roles", "", true, "", false, false},
    {"storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", false, "", false, false},
    {"scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", false, "", false, false},
    {"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", true, "", false, true},
    {"admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "",
     false, "", false, true},
    {"admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "", false,
     "", false, true},
    {"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd crds", false, "status",
     false, true},
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    out.emplace_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return out;
}

TypePtr builtin(const Row& row) {
  auto type = std::make_shared<ResourceType>();
  type->group = row.group;
  type->version = row.version;
  type->kind = row.kind;
  type->plural = row.plural;
  for (const char* c = row.kind; *c; ++c)
    type->singular += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  type->list_kind = type->kind + "List";
  type->short_names = words(row.short_names);
  type->namespaced = row.namespaced;
  type->subresources = words(row.subresources);
  type->has_status = type->has_subresource("status");
  if (row.in_all) type->categories = {"all"};
  if (type->group == "apiextensions.k8s.io" || type->group == "admissionregistration.k8s.io") {
    type->categories = {"api-extensions"};
  }
  type->tracks_generation = row.tracks_generation;
  type->orphans_by_default = type->group == "batch";
  return type;
}

}  // namespace

Registry::Registry() {
  for (const Row& row : kRows) builtin_.push_back(builtin(row));
}

std::vector<TypePtr> Registry::all() const {
  std::vector<TypePtr> out = builtin_;
  for (const auto& [name, types] : custom_) out.insert(out.end(), types.begin(), types.end());
  return out;
}

TypePtr Registry::find(std::string_view group, std::string_view version, std::string_view plural) const {
  const auto fits = [&](const TypePtr& t) { return t->plural == plural && t->group == group && t->version == version; };
  for (const TypePtr& t : builtin_) {
    if (fits(t)) return t;
  }
  for (const auto& [name, types] : custom_) {
    for (const TypePtr& t : types) {
      if (fits(t)) return t;
    }
  }
  return nullptr;
}

TypePtr Registry::find_kind(std::string_view api_version, std::string_view kind) const {
  const auto fits = [&](const TypePtr& t) { return t->kind == kind && t->api_version() == api_version; };
  for (const TypePtr& t : builtin_) {
    if (fits(t)) return t;
  }
  for (const auto& [name, types] : custom_) {
    for (const TypePtr& t : types) {
      if (fits(t)) return t;
    }
  }
  return nullptr;
}

TypePtr Registry::find_stored(std::string_view group, std::string_view plural) const {
  for (const TypePtr& t : builtin_) {
    if (t->plural == plural && t->group == group) return t;
  }
  const auto crd = custom_.find(std::string(plural) + "." + std::string(group));
  return crd == custom_.end() || crd->second.empty() ? nullptr : crd->second.front();
}

void Registry::put_crd(const boost::json::object& crd) { custom_[std::string(name_of(crd))] = types_of_crd(crd); }

void Registry::remove_crd(std::string_view crd_name) {
  const auto found = custom_.find(crd_name);
  if (found != custom_.end()) custom_.erase(found);
}

}  // namespace berth::sim
