// Watches: order, resumption, selectors, bookmarks, expiry.

#include <fmt/format.h>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

class Watches : public ConformanceTest {
 protected:
  std::unique_ptr<Watch> watch(const std::string& query, const std::string& accept = "application/json") {
    auto watch = api.watch(config_maps() + "?watch=true" + (query.empty() ? "" : "&") + query, accept);
    EXPECT_EQ(watch->status(), 200);
    return watch;
  }
  std::string now() { return api.get(config_maps()).version(); }
  static std::uint64_t version_of(const json::value& event) {
    const std::string version = string_at(event, "/object/metadata/resourceVersion");
    return version.empty() ? 0 : std::stoull(version);
  }
};

TEST_F(Watches, TellEveryChangeInOrder) {
  const auto events = watch("resourceVersion=" + now());
  const Reply made = make_config_map("a");
  const Reply changed = api.merge_patch(config_maps("a"), R"({"data":{"a":"2"}})");
  ASSERT_EQ(api.remove(config_maps("a")).status, 200);

  const auto added = events->next();
  ASSERT_TRUE(added);
  EXPECT_EQ(string_at(*added, "/type"), "ADDED");
  EXPECT_EQ(string_at(*added, "/object/kind"), "ConfigMap");
  EXPECT_EQ(string_at(*added, "/object/metadata/resourceVersion"), made.version());
  const auto modified = events->next();
  ASSERT_TRUE(modified);
  EXPECT_EQ(string_at(*modified, "/type"), "MODIFIED");
  EXPECT_EQ(string_at(*modified, "/object/data/a"), "2");
  EXPECT_EQ(string_at(*modified, "/object/metadata/resourceVersion"), changed.version());
  const auto deleted = events->next();
  ASSERT_TRUE(deleted);
  EXPECT_EQ(string_at(*deleted, "/type"), "DELETED");
  EXPECT_EQ(string_at(*deleted, "/object/data/a"), "2");
  EXPECT_GT(version_of(*deleted), version_of(*modified));
}

TEST_F(Watches, MissNothingUnderLoad) {
  make_config_map("a", "", R"({"n":"0"})");
  const auto events = watch("resourceVersion=" + now());
  for (int i = 1; i <= 200; ++i) {
    ASSERT_EQ(api.merge_patch(config_maps("a"), fmt::format(R"({{"data":{{"n":"{}"}}}})", i)).status, 200);
  }
  std::uint64_t last = 0;
  for (int i = 1; i <= 200; ++i) {
    const auto event = events->next();
    ASSERT_TRUE(event);
    ASSERT_EQ(string_at(*event, "/object/data/n"), std::to_string(i));
    EXPECT_GT(version_of(*event), last);
    last = version_of(*event);
  }
}

TEST_F(Watches, ResumeAfterAnyVersion) {
  const std::string begin = now();
  const Reply a = make_config_map("a");
  make_config_map("b");
  make_config_map("c");
  const auto all = watch("resourceVersion=" + begin);
  EXPECT_EQ(all->next_text(), "ADDED a");
  EXPECT_EQ(all->next_text(), "ADDED b");
  EXPECT_EQ(all->next_text(), "ADDED c");
  const auto rest = watch("resourceVersion=" + a.version());
  EXPECT_EQ(rest->next_text(), "ADDED b");
  EXPECT_EQ(rest->next_text(), "ADDED c");
}

TEST_F(Watches, WithoutAVersionBeginWithWhatIsThere) {
  make_pod("p");
  // Over an etcd before 3.5, kube-apiserver's cache of pods learns how far it is only from changes of pods, and answers
  // 504 "too large resource version" until then.
  const auto begin = [&](const std::string& query) {
    for (int attempt = 0;; ++attempt) {
      auto events = api.watch(pods() + query);
      const std::string first = events->next_text();
      if (first != "ERROR " || attempt == 5) {
        EXPECT_EQ(first, "ADDED p") << query;
        return events;
      }
      (void)api.merge_patch(pods("p"), fmt::format(R"({{"metadata":{{"annotations":{{"attempt":"{}"}}}}}})", attempt));
    }
  };
  begin("?watch=true&resourceVersion=0");
  begin("?watch=1");
  const auto events = begin("?watch=true");
  make_pod("q");
  EXPECT_EQ(events->next_text(), "ADDED q");
}

TEST_F(Watches, SelectorsTurnChangesIntoComingAndGoing) {
  const auto events = watch("labelSelector=t%3Dx&resourceVersion=" + now());
  make_config_map("a");
  const auto label = [&](std::string_view value) {
    const Reply reply =
        api.merge_patch(config_maps("a"), fmt::format(R"({{"metadata":{{"labels":{{"t":{}}}}}}})", value));
    EXPECT_EQ(reply.status, 200) << reply.text;
    return reply;
  };
  label("\"y\"");
  label("\"x\"");
  EXPECT_EQ(events->next_text(), "ADDED a");
  ASSERT_EQ(api.merge_patch(config_maps("a"), R"({"data":{"a":"2"}})").status, 200);
  EXPECT_EQ(events->next_text(), "MODIFIED a");
  const Reply left = label("null");
  const auto gone = events->next();
  ASSERT_TRUE(gone);
  EXPECT_EQ(string_at(*gone, "/type"), "DELETED");
  EXPECT_EQ(string_at(*gone, "/object/metadata/resourceVersion"), left.version());
  EXPECT_EQ(string_at(*gone, "/object/metadata/labels/t"), "x") << "the last state that matched";
  label("\"x\"");
  EXPECT_EQ(events->next_text(), "ADDED a");
  ASSERT_EQ(api.remove(config_maps("a")).status, 200);
  EXPECT_EQ(events->next_text(), "DELETED a");
}

