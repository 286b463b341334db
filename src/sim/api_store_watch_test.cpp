#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "sim/api_store_fixture.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

class WatchTest : public StoreTest {
 protected:
  std::unique_ptr<Watch> open(WatchOptions options, std::string_view ns = "") {
    auto watch = store.watch(*config_maps(), ns, std::move(options));
    EXPECT_TRUE(watch) << watch.error().message;
    return std::move(*watch);
  }
  static std::vector<std::string> drain(Watch& watch) {
    std::vector<std::string> out;
    while (auto event = *watch.next()) {
      out.push_back(std::string(to_string(event->type)) + " " + std::string(name_of(*event->object)));
    }
    return out;
  }
};

TEST_F(WatchTest, FromNowOnShowsWhatIsThereFirst) {
  ASSERT_TRUE(make_config_map("a"));
  auto watch = open({});
  ASSERT_TRUE(make_config_map("b"));
  EXPECT_EQ(drain(*watch), (std::vector<std::string>{"ADDED a", "ADDED b"}));
}

TEST_F(WatchTest, FromAVersionShowsWhatCameAfter) {
  ASSERT_TRUE(make_config_map("a"));
  const std::string version = std::to_string(store.version());
  ASSERT_TRUE(make_config_map("b"));
  ASSERT_TRUE(remove(config_maps(), "a"));
  auto watch = open({.resource_version = version});
  EXPECT_EQ(drain(*watch), (std::vector<std::string>{"ADDED b", "DELETED a"}));
}

TEST_F(WatchTest, InitialEventsEndWithABookmarkThatSaysSo) {
  ASSERT_TRUE(make_config_map("a"));
  auto watch = open({.send_initial = true});
  EXPECT_EQ(string_at(*(*watch->next())->object, {"metadata", "name"}), "a");
  const auto end = *watch->next();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->type, WatchEvent::Type::bookmark);
  EXPECT_EQ(string_at(*end->object, {"metadata", "annotations", "k8s.io/initial-events-end"}), "true");
  EXPECT_EQ(version_of(*end->object), store.version());
}

TEST_F(WatchTest, BookmarksFollowOtherResources) {
  auto watch = open({});
  ASSERT_TRUE(make_pod("p"));
  EXPECT_FALSE(*watch->next());
  const WatchEvent mark = watch->bookmark();
  EXPECT_EQ(version_of(*mark.object), store.version());
  EXPECT_EQ(string_at(*mark.object, {"kind"}), "ConfigMap");
}

TEST_F(WatchTest, NamespacesAreKeptApart) {
  auto watch = open({}, "kube-system");
  int woken = 0;
  auto other = open({.wake = [&] { ++woken; }}, "kube-system");
  ASSERT_TRUE(make_config_map("a"));
  EXPECT_TRUE(drain(*watch).empty());
  EXPECT_EQ(woken, 0);
}

TEST_F(WatchTest, VersionsFromElsewhereAreRefused) {
  EXPECT_EQ(store.watch(*config_maps(), "", {.resource_version = "999999"}).error().code, 410);
  EXPECT_EQ(store.watch(*config_maps(), "", {.resource_version = "soon"}).error().code, 400);
  EXPECT_EQ(store.watch(*config_maps(), "", {.label_selector = "a in"}).error().code, 400);
}

TEST_F(WatchTest, AWatchThatFallsTooFarBehindEnds) {
  ApiStore small([this] { return now; }, random, {.history_limit = 4});
  auto watch = small.watch(*config_maps(), "", {});
  auto quick = small.watch(*config_maps(), "", {});
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(small.create(*config_maps(), "default", {{"metadata", {{"generateName", "m-"}}}}));
    EXPECT_TRUE(*(*quick)->next());
  }
  const auto event = (*watch)->next();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().reason, "Expired");
  EXPECT_FALSE((*watch)->next()) << "for good";
}

template <typename T>
T one_of(std::vector<T> choices) {
  return choices[*rc::gen::inRange<std::size_t>(0, choices.size())];
}

// Whatever is written: a client that lists once and applies the events of a watch has what a new list shows, under any
// selector; each event's version is greater than the one before.
RC_GTEST_PROP(WatchProperty, ListAndEventsMakeAList, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  const WallTime now{};
  ApiStore store([=] { return now; }, random);
  const TypePtr maps = store.types().find_stored("", "configmaps");
  const std::string selector = one_of<std::string>({"", "app=a", "app!=a", "app in (a,b),tier", "!app"});
  const std::string ns = one_of<std::string>({"", "default", "kube-system"});

  std::map<std::string, std::string> cache;  // key -> serialized object
  const auto key = [](const json::object& o) { return std::string(namespace_of(o)) + "/" + std::string(name_of(o)); };
  const auto list = store.list(*maps, ns, {.label_selector = selector});
  auto watch = store.watch(*maps, ns, {.label_selector = selector, .resource_version = std::to_string(list->version)});
  const int steps = *rc::gen::inRange(0, 60);
  for (int i = 0; i < steps; ++i) {
    const std::string in = one_of<std::string>({"default", "kube-system"});
    const std::string name = one_of<std::string>({"x", "y", "z"});
    const auto app = one_of<json::value>({"a", "b", nullptr});
    const auto tier = one_of<json::value>({"t", nullptr});
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        (void)store.create(*maps, in, {{"metadata", {{"name", name}}}});
        break;
      case 1:
        (void)store.remove(*maps, in, name);
        break;
      case 2:
        (void)store.patch(
            *maps, in, name, PatchType::merge,
            json::object{{"metadata", {{"finalizers", one_of<json::value>({json::array{"a.b/c"}, nullptr})}}}});
        break;
      default:
        (void)store.patch(*maps, in, name, PatchType::merge,
                          json::object{{"metadata", {{"labels", {{"app", app}, {"tier", tier}}}}}});
    }
  }
  std::uint64_t last = list->version;
  while (const auto event = *(*watch)->next()) {
    RC_ASSERT(version_of(*event->object) > last);
    last = version_of(*event->object);
    if (event->type == WatchEvent::Type::deleted) {
      RC_ASSERT(cache.erase(key(*event->object)) == 1u);
    } else {
      RC_ASSERT(cache.contains(key(*event->object)) == (event->type == WatchEvent::Type::modified));
      cache[key(*event->object)] = json::serialize(*event->object);
    }
  }
  std::map<std::string, std::string> fresh;
  const auto again = store.list(*maps, ns, {.label_selector = selector});
  for (const Object& o : again->items) fresh[key(*o)] = json::serialize(*o);
  RC_ASSERT(cache == fresh);
}

}  // namespace
}  // namespace berth::sim
