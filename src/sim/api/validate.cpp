#include "sim/api/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "sim/api/crd.h"
#include "sim/api/object.h"
#include "sim/api/selectors.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with "
    "an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabelRule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kServiceRule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end "
    "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kQualifiedNameRule =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValueRule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with "
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool label_characters(std::string_view text) {
  return !text.empty() && lower_alnum(text.front()) && lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; });
}

bool name_part(std::string_view text) {
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_path_segment(std::string_view text) {
  return text != "." && text != ".." && text.find('/') == std::string_view::npos &&
         text.find('%') == std::string_view::npos;
}

json::string text(std::string_view s) { return json::string(s); }

void check_name(const ResourceType& type, std::string_view name, Causes& causes) {
  if (name.empty()) {
    causes.push_back(required("metadata.name", "name or generateName is required"));
    return;
  }
  const std::string gr = type.group_resource();
  if (type.group == "rbac.authorization.k8s.io") {
    if (!is_path_segment(name))
      causes.push_back(invalid_value("metadata.name", text(name), "may not contain '/' or '%'"));
  } else if (gr == "namespaces") {
    if (!is_dns_label(name)) causes.push_back(invalid_value("metadata.name", text(name), kLabelRule));
  } else if (gr == "services") {
    if (!is_dns_label(name) || !std::isalpha(static_cast<unsigned char>(name.front()))) {
      causes.push_back(invalid_value("metadata.name", text(name), kServiceRule));
    }
  } else if (!is_dns_subdomain(name)) {
    causes.push_back(invalid_value("metadata.name", text(name), kSubdomainRule));
  }
}

void check_labels(const json::object* labels, const std::string& field, Causes& causes) {
  if (!labels) return;
  for (const auto& [key, value] : *labels) {
    if (!is_qualified_name(key)) causes.push_back(invalid_value(field, text(key), kQualifiedNameRule));
    if (!value.is_string()) {
      causes.push_back(invalid_value(field, value, "must be a string"));
    } else if (!is_label_value(value.get_string())) {
      causes.push_back(invalid_value(field, value, kLabelValueRule));
    }
  }
}

void check_owners(const json::object& object, Causes& causes) {
  const json::array* owners = array_at(object, {"metadata", "ownerReferences"});
  if (!owners) return;
  int controllers = 0;
  for (std::size_t i = 0; i < owners->size(); ++i) {
    const json::object* owner = (*owners)[i].if_object();
    if (!owner) continue;
    for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
      if (string_at(*owner, {key}).empty()) {
        causes.push_back(
            invalid_value(fmt::format("metadata.ownerReferences[{}].{}", i, key), "", "must not be empty"));
      }
    }
    controllers += bool_at(*owner, {"controller"}) ? 1 : 0;
  }
  if (controllers > 1) {
    causes.push_back(
        invalid_value("metadata.ownerReferences", *owners, "Only one reference can have Controller set to true"));
  }
}

void check_containers(const json::object& spec, const char* list, const std::string& path,
                      std::set<std::string_view>& names, Causes& causes) {
  const json::array* containers = array_at(spec, {list});
  if (!containers) return;
  for (std::size_t i = 0; i < containers->size(); ++i) {
    const std::string field = fmt::format("{}.{}[{}]", path, list, i);
    const json::object* container = (*containers)[i].if_object();
    if (!container) continue;
    const std::string_view name = string_at(*container, {"name"});
    if (name.empty()) {
      causes.push_back(required(field + ".name", ""));
    } else if (!is_dns_label(name)) {
      causes.push_back(invalid_value(field + ".name", text(name), kLabelRule));
    } else if (!names.insert(name).second) {
      causes.push_back({field + ".name", "FieldValueDuplicate", fmt::format("Duplicate value: \"{}\"", name)});
    }
    if (string_at(*container, {"image"}).empty()) causes.push_back(required(field + ".image", ""));
  }
}

void check_pod_spec(const json::object& object, Path at, const std::string& path, Causes& causes) {
  const json::object* spec = object_at(object, at);
  const json::array* containers = spec ? array_at(*spec, {"containers"}) : nullptr;
  if (!containers || containers->empty()) {
    causes.push_back(required(path + ".containers", ""));
    return;
  }
  std::set<std::string_view> names;
  check_containers(*spec, "initContainers", path, names, causes);
  check_containers(*spec, "containers", path, names, causes);
  const std::string_view restart = string_at(*spec, {"restartPolicy"});
  if (restart != "Always" && restart != "OnFailure" && restart != "Never") {
    causes.push_back(not_supported(path + ".restartPolicy", text(restart), {"Always", "OnFailure", "Never"}));
  }
}

