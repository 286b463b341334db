#include "sim/api_store_fixture.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

class UpdateTest : public StoreTest {
 protected:
  TypePtr deployments() { return type("apps", "deployments"); }
  ApiResult<Object> make_deployment() {
    return create(deployments(), R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},
        "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i:1"}]}}}})");
  }
};

TEST_F(UpdateTest, GenerationCountsChangesOfTheSpecOnly) {
  ASSERT_TRUE(make_deployment());
  const auto generation = [&] { return int_at(**get(deployments(), "d"), {"metadata", "generation"}); };
  EXPECT_EQ(generation(), 1);
  ASSERT_TRUE(merge(deployments(), "d", R"({"metadata":{"labels":{"x":"y"}}})"));
  ASSERT_TRUE(merge(deployments(), "d", R"({"status":{"replicas":4}})", "status"));
  EXPECT_EQ(generation(), 1);
  ASSERT_TRUE(merge(deployments(), "d", R"({"spec":{"replicas":3}})"));
  EXPECT_EQ(generation(), 2);
}

TEST_F(UpdateTest, StatusIsWrittenThroughItsSubresourceOnly) {
  ASSERT_TRUE(make_pod("p"));
  ASSERT_TRUE(merge(pods(), "p", R"({"status":{"phase":"Running"}})"));
  EXPECT_EQ(string_at(**get(pods(), "p"), {"status", "phase"}), "Pending");
  ASSERT_TRUE(merge(pods(), "p", R"({"status":{"phase":"Running"},"spec":{"priority":9}})", "status"));
  EXPECT_EQ(string_at(**get(pods(), "p"), {"status", "phase"}), "Running");
  EXPECT_EQ(int_at(**get(pods(), "p"), {"spec", "priority"}), 0);
}

TEST_F(UpdateTest, TheServersMetadataCannotBeWritten) {
  const json::object before = **make_config_map("a");
  ASSERT_TRUE(
      merge(config_maps(), "a", R"({"metadata":{"creationTimestamp":null,"generation":7,"managedFields":[]}})"));
  EXPECT_EQ(**get(config_maps(), "a"), before);
  const auto other = merge(config_maps(), "a", R"({"metadata":{"uid":"other"}})");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, 422);
  EXPECT_EQ(other.error().message,
            "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"other\": field is immutable");
  const auto deleting = merge(config_maps(), "a", R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}})");
  EXPECT_EQ(deleting.error().code, 422);
}

TEST_F(UpdateTest, AnUpdateTakesTheUidAsAPrecondition) {
  json::object object = **make_config_map("a");
  metadata_of(object)["uid"] = "other";
  const auto written = store.update(*config_maps(), "default", "a", object);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, "Conflict");
}

TEST_F(UpdateTest, PatchTakesTheVersionAsAPrecondition) {
  const json::object first = **make_config_map("a");
  ASSERT_TRUE(merge(config_maps(), "a", R"({"data":{"k":"v"}})"));
  json::value patch = parse(R"({"data":{"k":"w"}})");
  metadata_of(patch.get_object())["resourceVersion"] = string_at(first, {"metadata", "resourceVersion"});
  EXPECT_EQ(store.patch(*config_maps(), "default", "a", PatchType::merge, patch).error().reason, "Conflict");
  metadata_of(patch.get_object())["resourceVersion"] = std::to_string(store.version());
  EXPECT_TRUE(store.patch(*config_maps(), "default", "a", PatchType::merge, patch));
}

TEST_F(UpdateTest, NamesMustAgreeWithThePath) {
  ASSERT_TRUE(make_config_map("a"));
  const auto renamed = merge(config_maps(), "a", R"({"metadata":{"name":"b"}})");
  ASSERT_FALSE(renamed);
  EXPECT_EQ(renamed.error().message, "the name of the object (b) does not match the name on the URL (a)");
  EXPECT_EQ(merge(config_maps(), "a", R"({"metadata":{"namespace":"b"}})").error().code, 400);
}

TEST_F(UpdateTest, APodKeepsItsSpec) {
  ASSERT_TRUE(make_pod("p"));
  const auto moved = merge(pods(), "p", R"({"spec":{"nodeName":"n1"}})");
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().details.at("causes").as_array()[0].at("field"), "spec");
  json::value image = json::parse(R"([{"op":"replace","path":"/spec/containers/0/image","value":"i:2"}])");
  EXPECT_TRUE(store.patch(*pods(), "default", "p", PatchType::json, image));
}

TEST_F(UpdateTest, SchedulingGatesCanOnlyGo) {
  ASSERT_TRUE(create(pods(), R"({"metadata":{"name":"p"},"spec":{"schedulingGates":[{"name":"a.io/b"}],
      "containers":[{"name":"c","image":"i"}]}})"));
  EXPECT_EQ(string_at(*find_condition(**get(pods(), "p"), "PodScheduled"), {"reason"}), "SchedulingGated");
  EXPECT_FALSE(merge(pods(), "p", R"({"spec":{"schedulingGates":[{"name":"a.io/b"},{"name":"a.io/c"}]}})"));
  EXPECT_TRUE(merge(pods(), "p", R"({"spec":{"schedulingGates":null}})"));
}

