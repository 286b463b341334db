#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::int_at;
using sim::string_at;

class DeploymentTest : public ClusterTest {
 protected:
  void SetUp() override {
    add_node("n1");
    add_node("n2");
  }
  void deploy(int replicas, std::string_view strategy = "{}") {
    create(
        "deployments.apps",
        fmt::format(
            R"({{"metadata":{{"name":"web"}},"spec":{{"replicas":{},"strategy":{},"selector":{{"matchLabels":{{"app":"web"}}}},
               "template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"containers":[{{"name":"c","image":"i:1"}}]}}}}}}}})",
            replicas, strategy));
  }
  void set_image(std::string_view image) {
    merge("deployments.apps", "web",
          fmt::format(R"({{"spec":{{"template":{{"spec":{{"containers":[{{"name":"c","image":"{}"}}]}}}}}}}})", image));
  }
  sim::Object web() const { return get("deployments.apps", "web"); }
  std::string_view condition(std::string_view kind, std::string_view field) const {
    const json::object* c = sim::find_condition(*web(), kind);
    return c ? string_at(*c, {field}) : "";
  }
  std::string image_of(const sim::Object& pod) const {
    return std::string(string_at(sim::array_at(*pod, {"spec", "containers"})->at(0).as_object(), {"image"}));
  }
  std::int64_t available() const {
    const auto pods = live_pods();
    return std::count_if(pods.begin(), pods.end(), [](const sim::Object& pod) { return is_ready(*pod); });
  }
};

TEST_F(DeploymentTest, BringsUpItsPodsAndSaysSo) {
  deploy(3);
  settle();
  EXPECT_EQ(live_pods().size(), 3u);
  EXPECT_EQ(names("replicasets.apps").size(), 1u);
  const sim::Object d = web();
  EXPECT_EQ(int_at(*d, {"status", "observedGeneration"}), 1);
  EXPECT_EQ(int_at(*d, {"status", "availableReplicas"}), 3);
  EXPECT_EQ(int_at(*d, {"status", "updatedReplicas"}), 3);
  EXPECT_EQ(sim::find_at(*d, {"status", "unavailableReplicas"}), nullptr);
  EXPECT_EQ(condition("Available", "status"), "True");
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
  EXPECT_EQ(string_at(*d, {"metadata", "annotations", "deployment.kubernetes.io/revision"}), "1");
  const sim::Object pod = live_pods()[0];
  EXPECT_FALSE(string_at(*pod, {"metadata", "labels", "pod-template-hash"}).empty());
  EXPECT_TRUE(sim::name_of(*pod).starts_with(names("replicasets.apps")[0] + "-"));
}

TEST_F(DeploymentTest, RollingUpdateReachesTheEndWithinItsLimits) {
  deploy(4, R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":1}})");
  settle();
  set_image("i:2");
  settle([&] {
    EXPECT_GE(available(), 3);
    EXPECT_LE(live_pods().size(), 5u);
  });
  ASSERT_EQ(live_pods().size(), 4u);
  for (const sim::Object& pod : live_pods()) EXPECT_EQ(image_of(pod), "i:2");
  EXPECT_EQ(names("replicasets.apps").size(), 2u);
  EXPECT_EQ(int_at(*web(), {"status", "updatedReplicas"}), 4);
  EXPECT_EQ(int_at(*web(), {"status", "replicas"}), 4);
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
  EXPECT_EQ(string_at(*web(), {"metadata", "annotations", "deployment.kubernetes.io/revision"}), "2");
}

TEST_F(DeploymentTest, RollingBackUsesTheOldSetUnderANewRevision) {
  deploy(2);
  settle();
  set_image("i:2");
  settle();
  const auto before = names("replicasets.apps");
  set_image("i:1");
  settle();
  EXPECT_EQ(names("replicasets.apps"), before);
  EXPECT_EQ(string_at(*web(), {"metadata", "annotations", "deployment.kubernetes.io/revision"}), "3");
  for (const sim::Object& pod : live_pods()) EXPECT_EQ(image_of(pod), "i:1");
}

TEST_F(DeploymentTest, RecreateEndsTheOldPodsFirst) {
  deploy(3, R"({"type":"Recreate"})");
  settle();
  set_image("i:2");
  settle([&] {
    std::set<std::string> images;
    for (const sim::Object& pod : list("pods")) images.insert(image_of(pod));
    EXPECT_LE(images.size(), 1u) << "old and new pods side by side";
  });
  ASSERT_EQ(live_pods().size(), 3u);
  EXPECT_EQ(image_of(live_pods()[0]), "i:2");
}

