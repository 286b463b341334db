#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

using sim::int_at;
using sim::string_at;

class StatefulSetTest : public ClusterTest {
 protected:
  void SetUp() override { add_node("n1"); }
  void deploy(int replicas, std::string_view more = "") {
    create(
        "statefulsets.apps",
        fmt::format(
            R"({{"metadata":{{"name":"db"}},"spec":{{"replicas":{},"serviceName":"db","selector":{{"matchLabels":{{"app":"db"}}}},
               "template":{{"metadata":{{"labels":{{"app":"db"}}}},"spec":{{"containers":[{{"name":"c","image":"i:1"}}]}}}}{}}}}})",
            replicas, more));
  }
  void set_image(std::string_view image) {
    merge("statefulsets.apps", "db",
          fmt::format(R"({{"spec":{{"template":{{"spec":{{"containers":[{{"name":"c","image":"{}"}}]}}}}}}}})", image));
  }
  sim::Object db() const { return get("statefulsets.apps", "db"); }
  std::string image(std::string_view pod) const {
    return std::string(
        string_at(sim::array_at(*get("pods", pod), {"spec", "containers"})->at(0).as_object(), {"image"}));
  }
};

TEST_F(StatefulSetTest, StartsInOrderEachWhenTheOneBeforeIsReady) {
  deploy(3);
  scheduler.run_until_idle();
  EXPECT_EQ(names("pods"), std::vector<std::string>{"db-0"});
  scheduler.run_until_idle();
  EXPECT_EQ(names("pods").size(), 1u);
  set_pod("db-0", "Running", false);
  scheduler.run_until_idle();
  EXPECT_EQ(names("pods").size(), 1u) << "running is not ready";
  set_pod("db-0", "Running", true);
  scheduler.run_until_idle();
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"db-0", "db-1"}));
  settle();
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"db-0", "db-1", "db-2"}));
  const sim::Object pod = get("pods", "db-1");
  EXPECT_EQ(string_at(*pod, {"metadata", "labels", "statefulset.kubernetes.io/pod-name"}), "db-1");
  EXPECT_EQ(string_at(*pod, {"metadata", "labels", "controller-revision-hash"}),
            string_at(*db(), {"status", "updateRevision"}));
  EXPECT_EQ(string_at(*pod, {"spec", "hostname"}), "db-1");
  EXPECT_EQ(string_at(*pod, {"spec", "subdomain"}), "db");
  EXPECT_EQ(int_at(*db(), {"status", "readyReplicas"}), 3);
  EXPECT_EQ(int_at(*db(), {"status", "availableReplicas"}), 3);
  EXPECT_EQ(int_at(*db(), {"status", "currentReplicas"}), 3);
}

TEST_F(StatefulSetTest, ParallelStartsAllAtOnce) {
  deploy(3, R"(,"podManagementPolicy":"Parallel")");
  scheduler.run_until_idle();
  EXPECT_EQ(names("pods").size(), 3u);
  merge("statefulsets.apps", "db", R"({"spec":{"replicas":1}})");
  settle();
  EXPECT_EQ(names("pods"), std::vector<std::string>{"db-0"});
}

TEST_F(StatefulSetTest, ScalesDownFromTheEndOneByOne) {
  deploy(3);
  settle();
  merge("statefulsets.apps", "db", R"({"spec":{"replicas":1}})");
  scheduler.run_until_idle();
  EXPECT_TRUE(sim::is_terminating(*get("pods", "db-2")));
  EXPECT_FALSE(sim::is_terminating(*get("pods", "db-1"))) << "db-2 has not ended yet";
  settle();
  EXPECT_EQ(names("pods"), std::vector<std::string>{"db-0"});
}