TEST_F(Watches, FieldSelectors) {
  const auto events = watch("fieldSelector=metadata.name%3Db&resourceVersion=" + now());
  make_config_map("a");
  make_config_map("b");
  EXPECT_EQ(events->next_text(), "ADDED b");
}

TEST_F(Watches, PodsOfOneNodeComeWhenBound) {
  const auto events = api.watch(
      pods() + "?watch=true&fieldSelector=spec.nodeName%3Dconf-node&resourceVersion=" + api.get(pods()).version());
  make_pod("p");
  const Reply bound = api.post(pods("p") + "/binding", parse(R"({"apiVersion":"v1","kind":"Binding",
      "metadata":{"name":"p"},"target":{"kind":"Node","name":"conf-node"}})"));
  ASSERT_EQ(bound.status, 201) << bound.text;
  EXPECT_EQ(events->next_text(), "ADDED p");
  (void)api.remove(pods("p"), R"({"gracePeriodSeconds":0})");
}

TEST_F(Watches, OfOneNamespaceSeeNoOther) {
  const auto here = watch("resourceVersion=" + now());
  const std::string other = api.fresh("other");
  ASSERT_EQ(api.post("/api/v1/namespaces", parse(fmt::format(R"({{"metadata":{{"name":"{}"}}}})", other))).status, 201);
  ASSERT_EQ(api.post("/api/v1/namespaces/" + other + "/configmaps", parse(R"({"metadata":{"name":"there"}})")).status,
            201);
  make_config_map("here");
  EXPECT_EQ(here->next_text(), "ADDED here");
  (void)api.remove("/api/v1/namespaces/" + other);
}

TEST_F(Watches, EndWhenTheirTimeIsOver) {
  const auto events = watch("timeoutSeconds=1&fieldSelector=metadata.name%3Dnone&resourceVersion=" + now());
  EXPECT_TRUE(events->ended());
}

TEST_F(Watches, BookmarksTellHowFarTheyAre) {
  const auto events =
      watch("timeoutSeconds=5&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dnone&resourceVersion=" + now());
  const Reply made = make_config_map("a");
  std::uint64_t highest = 0;
  while (const auto event = events->next()) {
    ASSERT_EQ(string_at(*event, "/type"), "BOOKMARK");
    EXPECT_EQ(string_at(*event, "/object/kind"), "ConfigMap");
    highest = std::max(highest, version_of(*event));
  }
  EXPECT_GE(highest, std::stoull(made.version())) << "a bookmark covers changes that the selector hides";
}

TEST_F(Watches, StreamedListsEndWithABookmark) {
  make_pod("p");
  make_pod("q");
  const auto events = api.watch(
      pods() + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  const std::string first = events->next_text();
  if (first == "ERROR ") GTEST_SKIP() << "kube-apiserver streams no lists from an etcd before 3.5";
  EXPECT_EQ(first, "ADDED p");
  EXPECT_EQ(events->next_text(), "ADDED q");
  const auto end = events->next();
  ASSERT_TRUE(end);
  EXPECT_EQ(string_at(*end, "/type"), "BOOKMARK");
  EXPECT_EQ(string_at(*end, "/object/metadata/annotations/k8s.io~1initial-events-end"), "true");
  EXPECT_GT(version_of(*end), 0U);
}

TEST_F(Watches, FromTooFarBackExpire) {
  make_config_map("a");
  api.forget_history();
  const auto events = api.watch(config_maps() + "?watch=true&resourceVersion=1");
  const auto event = events->next();
  ASSERT_TRUE(event);
  if (string_at(*event, "/type") == "ADDED") GTEST_SKIP() << "the server still knows all that ever happened";
  EXPECT_EQ(events->status(), 200);
  EXPECT_EQ(string_at(*event, "/type"), "ERROR");
  EXPECT_EQ(string_at(*event, "/object/kind"), "Status");
  EXPECT_EQ(at(*event, "/object/code"), 410);
  EXPECT_EQ(string_at(*event, "/object/reason"), "Expired");
  EXPECT_TRUE(events->ended());
}

TEST_F(Watches, RefuseWhatTheyCannotRead) {
  EXPECT_GE(api.get(config_maps() + "?watch=true&resourceVersion=abc").status, 400);
  EXPECT_EQ(api.get(config_maps() + "?watch=true&labelSelector=a%20in%20b").status, 400);
}

TEST_F(Watches, VersionMatchBelongsToStreamedLists) {
  expect_failure(api.get(config_maps() + "?watch=true&sendInitialEvents=true"), 422, "Invalid");
  expect_failure(api.get(config_maps() + "?watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan"), 422,
                 "Invalid");
}

TEST_F(Watches, OfTablesCarryRows) {
  const std::string before = now();
  make_config_map("a");
  const auto events = watch("fieldSelector=metadata.name%3Da&resourceVersion=" + before,
                            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  const auto first = events->next();
  ASSERT_TRUE(first);
  EXPECT_EQ(string_at(*first, "/object/kind"), "Table");
  EXPECT_EQ(string_at(*first, "/object/columnDefinitions/0/name"), "Name");
  EXPECT_EQ(string_at(*first, "/object/rows/0/cells/0"), "a");
  EXPECT_EQ(string_at(*first, "/object/rows/0/object/metadata/name"), "a");
}

TEST_F(Watches, ManyAtOnce) {
  std::vector<std::unique_ptr<Watch>> watches;
  const std::string version = now();
  for (int i = 0; i < 50; ++i) watches.push_back(watch("resourceVersion=" + version));
  make_config_map("a");
  for (const auto& events : watches) EXPECT_EQ(events->next_text(), "ADDED a");
}

}  // namespace
}  // namespace berth::conformance