void check_selector(const json::object& object, Causes& causes) {
  const json::object* selector = object_at(object, {"spec", "selector"});
  if (!selector) {
    causes.push_back(required("spec.selector", ""));
    return;
  }
  const auto parsed = LabelSelector::from_object(*selector);
  if (!parsed || parsed->empty()) {
    causes.push_back(invalid_value("spec.selector", *selector, "empty selector is invalid for deployment"));
    return;
  }
  const json::object* labels = object_at(object, {"spec", "template", "metadata", "labels"});
  if (!parsed->matches(labels)) {
    causes.push_back(invalid_value("spec.template.metadata.labels",
                                   labels ? json::value(*labels) : json::value(json::object()),
                                   "`selector` does not match template `labels`"));
  }
}

void check_replicas(const json::object& object, Causes& causes) {
  const json::value* replicas = find_at(object, {"spec", "replicas"});
  if (!replicas || replicas->is_null()) return;
  if (!replicas->is_int64()) {
    causes.push_back(invalid_value("spec.replicas", *replicas, "must be an integer"));
  } else if (replicas->get_int64() < 0) {
    causes.push_back(invalid_value("spec.replicas", *replicas, "must be greater than or equal to 0"));
  }
}

void check_workload(const json::object& object, Causes& causes) {
  check_replicas(object, causes);
  check_selector(object, causes);
  check_labels(object_at(object, {"spec", "template", "metadata", "labels"}), "spec.template.labels", causes);
  check_pod_spec(object, {"spec", "template", "spec"}, "spec.template.spec", causes);
  const std::string_view restart = string_at(object, {"spec", "template", "spec", "restartPolicy"});
  if (restart != "Always") {
    causes.push_back(not_supported("spec.template.spec.restartPolicy", text(restart), {"Always"}));
  }
}

