#include "dev/api/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include <boost/json/array.hpp>

#include "dev/api/reviews.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::ResourceType;
using sim::TypePtr;

// Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then all else by name.
std::tuple<int, int, int, std::string_view> version_rank(std::string_view version) {
  const auto other = std::tuple(3, 0, 0, version);
  std::string_view rest = version;
  const auto number = [&rest]() -> int {
    int value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc()) return -1;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return value;
  };
  if (!rest.starts_with('v')) return other;
  rest.remove_prefix(1);
  const int major = number();
  if (major < 0) return other;
  if (rest.empty()) return {0, -major, 0, ""};
  const int stage = rest.starts_with("beta") ? 1 : rest.starts_with("alpha") ? 2 : 3;
  if (stage == 3) return other;
  rest.remove_prefix(stage == 1 ? 4 : 5);
  const int minor = number();
  if (minor < 0 || !rest.empty()) return other;
  return {stage, -major, -minor, ""};
}

struct Version {
  std::string name;
  std::vector<TypePtr> types;
};

struct Group {
  std::string name;
  std::vector<Version> versions;  // preferred first
};

std::vector<Group> groups_of(const std::vector<TypePtr>& types) {
  std::vector<Group> groups;
  for (const TypePtr& type : types) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.name == type->group; });
    if (group == groups.end()) group = groups.insert(groups.end(), {type->group, {}});
    auto& versions = group->versions;
    auto version =
        std::find_if(versions.begin(), versions.end(), [&](const Version& v) { return v.name == type->version; });
    if (version == versions.end()) version = versions.insert(versions.end(), {type->version, {}});
    version->types.push_back(type);
  }
  for (Group& group : groups) {
    std::sort(group.versions.begin(), group.versions.end(),
              [](const Version& a, const Version& b) { return version_rank(a.name) < version_rank(b.name); });
  }
  return groups;
}

