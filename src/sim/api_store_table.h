#pragma once

// Private parts of ApiStore, for api_store*.cpp only.

#include <map>
#include <memory>
#include <string>

#include "sim/api_store.h"

namespace berth::sim {

// The objects of one resource, all its versions together.
struct ApiStore::Table {
  Table(std::size_t history_limit, const std::uint64_t& latest)
      : history(std::make_shared<History>(history_limit, latest)) {}

  std::map<std::string, Object, std::less<>> objects;  // by key()
  std::shared_ptr<History> history;
};

// What a list still has to hand out after its first page.
struct ApiStore::Page {
  std::string group_resource;
  std::uint64_t version = 0;
  std::vector<Object> items;
};

// "namespace/name", or "name" of a cluster-scoped object: etcd's order of objects.
[[nodiscard]] inline std::string key_of(const ResourceType& type, std::string_view ns, std::string_view name) {
  std::string key;
  if (type.namespaced) (key = ns) += '/';
  key += name;
  return key;
}

[[nodiscard]] inline bool is_type(const ResourceType& type, std::string_view group, std::string_view plural) {
  return !type.custom && type.plural == plural && type.group == group;
}
[[nodiscard]] inline bool is_pod(const ResourceType& type) { return is_type(type, "", "pods"); }
[[nodiscard]] inline bool is_namespace(const ResourceType& type) { return is_type(type, "", "namespaces"); }
[[nodiscard]] inline bool is_crd(const ResourceType& type) {
  return is_type(type, "apiextensions.k8s.io", "customresourcedefinitions");
}

}  // namespace berth::sim
