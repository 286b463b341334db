#include "sim/api/defaults.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "sim/api/object.h"
#include "sim/api/registry.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

// What kube-apiserver 1.34 makes of a spec; for pods with the ServiceAccount admission plugin's defaults.
struct Row {
  const char* name;
  const char* group;
  const char* plural;
  const char* spec;
  const char* result;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

class DefaultsTest : public ::testing::TestWithParam<Row> {};

TEST_P(DefaultsTest, AreThoseOfKubeApiserverAndStable) {
  const Row& row = GetParam();
  const Registry registry;
  const TypePtr type = registry.find_stored(row.group, row.plural);
  json::object object{{"metadata", {{"name", "x"}, {"uid", "u"}}}, {"spec", json::parse(row.spec)}};
  apply_defaults(*type, object);
  EXPECT_EQ(object["spec"], json::parse(row.result)) << json::serialize(object["spec"]);
  const json::object once = object;
  apply_defaults(*type, object);
  EXPECT_EQ(object, once);
}

constexpr Row kRows[] = {
    {"Pod", "", "pods", R"({"containers":[{"name":"c","image":"i"}]})",
     R"({"containers":[{"name":"c","image":"i","resources":{},"terminationMessagePath":"/dev/termination-log",
         "terminationMessagePolicy":"File","imagePullPolicy":"Always"}],"restartPolicy":"Always",
         "terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler",
         "serviceAccountName":"default","serviceAccount":"default",
         "tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},
                        {"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],
         "priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"})"},
    {"Deployment", "apps", "deployments",
     R"({"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[
         {"name":"c","image":"i:1","ports":[{"containerPort":80}]}],"volumes":[{"name":"v"},{"name":"w","configMap":{"name":"x"}}]}}})",
     R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{
         "volumes":[{"name":"v","emptyDir":{}},{"name":"w","configMap":{"name":"x","defaultMode":420}}],
         "containers":[{"name":"c","image":"i:1","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},
         "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
         "restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},
         "schedulerName":"default-scheduler"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},
         "revisionHistoryLimit":10,"progressDeadlineSeconds":600})"},
    {"StatefulSet", "apps", "statefulsets",
     R"({"serviceName":"x","selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[]}}})",
     R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[],
         "restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},
         "schedulerName":"default-scheduler"}},"serviceName":"x","podManagementPolicy":"OrderedReady",
         "updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},"revisionHistoryLimit":10,
         "persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"}})"},
    {"Recreate", "apps", "deployments", R"({"strategy":{"type":"Recreate"},"selector":{},"template":{"spec":{}}})",
     R"({"replicas":1,"selector":{},"template":{"metadata":{},"spec":{"restartPolicy":"Always","terminationGracePeriodSeconds":30,
         "dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"strategy":{"type":"Recreate"},
         "revisionHistoryLimit":10,"progressDeadlineSeconds":600})"},
    {"Job", "batch", "jobs", R"({"template":{"spec":{"restartPolicy":"Never"}}})",
     R"({"parallelism":1,"completions":1,"backoffLimit":6,"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"u"}},
         "manualSelector":false,"template":{"metadata":{"labels":{"batch.kubernetes.io/controller-uid":"u",
         "batch.kubernetes.io/job-name":"x","controller-uid":"u","job-name":"x"}},"spec":{"restartPolicy":"Never",
         "terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},
         "completionMode":"NonIndexed","suspend":false,"podReplacementPolicy":"TerminatingOrFailed"})"},
    {"Service", "", "services", R"({"ports":[{"port":80}],"type":"NodePort"})",
     R"({"ports":[{"port":80,"protocol":"TCP","targetPort":80}],"type":"NodePort","sessionAffinity":"None",
         "externalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"})"},
};
INSTANTIATE_TEST_SUITE_P(Table, DefaultsTest, ::testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(QosClassTest, FollowsRequestsAndLimits) {
  const auto of = [](const char* resources) {
    return qos_class({{"containers", json::array{json::object{{"name", "c"}, {"resources", json::parse(resources)}}}}});
  };
  EXPECT_EQ(of("{}"), "BestEffort");
  EXPECT_EQ(of(R"({"requests":{"cpu":"1"}})"), "Burstable");
  EXPECT_EQ(of(R"({"requests":{"cpu":"1","memory":"1"},"limits":{"cpu":"1","memory":"1"}})"), "Guaranteed");
  EXPECT_EQ(of(R"({"requests":{"cpu":"1","memory":"1"},"limits":{"cpu":"2","memory":"1"}})"), "Burstable");
}

}  // namespace
}  // namespace berth::sim