void check_data_keys(const json::object& object, Causes& causes) {
  for (const char* field : {"data", "binaryData"}) {
    const json::object* data = object_at(object, {field});
    if (!data) continue;
    for (const auto& [key, value] : *data) {
      const std::string_view k = key;
      const bool good =
          !k.empty() && k.size() <= 253 && k != "." && !k.starts_with("..") &&
          std::all_of(k.begin(), k.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
      if (!good) {
        causes.push_back(invalid_value(fmt::format("{}[{}]", field, k), text(k),
                                       "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"));
      }
    }
  }
}

// Drops from both pod specs what an update may change; what is left must be equal.
void drop_mutable_pod_fields(json::object& old, json::object& next) {
  for (const char* list : {"containers", "initContainers"}) {
    for (json::object* spec : {&old, &next}) {
      json::value* containers = spec->if_contains(list);
      if (!containers || !containers->is_array()) continue;
      for (json::value& c : containers->get_array()) {
        if (c.is_object()) c.get_object()["image"] = "";
      }
    }
  }
  for (json::object* spec : {&old, &next}) spec->erase("activeDeadlineSeconds");
  // Gates may only be taken away; a gated pod's node selection may still be narrowed.
  const json::array* gates = array_at(old, {"schedulingGates"});
  const json::array* left = array_at(next, {"schedulingGates"});
  const bool was_gated = gates && !gates->empty();
  const bool fewer = !left || (gates && std::all_of(left->begin(), left->end(), [&](const json::value& g) {
                                 return std::find(gates->begin(), gates->end(), g) != gates->end();
                               }));
  for (json::object* spec : {&old, &next}) {
    if (fewer) spec->erase("schedulingGates");
    if (!was_gated) continue;
    spec->erase("nodeSelector");
    spec->erase("affinity");
  }
  // Tolerations may be added, not taken away.
  const json::array* tolerated = array_at(old, {"tolerations"});
  const json::array* tolerates = array_at(next, {"tolerations"});
  const bool more =
      !tolerated || (tolerates && std::all_of(tolerated->begin(), tolerated->end(), [&](const json::value& t) {
                       return std::find(tolerates->begin(), tolerates->end(), t) != tolerates->end();
                     }));
  if (more) {
    old.erase("tolerations");
    next.erase("tolerations");
  }
}

void check_pod_change(const json::object& old, const json::object& next, Causes& causes) {
  const json::object* before = object_at(old, {"spec"});
  const json::object* after = object_at(next, {"spec"});
  if (!before || !after || *before == *after) return;
  json::object a = *before;
  json::object b = *after;
  drop_mutable_pod_fields(a, b);
  if (a == b) return;
  causes.push_back(forbidden_field(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
      "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
      "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
}

void check_same(const json::object& old, const json::object& next, Path path, const std::string& field,
                Causes& causes) {
  const json::value* a = find_at(old, path);
  const json::value* b = find_at(next, path);
  const json::value null;
  if ((a ? *a : null) != (b ? *b : null)) causes.push_back(invalid_value(field, b ? *b : null, "field is immutable"));
}

void check_stateful_set_change(const json::object& old, const json::object& next, Causes& causes) {
  json::object a = *object_at(old, {"spec"});
  json::object b = *object_at(next, {"spec"});
  for (const char* key : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                          "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
    a.erase(key);
    b.erase(key);
  }
  if (a == b) return;
  causes.push_back(forbidden_field(
      "spec",
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
      "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
}

void check_service_change(const json::object& old, const json::object& next, Causes& causes) {
  const std::string_view before = string_at(old, {"spec", "clusterIP"});
  const std::string_view after = string_at(next, {"spec", "clusterIP"});
  if (before.empty() || after.empty() || before == after || string_at(next, {"spec", "type"}) == "ExternalName") return;
  causes.push_back(invalid_value("spec.clusterIPs[0]", json::array{json::string(after)}, "may not change once set"));
}

void check_job_change(const json::object& old, const json::object& next, Causes& causes) {
  check_same(old, next, {"spec", "selector"}, "spec.selector", causes);
  check_same(old, next, {"spec", "template"}, "spec.template", causes);
  check_same(old, next, {"spec", "completions"}, "spec.completions", causes);
}

void check_data_change(const json::object& old, const json::object& next, Causes& causes) {
  check_same(old, next, {"type"}, "type", causes);
  if (!bool_at(old, {"immutable"})) return;
  const std::string why = "field is immutable when `immutable` is set";
  for (const char* key : {"immutable", "data", "binaryData"}) {
    const json::value* a = find_at(old, {key});
    const json::value* b = find_at(next, {key});
    if (a && b ? *a != *b : a != b) causes.push_back(forbidden_field(key, why));
  }
}

}  // namespace

bool is_dns_label(std::string_view s) { return s.size() <= 63 && label_characters(s); }

bool is_dns_subdomain(std::string_view s) {
  if (s.size() > 253) return false;
  for (;;) {
    const std::size_t dot = s.find('.');
    if (!label_characters(s.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    s.remove_prefix(dot + 1);
  }
}

bool is_qualified_name(std::string_view s) {
  const std::size_t slash = s.find('/');
  if (slash == std::string_view::npos) return name_part(s);
  return is_dns_subdomain(s.substr(0, slash)) && name_part(s.substr(slash + 1));
}

bool is_label_value(std::string_view s) { return s.empty() || name_part(s); }

namespace {

// Go reads a null as the zero value: an absent field, but an empty string in a map of strings.
void drop_nulls(json::value& value, bool map_of_strings) {
  if (json::array* list = value.if_array()) {
    for (json::value& item : *list) drop_nulls(item, false);
    return;
  }
  json::object* object = value.if_object();
  if (!object) return;
  for (auto member = object->begin(); member != object->end();) {
    if (member->value().is_null() && map_of_strings) member->value() = "";
    if (member->value().is_null()) {
      member = object->stable_erase(member);
      continue;
    }
    const std::string_view key = member->key();
    drop_nulls(member->value(), key == "labels" || key == "annotations" || key == "matchLabels" ||
                                    key == "nodeSelector" || key == "data" || key == "stringData" ||
                                    key == "binaryData");
    ++member;
  }
}

}  // namespace

ApiResult<void> decode_object(const ResourceType& type, json::object& object) {
  const auto refuse = [&](std::string_view field, std::string_view wanted) {
    return tl::unexpected(
        bad_request(fmt::format("{} in version \"{}\" cannot be handled as a {}: metadata.{} must be {}", type.kind,
                                type.version, type.kind, field, wanted)));
  };
  if (!type.custom && type.plural != "customresourcedefinitions" && type.plural != "controllerrevisions") {
    json::value whole = std::move(object);
    drop_nulls(whole, false);
    object = std::move(whole.get_object());
  }
  json::object& meta = metadata_of(object);
  for (const char* field : {"labels", "annotations"}) {
    json::value* map = meta.if_contains(field);
    if (!map) continue;
    if (!map->is_object() && !map->is_null()) return refuse(field, "a map of strings");
    if (map->is_null() || map->get_object().empty()) {
      meta.erase(field);
      continue;
    }
    for (auto& [key, value] : map->get_object()) {
      if (value.is_null()) value = "";
      if (!value.is_string()) return refuse(field, "a map of strings");
    }
  }
  for (const char* field : {"finalizers", "ownerReferences"}) {
    const json::value* list = meta.if_contains(field);
    if (!list) continue;
    if (!list->is_array() && !list->is_null()) return refuse(field, "a list");
    if (list->is_null() || list->get_array().empty()) meta.erase(field);
  }
  for (const char* field : {"name", "generateName", "namespace", "uid", "resourceVersion"}) {
    const json::value* text = meta.if_contains(field);
    if (text && !text->is_string() && !text->is_null()) return refuse(field, "a string");
  }
  return {};
}

Causes validate_metadata(const ResourceType& type, const json::object& object) {
  Causes causes;
  check_name(type, name_of(object), causes);
  check_labels(object_at(object, {"metadata", "labels"}), "metadata.labels", causes);
  if (const json::object* annotations = object_at(object, {"metadata", "annotations"})) {
    for (const auto& [key, value] : *annotations) {
      std::string lower(key);
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (!is_qualified_name(lower))
        causes.push_back(invalid_value("metadata.annotations", text(key), kQualifiedNameRule));
    }
  }
  check_owners(object, causes);
  if (const json::array* finalizers = array_at(object, {"metadata", "finalizers"})) {
    for (const json::value& v : *finalizers) {
      if (!v.is_string() || !is_qualified_name(v.get_string())) {
        causes.push_back(invalid_value("metadata.finalizers", v, kQualifiedNameRule));
      }
    }
  }
  return causes;
}

Causes validate_new(const ResourceType& type, const json::object& object) {
  Causes causes;
  const std::string name = type.group_resource();
  if (name == "pods") {
    check_pod_spec(object, {"spec"}, "spec", causes);
  } else if (name == "deployments.apps" || name == "replicasets.apps" || name == "statefulsets.apps" ||
             name == "daemonsets.apps") {
    check_workload(object, causes);
  } else if (name == "jobs.batch") {
    check_pod_spec(object, {"spec", "template", "spec"}, "spec.template.spec", causes);
    const std::string_view restart = string_at(object, {"spec", "template", "spec", "restartPolicy"});
    if (restart == "Always") {
      causes.push_back(required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""));
    }
  } else if (name == "secrets" || name == "configmaps") {
    check_data_keys(object, causes);
  } else if (name == "customresourcedefinitions.apiextensions.k8s.io") {
    causes = validate_crd(object);
  }
  return causes;
}

Causes validate_change(const ResourceType& type, const json::object& old, const json::object& next) {
  Causes causes;
  const std::string name = type.group_resource();
  if (name == "pods") {
    check_pod_change(old, next, causes);
  } else if (name == "deployments.apps" || name == "replicasets.apps" || name == "daemonsets.apps") {
    check_same(old, next, {"spec", "selector"}, "spec.selector", causes);
  } else if (name == "services") {
    check_service_change(old, next, causes);
  } else if (name == "statefulsets.apps") {
    check_stateful_set_change(old, next, causes);
  } else if (name == "jobs.batch") {
    check_job_change(old, next, causes);
  } else if (name == "secrets" || name == "configmaps") {
    check_data_change(old, next, causes);
  } else if (name == "rolebindings.rbac.authorization.k8s.io" ||
             name == "clusterrolebindings.rbac.authorization.k8s.io") {
    check_same(old, next, {"roleRef"}, "roleRef", causes);
  }
  return causes;
}

}  // namespace berth::sim
