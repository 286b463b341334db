#include "sim/api_store.h"

#include "sim/api_store_fixture.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

class ApiStoreTest : public StoreTest {};

TEST_F(ApiStoreTest, CreateFillsInWhatTheServerOwns) {
  const auto pod = make_pod("a");
  ASSERT_TRUE(pod) << pod.error().message;
  EXPECT_EQ(namespace_of(**pod), "default");
  EXPECT_EQ(uid_of(**pod).size(), 36u);
  EXPECT_EQ(string_at(**pod, {"metadata", "creationTimestamp"}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(version_of(**pod), store.version());
  EXPECT_EQ(string_at(**pod, {"status", "phase"}), "Pending");
  EXPECT_EQ(string_at(**pod, {"status", "qosClass"}), "BestEffort");
  EXPECT_EQ(int_at(**pod, {"spec", "terminationGracePeriodSeconds"}), 30);
}

TEST_F(ApiStoreTest, CreateTwiceIsAlreadyExists) {
  ASSERT_TRUE(make_config_map("a"));
  const auto again = make_config_map("a");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, 409);
  EXPECT_EQ(again.error().reason, "AlreadyExists");
  EXPECT_EQ(again.error().message, "configmaps \"a\" already exists");
}

TEST_F(ApiStoreTest, GenerateNameAddsASuffix) {
  const auto made = store.create(*config_maps(), "default", parse(R"({"metadata":{"generateName":"web-"}})"));
  ASSERT_TRUE(made);
  EXPECT_TRUE(name_of(**made).starts_with("web-"));
  EXPECT_EQ(name_of(**made).size(), 9u);
}

TEST_F(ApiStoreTest, CreateInAMissingNamespaceIsNotFound) {
  const auto made = store.create(*config_maps(), "nowhere", parse(R"({"metadata":{"name":"a"}})"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, 404);
  EXPECT_EQ(made.error().message, "namespaces \"nowhere\" not found");
}

TEST_F(ApiStoreTest, UpdateWithAnOldVersionConflicts) {
  json::object first = **make_config_map("a");
  json::object next = first;
  next["data"] = json::object{{"k", "v"}};
  const auto written = store.update(*config_maps(), "default", "a", next);
  ASSERT_TRUE(written);
  EXPECT_GT(version_of(**written), version_of(first));
  const auto stale = store.update(*config_maps(), "default", "a", first);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().reason, "Conflict");
}

TEST_F(ApiStoreTest, AnUpdateThatChangesNothingIsNoWrite) {
  const json::object object = **make_config_map("a");
  const std::uint64_t before = store.version();
  ASSERT_TRUE(store.update(*config_maps(), "default", "a", object));
  EXPECT_EQ(store.version(), before);
}

TEST_F(ApiStoreTest, FinalizersHoldAnObjectUntilTheLastIsTaken) {
  ASSERT_TRUE(make_config_map("a"));
  ASSERT_TRUE(store.patch(*config_maps(), "default", "a", PatchType::merge,
                          parse(R"({"metadata":{"finalizers":["x.io/a"]}})")));
  const auto asked = store.remove(*config_maps(), "default", "a");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->removed);
  EXPECT_TRUE(is_terminating(*asked->object));
  ASSERT_TRUE(
      store.patch(*config_maps(), "default", "a", PatchType::merge, parse(R"({"metadata":{"finalizers":null}})")));
  EXPECT_EQ(store.get(*config_maps(), "default", "a").error().code, 404);
}

TEST_F(ApiStoreTest, AScheduledPodTerminatesGracefully) {
  ASSERT_TRUE(make_pod("a", "node-1"));
  const auto asked = store.remove(*pods(), "default", "a");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->removed);
  EXPECT_EQ(int_at(*asked->object, {"metadata", "deletionGracePeriodSeconds"}), 30);
  EXPECT_EQ(string_at(*asked->object, {"metadata", "deletionTimestamp"}), "2023-11-14T22:13:50Z");
  const auto forced = store.remove(*pods(), "default", "a", {.grace_period_seconds = 0});
  ASSERT_TRUE(forced);
  EXPECT_TRUE(forced->removed);
}

TEST_F(ApiStoreTest, AnUnscheduledPodVanishesAtOnce) {
  ASSERT_TRUE(make_pod("a"));
  EXPECT_TRUE(store.remove(*pods(), "default", "a")->removed);
}

TEST_F(ApiStoreTest, PagesShowOneSnapshot) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(make_config_map(name));
  const auto first = store.list(*config_maps(), "default", {.limit = 2});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->remaining_items, 1u);
  ASSERT_TRUE(store.remove(*config_maps(), "default", "c"));
  const auto second = store.list(*config_maps(), "default", {.limit = 2, .continue_token = first->continue_token});
  ASSERT_TRUE(second);
  ASSERT_EQ(second->items.size(), 1u);
  EXPECT_EQ(name_of(*second->items[0]), "c");
  EXPECT_EQ(second->version, first->version);
  EXPECT_TRUE(second->continue_token.empty());
}

TEST_F(ApiStoreTest, WatchTranslatesSelectorTransitions) {
  int woken = 0;
  auto watch = store.watch(
      *config_maps(), "default",
      {.label_selector = "app=web", .resource_version = std::to_string(store.version()), .wake = [&] { ++woken; }});
  ASSERT_TRUE(watch);
  ASSERT_TRUE(make_config_map("a"));
  EXPECT_EQ(woken, 0);
  ASSERT_TRUE(
      store.patch(*config_maps(), "default", "a", PatchType::merge, parse(R"({"metadata":{"labels":{"app":"web"}}})")));
  ASSERT_TRUE(store.patch(*config_maps(), "default", "a", PatchType::merge, parse(R"({"data":{"k":"v"}})")));
  ASSERT_TRUE(
      store.patch(*config_maps(), "default", "a", PatchType::merge, parse(R"({"metadata":{"labels":{"app":"db"}}})")));
  ASSERT_TRUE(store.remove(*config_maps(), "default", "a"));
  EXPECT_EQ(woken, 3);
  std::vector<WatchEvent::Type> seen;
  while (auto event = *(*watch)->next()) seen.push_back(event->type);
  EXPECT_EQ(seen, (std::vector{WatchEvent::Type::added, WatchEvent::Type::modified, WatchEvent::Type::deleted}));
}

TEST_F(ApiStoreTest, ForgottenHistoryEndsALaggingWatchOnly) {
  const std::string start = std::to_string(store.version());
  auto lagging = store.watch(*config_maps(), "", {.resource_version = start});
  ASSERT_TRUE(make_config_map("a"));
  auto current = store.watch(*config_maps(), "", {.resource_version = std::to_string(store.version())});
  store.forget_history();
  EXPECT_EQ((*lagging)->next().error().code, 410);
  EXPECT_TRUE((*current)->next());
  EXPECT_EQ(store.watch(*config_maps(), "", {.resource_version = start}).error().reason, "Expired");
}

}  // namespace
}  // namespace berth::sim
