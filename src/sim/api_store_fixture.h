#pragma once

// For tests: a store with a clock that stands still, and short ways to fill it.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "sim/api_store.h"

namespace berth::sim {

class StoreTest : public ::testing::Test {
 protected:
  static boost::json::object parse(std::string_view text) { return boost::json::parse(text).as_object(); }

  TypePtr type(std::string_view group, std::string_view plural) { return store.types().find_stored(group, plural); }
  TypePtr pods() { return type("", "pods"); }
  TypePtr config_maps() { return type("", "configmaps"); }
  TypePtr namespaces() { return type("", "namespaces"); }
  TypePtr crds() { return type("apiextensions.k8s.io", "customresourcedefinitions"); }

  ApiResult<Object> create(const TypePtr& of, std::string_view text) {
    return store.create(*of, of->namespaced ? "default" : "", parse(text));
  }
  ApiResult<Object> get(const TypePtr& of, std::string_view name) {
    return store.get(*of, of->namespaced ? "default" : "", name);
  }
  ApiResult<Object> merge(const TypePtr& of, std::string_view name, std::string_view text,
                          std::string_view subresource = "") {
    return store.patch(*of, of->namespaced ? "default" : "", name, PatchType::merge, parse(text), subresource);
  }
  ApiResult<Deleted> remove(const TypePtr& of, std::string_view name, const DeleteOptions& options = {}) {
    return store.remove(*of, of->namespaced ? "default" : "", name, options);
  }

  ApiResult<Object> make_pod(std::string_view name, std::string_view node = "") {
    boost::json::object pod = parse(R"({"spec":{"containers":[{"name":"c","image":"i:1"}]}})");
    metadata_of(pod)["name"] = name;
    if (!node.empty()) pod["spec"].as_object()["nodeName"] = node;
    return store.create(*pods(), "default", std::move(pod));
  }
  ApiResult<Object> make_config_map(std::string_view name) {
    return store.create(*config_maps(), "default", {{"metadata", {{"name", name}}}});
  }

  WallTime now = WallTime(std::chrono::seconds(1'700'000'000));
  Random random{7};
  ApiStore store{[this] { return now; }, random};
};

}  // namespace berth::sim
