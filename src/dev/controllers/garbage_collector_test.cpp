#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

class GarbageTest : public ClusterTest {
 protected:
  sim::Object make(std::string_view name, const std::vector<sim::Object>& owners = {}, std::string_view finalizer = "",
                   bool blocking = true) {
    json::object map{{"metadata", {{"name", name}}}};
    json::object& meta = sim::metadata_of(map);
    for (const sim::Object& owner : owners) {
      sim::ensure_array(meta, "ownerReferences")
          .emplace_back(json::object{{"apiVersion", "v1"},
                                     {"kind", "ConfigMap"},
                                     {"name", sim::name_of(*owner)},
                                     {"uid", sim::uid_of(*owner)},
                                     {"blockOwnerDeletion", blocking}});
    }
    if (!finalizer.empty()) meta["finalizers"] = json::array{json::string(finalizer)};
    return create("configmaps", json::serialize(map));
  }
  bool there(std::string_view name) const { return get("configmaps", name) != nullptr; }
  void end(std::string_view name, sim::Propagation propagation) {
    remove("configmaps", name, {.propagation = propagation});
    scheduler.run_until_idle();
  }
  void let_go(std::string_view name) {
    merge("configmaps", name, R"({"metadata":{"finalizers":null}})");
    scheduler.run_until_idle();
  }
};

TEST_F(GarbageTest, BackgroundEndsTheWholeTreeAfterItsRoot) {
  const sim::Object root = make("root");
  const sim::Object child = make("child", {root});
  make("grandchild", {child});
  make("stranger");
  end("root", sim::Propagation::background);
  EXPECT_FALSE(there("child"));
  EXPECT_FALSE(there("grandchild"));
  EXPECT_TRUE(there("stranger"));
}

TEST_F(GarbageTest, ForegroundEndsDependentsFirst) {
  const sim::Object root = make("root");
  const sim::Object child = make("child", {root});
  make("grandchild", {child}, "x.io/hold");
  end("root", sim::Propagation::foreground);
  EXPECT_TRUE(there("root")) << "the grandchild is held";
  EXPECT_TRUE(there("child"));
  EXPECT_TRUE(sim::is_terminating(*get("configmaps", "grandchild")));
  let_go("grandchild");
  EXPECT_FALSE(there("grandchild"));
  EXPECT_FALSE(there("child"));
  EXPECT_FALSE(there("root"));
}

TEST_F(GarbageTest, ForegroundDoesNotWaitForDependentsThatDoNotBlock) {
  const sim::Object root = make("root");
  make("child", {root}, "x.io/hold", false);
  end("root", sim::Propagation::foreground);
  EXPECT_FALSE(there("root"));
  EXPECT_TRUE(there("child"));
  EXPECT_TRUE(sim::is_terminating(*get("configmaps", "child")));
}

TEST_F(GarbageTest, OrphanSetsDependentsFree) {
  const sim::Object root = make("root");
  make("child", {root});
  end("root", sim::Propagation::orphan);
  EXPECT_FALSE(there("root"));
  ASSERT_TRUE(there("child"));
  EXPECT_EQ(sim::find_at(*get("configmaps", "child"), {"metadata", "ownerReferences"}), nullptr);
}

TEST_F(GarbageTest, AnotherOwnerKeepsADependent) {
  const sim::Object a = make("a");
  const sim::Object b = make("b");
  make("child", {a, b});
  end("a", sim::Propagation::background);
  ASSERT_TRUE(there("child"));
  EXPECT_EQ(sim::array_at(*get("configmaps", "child"), {"metadata", "ownerReferences"})->size(), 1u);
  end("b", sim::Propagation::foreground);
  EXPECT_FALSE(there("child"));
  EXPECT_FALSE(there("b"));
}

TEST_F(GarbageTest, WhatComesAfterItsOwnerWentIsCollected) {
  const sim::Object root = make("root");
  end("root", sim::Propagation::background);
  make("late", {root});
  scheduler.run_until_idle();
  EXPECT_FALSE(there("late"));
}

TEST_F(GarbageTest, AnOwnerThatCameBackUnderItsNameIsAnother) {
  const sim::Object root = make("root");
  make("child", {root});
  remove("configmaps", "root", {.propagation = sim::Propagation::background});
  make("root");
  scheduler.run_until_idle();
  EXPECT_FALSE(there("child"));
  EXPECT_TRUE(there("root"));
}

TEST_F(GarbageTest, CollectsWhatWasThereBeforeItStarted) {
  const sim::Object root = make("root");
  make("child", {root});
  ControllerManager second(store, scheduler);
  end("root", sim::Propagation::background);
  EXPECT_FALSE(there("child"));
}

TEST_F(GarbageTest, CustomResourcesAreCollectedToo) {
  create("customresourcedefinitions.apiextensions.k8s.io",
         R"({"metadata":{"name":"foos.x.io"},"spec":{"group":"x.io","scope":"Namespaced",
      "names":{"kind":"Foo","plural":"foos"},"versions":[{"name":"v1","served":true,"storage":true,
      "schema":{"openAPIV3Schema":{"type":"object"}}}]}})");
  const sim::Object root = make("root");
  create("foos.x.io", fmt::format(R"({{"apiVersion":"x.io/v1","kind":"Foo","metadata":{{"name":"f","ownerReferences":[
      {{"apiVersion":"v1","kind":"ConfigMap","name":"root","uid":"{}"}}]}}}})",
                                  sim::uid_of(*root)));
  end("root", sim::Propagation::background);
  EXPECT_EQ(get("foos.x.io", "f"), nullptr);
}

TEST_F(GarbageTest, PodsEndWithTheirNode) {
  add_node("n1");
  create("pods", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
  settle();
  remove("nodes", "n1");
  scheduler.run_until_idle();
  EXPECT_EQ(get("pods", "p"), nullptr);
}

TEST_F(GarbageTest, ATerminatingPodOfANodeThatNeverWasEnds) {
  create("pods", R"({"metadata":{"name":"p"},"spec":{"nodeName":"ghost","containers":[{"name":"c","image":"i"}]}})");
  scheduler.run_until_idle();
  EXPECT_NE(get("pods", "p"), nullptr);
  remove("pods", "p");
  scheduler.run_until_idle();
  EXPECT_EQ(get("pods", "p"), nullptr);
}

}  // namespace
}  // namespace berth::dev
