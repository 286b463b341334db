#include "dev/kubelet/pod_spec.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace berth::dev {
namespace {

PodSpec parse(const char* text) { return PodSpec::parse(boost::json::parse(text).as_object()); }

TEST(PodSpec, ReadsWhatTheKubeletRuns) {
  const auto pod = parse(R"({
    "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1"},
    "spec": {"nodeName": "n1", "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 7,
      "initContainers": [{"name": "prepare", "command": ["true"]}],
      "readinessGates": [{"conditionType": "x/ready"}],
      "containers": [
        {"name": "a", "command": ["sh", "-c"], "args": ["echo"], "workingDir": "/srv",
         "lifecycle": {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"sleep": {"seconds": 3}}},
         "readinessProbe": {"exec": {"command": ["test"]}, "periodSeconds": 2}},
        {"name": "b", "lifecycle": {"postStart": {"httpGet": {"port": 80}}}, "readinessProbe": {"tcpSocket": {"port": 1}}},
        {"name": "c", "args": ["only", "args"]}]}})");
  EXPECT_EQ(pod.key(), "shop/web-0");
  EXPECT_EQ(pod.hostname, "web-0");
  EXPECT_EQ(pod.restart_policy, RestartPolicy::on_failure);
  EXPECT_EQ(pod.grace, std::chrono::seconds(7));
  ASSERT_EQ(pod.init_containers.size(), 1U);
  EXPECT_EQ(pod.readiness_gates, std::vector<std::string>{"x/ready"});
  ASSERT_EQ(pod.containers.size(), 3U);
  EXPECT_EQ(pod.containers[0].command, (std::vector<std::string>{"sh", "-c", "echo"}));
  EXPECT_EQ(pod.containers[0].working_dir, "/srv");
  EXPECT_EQ(pod.containers[0].pre_stop->command, (std::vector<std::string>{"sleep", "3"}));
  EXPECT_EQ(pod.containers[0].readiness->period, std::chrono::seconds(2));
  EXPECT_EQ(pod.containers[0].readiness->failures, 3);
  EXPECT_EQ(pod.containers[1].command, (std::vector<std::string>{"sleep", "infinity"}));
  EXPECT_EQ(pod.containers[1].post_start->unsupported, "httpGet");
  EXPECT_FALSE(pod.containers[1].readiness);
  EXPECT_EQ(pod.containers[2].command, (std::vector<std::string>{"only", "args"}));
}

TEST(PodSpec, NonsenseReadsAsNothing) {
  const auto pod = parse(R"({"metadata": 7, "spec": {"containers": {"a": 1}, "restartPolicy": []}})");
  EXPECT_TRUE(pod.containers.empty());
  EXPECT_EQ(pod.restart_policy, RestartPolicy::always);
}

TEST(PodSpec, EnvironmentHasTheDownwardApiAndReferences) {
  const auto pod = parse(R"({
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "shop"}, "annotations": {"a/b": "c"}},
    "spec": {"nodeName": "n1", "containers": [{"name": "a", "env": [
      {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
      {"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
      {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
      {"name": "ANN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['a/b']"}}},
      {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
      {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
      {"name": "URL", "value": "http://$(IP):80/$(NOPE)/$$(IP)$"}]}]}})");
  const auto env = environment_of(pod, pod.containers[0], {.host_ip = "192.0.2.1", .pod_ips = {"10.0.0.2", "fd00::2"}});
  ASSERT_TRUE(env) << env.error().message;
  EXPECT_EQ(std::vector<std::string>(env->begin() + 1, env->end()),
            (std::vector<std::string>{"HOSTNAME=p", "HOME=/", "IP=10.0.0.2", "IPS=10.0.0.2,fd00::2", "APP=shop",
                                      "ANN=c", "NODE=n1", "MAYBE=", "URL=http://10.0.0.2:80/$(NOPE)/$(IP)$"}));
  EXPECT_EQ(expand_command({"echo", "$(APP)-$(NOPE)", "$$(APP)", "a$b"}, *env),
            (std::vector<std::string>{"echo", "shop-$(NOPE)", "$(APP)", "a$b"}));
}

TEST(PodSpec, UnsupportedEnvironmentIsRefusedByName) {
  for (const char* from :
       {R"({"secretKeyRef": {"name": "s", "key": "k"}})", R"({"fieldRef": {"fieldPath": "spec.x"}})"}) {
    const auto pod =
        parse((std::string(R"({"spec": {"containers": [{"name": "a", "env": [{"name": "PASSWORD", "valueFrom": )") +
               from + "}]}]}}")
                  .c_str());
    const auto env = environment_of(pod, pod.containers[0], {});
    ASSERT_FALSE(env);
    EXPECT_EQ(env.error().code, ErrorCode::invalid);
    EXPECT_NE(env.error().message.find("PASSWORD"), std::string::npos);
  }
}

}  // namespace
}  // namespace berth::dev
