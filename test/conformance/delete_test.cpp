// Deletion: preconditions, finalizers, grace, dependents, namespaces.

#include <fmt/format.h>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

class Deletion : public ConformanceTest {
 protected:
  // A ConfigMap that belongs to another.
  void make_dependent(std::string_view name, const Reply& owner, bool blocks = false) {
    make_config_map(name,
                    fmt::format(R"("ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"{}","uid":"{}",
        "blockOwnerDeletion":{}}}])",
                                owner.string("/metadata/name"), owner.string("/metadata/uid"), blocks));
  }
  bool vanishes(const std::string& path) {
    return api.get_until(path, [](const Reply& r) { return r.status == 404; }).status == 404;
  }
};

TEST_F(Deletion, AnswersWithAStatusOrWithTheObject) {
  const Reply made = make_config_map("a");
  const Reply deleted = api.remove(config_maps("a"));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.string("/kind"), "Status") << deleted.text;
  EXPECT_EQ(deleted.string("/status"), "Success");
  EXPECT_EQ(deleted.string("/details/name"), "a");
  EXPECT_EQ(deleted.string("/details/kind"), "configmaps");
  EXPECT_EQ(deleted.string("/details/uid"), made.string("/metadata/uid"));
  EXPECT_EQ(api.get(config_maps("a")).status, 404);
  make_pod("p");
  EXPECT_EQ(api.remove(pods("p")).string("/kind"), "Pod");
}

TEST_F(Deletion, ANewObjectOfTheNameIsAnother) {
  const std::string first = make_config_map("a").string("/metadata/uid");
  ASSERT_EQ(api.remove(config_maps("a")).status, 200);
  EXPECT_NE(make_config_map("a").string("/metadata/uid"), first);
}

TEST_F(Deletion, PreconditionsHold) {
  const Reply made = make_config_map("a");
  const Reply uid = api.remove(config_maps("a"), R"({"preconditions":{"uid":"00000000-0000-4000-8000-000000000000"}})");
  expect_failure(uid, 409, "Conflict");
  expect_failure(api.remove(config_maps("a"), R"({"preconditions":{"resourceVersion":"1"}})"), 409, "Conflict");
  EXPECT_EQ(api.get(config_maps("a")).status, 200);
  EXPECT_EQ(api.remove(config_maps("a"), fmt::format(R"({{"preconditions":{{"uid":"{}","resourceVersion":"{}"}}}})",
                                                     made.string("/metadata/uid"), made.version()))
                .status,
            200);
}

TEST_F(Deletion, WaitsForFinalizers) {
  make_config_map("a", R"("finalizers":["conf.io/one","conf.io/two"])");
  const Reply deleted = api.remove(config_maps("a"));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.string("/kind"), "ConfigMap");
  const Reply waiting = api.get(config_maps("a"));
  EXPECT_EQ(waiting.status, 200);
  const std::string since = waiting.string("/metadata/deletionTimestamp");
  EXPECT_FALSE(since.empty());
  EXPECT_EQ(waiting.at("/metadata/deletionGracePeriodSeconds"), 0);

  EXPECT_EQ(api.remove(config_maps("a")).status, 200) << "asking again is no error";
  EXPECT_EQ(api.get(config_maps("a")).string("/metadata/deletionTimestamp"), since);
  expect_failure(api.merge_patch(config_maps("a"), R"({"metadata":{"finalizers":["conf.io/one","conf.io/three"]}})"),
                 422, "Invalid");
  EXPECT_EQ(api.merge_patch(config_maps("a"), R"({"metadata":{"labels":{"x":"y"}}})").status, 200);
  EXPECT_EQ(api.merge_patch(config_maps("a"), R"({"metadata":{"finalizers":["conf.io/two"]}})").status, 200);
  EXPECT_EQ(api.get(config_maps("a")).status, 200);
  EXPECT_EQ(api.merge_patch(config_maps("a"), R"({"metadata":{"deletionTimestamp":null}})")
                .string("/metadata/deletionTimestamp"),
            since)
      << "a deletion cannot be taken back";
  EXPECT_EQ(api.merge_patch(config_maps("a"), R"({"metadata":{"finalizers":null}})").status, 200);
  EXPECT_EQ(api.get(config_maps("a")).status, 404);
}

