#include "sim/api_store_fixture.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

class DeleteTest : public StoreTest {
 protected:
  TypePtr deployments() { return type("apps", "deployments"); }
};

TEST_F(DeleteTest, PreconditionsMustHold) {
  ASSERT_TRUE(make_config_map("a"));
  const auto other = remove(config_maps(), "a", {.uid = "other"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "Conflict");
  EXPECT_EQ(remove(config_maps(), "a", {.resource_version = "1"}).error().code, 409);
  EXPECT_TRUE(remove(config_maps(), "a", {.uid = std::string(uid_of(**get(config_maps(), "a")))}));
}

TEST_F(DeleteTest, PropagationPoliciesBecomeFinalizers) {
  for (const char* name : {"f", "o", "b"}) ASSERT_TRUE(make_config_map(name));
  const auto foreground = remove(config_maps(), "f", {.propagation = Propagation::foreground});
  EXPECT_TRUE(has_finalizer(*foreground->object, "foregroundDeletion"));
  EXPECT_FALSE(foreground->removed);
  const auto orphan = remove(config_maps(), "o", {.propagation = Propagation::orphan});
  EXPECT_TRUE(has_finalizer(*orphan->object, "orphan"));
  EXPECT_TRUE(remove(config_maps(), "b", {.propagation = Propagation::background})->removed);
}

TEST_F(DeleteTest, JobsOrphanByDefault) {
  const TypePtr jobs = type("batch", "jobs");
  ASSERT_TRUE(create(
      jobs,
      R"({"metadata":{"name":"j"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})"));
  EXPECT_TRUE(has_finalizer(*remove(jobs, "j")->object, "orphan"));
}

TEST_F(DeleteTest, AShorterGraceWinsALongerOneDoesNot) {
  ASSERT_TRUE(make_pod("p", "n1"));
  ASSERT_TRUE(remove(pods(), "p"));
  const auto grace = [&] { return int_at(**get(pods(), "p"), {"metadata", "deletionGracePeriodSeconds"}); };
  EXPECT_EQ(grace(), 30);
  ASSERT_TRUE(remove(pods(), "p", {.grace_period_seconds = 10}));
  EXPECT_EQ(grace(), 10);
  ASSERT_TRUE(remove(pods(), "p", {.grace_period_seconds = 20}));
  EXPECT_EQ(grace(), 10);
  ASSERT_TRUE(remove(pods(), "p", {.grace_period_seconds = 0}));
  EXPECT_EQ(get(pods(), "p").error().code, 404);
}

TEST_F(DeleteTest, AFinishedPodVanishesAtOnce) {
  ASSERT_TRUE(make_pod("p", "n1"));
  ASSERT_TRUE(merge(pods(), "p", R"({"status":{"phase":"Succeeded"}})", "status"));
  EXPECT_TRUE(remove(pods(), "p")->removed);
}

TEST_F(DeleteTest, AGracefulPodWithFinalizersNeedsBothToEnd) {
  ASSERT_TRUE(make_pod("p", "n1"));
  ASSERT_TRUE(merge(pods(), "p", R"({"metadata":{"finalizers":["x.io/a"]}})"));
  ASSERT_TRUE(remove(pods(), "p"));
  ASSERT_TRUE(merge(pods(), "p", R"({"metadata":{"finalizers":null}})"));
  EXPECT_TRUE(get(pods(), "p")) << "the kubelet has not let go yet";
  EXPECT_TRUE(remove(pods(), "p", {.grace_period_seconds = 0})->removed);
}

TEST_F(DeleteTest, TheDeletedEventShowsTheLastStoredState) {
  ASSERT_TRUE(make_config_map("a"));
  ASSERT_TRUE(merge(config_maps(), "a", R"({"metadata":{"finalizers":["x.io/a"]}})"));
  ASSERT_TRUE(remove(config_maps(), "a"));
  auto watch = store.watch(*config_maps(), "", {.resource_version = std::to_string(store.version())});
  ASSERT_TRUE(merge(config_maps(), "a", R"({"metadata":{"finalizers":null}})"));
  const auto event = *(*watch)->next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, WatchEvent::Type::deleted);
  EXPECT_EQ(version_of(*event->object), store.version());
  EXPECT_TRUE(has_finalizer(*event->object, "x.io/a"));
}