TEST_F(StatefulSetTest, ADeletedPodComesBackUnderItsName) {
  deploy(2);
  settle();
  const std::string uid(sim::uid_of(*get("pods", "db-0")));
  remove("pods", "db-0");
  scheduler.run_until_idle();
  EXPECT_EQ(sim::uid_of(*get("pods", "db-0")), uid) << "the old one still holds the name";
  settle();
  ASSERT_NE(get("pods", "db-0"), nullptr);
  EXPECT_NE(sim::uid_of(*get("pods", "db-0")), uid);
}

TEST_F(StatefulSetTest, AFailedPodIsMadeAnew) {
  deploy(1);
  settle();
  const std::string uid(sim::uid_of(*get("pods", "db-0")));
  set_pod("db-0", "Failed", false);
  settle();
  EXPECT_NE(sim::uid_of(*get("pods", "db-0")), uid);
  EXPECT_EQ(phase_of(*get("pods", "db-0")), "Running");
}

TEST_F(StatefulSetTest, UpdatesFromTheHighestOrdinalOneAtATime) {
  deploy(3);
  settle();
  const std::string before(string_at(*db(), {"status", "currentRevision"}));
  set_image("i:2");
  std::vector<std::string> order;
  settle([&] {
    int terminating = 0;
    for (const sim::Object& pod : list("pods")) {
      const std::string name(sim::name_of(*pod));
      if (sim::is_terminating(*pod)) {
        ++terminating;
        if (order.empty() || order.back() != name) order.push_back(name);
      }
    }
    EXPECT_LE(terminating, 1);
  });
  EXPECT_EQ(order, (std::vector<std::string>{"db-2", "db-1", "db-0"}));
  for (const char* name : {"db-0", "db-1", "db-2"}) EXPECT_EQ(image(name), "i:2");
  EXPECT_NE(string_at(*db(), {"status", "currentRevision"}), before);
  EXPECT_EQ(string_at(*db(), {"status", "currentRevision"}), string_at(*db(), {"status", "updateRevision"}));
  EXPECT_EQ(int_at(*db(), {"status", "updatedReplicas"}), 3);
}

TEST_F(StatefulSetTest, ParallelUpdatesOneAtATimeToo) {
  deploy(3, R"(,"podManagementPolicy":"Parallel")");
  settle();
  set_image("i:2");
  settle([&] {
    const auto pods = live_pods();
    EXPECT_GE(std::count_if(pods.begin(), pods.end(), [](const sim::Object& pod) { return is_ready(*pod); }), 2);
  });
  for (const char* name : {"db-0", "db-1", "db-2"}) EXPECT_EQ(image(name), "i:2");
}

TEST_F(StatefulSetTest, APartitionHoldsTheLowerOrdinalsBack) {
  deploy(3);
  settle();
  merge("statefulsets.apps", "db", R"({"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}})");
  set_image("i:2");
  settle();
  EXPECT_EQ(image("db-2"), "i:2");
  EXPECT_EQ(image("db-1"), "i:1");
  remove("pods", "db-0");
  settle();
  EXPECT_EQ(image("db-0"), "i:1") << "below the partition a pod comes back as it was";
  EXPECT_EQ(int_at(*db(), {"status", "updatedReplicas"}), 1);
  EXPECT_NE(string_at(*db(), {"status", "currentRevision"}), string_at(*db(), {"status", "updateRevision"}));
}

TEST_F(StatefulSetTest, OnDeleteWaitsForThePodToBeDeleted) {
  deploy(2, R"(,"updateStrategy":{"type":"OnDelete"})");
  settle();
  set_image("i:2");
  settle();
  EXPECT_EQ(image("db-1"), "i:1");
  remove("pods", "db-1");
  settle();
  EXPECT_EQ(image("db-1"), "i:2");
  EXPECT_EQ(image("db-0"), "i:1");
}

TEST_F(StatefulSetTest, OrdinalsMayStartElsewhere) {
  deploy(2, R"(,"ordinals":{"start":5})");
  settle();
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"db-5", "db-6"}));
}

}  // namespace
}  // namespace berth::dev