TEST_F(DeploymentTest, ScalesUpAndDown) {
  deploy(1);
  settle();
  merge("deployments.apps", "web", R"({"spec":{"replicas":5}})");
  settle();
  EXPECT_EQ(live_pods().size(), 5u);
  merge("deployments.apps", "web", R"({"spec":{"replicas":2}})");
  settle();
  EXPECT_EQ(live_pods().size(), 2u);
  EXPECT_EQ(int_at(*web(), {"status", "replicas"}), 2);
  merge("deployments.apps", "web", R"({"spec":{"replicas":0}})");
  settle();
  EXPECT_TRUE(list("pods").empty());
}

TEST_F(DeploymentTest, ScalingDownTakesPodsThatDoNotRun) {
  deploy(2);
  settle();
  const auto running = names("pods");
  remove("nodes", "n1");
  remove("nodes", "n2");
  scheduler.run_until_idle();
  // Their pods went with them; the two new ones find no node.
  EXPECT_EQ(available(), 0);
  add_node("n3");
  settle();
  const auto kept = names("pods");
  EXPECT_NE(kept, running);
  merge("nodes", "n3", R"({"spec":{"unschedulable":true}})");
  merge("deployments.apps", "web", R"({"spec":{"replicas":4}})");
  settle();
  merge("deployments.apps", "web", R"({"spec":{"replicas":2}})");
  settle();
  EXPECT_EQ(names("pods"), kept);
}

TEST_F(DeploymentTest, ReplacesAPodThatIsDeleted) {
  deploy(2);
  settle();
  const std::string victim = names("pods")[0];
  remove("pods", victim);
  settle();
  EXPECT_EQ(live_pods().size(), 2u);
  EXPECT_EQ(get("pods", victim), nullptr);
}

TEST_F(DeploymentTest, ABrokenRolloutStopsAndMissesItsDeadline) {
  deploy(2);
  merge("deployments.apps", "web", R"({"spec":{"progressDeadlineSeconds":60}})");
  settle();
  merge("nodes", "n1", R"({"spec":{"unschedulable":true}})");
  merge("nodes", "n2", R"({"spec":{"unschedulable":true}})");
  set_image("i:broken");
  settle();
  EXPECT_EQ(available(), 2) << "the old pods stay";
  EXPECT_EQ(condition("Progressing", "status"), "True");
  scheduler.advance(std::chrono::seconds(61));
  EXPECT_EQ(condition("Progressing", "reason"), "ProgressDeadlineExceeded");
  EXPECT_EQ(condition("Available", "status"), "True");
}

TEST_F(DeploymentTest, APausedOneRollsNothingOut) {
  deploy(2);
  settle();
  merge("deployments.apps", "web", R"({"spec":{"paused":true}})");
  set_image("i:2");
  settle();
  EXPECT_EQ(names("replicasets.apps").size(), 1u);
  EXPECT_EQ(image_of(live_pods()[0]), "i:1");
  merge("deployments.apps", "web", R"({"spec":{"paused":false}})");
  settle();
  EXPECT_EQ(image_of(live_pods()[0]), "i:2");
}

TEST_F(DeploymentTest, KeepsOnlyAsMuchHistoryAsAsked) {
  deploy(1);
  merge("deployments.apps", "web", R"({"spec":{"revisionHistoryLimit":1}})");
  settle();
  for (const char* image : {"i:2", "i:3", "i:4"}) {
    set_image(image);
    settle();
  }
  EXPECT_EQ(names("replicasets.apps").size(), 2u);
}

TEST_F(DeploymentTest, MinReadySecondsHoldsTheRolloutBack) {
  deploy(1, R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})");
  merge("deployments.apps", "web", R"({"spec":{"minReadySeconds":30}})");
  settle();
  EXPECT_EQ(condition("Available", "status"), "False");
  scheduler.advance(std::chrono::seconds(31));
  EXPECT_EQ(condition("Available", "status"), "True");
}

TEST_F(DeploymentTest, AdoptsPodsThatWereSetFree) {
  deploy(2);
  settle();
  const auto pods = names("pods");
  remove("deployments.apps", "web", {.propagation = sim::Propagation::orphan});
  settle();
  const std::string set = names("replicasets.apps").at(0);
  EXPECT_EQ(sim::find_at(*get("replicasets.apps", set), {"metadata", "ownerReferences"}), nullptr);
  deploy(2);
  settle();
  EXPECT_EQ(names("pods"), pods);
  EXPECT_EQ(names("replicasets.apps"), std::vector{set});
}

TEST_F(DeploymentTest, DeletingItDeletesAllOfIt) {
  deploy(3);
  settle();
  remove("deployments.apps", "web", {.propagation = sim::Propagation::background});
  settle();
  EXPECT_TRUE(list("pods").empty());
  EXPECT_TRUE(list("replicasets.apps").empty());
}

}  // namespace
}  // namespace berth::dev
