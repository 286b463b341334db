// Reading and writing single objects.

#include <fmt/format.h>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

class Objects : public ConformanceTest {};

TEST_F(Objects, CreateFillsInWhatOnlyTheServerKnows) {
  const Reply made = make_config_map("a");
  EXPECT_EQ(made.string("/kind"), "ConfigMap");
  EXPECT_EQ(made.string("/apiVersion"), "v1");
  EXPECT_EQ(made.string("/metadata/namespace"), ns);
  EXPECT_EQ(made.string("/metadata/uid").size(), 36U);
  EXPECT_EQ(made.string("/metadata/creationTimestamp").size(), 20U);
  EXPECT_FALSE(made.version().empty());
  const Reply read = api.get(config_maps("a"));
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.version(), made.version());
  EXPECT_EQ(read.string("/data/a"), "1");
}

TEST_F(Objects, CreateIgnoresWhatOnlyTheServerMayWrite) {
  const Reply made = make_config_map("a", R"("uid":"mine","creationTimestamp":"2001-01-01T00:00:00Z","generation":7,
      "deletionTimestamp":"2001-01-01T00:00:00Z")");
  EXPECT_NE(made.string("/metadata/uid"), "mine");
  EXPECT_NE(made.string("/metadata/creationTimestamp"), "2001-01-01T00:00:00Z");
  EXPECT_TRUE(made.at("/metadata/deletionTimestamp").is_null());
}

TEST_F(Objects, CreateTwiceConflicts) {
  make_config_map("a");
  const Reply again = api.post(config_maps(), parse(R"({"metadata":{"name":"a"}})"));
  expect_failure(again, 409, "AlreadyExists");
  EXPECT_EQ(again.string("/message"), "configmaps \"a\" already exists");
  EXPECT_EQ(again.string("/details/name"), "a");
  EXPECT_EQ(again.string("/details/kind"), "configmaps");
}

TEST_F(Objects, WhatIsMissingIsNotFound) {
  const Reply read = api.get(config_maps("nothing"));
  expect_failure(read, 404, "NotFound");
  EXPECT_EQ(read.string("/message"), "configmaps \"nothing\" not found");
  EXPECT_EQ(api.get(deployments("nothing")).string("/message"), "deployments.apps \"nothing\" not found");
  EXPECT_EQ(api.get(deployments("nothing")).string("/details/group"), "apps");
  expect_failure(api.remove(config_maps("nothing")), 404, "NotFound");
  expect_failure(api.merge_patch(config_maps("nothing"), R"({"data":{}})"), 404, "NotFound");
  expect_failure(api.put(config_maps("nothing"), parse(R"({"metadata":{"name":"nothing"}})")), 404, "NotFound");
}

TEST_F(Objects, GenerateNameMakesUniqueNames) {
  const auto body = parse(R"({"metadata":{"generateName":"gen-"}})");
  const std::string one = api.post(config_maps(), body).string("/metadata/name");
  const std::string two = api.post(config_maps(), body).string("/metadata/name");
  EXPECT_EQ(one.size(), 9U);
  EXPECT_TRUE(one.starts_with("gen-"));
  EXPECT_NE(one, two);
}

TEST_F(Objects, NamesAreChecked) {
  const Reply unnamed = api.post(config_maps(), parse(R"({"metadata":{}})"));
  expect_failure(unnamed, 422, "Invalid");
  EXPECT_EQ(unnamed.string("/details/causes/0/field"), "metadata.name");
  EXPECT_EQ(unnamed.string("/details/causes/0/reason"), "FieldValueRequired");
  const Reply odd = api.post(config_maps(), parse(R"({"metadata":{"name":"Not_Good"}})"));
  expect_failure(odd, 422, "Invalid");
  EXPECT_EQ(odd.string("/details/causes/0/reason"), "FieldValueInvalid");
  EXPECT_NE(
      odd.string("/message").find("ConfigMap \"Not_Good\" is invalid: metadata.name: Invalid value: \"Not_Good\""),
      std::string::npos)
      << odd.text;
}

