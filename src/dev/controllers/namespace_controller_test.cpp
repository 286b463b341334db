#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

using sim::string_at;

class NamespaceTest : public ClusterTest {
 protected:
  void SetUp() override {
    add_node("n1");
    create("namespaces", R"({"metadata":{"name":"a"}})");
    scheduler.run_until_idle();
  }
};

TEST_F(NamespaceTest, HasADefaultAccountAndTheRootCertificate) {
  EXPECT_NE(get("serviceaccounts", "default", "a"), nullptr);
  EXPECT_EQ(string_at(*get("configmaps", "kube-root-ca.crt", "a"), {"data", "ca.crt"}), "PEM");
  EXPECT_NE(get("serviceaccounts", "default", "default"), nullptr);
  remove("serviceaccounts", "default", {}, "a");
  merge("configmaps", "kube-root-ca.crt", R"({"data":{"ca.crt":"other"}})", "", "a");
  scheduler.run_until_idle();
  EXPECT_NE(get("serviceaccounts", "default", "a"), nullptr);
  EXPECT_EQ(string_at(*get("configmaps", "kube-root-ca.crt", "a"), {"data", "ca.crt"}), "PEM");
}

TEST_F(NamespaceTest, AnEmptyOneGoes) {
  remove("namespaces", "a");
  scheduler.run_until_idle();
  EXPECT_EQ(get("namespaces", "a"), nullptr);
}

TEST_F(NamespaceTest, TakesWorkloadsWithIt) {
  create("deployments.apps", R"({"metadata":{"name":"d"},"spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}},
      "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})",
         "a");
  create("statefulsets.apps", R"({"metadata":{"name":"s"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"c"}},
      "template":{"metadata":{"labels":{"a":"c"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})",
         "a");
  settle();
  ASSERT_EQ(live_pods("a").size(), 5u);
  remove("namespaces", "a");
  scheduler.run_until_idle();
  ASSERT_NE(get("namespaces", "a"), nullptr) << "pods are still ending";
  EXPECT_TRUE(live_pods("a").empty());
  const auto* condition = sim::find_condition(*get("namespaces", "a"), "NamespaceContentRemaining");
  ASSERT_NE(condition, nullptr);
  EXPECT_EQ(string_at(*condition, {"message"}), "Some resources are remaining: pods. has 5 resource instances");
  settle();
  EXPECT_EQ(get("namespaces", "a"), nullptr);
  EXPECT_TRUE(list("pods", "a").empty());
  EXPECT_TRUE(list("events", "a").empty());
}

TEST_F(NamespaceTest, WaitsForFinalizersOfItsContents) {
  create("configmaps", R"({"metadata":{"name":"held","finalizers":["x.io/hold"]}})", "a");
  remove("namespaces", "a");
  settle();
  ASSERT_NE(get("namespaces", "a"), nullptr);
  const auto* condition = sim::find_condition(*get("namespaces", "a"), "NamespaceFinalizersRemaining");
  ASSERT_NE(condition, nullptr);
  EXPECT_NE(string_at(*condition, {"message"}).find("x.io/hold in 1"), std::string_view::npos);
  merge("configmaps", "held", R"({"metadata":{"finalizers":null}})", "", "a");
  scheduler.run_until_idle();
  EXPECT_EQ(get("namespaces", "a"), nullptr);
}

TEST_F(NamespaceTest, WaitsForItsOwnFinalizers) {
  merge("namespaces", "a", R"({"metadata":{"finalizers":["x.io/hold"]}})");
  remove("namespaces", "a");
  settle();
  ASSERT_NE(get("namespaces", "a"), nullptr);
  EXPECT_TRUE(list("configmaps", "a").empty());
  merge("namespaces", "a", R"({"metadata":{"finalizers":null}})");
  scheduler.run_until_idle();
  EXPECT_EQ(get("namespaces", "a"), nullptr);
}

TEST_F(NamespaceTest, MayComeBackUnderItsName) {
  remove("namespaces", "a");
  settle();
  create("namespaces", R"({"metadata":{"name":"a"}})");
  settle();
  EXPECT_NE(get("serviceaccounts", "default", "a"), nullptr);
}

}  // namespace
}  // namespace berth::dev
