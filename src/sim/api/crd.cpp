#include "sim/api/crd.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "sim/api/object.h"
#include "sim/api/schema.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::vector<std::string> strings_at(const json::object& object, Path path) {
  std::vector<std::string> out;
  if (const json::array* list = array_at(object, path)) {
    for (const json::value& v : *list) {
      if (v.is_string()) out.emplace_back(v.get_string());
    }
  }
  return out;
}

std::vector<PrinterColumn> columns_of(const json::object& version) {
  std::vector<PrinterColumn> columns;
  const json::array* list = array_at(version, {"additionalPrinterColumns"});
  if (!list) return columns;
  for (const json::value& v : *list) {
    if (!v.is_object()) continue;
    const json::object& c = v.get_object();
    columns.push_back({.name = std::string(string_at(c, {"name"})),
                       .type = std::string(string_at(c, {"type"})),
                       .format = std::string(string_at(c, {"format"})),
                       .description = std::string(string_at(c, {"description"})),
                       .json_path = std::string(string_at(c, {"jsonPath"})),
                       .priority = static_cast<int>(int_at(c, {"priority"}))});
  }
  return columns;
}

TypePtr type_of_version(const json::object& crd, const json::object& version) {
  auto type = std::make_shared<ResourceType>();
  type->group = string_at(crd, {"spec", "group"});
  type->version = string_at(version, {"name"});
  type->plural = string_at(crd, {"spec", "names", "plural"});
  type->singular = string_at(crd, {"spec", "names", "singular"});
  type->kind = string_at(crd, {"spec", "names", "kind"});
  type->list_kind = string_at(crd, {"spec", "names", "listKind"});
  type->short_names = strings_at(crd, {"spec", "names", "shortNames"});
  type->categories = strings_at(crd, {"spec", "names", "categories"});
  type->namespaced = string_at(crd, {"spec", "scope"}) == "Namespaced";
  type->has_status = object_at(version, {"subresources", "status"}) != nullptr;
  if (type->has_status) type->subresources = {"status"};
  type->tracks_generation = true;
  type->unconditional_update = false;
  type->custom = true;
  type->columns = columns_of(version);
  if (const json::object* schema = object_at(version, {"schema", "openAPIV3Schema"})) {
    type->schema = Schema::compile(*schema, bool_at(crd, {"spec", "preserveUnknownFields"}));
  }
  return type;
}

}  // namespace

void default_crd(json::object& crd) {
  json::object& spec = ensure_object(crd, "spec");
  json::object& names = ensure_object(spec, "names");
  const std::string kind(string_at(names, {"kind"}));
  if (string_at(names, {"singular"}).empty()) names["singular"] = lower(kind);
  if (string_at(names, {"listKind"}).empty()) names["listKind"] = kind + "List";
  set_default(spec, "conversion", json::object{{"strategy", "None"}});
}

Causes validate_crd(const json::object& crd) {
  Causes causes;
  const std::string_view group = string_at(crd, {"spec", "group"});
  const std::string_view plural = string_at(crd, {"spec", "names", "plural"});
  if (group.empty()) causes.push_back(required("spec.group", ""));
  if (plural.empty()) causes.push_back(required("spec.names.plural", ""));
  if (string_at(crd, {"spec", "names", "kind"}).empty()) causes.push_back(required("spec.names.kind", ""));
  const std::string expected = fmt::format("{}.{}", plural, group);
  if (causes.empty() && name_of(crd) != expected) {
    causes.push_back(
        invalid_value("metadata.name", json::string(name_of(crd)), "must be spec.names.plural+\".\"+spec.group"));
  }
  const std::string_view scope = string_at(crd, {"spec", "scope"});
  if (scope.empty()) {
    causes.push_back(required("spec.scope", ""));
  } else if (scope != "Namespaced" && scope != "Cluster") {
    causes.push_back(not_supported("spec.scope", json::string(scope), {"Cluster", "Namespaced"}));
  }
  const json::array* versions = array_at(crd, {"spec", "versions"});
  if (!versions || versions->empty()) {
    causes.push_back(required("spec.versions", "must have at least one version"));
    return causes;
  }
  int stored = 0;
  for (std::size_t i = 0; i < versions->size(); ++i) {
    if (!(*versions)[i].is_object()) continue;
    const json::object& version = (*versions)[i].get_object();
    stored += bool_at(version, {"storage"}) ? 1 : 0;
    const std::string field = fmt::format("spec.versions[{}]", i);
    if (string_at(version, {"name"}).empty()) causes.push_back(required(field + ".name", ""));
    const json::object* schema = object_at(version, {"schema", "openAPIV3Schema"});
    if (!schema) {
      causes.push_back(required(field + ".schema.openAPIV3Schema", "schemas are required"));
      continue;
    }
    for (Cause& cause : check_structural(*schema, field + ".schema.openAPIV3Schema"))
      causes.push_back(std::move(cause));
  }
  if (stored != 1) {
    causes.push_back(
        invalid_value("spec.versions", *versions, "must have exactly one version marked as storage version"));
  }
  return causes;
}

void establish_crd(json::object& crd, WallTime now) {
  const json::object* names = object_at(crd, {"spec", "names"});
  json::object accepted = names ? *names : json::object();
  json::object& status = ensure_object(crd, "status");
  status["acceptedNames"] = std::move(accepted);
  json::array& stored = ensure_array(status, "storedVersions");
  for (const json::value& v : *array_at(crd, {"spec", "versions"})) {
    const json::value name(string_at(v.as_object(), {"name"}));
    if (bool_at(v.as_object(), {"storage"}) && std::find(stored.begin(), stored.end(), name) == stored.end()) {
      stored.push_back(name);
    }
  }
  json::array& conditions = ensure_array(status, "conditions");
  set_condition(conditions, {"NamesAccepted", true, "NoConflicts", "no conflicts found"}, now);
  set_condition(conditions, {"Established", true, "InitialNamesAccepted", "the initial names have been accepted"}, now);
}

std::vector<TypePtr> types_of_crd(const json::object& crd) {
  std::vector<TypePtr> types;
  const json::array* versions = array_at(crd, {"spec", "versions"});
  if (!versions) return types;
  for (const json::value& v : *versions) {
    if (!v.is_object() || !bool_at(v.get_object(), {"served"})) continue;
    TypePtr type = type_of_version(crd, v.get_object());
    types.insert(bool_at(v.get_object(), {"storage"}) ? types.begin() : types.end(), std::move(type));
  }
  return types;
}

}  // namespace berth::sim