TEST_F(DeleteTest, RepliesAreAStatusOrTheObject) {
  ASSERT_TRUE(make_config_map("a"));
  const auto gone = remove(config_maps(), "a");
  const json::object status = gone->reply(*config_maps());
  EXPECT_EQ(string_at(status, {"status"}), "Success");
  EXPECT_EQ(string_at(status, {"details", "kind"}), "configmaps");
  EXPECT_EQ(string_at(status, {"details", "uid"}), uid_of(*gone->object));
  ASSERT_TRUE(make_pod("p"));
  EXPECT_EQ(string_at(remove(pods(), "p")->reply(*pods()), {"kind"}), "Pod");
}

TEST_F(DeleteTest, CollectionsGoBySelector) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(make_config_map(name));
  ASSERT_TRUE(merge(config_maps(), "b", R"({"metadata":{"labels":{"keep":"yes"}}})"));
  const auto removed = store.remove_collection(*config_maps(), "default", {.label_selector = "keep!=yes"}, {});
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->size(), 2u);
  EXPECT_TRUE(get(config_maps(), "b"));
  EXPECT_FALSE(get(config_maps(), "a"));
}

TEST_F(DeleteTest, EvictionDeletes) {
  ASSERT_TRUE(make_pod("p", "n1"));
  ASSERT_TRUE(store.create_subresource(*pods(), "default", "p", "eviction",
                                       parse(R"({"deleteOptions":{"gracePeriodSeconds":5}})")));
  EXPECT_EQ(int_at(**get(pods(), "p"), {"metadata", "deletionGracePeriodSeconds"}), 5);
}

TEST_F(DeleteTest, ANamespaceTerminatesUntilItIsFinalized) {
  ASSERT_TRUE(create(namespaces(), R"({"metadata":{"name":"n"}})"));
  const auto asked = remove(namespaces(), "n");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->removed);
  EXPECT_EQ(string_at(*asked->object, {"status", "phase"}), "Terminating");
  const auto late = store.create(*config_maps(), "n", parse(R"({"metadata":{"name":"c"}})"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, 403);
  EXPECT_EQ(late.error().details.at("causes").as_array()[0].at("reason"), "NamespaceTerminating");
  // The main resource cannot take the finalizer away.
  ASSERT_TRUE(merge(namespaces(), "n", R"({"spec":{"finalizers":null}})"));
  EXPECT_TRUE(get(namespaces(), "n"));
  ASSERT_TRUE(
      store.update(*namespaces(), "", "n", parse(R"({"metadata":{"name":"n"},"spec":{"finalizers":[]}})"), "finalize"));
  EXPECT_EQ(get(namespaces(), "n").error().code, 404);
}

TEST_F(DeleteTest, DeleteOptionsAreReadStrictly) {
  EXPECT_FALSE(DeleteOptions::from_object(parse(R"({"propagationPolicy":"Sideways"})")));
  EXPECT_FALSE(DeleteOptions::from_object(parse(R"({"gracePeriodSeconds":"5"})")));
  const auto options = DeleteOptions::from_object(parse(
      R"({"gracePeriodSeconds":5,"preconditions":{"uid":"u","resourceVersion":"7"},"propagationPolicy":"Foreground"})"));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->grace_period_seconds, 5);
  EXPECT_EQ(options->uid, "u");
  EXPECT_EQ(options->resource_version, "7");
  EXPECT_EQ(options->propagation, Propagation::foreground);
}

}  // namespace
}  // namespace berth::sim