TEST_F(Deletion, WithFinalizersIsSeenInTwoSteps) {
  const auto events = api.watch(config_maps() + "?watch=true&resourceVersion=" + api.get(config_maps()).version());
  make_config_map("a", R"("finalizers":["conf.io/one"])");
  ASSERT_EQ(api.remove(config_maps("a")).status, 200);
  ASSERT_EQ(api.json_patch(config_maps("a"), R"([{"op":"remove","path":"/metadata/finalizers"}])").status, 200);
  EXPECT_EQ(events->next_text(), "ADDED a");
  EXPECT_EQ(events->next_text(), "MODIFIED a");
  EXPECT_EQ(events->next_text(), "DELETED a");
}

TEST_F(Deletion, CountsAsAGeneration) {
  make_deployment("d", R"("finalizers":["conf.io/one"])");
  ASSERT_EQ(api.remove(deployments("d"), R"({"propagationPolicy":"Background"})").status, 200);
  EXPECT_EQ(api.get(deployments("d")).at("/metadata/generation"), 2);
  ASSERT_EQ(api.merge_patch(deployments("d"), R"({"metadata":{"finalizers":null}})").status, 200);
  EXPECT_TRUE(vanishes(deployments("d")));
}

TEST_F(Deletion, PodsOnANodeGetTheirGrace) {
  make_pod("p", R"("nodeName":"conf-node","terminationGracePeriodSeconds":60)");
  ASSERT_EQ(api.remove(pods("p")).status, 200);
  const Reply waiting = api.get(pods("p"));
  EXPECT_EQ(waiting.status, 200);
  EXPECT_EQ(waiting.at("/metadata/deletionGracePeriodSeconds"), 60);
  EXPECT_FALSE(waiting.string("/metadata/deletionTimestamp").empty());
  ASSERT_EQ(api.remove(pods("p"), R"({"gracePeriodSeconds":10})").status, 200);
  EXPECT_EQ(api.get(pods("p")).at("/metadata/deletionGracePeriodSeconds"), 10) << "may become shorter";
  ASSERT_EQ(api.remove(pods("p"), R"({"gracePeriodSeconds":0})").status, 200);
  EXPECT_EQ(api.get(pods("p")).status, 404);
}

TEST_F(Deletion, PodsOnNoNodeGoAtOnce) {
  make_pod("p");
  ASSERT_EQ(api.remove(pods("p")).status, 200);
  EXPECT_EQ(api.get(pods("p")).status, 404);
}

TEST_F(Deletion, QueryParametersAreOptionsToo) {
  make_pod("p", R"("nodeName":"conf-node")");
  ASSERT_EQ(api.remove(pods("p") + "?gracePeriodSeconds=0").status, 200);
  EXPECT_EQ(api.get(pods("p")).status, 404);
}

TEST_F(Deletion, PropagationPoliciesLeaveTheirFinalizer) {
  make_deployment("d", R"("finalizers":["conf.io/one"])");
  const Reply foreground = api.remove(deployments("d"), R"({"propagationPolicy":"Foreground"})");
  EXPECT_EQ(foreground.status, 200) << foreground.text;
  EXPECT_NE(json::serialize(foreground.at("/metadata/finalizers")).find("foregroundDeletion"), std::string::npos);
  (void)api.merge_patch(deployments("d"), R"({"metadata":{"finalizers":null}})");
  make_deployment("e", R"("finalizers":["conf.io/one"])");
  const Reply orphan = api.remove(deployments("e"), R"({"propagationPolicy":"Orphan"})");
  EXPECT_NE(json::serialize(orphan.at("/metadata/finalizers")).find("orphan"), std::string::npos);
  (void)api.merge_patch(deployments("e"), R"({"metadata":{"finalizers":null}})");
  expect_failure(api.remove(deployments("e"), R"({"propagationPolicy":"Sideways"})"), 422, "Invalid");
}

TEST_F(Deletion, OwnerReferencesAreChecked) {
  const auto body =
      parse(R"({"metadata":{"name":"a","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x"}]}})");
  expect_failure(api.post(config_maps(), body), 422, "Invalid");
}

TEST_F(Deletion, InTheBackgroundTakesDependents) {
  if (!api.has_controllers()) GTEST_SKIP() << "the target runs no garbage collector";
  make_dependent("dependent", make_config_map("owner"));
  ASSERT_EQ(api.remove(config_maps("owner"), R"({"propagationPolicy":"Background"})").status, 200);
  EXPECT_EQ(api.get(config_maps("owner")).status, 404);
  EXPECT_TRUE(vanishes(config_maps("dependent")));
}

