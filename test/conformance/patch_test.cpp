// PATCH in its three forms, and what they have in common.

#include <fmt/format.h>

#include <future>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

class Patches : public ConformanceTest {};

TEST_F(Patches, MergeAddsReplacesAndDeletes) {
  make_config_map("a", R"("labels":{"x":"1"})", R"({"a":"1","b":"2"})");
  const Reply patched =
      api.merge_patch(config_maps("a"), R"({"metadata":{"labels":{"y":"2"}},"data":{"a":null,"b":"3"}})");
  ASSERT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("/data"), parse(R"({"b":"3"})"));
  EXPECT_EQ(patched.at("/metadata/labels"), parse(R"({"x":"1","y":"2"})"));
}

TEST_F(Patches, MergeReplacesListsAsAWhole) {
  make_config_map("a", R"("finalizers":["conf.io/one"])");
  const Reply patched = api.merge_patch(config_maps("a"), R"({"metadata":{"finalizers":["conf.io/two"]}})");
  EXPECT_EQ(patched.at("/metadata/finalizers"), parse(R"(["conf.io/two"])"));
  EXPECT_TRUE(
      api.merge_patch(config_maps("a"), R"({"metadata":{"finalizers":null}})").at("/metadata/finalizers").is_null());
}

TEST_F(Patches, JsonPatchRunsItsOperationsInOrder) {
  make_config_map("a", R"("annotations":{"x.io/k":"1"})");
  const Reply patched = api.json_patch(config_maps("a"), R"([
      {"op":"test","path":"/data/a","value":"1"},
      {"op":"add","path":"/data/b","value":"2"},
      {"op":"copy","from":"/data/b","path":"/data/c"},
      {"op":"move","from":"/data/a","path":"/data/d"},
      {"op":"replace","path":"/metadata/annotations/x.io~1k","value":"3"},
      {"op":"remove","path":"/data/b"}])");
  ASSERT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("/data"), parse(R"({"c":"2","d":"1"})"));
  EXPECT_EQ(patched.string("/metadata/annotations/x.io~1k"), "3");
}

TEST_F(Patches, JsonPatchThatDoesNotApplyChangesNothing) {
  const Reply made = make_config_map("a");
  EXPECT_EQ(api.json_patch(config_maps("a"), R"([{"op":"replace","path":"/data/a","value":"2"},
                                                 {"op":"test","path":"/data/a","value":"1"}])")
                .status,
            422);
  EXPECT_EQ(api.json_patch(config_maps("a"), R"([{"op":"remove","path":"/data/none"}])").status, 422);
  expect_failure(api.json_patch(config_maps("a"), R"({"op":"remove"})"), 400, "BadRequest");
  EXPECT_EQ(api.get(config_maps("a")).version(), made.version());
}

TEST_F(Patches, StrategicMergesListsByTheirKey) {
  make_deployment("d");
  const Reply added = api.strategic_patch(deployments("d"), R"({"spec":{"template":{"spec":{"containers":[
      {"name":"c","image":"j"},{"name":"e","image":"k"}]}}}})");
  ASSERT_EQ(added.status, 200) << added.text;
  const auto& containers = added.at("/spec/template/spec/containers").as_array();
  ASSERT_EQ(containers.size(), 2U);
  EXPECT_EQ(string_at(containers[0], "/name"), "c");
  EXPECT_EQ(string_at(containers[0], "/image"), "j");
  EXPECT_EQ(string_at(containers[1], "/name"), "e");
  const Reply removed = api.strategic_patch(deployments("d"), R"({"spec":{"template":{"spec":{"containers":[
      {"name":"e","$patch":"delete"}]}}}})");
  ASSERT_EQ(removed.status, 200) << removed.text;
  EXPECT_EQ(removed.at("/spec/template/spec/containers").as_array().size(), 1U);
}

TEST_F(Patches, StrategicUnitesFinalizersAndMergesMaps) {
  make_config_map("a", R"("finalizers":["conf.io/one"],"labels":{"x":"1"})");
  const Reply patched = api.strategic_patch(
      config_maps("a"), R"({"metadata":{"finalizers":["conf.io/two"],"labels":{"x":null,"y":"2"}}})");
  ASSERT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("/metadata/finalizers").as_array().size(), 2U);
  EXPECT_EQ(patched.at("/metadata/labels"), parse(R"({"y":"2"})"));
  const Reply removed = api.strategic_patch(
      config_maps("a"), R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["conf.io/one","conf.io/two"]}})");
  ASSERT_EQ(removed.status, 200) << removed.text;
  EXPECT_TRUE(removed.at("/metadata/finalizers").is_null()) << removed.text;
}

TEST_F(Patches, StrategicReplacesOnDemand) {
  make_config_map("a", "", R"({"a":"1","b":"2"})");
  const Reply patched = api.strategic_patch(config_maps("a"), R"({"data":{"$patch":"replace","c":"3"}})");
  ASSERT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("/data"), parse(R"({"c":"3"})"));
}

// Another UID is an attempt to change it: 422, not the 409 of an update.
TEST_F(Patches, UidAndVersionInThePatchArePreconditions) {
  const Reply made = make_config_map("a");
  const auto with = [&](std::string_view field, std::string_view value) {
    return api.merge_patch(config_maps("a"),
                           fmt::format(R"({{"metadata":{{"{}":"{}"}},"data":{{"a":"{}"}}}})", field, value, value));
  };
  EXPECT_EQ(with("uid", made.string("/metadata/uid")).status, 200);
  const Reply other = with("uid", "00000000-0000-4000-8000-000000000000");
  expect_failure(other, 422, "Invalid");
  EXPECT_EQ(other.string("/details/causes/0/field"), "metadata.uid");
  expect_failure(with("resourceVersion", made.version()), 409, "Conflict");
  EXPECT_EQ(with("resourceVersion", api.get(config_maps("a")).version()).status, 200);
}

TEST_F(Patches, NamesCannotBePatched) {
  make_config_map("a");
  expect_failure(api.merge_patch(config_maps("a"), R"({"metadata":{"name":"b"}})"), 400, "BadRequest");
}

TEST_F(Patches, TheResultIsValidated) {
  make_deployment("d");
  expect_failure(api.merge_patch(deployments("d"), R"({"spec":{"selector":{"matchLabels":{"a":"c"}}}})"), 422,
                 "Invalid");
  expect_failure(api.merge_patch(config_maps("none"), R"({"metadata":{"labels":{"a":"b c"}}})"), 404, "NotFound");
  make_config_map("a");
  expect_failure(api.merge_patch(config_maps("a"), R"({"metadata":{"labels":{"a":"b c"}}})"), 422, "Invalid");
}

TEST_F(Patches, OtherPatchTypesAreRefused) {
  make_config_map("a");
  EXPECT_EQ(api.call("PATCH", config_maps("a"), "{}", "application/json").status, 415);
}

TEST_F(Patches, ConcurrentPatchesAllCount) {
  make_config_map("a", "", "{}");
  std::vector<std::future<int>> patches;
  for (int i = 0; i < 16; ++i) {
    patches.push_back(std::async(std::launch::async, [this, i] {
      return api.merge_patch(config_maps("a"), fmt::format(R"({{"data":{{"k{}":"x"}}}})", i)).status;
    }));
  }
  for (auto& patch : patches) EXPECT_EQ(patch.get(), 200);
  EXPECT_EQ(api.get(config_maps("a")).at("/data").as_object().size(), 16U);
}

}  // namespace
}  // namespace berth::conformance