TEST_F(UpdateTest, ADeploymentKeepsItsSelector) {
  ASSERT_TRUE(make_deployment());
  const auto changed =
      merge(deployments(), "d", R"({"spec":{"selector":{"matchLabels":{"a":"b","c":null}},"replicas":2}})");
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(merge(deployments(), "d", R"({"spec":{"selector":{"matchLabels":{"a":"c"}}}})").error().code, 422);
}

TEST_F(UpdateTest, NullIsAbsentInBuiltInObjects) {
  ASSERT_TRUE(make_deployment());
  const json::object before = **get(deployments(), "d");
  const auto again = merge(deployments(), "d", R"({"metadata":{"labels":null}})");
  ASSERT_TRUE(again);
  json::value patch = json::parse(R"([{"op":"add","path":"/spec/template/metadata/creationTimestamp","value":null}])");
  ASSERT_TRUE(store.patch(*deployments(), "default", "d", PatchType::json, patch));
  EXPECT_EQ(**get(deployments(), "d"), before);
}

TEST_F(UpdateTest, ScaleReadsAndWritesReplicas) {
  ASSERT_TRUE(make_deployment());
  const auto scale =
      store.patch(*deployments(), "default", "d", PatchType::merge, parse(R"({"spec":{"replicas":5}})"), "scale");
  ASSERT_TRUE(scale) << scale.error().message;
  EXPECT_EQ(string_at(**scale, {"kind"}), "Scale");
  EXPECT_EQ(string_at(**scale, {"status", "selector"}), "a=b");
  EXPECT_EQ(int_at(**get(deployments(), "d"), {"spec", "replicas"}), 5);
  EXPECT_EQ(store.patch(*deployments(), "default", "d", PatchType::merge, parse(R"({"spec":{"replicas":-1}})"), "scale")
                .error()
                .code,
            422);
}

TEST_F(UpdateTest, NoFinalizerMayBeAddedToWhatIsBeingDeleted) {
  ASSERT_TRUE(make_config_map("a"));
  ASSERT_TRUE(merge(config_maps(), "a", R"({"metadata":{"finalizers":["x.io/a"]}})"));
  ASSERT_TRUE(remove(config_maps(), "a"));
  const auto added = merge(config_maps(), "a", R"({"metadata":{"finalizers":["x.io/a","x.io/b"]}})");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, 422);
  EXPECT_NE(added.error().message.find("no new finalizers can be added"), std::string::npos);
}

TEST_F(UpdateTest, DryRunWritesNothing) {
  const std::uint64_t before = store.version();
  EXPECT_TRUE(store.create(*config_maps(), "default", parse(R"({"metadata":{"name":"a"}})"), {.dry_run = true}));
  EXPECT_EQ(store.version(), before);
  EXPECT_EQ(get(config_maps(), "a").error().code, 404);
}

TEST_F(UpdateTest, BindingAssignsANodeOnce) {
  ASSERT_TRUE(make_pod("p"));
  const json::object binding = parse(R"({"target":{"kind":"Node","name":"n1"},"metadata":{"annotations":{"k":"v"}}})");
  ASSERT_TRUE(store.create_subresource(*pods(), "default", "p", "binding", binding));
  const Object pod = *get(pods(), "p");
  EXPECT_EQ(string_at(*pod, {"spec", "nodeName"}), "n1");
  EXPECT_EQ(string_at(*pod, {"metadata", "annotations", "k"}), "v");
  EXPECT_EQ(string_at(*find_condition(*pod, "PodScheduled"), {"status"}), "True");
  const auto again = store.create_subresource(*pods(), "default", "p", "binding", binding);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message,
            "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"");
}

TEST_F(UpdateTest, ServicesGetTheLowestFreeAddress) {
  const TypePtr services = type("", "services");
  const auto first = create(services, R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}})");
  const auto second = create(services, R"({"metadata":{"name":"b"},"spec":{"type":"NodePort","ports":[{"port":80}]}})");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(string_at(**first, {"spec", "clusterIP"}), "10.96.0.1");
  EXPECT_EQ(string_at(**second, {"spec", "clusterIP"}), "10.96.0.2");
  EXPECT_EQ(int_at(array_at(**second, {"spec", "ports"})->at(0).as_object(), {"nodePort"}), 30000);
  ASSERT_TRUE(remove(services, "a"));
  const auto third = create(services, R"({"metadata":{"name":"c"},"spec":{"ports":[{"port":80}]}})");
  EXPECT_EQ(string_at(**third, {"spec", "clusterIP"}), "10.96.0.1");
  EXPECT_EQ(merge(services, "b", R"({"spec":{"clusterIP":"10.96.9.9"}})").error().code, 422);
  const auto headless =
      create(services, R"({"metadata":{"name":"h"},"spec":{"clusterIP":"None","ports":[{"port":80}]}})");
  EXPECT_EQ(string_at(**headless, {"spec", "clusterIP"}), "None");
}

TEST_F(UpdateTest, SecretsTakePlainText) {
  const TypePtr secrets = type("", "secrets");
  const auto made = create(secrets, R"({"metadata":{"name":"s"},"stringData":{"a":"b","long":"hello, world"}})");
  ASSERT_TRUE(made);
  EXPECT_EQ(string_at(**made, {"data", "a"}), "Yg==");
  EXPECT_EQ(string_at(**made, {"data", "long"}), "aGVsbG8sIHdvcmxk");
  EXPECT_FALSE((*made)->contains("stringData"));
  EXPECT_EQ(string_at(**made, {"type"}), "Opaque");
}

}  // namespace
}  // namespace berth::sim