TEST_F(Objects, LabelsAndAnnotationsAreChecked) {
  const Reply label = api.post(config_maps(), parse(R"({"metadata":{"name":"a","labels":{"a":"not good"}}})"));
  expect_failure(label, 422, "Invalid");
  EXPECT_EQ(label.string("/details/causes/0/field"), "metadata.labels");
  const Reply type = api.post(config_maps(), parse(R"({"metadata":{"name":"a","annotations":{"a":true}}})"));
  expect_failure(type, 400, "BadRequest");
}

TEST_F(Objects, NamespaceOfBodyAndUrlMustAgree) {
  expect_failure(api.post(config_maps(), parse(R"({"metadata":{"name":"a","namespace":"default"}})")), 400,
                 "BadRequest");
  const Reply nowhere = api.post("/api/v1/namespaces/conf-nowhere/configmaps", parse(R"({"metadata":{"name":"a"}})"));
  expect_failure(nowhere, 404, "NotFound");
  EXPECT_EQ(nowhere.string("/message"), "namespaces \"conf-nowhere\" not found");
}

TEST_F(Objects, KindOfBodyAndUrlMustAgree) {
  expect_failure(api.post(config_maps(), parse(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}})")), 400,
                 "BadRequest");
  expect_failure(api.post(config_maps(), parse(R"({"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"a"}})")),
                 400, "BadRequest");
}

TEST_F(Objects, CreateTakesNoResourceVersion) {
  EXPECT_EQ(api.post(config_maps(), parse(R"({"metadata":{"name":"a","resourceVersion":"5"}})")).status, 500);
  EXPECT_EQ(api.get(config_maps("a")).status, 404);
}

TEST_F(Objects, UpdateReplacesTheWholeObject) {
  Reply made = make_config_map("a", R"("labels":{"x":"y"})");
  json::value next = made.body;
  next.as_object()["data"] = {{"b", "2"}};
  next.at("metadata").as_object().erase("labels");
  const Reply put = api.put(config_maps("a"), next);
  EXPECT_EQ(put.status, 200) << put.text;
  EXPECT_TRUE(put.at("/data/a").is_null());
  EXPECT_TRUE(put.at("/metadata/labels").is_null());
  EXPECT_EQ(put.string("/metadata/uid"), made.string("/metadata/uid"));
  EXPECT_NE(put.version(), made.version());
}

TEST_F(Objects, UpdateOfAnOldVersionConflicts) {
  const Reply made = make_config_map("a");
  ASSERT_EQ(api.merge_patch(config_maps("a"), R"({"data":{"a":"2"}})").status, 200);
  const Reply stale = api.put(config_maps("a"), made.body);
  expect_failure(stale, 409, "Conflict");
  EXPECT_EQ(
      stale.string("/message"),
      "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to "
      "the latest version and try again");
}

TEST_F(Objects, UpdateWithoutAVersionIsUnconditionalForBuiltInKinds) {
  make_config_map("a");
  const Reply put = api.put(config_maps("a"), parse(R"({"metadata":{"name":"a"},"data":{"c":"3"}})"));
  EXPECT_EQ(put.status, 200) << put.text;
  EXPECT_EQ(put.string("/data/c"), "3");
}

TEST_F(Objects, UpdateThatChangesNothingKeepsTheVersion) {
  const Reply made = make_config_map("a");
  const Reply put = api.put(config_maps("a"), made.body);
  EXPECT_EQ(put.status, 200) << put.text;
  EXPECT_EQ(put.version(), made.version());
  EXPECT_EQ(api.merge_patch(config_maps("a"), R"({"data":{"a":"1"}})").version(), made.version());
}

TEST_F(Objects, UpdateOfAnotherUidConflicts) {
  Reply made = make_config_map("a");
  made.body.at("metadata").as_object()["uid"] = "00000000-0000-4000-8000-000000000000";
  expect_failure(api.put(config_maps("a"), made.body), 409, "Conflict");
}

