#include "sim/api_store_fixture.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

class CrdTest : public StoreTest {
 protected:
  ApiResult<Object> make_crd() {
    return create(
        crds(),
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"foos.x.io"},
      "spec":{"group":"x.io","names":{"kind":"Foo","plural":"foos","shortNames":["fo"]},"scope":"Cluster",
        "versions":[
          {"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
           "additionalPrinterColumns":[{"name":"CIDR","type":"string","jsonPath":".spec.cidr"}],
           "schema":{"openAPIV3Schema":{"type":"object","properties":{
             "spec":{"type":"object","required":["cidr"],"properties":{"cidr":{"type":"string"},"mtu":{"type":"integer","default":1400}}},
             "status":{"type":"object","properties":{"used":{"type":"integer"}}}}}}},
          {"name":"v1beta1","served":true,"storage":false,
           "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
  }
  TypePtr foos() { return type("x.io", "foos"); }
  ApiResult<Object> make_foo(std::string_view name) {
    json::object foo = parse(R"({"apiVersion":"x.io/v1","kind":"Foo","spec":{"cidr":"10.0.0.0/8"}})");
    metadata_of(foo)["name"] = name;
    return store.create(*foos(), "", std::move(foo));
  }
};

TEST_F(CrdTest, ServesItsTypesAtOnce) {
  EXPECT_EQ(foos(), nullptr);
  const auto crd = make_crd();
  ASSERT_TRUE(crd) << crd.error().message;
  EXPECT_EQ(string_at(*find_condition(**crd, "Established"), {"status"}), "True");
  EXPECT_EQ(string_at(**crd, {"status", "acceptedNames", "singular"}), "foo");
  ASSERT_NE(foos(), nullptr);
  EXPECT_EQ(foos()->version, "v1");
  EXPECT_TRUE(foos()->has_status);
  EXPECT_FALSE(foos()->namespaced);
  ASSERT_EQ(foos()->columns.size(), 1u);
  EXPECT_EQ(foos()->columns[0].json_path, ".spec.cidr");
  EXPECT_EQ(store.types().find_kind("x.io/v1beta1", "Foo")->version, "v1beta1");
}

TEST_F(CrdTest, ObjectsArePrunedDefaultedAndChecked) {
  ASSERT_TRUE(make_crd());
  const auto made = store.create(*foos(), "", parse(R"({"apiVersion":"x.io/v1","kind":"Foo","metadata":{"name":"a"},
      "spec":{"cidr":"c","junk":1},"status":{"used":1}})"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->at("spec"), json::parse(R"({"cidr":"c","mtu":1400})"));
  EXPECT_FALSE((*made)->contains("status"));
  EXPECT_EQ(int_at(**made, {"metadata", "generation"}), 1);
  const auto bad = store.create(
      *foos(), "", parse(R"({"apiVersion":"x.io/v1","kind":"Foo","metadata":{"name":"b"},"spec":{"mtu":"x"}})"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, 422);
  EXPECT_EQ(bad.error().details.at("causes").as_array().size(), 2u);
  const auto untyped = store.create(*foos(), "", parse(R"({"metadata":{"name":"b"}})"));
  EXPECT_EQ(untyped.error().code, 400);
}

TEST_F(CrdTest, StatusWritesTouchNothingElse) {
  ASSERT_TRUE(make_crd());
  ASSERT_TRUE(make_foo("a"));
  // kube-apiserver does not look at the metadata of such a patch, the UID included; the resourceVersion it does check.
  const auto written = merge(
      foos(), "a", R"({"metadata":{"uid":"other","labels":{"a":"b"}},"status":{"used":3},"spec":{"mtu":1}})", "status");
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(int_at(**written, {"status", "used"}), 3);
  EXPECT_EQ(int_at(**written, {"spec", "mtu"}), 1400);
  EXPECT_EQ(int_at(**written, {"metadata", "generation"}), 1);
  EXPECT_EQ(find_at(**written, {"metadata", "labels"}), nullptr);
  EXPECT_EQ(merge(foos(), "a", R"({"metadata":{"resourceVersion":"1"},"status":{"used":4}})", "status").error().code,
            409);
  EXPECT_EQ(merge(foos(), "a", R"({"status":{"used":"x"}})", "status").error().code, 422);
  EXPECT_EQ(merge(foos(), "a", R"({"metadata":{"uid":"other"}})").error().code, 422);
}

TEST_F(CrdTest, UpdatesNeedAVersionAndStrategicPatchesAreRefused) {
  ASSERT_TRUE(make_crd());
  json::object object = **make_foo("a");
  metadata_of(object).erase("resourceVersion");
  EXPECT_EQ(store.update(*foos(), "", "a", object).error().code, 422);
  EXPECT_EQ(store.patch(*foos(), "", "a", PatchType::strategic, parse("{}")).error().code, 415);
}

TEST_F(CrdTest, VersionsShareTheObjects) {
  ASSERT_TRUE(make_crd());
  ASSERT_TRUE(make_foo("a"));
  const TypePtr old = store.types().find("x.io", "v1beta1", "foos");
  const auto seen = store.get(*old, "", "a");
  ASSERT_TRUE(seen);
  EXPECT_EQ(string_at(**seen, {"apiVersion"}), "x.io/v1beta1");
  EXPECT_EQ(uid_of(**seen), uid_of(**get(foos(), "a")));
}

TEST_F(CrdTest, DeletingItDeletesTheObjectsFirst) {
  ASSERT_TRUE(make_crd());
  ASSERT_TRUE(make_foo("a"));
  ASSERT_TRUE(make_foo("b"));
  const TypePtr kept = foos();
  ASSERT_TRUE(merge(kept, "b", R"({"metadata":{"finalizers":["x.io/hold"]}})"));
  auto watch = store.watch(*kept, "", {.resource_version = std::to_string(store.version())});
  ASSERT_TRUE(remove(crds(), "foos.x.io"));
  EXPECT_TRUE(get(crds(), "foos.x.io"));
  EXPECT_EQ(get(kept, "a").error().code, 404);
  EXPECT_TRUE(is_terminating(**get(kept, "b")));
  EXPECT_EQ(make_foo("c").error().code, 405);
  ASSERT_TRUE(merge(kept, "b", R"({"metadata":{"finalizers":null}})"));
  EXPECT_EQ(get(crds(), "foos.x.io").error().code, 404);
  EXPECT_EQ(foos(), nullptr);
  EXPECT_EQ(get(kept, "b").error().code, 404);
  std::vector<WatchEvent::Type> seen;
  ApiResult<std::optional<WatchEvent>> event;
  while ((event = (*watch)->next()) && *event) seen.push_back((*event)->type);
  EXPECT_EQ(seen, (std::vector{WatchEvent::Type::deleted, WatchEvent::Type::modified, WatchEvent::Type::deleted}));
  EXPECT_FALSE(event) << "a watch of a resource that is no longer served ends";
}

TEST_F(CrdTest, AnEmptyOneGoesAtOnce) {
  ASSERT_TRUE(make_crd());
  EXPECT_TRUE(remove(crds(), "foos.x.io")->removed);
  EXPECT_EQ(foos(), nullptr);
}

TEST_F(CrdTest, BrokenOnesAreRefused) {
  const auto bad =
      create(crds(), R"({"metadata":{"name":"bars.x.io"},"spec":{"group":"y.io","names":{"kind":"Foo","plural":"foos"},
      "scope":"Clustr","versions":[{"name":"v1","served":true,"storage":false,
      "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"obj"}}}}}]}})");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, 422);
  EXPECT_EQ(bad.error().details.at("causes").as_array().size(), 4u) << bad.error().message;
}

}  // namespace
}  // namespace berth::sim
