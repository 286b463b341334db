#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

using sim::string_at;

class SchedulerTest : public ClusterTest {
 protected:
  void make(std::string_view name, std::string_view more = "", std::string_view labels = "{}") {
    create("pods",
           fmt::format(
               R"({{"metadata":{{"name":"{}","labels":{}}},"spec":{{{}"containers":[{{"name":"c","image":"i"}}]}}}})",
               name, labels, more));
    scheduler.run_until_idle();
  }
  std::string node_of(std::string_view name) const {
    return std::string(string_at(*get("pods", name), {"spec", "nodeName"}));
  }
  std::string reason(std::string_view name) const {
    const auto* condition = sim::find_condition(*get("pods", name), "PodScheduled");
    return condition ? std::string(string_at(*condition, {"reason"})) : "";
  }
};

TEST_F(SchedulerTest, SpreadsPodsOverReadyNodes) {
  add_node("n1");
  add_node("n2");
  add_node("n3", false);
  for (const char* name : {"a", "b", "c", "d"}) make(name);
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(node_of("b"), "n2");
  EXPECT_EQ(node_of("c"), "n1");
  EXPECT_EQ(node_of("d"), "n2");
  EXPECT_EQ(string_at(*sim::find_condition(*get("pods", "a"), "PodScheduled"), {"status"}), "True");
}

TEST_F(SchedulerTest, FinishedPodsDoNotCount) {
  add_node("n1");
  add_node("n2");
  make("a");
  make("b");
  set_pod("b", "Succeeded", false);
  make("c");
  EXPECT_EQ(node_of("c"), "n2");
}

TEST_F(SchedulerTest, WaitsForANodeToBecomeReady) {
  make("a");
  EXPECT_EQ(node_of("a"), "");
  EXPECT_EQ(reason("a"), "Unschedulable");
  EXPECT_EQ(string_at(*sim::find_condition(*get("pods", "a"), "PodScheduled"), {"message"}),
            "no nodes available to schedule pods");
  add_node("n1", false);
  scheduler.run_until_idle();
  EXPECT_EQ(string_at(*sim::find_condition(*get("pods", "a"), "PodScheduled"), {"message"}),
            "0/1 nodes are available: 1 node(s) were not ready.");
  merge("nodes", "n1", R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})", "status");
  scheduler.run_until_idle();
  EXPECT_EQ(node_of("a"), "n1");
}

TEST_F(SchedulerTest, LeavesGatedPodsAlone) {
  add_node("n1");
  make("a", R"("schedulingGates":[{"name":"berth.io/subnet"}],)");
  EXPECT_EQ(node_of("a"), "");
  EXPECT_EQ(reason("a"), "SchedulingGated");
  merge("pods", "a", R"({"spec":{"schedulingGates":null}})");
  scheduler.run_until_idle();
  EXPECT_EQ(node_of("a"), "n1");
}

TEST_F(SchedulerTest, LeavesOtherSchedulersPodsAlone) {
  add_node("n1");
  make("a", R"("schedulerName":"mine",)");
  EXPECT_EQ(node_of("a"), "");
}

TEST_F(SchedulerTest, HonoursNodeSelectorAndAffinity) {
  add_node("n1");
  add_node("n2", true, R"({"metadata":{"labels":{"disk":"ssd"}}})");
  make("a", R"("nodeSelector":{"disk":"ssd"},)");
  EXPECT_EQ(node_of("a"), "n2");
  make("b", R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
      {"matchExpressions":[{"key":"disk","operator":"DoesNotExist"}]}]}}},)");
  EXPECT_EQ(node_of("b"), "n1");
  make("c", R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
      {"matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]}]}}},)");
  EXPECT_EQ(node_of("c"), "n2");
  make("d", R"("nodeSelector":{"disk":"tape"},)");
  EXPECT_EQ(reason("d"), "Unschedulable");
  merge("nodes", "n1", R"({"metadata":{"labels":{"disk":"tape"}}})");
  scheduler.run_until_idle();
  EXPECT_EQ(node_of("d"), "n1");
}

TEST_F(SchedulerTest, HonoursTaints) {
  add_node("n1", true, R"({"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}})");
  make("a");
  EXPECT_EQ(reason("a"), "Unschedulable");
  make("b", R"("tolerations":[{"key":"gpu","operator":"Equal","value":"yes","effect":"NoSchedule"}],)");
  EXPECT_EQ(node_of("b"), "n1");
  make("c", R"("tolerations":[{"key":"gpu","value":"no"}],)");
  EXPECT_EQ(node_of("c"), "");
}

TEST_F(SchedulerTest, HonoursAntiAffinityUntilTheOtherIsGone) {
  const std::string_view apart = R"("affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
      {"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app":"db"}}}]}},)";
  add_node("n1");
  add_node("n2");
  make("a", apart, R"({"app":"db"})");
  make("b", apart, R"({"app":"db"})");
  make("c", apart, R"({"app":"db"})");
  EXPECT_NE(node_of("a"), node_of("b"));
  EXPECT_EQ(reason("c"), "Unschedulable");
  remove("pods", "b", {.grace_period_seconds = 0});
  scheduler.run_until_idle();
  EXPECT_EQ(node_of("c"), "n2");
  make("d", "", R"({"app":"db"})");
  EXPECT_EQ(node_of("d"), "") << "those that run keep it away too";
}

TEST_F(SchedulerTest, AnUnchangedVerdictIsNotWrittenAgain) {
  add_node("n1", false);
  make("a");
  const std::uint64_t before = store.version();
  merge("nodes", "n1", R"({"status":{"nodeInfo":{"kernelVersion":"6"}}})", "status");
  merge("nodes", "n1", R"({"spec":{"podCIDR":"10.0.0.0/24"}})");
  scheduler.run_until_idle();
  EXPECT_EQ(store.version(), before + 2);
}

}  // namespace
}  // namespace berth::dev