TEST_F(Objects, UpdateOfAnotherNameIsABadRequest) {
  Reply made = make_config_map("a");
  made.body.at("metadata").as_object()["name"] = "b";
  expect_failure(api.put(config_maps("a"), made.body), 400, "BadRequest");
}

TEST_F(Objects, GenerationCountsChangesOfTheSpec) {
  const Reply made = make_deployment("d");
  EXPECT_EQ(made.at("/metadata/generation"), 1);
  EXPECT_EQ(api.merge_patch(deployments("d"), R"({"metadata":{"labels":{"x":"y"}}})").at("/metadata/generation"), 1);
  EXPECT_EQ(api.merge_patch(deployments("d"), R"({"spec":{"paused":true}})").at("/metadata/generation"), 2);
  EXPECT_EQ(api.merge_patch(deployments("d") + "/status", R"({"status":{"replicas":0,"observedGeneration":2}})")
                .at("/metadata/generation"),
            2);
}

TEST_F(Objects, StatusIsWrittenThroughItsSubresourceOnly) {
  make_deployment("d");
  const Reply main =
      api.merge_patch(deployments("d"), R"({"status":{"observedGeneration":9},"spec":{"minReadySeconds":3}})");
  ASSERT_EQ(main.status, 200) << main.text;
  EXPECT_NE(main.at("/status/observedGeneration"), 9);
  EXPECT_EQ(main.at("/spec/minReadySeconds"), 3);
  const Reply status = api.merge_patch(deployments("d") + "/status",
                                       R"({"status":{"observedGeneration":9},"spec":{"minReadySeconds":7},
                                           "metadata":{"labels":{"x":"y"}}})");
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(status.at("/status/observedGeneration"), 9);
  EXPECT_EQ(status.at("/spec/minReadySeconds"), 3);
  EXPECT_TRUE(status.at("/metadata/labels/x").is_null());
  EXPECT_EQ(api.get(deployments("d") + "/status").string("/kind"), "Deployment");
}

TEST_F(Objects, ScaleIsAViewOfTheWorkload) {
  make_deployment("d");
  const Reply read = api.get(deployments("d") + "/scale");
  EXPECT_EQ(read.string("/kind"), "Scale");
  EXPECT_EQ(read.string("/apiVersion"), "autoscaling/v1");
  EXPECT_EQ(read.at("/spec/replicas").is_null() ? json::value(0) : read.at("/spec/replicas"), 0);
  const Reply patched = api.merge_patch(deployments("d") + "/scale", R"({"spec":{"replicas":4}})");
  EXPECT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("/spec/replicas"), 4);
  const Reply deployment = api.get(deployments("d"));
  EXPECT_EQ(deployment.at("/spec/replicas"), 4);
  EXPECT_EQ(deployment.at("/metadata/generation"), 2);
}

TEST_F(Objects, BindingSetsTheNodeOnce) {
  make_pod("p");
  const auto binding = parse(R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},
                                 "target":{"kind":"Node","name":"conf-node"}})");
  const Reply bound = api.post(pods("p") + "/binding", binding);
  EXPECT_EQ(bound.status, 201) << bound.text;
  EXPECT_EQ(bound.string("/status"), "Success");
  const Reply pod = api.get(pods("p"));
  EXPECT_EQ(pod.string("/spec/nodeName"), "conf-node");
  EXPECT_EQ(pod.string("/status/conditions/0/type"), "PodScheduled");
  EXPECT_EQ(pod.string("/status/conditions/0/status"), "True");
  expect_failure(api.post(pods("p") + "/binding", binding), 409, "Conflict");
  (void)api.remove(pods("p"), R"({"gracePeriodSeconds":0})");
}