TEST_F(Deletion, InTheForegroundWaitsForDependents) {
  if (!api.has_controllers()) GTEST_SKIP() << "the target runs no garbage collector";
  const Reply owner = make_config_map("owner");
  make_config_map("dependent", fmt::format(R"("finalizers":["conf.io/one"],"ownerReferences":[{{"apiVersion":"v1",
      "kind":"ConfigMap","name":"owner","uid":"{}","blockOwnerDeletion":true}}])",
                                           owner.string("/metadata/uid")));
  ASSERT_EQ(api.remove(config_maps("owner"), R"({"propagationPolicy":"Foreground"})").status, 200);
  const Reply dependent = api.get_until(
      config_maps("dependent"), [](const Reply& r) { return !r.string("/metadata/deletionTimestamp").empty(); });
  EXPECT_FALSE(dependent.string("/metadata/deletionTimestamp").empty());
  EXPECT_EQ(api.get(config_maps("owner")).status, 200);
  ASSERT_EQ(api.merge_patch(config_maps("dependent"), R"({"metadata":{"finalizers":null}})").status, 200);
  EXPECT_TRUE(vanishes(config_maps("owner")));
  EXPECT_TRUE(vanishes(config_maps("dependent")));
}

TEST_F(Deletion, WithOrphansLeavesDependents) {
  if (!api.has_controllers()) GTEST_SKIP() << "the target runs no garbage collector";
  make_dependent("dependent", make_config_map("owner"));
  ASSERT_EQ(api.remove(config_maps("owner"), R"({"propagationPolicy":"Orphan"})").status, 200);
  EXPECT_TRUE(vanishes(config_maps("owner")));
  const Reply dependent = api.get(config_maps("dependent"));
  EXPECT_EQ(dependent.status, 200);
  EXPECT_TRUE(dependent.at("/metadata/ownerReferences").is_null()) << dependent.text;
}

TEST_F(Deletion, ANamespaceTakesItsContentsAlong) {
  const std::string name = api.fresh("doomed");
  const std::string path = "/api/v1/namespaces/" + name;
  const Reply made = api.post("/api/v1/namespaces", parse(fmt::format(R"({{"metadata":{{"name":"{}"}}}})", name)));
  EXPECT_EQ(made.string("/status/phase"), "Active");
  EXPECT_EQ(made.string("/spec/finalizers/0"), "kubernetes");
  EXPECT_EQ(made.string("/metadata/labels/kubernetes.io~1metadata.name"), name);
  ASSERT_EQ(api.post(path + "/configmaps", parse(R"({"metadata":{"name":"a","finalizers":["conf.io/one"]}})")).status,
            201);
  ASSERT_EQ(api.post(path + "/configmaps", parse(R"({"metadata":{"name":"b"}})")).status, 201);

  EXPECT_EQ(api.remove(path).status, 200);
  const Reply terminating = api.get(path);
  EXPECT_EQ(terminating.string("/status/phase"), "Terminating");
  EXPECT_FALSE(terminating.string("/metadata/deletionTimestamp").empty());
  const Reply refused = api.post(path + "/configmaps", parse(R"({"metadata":{"name":"late"}})"));
  expect_failure(refused, 403, "Forbidden");
  EXPECT_EQ(refused.string("/details/causes/0/reason"), "NamespaceTerminating");

  if (api.has_controllers()) {
    EXPECT_TRUE(vanishes(path + "/configmaps/b"));
    EXPECT_EQ(api.get(path).status, 200) << "it waits for what has finalizers";
    ASSERT_EQ(api.merge_patch(path + "/configmaps/a", R"({"metadata":{"finalizers":null}})").status, 200);
    EXPECT_TRUE(vanishes(path));
    return;
  }
  (void)api.remove(path + "/configmaps/b");
  (void)api.remove(path + "/configmaps/a");
  (void)api.merge_patch(path + "/configmaps/a", R"({"metadata":{"finalizers":null}})");
  json::value finalized = terminating.body;
  finalized.at("spec").as_object()["finalizers"] = json::array();
  EXPECT_EQ(api.put(path + "/finalize", finalized).status, 200);
  EXPECT_TRUE(vanishes(path));
}

TEST_F(Deletion, EvictionDeletesThePod) {
  make_pod("p", R"("nodeName":"conf-node")");
  const Reply evicted = api.post(pods("p") + "/eviction", parse(R"({"apiVersion":"policy/v1","kind":"Eviction",
      "metadata":{"name":"p"},"deleteOptions":{"gracePeriodSeconds":0}})"));
  EXPECT_EQ(evicted.status, 201) << evicted.text;
  EXPECT_TRUE(vanishes(pods("p")));
}

}  // namespace
}  // namespace berth::conformance
