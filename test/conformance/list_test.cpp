// Lists: selectors, pages, versions; deletecollection.

#include <fmt/format.h>

#include <algorithm>

#include "conformance/cluster.h"
#include "http/url.h"

namespace berth::conformance {
namespace {

class Lists : public ConformanceTest {
 protected:
  // The names of a list, joined; a real server puts objects of its own (kube-root-ca.crt) into each namespace.
  static std::string names(const Reply& list) {
    std::vector<std::string> found;
    if (!list.at("/items").is_array()) return "no list: " + list.text;
    for (const auto& item : list.at("/items").as_array()) {
      const std::string name = string_at(item, "/metadata/name");
      if (!name.starts_with("kube-")) found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return fmt::format("{}", fmt::join(found, " "));
  }
  std::string select(std::string_view parameter, std::string_view selector) {
    return names(api.get(fmt::format("{}?{}={}", config_maps(), parameter, http::percent_encode(selector))));
  }
};

TEST_F(Lists, AListHasKindAndVersion) {
  const Reply empty = api.get(pods());
  EXPECT_EQ(empty.string("/kind"), "PodList");
  EXPECT_EQ(empty.string("/apiVersion"), "v1");
  EXPECT_TRUE(empty.at("/items").is_array()) << empty.text;
  EXPECT_FALSE(empty.version().empty());
  const Reply made = make_config_map("a");
  EXPECT_GE(std::stoull(api.get(config_maps()).version()), std::stoull(made.version()));
}

TEST_F(Lists, LabelSelectors) {
  make_config_map("a", R"("labels":{"t":"x","only":"a"})");
  make_config_map("b", R"("labels":{"t":"y"})");
  make_config_map("c", R"("labels":{"t":"z"})");
  make_config_map("d");
  const std::pair<const char*, const char*> cases[] = {
      {"t=x", "a"},
      {"t==x", "a"},
      {"t!=x", "b c d"},
      {"t in (x,y)", "a b"},
      {"t notin (x,y)", "c d"},
      {"t", "a b c"},
      {"!t", "d"},
      {"t=x,only=a", "a"},
      {"t=x,only=b", ""},
      {"t,t notin (z)", "a b"},
      {"t in (x, z),!only", "c"},
  };
  for (const auto& [selector, expected] : cases) EXPECT_EQ(select("labelSelector", selector), expected) << selector;
  EXPECT_EQ(api.get(config_maps() + "?labelSelector=" + http::percent_encode("t in x")).status, 400);
  EXPECT_EQ(api.get(config_maps() + "?labelSelector=" + http::percent_encode("t=%%")).status, 400);
}

TEST_F(Lists, FieldSelectors) {
  make_config_map("a");
  make_config_map("b");
  EXPECT_EQ(select("fieldSelector", "metadata.name=a"), "a");
  EXPECT_EQ(select("fieldSelector", "metadata.name!=a"), "b");
  EXPECT_EQ(select("fieldSelector", "metadata.name=a,metadata.namespace=" + ns), "a");
  EXPECT_EQ(select("fieldSelector", "metadata.name=a,metadata.namespace=other"), "");
  expect_failure(api.get(config_maps() + "?fieldSelector=data.a%3D1"), 400, "BadRequest");
}

TEST_F(Lists, PodsAreSelectedByNodeAndPhase) {
  make_pod("p", R"("nodeName":"conf-node")");
  make_pod("q");
  EXPECT_EQ(names(api.get(pods() + "?fieldSelector=spec.nodeName%3Dconf-node")), "p");
  EXPECT_EQ(names(api.get(pods() + "?fieldSelector=spec.nodeName%3D")), "q");
  EXPECT_EQ(names(api.get(pods() + "?fieldSelector=status.phase%3DPending")), "p q");
  EXPECT_EQ(names(api.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dconf-node,metadata.namespace%3D" + ns)), "p");
  (void)api.remove(pods("p"), R"({"gracePeriodSeconds":0})");
}

TEST_F(Lists, AllNamespaces) {
  make_config_map("only-here", R"("labels":{"conf":")" + ns + "\"}");
  EXPECT_EQ(names(api.get("/api/v1/configmaps?labelSelector=conf%3D" + ns)), "only-here");
}

TEST_F(Lists, PagesShowOneMomentAndMeetAllObjectsOnce) {
  for (int i = 0; i < 7; ++i) make_pod(fmt::format("p{}", i));
  Reply page = api.get(pods() + "?limit=3");
  EXPECT_EQ(page.at("/metadata/remainingItemCount"), 4);
  const std::string version = page.version();
  make_pod("p4-later");
  ASSERT_EQ(api.remove(pods("p6")).status, 200);
  std::string all = names(page);
  int pages = 1;
  while (!page.string("/metadata/continue").empty() && pages < 10) {
    page = api.get(pods() + "?limit=3&continue=" + http::percent_encode(page.string("/metadata/continue")));
    ASSERT_EQ(page.status, 200) << page.text;
    EXPECT_EQ(page.version(), version);
    all += " " + names(page);
    ++pages;
  }
  EXPECT_EQ(all, "p0 p1 p2 p3 p4 p5 p6");
  EXPECT_EQ(pages, 3);
}

TEST_F(Lists, AFullPageAtTheEndHasNoContinuation) {
  make_pod("p0");
  make_pod("p1");
  const Reply page = api.get(pods() + "?limit=2");
  EXPECT_EQ(names(page), "p0 p1");
  EXPECT_EQ(page.string("/metadata/continue"), "");
}

TEST_F(Lists, ABrokenContinuationIsRefused) { EXPECT_EQ(api.get(pods() + "?limit=2&continue=nonsense").status, 400); }

TEST_F(Lists, VersionsOfTheFutureAreNotThere) {
  const Reply reply =
      api.get(pods() + "?resourceVersion=999999999999&resourceVersionMatch=NotOlderThan&timeoutSeconds=5");
  EXPECT_EQ(reply.status, 504) << reply.text;
  EXPECT_EQ(reply.string("/reason"), "Timeout");
}

TEST_F(Lists, VersionMatchNeedsAVersion) {
  expect_failure(api.get(pods() + "?resourceVersionMatch=NotOlderThan"), 422, "Invalid");
  expect_failure(api.get(pods() + "?resourceVersion=1&resourceVersionMatch=Sideways"), 422, "Invalid");
}

TEST_F(Lists, NotOlderThanTheLastWriteSeesIt) {
  const Reply made = make_pod("p");
  const Reply list = api.get(pods() + "?resourceVersion=" + made.version() + "&resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(names(list), "p");
}

TEST_F(Lists, DeleteCollectionTakesWhatIsSelected) {
  make_config_map("a", R"("labels":{"t":"x"})");
  make_config_map("b", R"("labels":{"t":"x"})");
  make_config_map("c");
  const Reply deleted = api.remove(config_maps() + "?labelSelector=t%3Dx");
  EXPECT_EQ(deleted.status, 200) << deleted.text;
  EXPECT_EQ(deleted.string("/kind"), "ConfigMapList") << deleted.text;
  EXPECT_EQ(names(api.get(config_maps())), "c");
}

}  // namespace
}  // namespace berth::conformance