TEST_F(Objects, DryRunStoresNothing) {
  const Reply made = api.post(config_maps() + "?dryRun=All", parse(R"({"metadata":{"name":"a"}})"));
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.string("/metadata/uid").size(), 36U);
  EXPECT_EQ(api.get(config_maps("a")).status, 404);
  const Reply real = make_config_map("a");
  EXPECT_EQ(api.call("PATCH", config_maps("a") + "?dryRun=All", R"({"data":{"a":"9"}})", "application/merge-patch+json")
                .string("/data/a"),
            "9");
  EXPECT_EQ(api.call("DELETE", config_maps("a") + "?dryRun=All").status, 200);
  const Reply read = api.get(config_maps("a"));
  EXPECT_EQ(read.string("/data/a"), "1");
  EXPECT_EQ(read.version(), real.version());
}

TEST_F(Objects, YamlBodiesAreTaken) {
  const Reply made =
      api.call("POST", config_maps(),
               "# a comment\nmetadata:\n  name: a\n  labels: {x: 'no'}\ndata:\n  k: |\n    text\n", "application/yaml");
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.string("/metadata/labels/x"), "no");
  EXPECT_EQ(made.string("/data/k"), "text\n");
}

TEST_F(Objects, NullsAreZeroValuesOfBuiltInKinds) {
  const Reply map = make_config_map("a", R"("labels":{"x":null},"annotations":null)", R"({"k":null,"l":"1"})");
  EXPECT_EQ(map.at("/data"), parse(R"({"k":"","l":"1"})"));
  EXPECT_EQ(map.at("/metadata/labels"), parse(R"({"x":""})"));
  const Reply pod = make_pod("p", R"("nodeSelector":null,"dnsPolicy":null)");
  EXPECT_EQ(pod.string("/spec/dnsPolicy"), "ClusterFirst");
  EXPECT_TRUE(pod.at("/spec").as_object().find("nodeSelector") == pod.at("/spec").as_object().end());
}

TEST_F(Objects, BodiesThatCannotBeReadAreRefused) {
  expect_failure(api.call("POST", config_maps(), "{\"metadata\":"), 400, "BadRequest");
  EXPECT_EQ(api.call("POST", config_maps(), "x", "text/plain").status, 415);
  EXPECT_EQ(api.call("GET", config_maps(), {}, {}, "text/html").status, 406);
}

TEST_F(Objects, TheServerPrefersWhatTheClientAccepts) {
  make_config_map("a");
  EXPECT_EQ(api.call("GET", config_maps("a"), {}, {}, "application/vnd.unheard,application/json").string("/kind"),
            "ConfigMap");
  const Reply partial = api.call("GET", config_maps(), {}, {},
                                 "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
  EXPECT_EQ(partial.string("/kind"), "PartialObjectMetadataList");
  EXPECT_EQ(partial.string("/apiVersion"), "meta.k8s.io/v1");
  const json::value* mine = nullptr;
  for (const auto& item : partial.at("/items").as_array()) {
    if (string_at(item, "/metadata/name") == "a") mine = &item;
  }
  ASSERT_NE(mine, nullptr) << partial.text;
  EXPECT_TRUE(at(*mine, "/data").is_null());
}

TEST_F(Objects, UnknownPathsAndMethods) {
  expect_failure(api.get("/api/v1/unheard"), 404, "NotFound");
  EXPECT_EQ(api.get("/apis/unheard.io/v1/things").status, 404);
  make_config_map("a");
  expect_failure(api.get(config_maps("a") + "/status"), 404, "NotFound");
  expect_failure(api.post(config_maps("a"), parse(R"({"metadata":{"name":"a"}})")), 405, "MethodNotAllowed");
}

TEST_F(Objects, StrangersAreRefused) {
  const int status = api.call_anonymous("/api/v1/namespaces").status;
  EXPECT_TRUE(status == 401 || status == 403) << status;
  for (const char* path : {"/healthz", "/readyz", "/livez", "/version"}) {
    EXPECT_EQ(api.call_anonymous(path).status, 200) << path;
  }
}

}  // namespace
}  // namespace berth::conformance