json::array to_array(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::array verbs_of(const ResourceType& type) {
  if (is_review(type)) return {"create"};
  return {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
}

// A subresource's verbs, and the kind it speaks when that is not the resource's own.
struct Subresource {
  std::string name;
  json::array verbs;
  std::string group;
  std::string version;
  std::string kind;
};

std::vector<Subresource> subresources_of(const ResourceType& type) {
  std::vector<Subresource> found;
  for (const std::string& name : type.subresources) {
    if (name == "scale") {
      found.push_back({name, {"get", "patch", "update"}, "autoscaling", "v1", "Scale"});
    } else if (name == "binding") {
      found.push_back({name, {"create"}, type.group, type.version, "Binding"});
    } else if (name == "eviction") {
      found.push_back({name, {"create"}, "policy", "v1", "Eviction"});
    } else if (name == "finalize") {
      found.push_back({name, {"update"}, type.group, type.version, type.kind});
    } else {
      found.push_back({name, {"get", "patch", "update"}, type.group, type.version, type.kind});
    }
  }
  if (type.group.empty() && type.plural == "pods") {
    found.push_back({"log", {"get"}, type.group, type.version, type.kind});
  }
  return found;
}

json::object resource_list(const Version& version, std::string_view group_version) {
  json::array resources;
  for (const TypePtr& type : version.types) {
    json::object resource{{"name", type->plural},
                          {"singularName", type->singular},
                          {"namespaced", type->namespaced},
                          {"kind", type->kind},
                          {"verbs", verbs_of(*type)}};
    if (!type->short_names.empty()) resource["shortNames"] = to_array(type->short_names);
    if (!type->categories.empty()) resource["categories"] = to_array(type->categories);
    resources.push_back(std::move(resource));
    for (const Subresource& sub : subresources_of(*type)) {
      json::object entry{{"name", type->plural + "/" + sub.name},
                         {"singularName", ""},
                         {"namespaced", type->namespaced},
                         {"kind", sub.kind},
                         {"verbs", sub.verbs}};
      if (sub.group != type->group) {
        entry["group"] = sub.group;
        entry["version"] = sub.version;
      }
      resources.push_back(std::move(entry));
    }
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version},
          {"resources", std::move(resources)}};
}

json::object response_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

json::object aggregated_resource(const ResourceType& type) {
  json::object resource{{"resource", type.plural},
                        {"responseKind", response_kind(type.group, type.version, type.kind)},
                        {"scope", type.namespaced ? "Namespaced" : "Cluster"},
                        {"singularResource", type.singular},
                        {"verbs", verbs_of(type)}};
  if (!type.short_names.empty()) resource["shortNames"] = to_array(type.short_names);
  if (!type.categories.empty()) resource["categories"] = to_array(type.categories);
  json::array subresources;
  for (const Subresource& sub : subresources_of(type)) {
    subresources.push_back(json::object{{"subresource", sub.name},
                                        {"responseKind", response_kind(sub.group, sub.version, sub.kind)},
                                        {"verbs", sub.verbs}});
  }
  if (!subresources.empty()) resource["subresources"] = std::move(subresources);
  return resource;
}

DiscoveryAnswer aggregated(const std::vector<Group>& groups, bool core) {
  json::array items;
  for (const Group& group : groups) {
    if (group.name.empty() != core) continue;
    json::array versions;
    for (const Version& version : group.versions) {
      json::array resources;
      for (const TypePtr& type : version.types) resources.push_back(aggregated_resource(*type));
      versions.push_back(
          json::object{{"version", version.name}, {"resources", std::move(resources)}, {"freshness", "Current"}});
    }
    json::object metadata{{"creationTimestamp", nullptr}};
    if (!core) metadata["name"] = group.name;
    items.push_back(json::object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
  }
  return {{{"kind", "APIGroupDiscoveryList"},
           {"apiVersion", "apidiscovery.k8s.io/v2"},
           {"metadata", json::object()},
           {"items", std::move(items)}},
          "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"};
}

json::object api_group(const Group& group) {
  json::array versions;
  for (const Version& version : group.versions) {
    versions.push_back(json::object{{"groupVersion", group.name + "/" + version.name}, {"version", version.name}});
  }
  return {{"name", group.name}, {"versions", versions}, {"preferredVersion", versions.front()}};
}

json::object server_version() {
  return {{"major", "1"},        {"minor", "33"},           {"gitVersion", fmt::format("{}+berth", kKubernetesVersion)},
          {"gitCommit", ""},     {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", "none"}, {"compiler", "g++"},       {"platform", "linux/amd64"}};
}

json::object openapi_index(const std::vector<Group>& groups) {
  json::object paths;
  for (const Group& group : groups) {
    for (const Version& version : group.versions) {
      const std::string path = group.name.empty() ? "api/" + version.name : "apis/" + group.name + "/" + version.name;
      paths[path] = json::object{{"serverRelativeURL", "/openapi/v3/" + path}};
    }
  }
  return {{"paths", std::move(paths)}};
}

json::object openapi_operation(const ResourceType& type, std::string_view action, std::string_view code) {
  return {
      {"x-kubernetes-action", action},
      {"x-kubernetes-group-version-kind", response_kind(type.group, type.version, type.kind)},
      {"parameters", json::array{json::object{
                         {"name", "fieldValidation"}, {"in", "query"}, {"schema", json::object{{"type", "string"}}}}}},
      {"responses", json::object{{code, json::object{{"description", "OK"}}}}}};
}

json::object openapi_document(const Version& version, std::string_view root) {
  json::object paths;
  for (const TypePtr& type : version.types) {
    const std::string collection =
        fmt::format("/{}/{}{}", root, type->namespaced ? "namespaces/{namespace}/" : "", type->plural);
    paths[collection] = json::object{{"post", openapi_operation(*type, "post", "201")}};
    if (is_review(*type)) continue;
    paths[collection + "/{name}"] = json::object{{"put", openapi_operation(*type, "put", "200")},
                                                 {"patch", openapi_operation(*type, "patch", "200")}};
  }
  return {{"openapi", "3.0.0"},
          {"info", json::object{{"title", "Kubernetes"}, {"version", kKubernetesVersion}}},
          {"paths", std::move(paths)},
          {"components", json::object{{"schemas", json::object()}}}};
}

// "/apis/apps/v1/" -> "apis/apps/v1"
std::string_view strip(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// What "api/v1" or "apis/<group>/<version>" names; the version is empty for "apis/<group>".
struct GroupVersion {
  std::string_view group;
  std::string_view version;
};

std::optional<GroupVersion> parse_group_version(std::string_view path) {
  if (path.starts_with("api/")) {
    const auto version = path.substr(4);
    if (version.find('/') != std::string_view::npos) return std::nullopt;
    return GroupVersion{"", version};
  }
  if (!path.starts_with("apis/")) return std::nullopt;
  path.remove_prefix(5);
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return GroupVersion{path, ""};
  if (path.find('/', slash + 1) != std::string_view::npos) return std::nullopt;
  return GroupVersion{path.substr(0, slash), path.substr(slash + 1)};
}

constexpr std::string_view kOpenApi = "openapi/v3";

}  // namespace

bool is_discovery_path(std::string_view path) {
  path = strip(path);
  return path == "version" || path == "api" || path == "apis" || path == kOpenApi || path.starts_with("openapi/v3/") ||
         parse_group_version(path).has_value();
}

std::optional<DiscoveryAnswer> discover(std::string_view path, Form form, std::string_view address,
                                        const std::vector<TypePtr>& types) {
  path = strip(path);
  if (path == "version") return DiscoveryAnswer{server_version()};
  std::vector<TypePtr> all = types;
  all.insert(all.end(), review_types().begin(), review_types().end());
  const auto groups = groups_of(all);
  if (path == "api" || path == "apis") {
    if (form == Form::aggregated_discovery) return aggregated(groups, path == "api");
    if (path == "api") {
      return DiscoveryAnswer{{{"kind", "APIVersions"},
                              {"versions", json::array{"v1"}},
                              {"serverAddressByClientCIDRs",
                               json::array{json::object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", address}}}}}};
    }
    json::array list;
    for (const Group& group : groups) {
      if (!group.name.empty()) list.push_back(api_group(group));
    }
    return DiscoveryAnswer{{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(list)}}};
  }
  if (path == kOpenApi) return DiscoveryAnswer{openapi_index(groups)};

  const bool openapi = path.starts_with(kOpenApi);
  const std::string_view wanted = openapi ? path.substr(kOpenApi.size() + 1) : path;
  const auto named = parse_group_version(wanted);
  if (!named) return std::nullopt;
  const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.name == named->group; });
  if (group == groups.end()) return std::nullopt;
  if (named->version.empty()) {
    json::object body = api_group(*group);
    body["kind"] = "APIGroup";
    body["apiVersion"] = "v1";
    return DiscoveryAnswer{std::move(body)};
  }
  for (const Version& version : group->versions) {
    if (version.name != named->version) continue;
    if (openapi) return DiscoveryAnswer{openapi_document(version, wanted)};
    return DiscoveryAnswer{
        resource_list(version, group->name.empty() ? version.name : fmt::format("{}/{}", group->name, version.name))};
  }
  return std::nullopt;
}

}  // namespace berth::dev
