#include "dev/kubelet/pod_worker.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "base/manual_scheduler.h"
#include "dev/kubelet/fakes.h"

namespace berth::dev {
namespace {

using std::chrono::seconds;
using Stage = PodWorker::Stage;

class PodWorkerTest : public ::testing::Test {
 protected:
  void make(const std::string& spec) {
    const auto pod =
        boost::json::parse(R"({"metadata":{"name":"p","namespace":"ns","uid":"0123456789"},"spec":)" + spec + "}");
    PodWorkerHooks hooks;
    hooks.log_file = [](const PodSpec&, const std::string& container, int run) {
      return container + "." + std::to_string(run);
    };
    hooks.event = [this](bool, const std::string& reason, const std::string& message) {
      events.push_back(reason);
      last_message = message;
    };
    hooks.status_changed = [] {};
    hooks.network_status = [this](const std::string& text) { network_status = text; };
    hooks.ended = [this] { ++ended; };
    worker = std::make_unique<PodWorker>(
        scheduler, host, network,
        PodWorkerOptions{.node_address = "192.0.2.1", .node_netns = "node", .namespace_prefix = "b-", .timings = {}},
        std::move(hooks), pod.as_object());
    worker->start();
    scheduler.run_until_idle();
  }

  // A pod with one container `main`, attached.
  void make_running(const std::string& more = "", const std::string& container_more = "") {
    make(R"({"terminationGracePeriodSeconds":30)" + more + R"(,"containers":[{"name":"c","command":["main"])" +
         container_more + "}]}");
    attach();
  }

  void attach() {
    ASSERT_EQ(network.attaching.size(), 1U);
    network.answer_attach(PodAddresses{.addresses = {"10.0.0.2", "fd00::2"}, .network_status = {}});
    scheduler.run_until_idle();
  }

  void detach() {
    ASSERT_EQ(network.detaching.size(), 1U);
    network.answer_detach({});
    scheduler.run_until_idle();
  }

  void end(const std::string& program, int code, std::string error = {}) {
    const auto id = host.find(program);
    ASSERT_NE(id, 0U) << program << " does not run";
    host.end(id, {.code = code, .error = std::move(error)});
    scheduler.run_until_idle();
  }

  void kill(const std::string& program, int signal) {
    const auto id = host.find(program);
    ASSERT_NE(id, 0U) << program << " does not run";
    host.end(id, {.signal = signal});
    scheduler.run_until_idle();
  }

  [[nodiscard]] std::string phase() const { return api::string_at(status(), {"phase"}); }
  [[nodiscard]] boost::json::object status(const boost::json::array& conditions = {}) const {
    return worker->status(conditions);
  }
  [[nodiscard]] std::string condition(std::string_view type) const {
    const auto all = status();
    for (const auto& one : all.at("conditions").as_array()) {
      if (api::string_at(one.as_object(), {"type"}) == type) return api::string_at(one.as_object(), {"status"});
    }
    return "absent";
  }
  [[nodiscard]] boost::json::object container(std::size_t i = 0, std::string_view list = "containerStatuses") const {
    return status().at(list).as_array().at(i).as_object();
  }
  [[nodiscard]] std::string waiting_reason() const {
    return api::string_at(container(), {"state", "waiting", "reason"});
  }

  ManualScheduler scheduler;
  FakeHost host{scheduler};
  FakeNetwork network{scheduler};
  std::unique_ptr<PodWorker> worker;
  std::vector<std::string> events;
  std::string last_message;
  std::string network_status;
  int ended = 0;
};

TEST_F(PodWorkerTest, GetsASandboxThenItsContainersThenIsReady) {
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  EXPECT_EQ(worker->stage(), Stage::sandbox);
  EXPECT_EQ(host.namespaces, std::set<std::string>{"b-01234567-0"});
  EXPECT_EQ(network.attaching.front().first.id, "0123456789-0");
  EXPECT_TRUE(host.processes.empty());
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(condition("PodReadyToStartContainers"), "False");
  EXPECT_EQ(waiting_reason(), "ContainerCreating");

  attach();
  EXPECT_EQ(worker->stage(), Stage::running);
  const auto& process = host.processes.begin()->second;
  EXPECT_EQ(process.spec.netns, "b-01234567-0");
  EXPECT_EQ(process.spec.log_file, "c.0");
  EXPECT_TRUE(process.spec.clean_env);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(condition("Ready"), "True");
  EXPECT_EQ(condition("PodReadyToStartContainers"), "True");
  EXPECT_EQ(api::string_at(status(), {"podIP"}), "10.0.0.2");
  EXPECT_EQ(boost::json::serialize(status().at("podIPs")), R"([{"ip":"10.0.0.2"},{"ip":"fd00::2"}])");
  EXPECT_EQ(api::string_at(status(), {"hostIP"}), "192.0.2.1");
}

TEST_F(PodWorkerTest, AFailedSandboxIsDiscardedAndMadeAgainLater) {
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  network.answer_attach(fail(ErrorCode::unavailable, "no subnet yet"));
  scheduler.run_until_idle();
  EXPECT_EQ(events, std::vector<std::string>{"FailedCreatePodSandBox"});
  EXPECT_NE(last_message.find("no subnet yet"), std::string::npos);
  EXPECT_EQ(network.detaching.front().first.id, "0123456789-0");
  detach();
  EXPECT_TRUE(host.namespaces.empty());
  EXPECT_TRUE(network.attaching.empty());
  scheduler.advance(seconds(1));
  ASSERT_EQ(network.attaching.size(), 1U);
  EXPECT_EQ(network.attaching.front().first.id, "0123456789-1");
  // The second failure waits longer.
  network.answer_attach(fail(ErrorCode::unavailable, "no subnet yet"));
  scheduler.run_until_idle();
  detach();
  scheduler.advance(seconds(1));
  EXPECT_TRUE(network.attaching.empty());
  scheduler.advance(seconds(1));
  attach();
  EXPECT_EQ(phase(), "Running");
}

TEST_F(PodWorkerTest, ANamespaceThatCannotBeMadeIsTriedAgain) {
  host.namespace_error = "no room";
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  EXPECT_EQ(events, std::vector<std::string>{"FailedCreatePodSandBox"});
  EXPECT_TRUE(network.detaching.empty());
  host.namespace_error.clear();
  scheduler.advance(seconds(1));
  EXPECT_EQ(network.attaching.size(), 1U);
}

TEST_F(PodWorkerTest, InitContainersRunInOrderBeforeTheOthers) {
  make(R"({"initContainers":[{"name":"i1","command":["one"]},{"name":"i2","command":["two"]}],
           "containers":[{"name":"c","command":["main"]}]})");
  EXPECT_EQ(waiting_reason(), "PodInitializing");
  attach();
  EXPECT_NE(host.find("one"), 0U);
  EXPECT_EQ(host.processes.size(), 1U);
  end("one", 0);
  EXPECT_NE(host.find("two"), 0U);
  EXPECT_EQ(condition("Initialized"), "False");
  EXPECT_EQ(phase(), "Pending");
  end("two", 0);
  EXPECT_NE(host.find("main"), 0U);
  EXPECT_EQ(condition("Initialized"), "True");
  EXPECT_EQ(phase(), "Running");
}

TEST_F(PodWorkerTest, AFailingInitContainerIsRepeatedOrFailsThePod) {
  make(R"({"initContainers":[{"name":"i","command":["one"]}],"containers":[{"name":"c","command":["main"]}]})");
  attach();
  end("one", 1);
  EXPECT_NE(host.find("one"), 0U);  // the first restart is at once
  end("one", 1);
  EXPECT_EQ(api::string_at(container(0, "initContainerStatuses"), {"state", "waiting", "reason"}), "CrashLoopBackOff");
  EXPECT_EQ(phase(), "Pending");
  scheduler.advance(seconds(10));
  end("one", 0);
  EXPECT_EQ(phase(), "Running");
}

TEST_F(PodWorkerTest, WithPolicyNeverAFailingInitContainerFailsThePod) {
  make(R"({"restartPolicy":"Never","initContainers":[{"name":"i","command":["one"]}],
           "containers":[{"name":"c","command":["main"]}]})");
  attach();
  end("one", 1);
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(host.find("main"), 0U);
  detach();
  EXPECT_EQ(worker->stage(), Stage::ended);
  EXPECT_TRUE(host.namespaces.empty());
}

TEST_F(PodWorkerTest, CrashesBackOffAndAGoodRunForgetsThem) {
  make_running();
  end("main", 1);
  EXPECT_NE(host.find("main"), 0U);
  EXPECT_EQ(api::int_at(container(), {"restartCount"}), 1);
  EXPECT_EQ(api::int_at(container(), {"lastState", "terminated", "exitCode"}), 1);
  for (const int wait : {10, 20, 40}) {
    end("main", 1);
    EXPECT_EQ(waiting_reason(), "CrashLoopBackOff");
    EXPECT_EQ(phase(), "Running");
    EXPECT_EQ(condition("Ready"), "False");
    scheduler.advance(seconds(wait - 1));
    EXPECT_EQ(host.find("main"), 0U);
    scheduler.advance(seconds(1));
    EXPECT_NE(host.find("main"), 0U);
  }
  EXPECT_EQ(condition("Ready"), "True");
  scheduler.advance(seconds(601));
  end("main", 1);
  EXPECT_NE(host.find("main"), 0U);
}

TEST_F(PodWorkerTest, AProgramThatCannotBeExecutedIsAStartError) {
  host.unexecutable = "main";
  make_running(R"(,"restartPolicy":"Never")");
  EXPECT_EQ(api::string_at(container(), {"state", "terminated", "reason"}), "StartError");
  EXPECT_EQ(api::int_at(container(), {"state", "terminated", "exitCode"}), 128);
  EXPECT_EQ(phase(), "Failed");
}

TEST_F(PodWorkerTest, RestartPoliciesDecideWhatBecomesOfThePod) {
  make_running(R"(,"restartPolicy":"OnFailure")");
  end("main", 1);
  EXPECT_NE(host.find("main"), 0U);
  end("main", 0);
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_EQ(condition("Ready"), "False");
  EXPECT_EQ(api::string_at(container(), {"state", "terminated", "reason"}), "Completed");
  EXPECT_EQ(ended, 0);
  detach();
  EXPECT_EQ(worker->stage(), Stage::ended);
  EXPECT_EQ(ended, 1);
  worker->remove(seconds(0));
  EXPECT_EQ(ended, 2);
}

TEST_F(PodWorkerTest, APostStartHookHoldsThePodBackUntilItIsDone) {
  make(R"j({"containers":[
    {"name":"c","command":["main"],"env":[{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],
     "lifecycle":{"postStart":{"exec":{"command":["hook","$(IP)"]}}}},
    {"name":"d","command":["second"]}]})j");
  attach();
  EXPECT_NE(host.find("main"), 0U);
  EXPECT_EQ(host.find("second"), 0U);
  EXPECT_EQ(phase(), "Pending");
  const auto& hook = host.processes.at(host.find("hook"));
  EXPECT_EQ(hook.spec.argv, (std::vector<std::string>{"hook", "10.0.0.2"}));
  EXPECT_EQ(hook.spec.netns, "b-01234567-0");
  end("hook", 0);
  EXPECT_NE(host.find("second"), 0U);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(condition("Ready"), "True");
}

TEST_F(PodWorkerTest, AFailedPostStartHookKillsTheContainerWhichIsRestarted) {
  make_running("", R"(,"lifecycle":{"postStart":{"exec":{"command":["hook"]}}})");
  end("hook", 1, "address is not in 10.90.3.0/24\n");
  const std::vector<std::string> wanted = {"Started", "FailedPostStartHook", "Killing"};
  EXPECT_EQ(events, wanted);
  EXPECT_EQ(host.processes.at(host.find("main")).stopped, std::vector<Duration>{seconds(30)});
  EXPECT_EQ(condition("Ready"), "False");
  kill("main", 15);
  // Restarted at once the first time; the second time it waits.
  end("hook", 1);
  kill("main", 15);
  EXPECT_EQ(waiting_reason(), "CrashLoopBackOff");
  EXPECT_EQ(api::int_at(container(), {"lastState", "terminated", "exitCode"}), 143);
  scheduler.advance(seconds(10));
  end("hook", 0);
  EXPECT_EQ(condition("Ready"), "True");
  EXPECT_EQ(api::int_at(container(), {"restartCount"}), 2);
}

TEST_F(PodWorkerTest, AnUnsupportedHookFailsInsteadOfPretending) {
  make_running("", R"(,"lifecycle":{"postStart":{"httpGet":{"port":80}}})");
  EXPECT_EQ(events[1], "FailedPostStartHook");
}

TEST_F(PodWorkerTest, AHookOfAnEarlierRunHasNoSay) {
  make_running("", R"(,"lifecycle":{"postStart":{"exec":{"command":["hook"]}}})");
  end("main", 1);  // dies while its hook runs: the hook is stopped, a new run begins
  const auto old_hook = host.find("hook");
  EXPECT_EQ(host.processes.at(old_hook).stopped, std::vector<Duration>{seconds(0)});
  host.end(old_hook, {.code = 0});
  scheduler.run_until_idle();
  EXPECT_EQ(condition("Ready"), "False");
  end("hook", 0);
  EXPECT_EQ(condition("Ready"), "True");
}

TEST_F(PodWorkerTest, ReadinessFollowsTheProbe) {
  make_running("", R"(,"readinessProbe":{"exec":{"command":["probe"]},"initialDelaySeconds":2,"periodSeconds":5,
                      "failureThreshold":2})");
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(condition("Ready"), "False");
  scheduler.advance(seconds(2));
  end("probe", 0);
  EXPECT_EQ(condition("Ready"), "True");
  scheduler.advance(seconds(5));
  end("probe", 1);
  EXPECT_EQ(condition("Ready"), "True");
  scheduler.advance(seconds(5));
  end("probe", 1);
  EXPECT_EQ(condition("Ready"), "False");
}

TEST_F(PodWorkerTest, AReadinessGateHoldsReadyBack) {
  make_running(R"(,"readinessGates":[{"conditionType":"x/y"}])");
  EXPECT_EQ(condition("Ready"), "False");
  EXPECT_EQ(condition("ContainersReady"), "True");
  const auto before = boost::json::parse(R"([{"type":"x/y","status":"True","lastTransitionTime":"then"}])").as_array();
  const auto conditions = boost::json::serialize(status(before).at("conditions"));
  EXPECT_NE(conditions.find(R"({"type":"x/y","status":"True","lastTransitionTime":"then"})"), std::string::npos);
  EXPECT_NE(conditions.find(R"({"type":"Ready","status":"True")"), std::string::npos);
}

TEST_F(PodWorkerTest, DeletionStopsDetachesAndEnds) {
  make_running();
  worker->remove(seconds(7));
  scheduler.run_until_idle();
  EXPECT_EQ(worker->stage(), Stage::stopping);
  EXPECT_EQ(condition("Ready"), "False");
  EXPECT_EQ(host.processes.at(host.find("main")).stopped, std::vector<Duration>{seconds(7)});
  EXPECT_TRUE(network.detaching.empty());
  worker->remove(seconds(1));
  EXPECT_EQ(host.processes.at(host.find("main")).stopped.size(), 2U);
  worker->remove(seconds(5));  // longer again: ignored
  EXPECT_EQ(host.processes.at(host.find("main")).stopped.size(), 2U);
  kill("main", 15);
  EXPECT_EQ(ended, 0);
  detach();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(worker->stage(), Stage::ended);
  EXPECT_TRUE(host.namespaces.empty());
  EXPECT_TRUE(host.processes.empty());
  EXPECT_EQ(api::int_at(container(), {"state", "terminated", "exitCode"}), 143);
}

TEST_F(PodWorkerTest, APreStopHookComesBeforeTheSignal) {
  make_running("", R"(,"lifecycle":{"preStop":{"exec":{"command":["bye"]}}})");
  worker->remove(seconds(10));
  scheduler.run_until_idle();
  EXPECT_TRUE(host.processes.at(host.find("main")).stopped.empty());
  EXPECT_EQ(host.processes.at(host.find("bye")).spec.timeout, seconds(10));
  scheduler.advance(seconds(4));
  end("bye", 0);
  EXPECT_EQ(host.processes.at(host.find("main")).stopped, std::vector<Duration>{seconds(6)});
}

TEST_F(PodWorkerTest, DeletionWhileTheNetworkIsBeingMadeCancelsIt) {
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  worker->remove(seconds(30));
  scheduler.run_until_idle();
  EXPECT_EQ(network.cancelled, std::vector<std::string>{"0123456789-0"});
  EXPECT_TRUE(network.detaching.empty());
  network.answer_attach(fail(ErrorCode::unavailable, "killed"));
  scheduler.run_until_idle();
  detach();
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(host.namespaces.empty());
  EXPECT_TRUE(network.attaching.empty());
}

TEST_F(PodWorkerTest, DeletionWhileAFailedSandboxIsDiscardedDetachesOnlyOnceAtATime) {
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  network.answer_attach(fail(ErrorCode::unavailable, "no"));
  scheduler.run_until_idle();
  worker->remove(seconds(0));
  scheduler.run_until_idle();
  ASSERT_EQ(network.detaching.size(), 1U);
  detach();
  detach();
  EXPECT_EQ(ended, 1);
}

TEST_F(PodWorkerTest, DeletionBetweenTwoAttemptsEndsAtOnce) {
  host.namespace_error = "no room";
  make(R"({"containers":[{"name":"c","command":["main"]}]})");
  worker->remove(seconds(30));
  scheduler.run_until_idle();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(scheduler.pending(), 0U);
}

TEST_F(PodWorkerTest, DeletionDuringABackOffDoesNotStartTheContainerAgain) {
  make_running();
  end("main", 1);
  end("main", 1);
  worker->remove(seconds(30));
  scheduler.run_until_idle();
  detach();
  EXPECT_EQ(ended, 1);
  scheduler.advance(seconds(60));
  EXPECT_TRUE(host.processes.empty());
}

TEST_F(PodWorkerTest, WhatCannotBeTakenAwayIsTriedUntilItIs) {
  make_running();
  worker->remove(seconds(0));
  scheduler.run_until_idle();
  kill("main", 9);
  network.answer_detach(fail(ErrorCode::unavailable, "agent is away"));
  scheduler.run_until_idle();
  EXPECT_EQ(events.back(), "FailedKillPodSandBox");
  EXPECT_EQ(ended, 0);
  scheduler.advance(seconds(1));
  host.remove_error = "busy";
  network.answer_detach({});
  scheduler.run_until_idle();
  EXPECT_EQ(ended, 0);
  host.remove_error.clear();
  scheduler.advance(seconds(2));
  detach();
  EXPECT_EQ(ended, 1);
}

TEST_F(PodWorkerTest, AHostNetworkPodNeedsNoSandbox) {
  make(R"({"hostNetwork":true,"containers":[{"name":"c","command":["main"]}]})");
  EXPECT_TRUE(network.attaching.empty());
  EXPECT_EQ(host.processes.at(host.find("main")).spec.netns, "node");
  EXPECT_EQ(host.processes.at(host.find("main")).spec.hostname, "");
  EXPECT_EQ(api::string_at(status(), {"podIP"}), "192.0.2.1");
  worker->remove(seconds(0));
  scheduler.run_until_idle();
  kill("main", 9);
  EXPECT_EQ(ended, 1);
}

TEST_F(PodWorkerTest, TimesOfConditionsChangeOnlyWithTheirStatus) {
  make_running();
  const auto first = status().at("conditions").as_array();
  scheduler.advance(seconds(100));
  EXPECT_EQ(status(first).at("conditions").as_array(), first);
  end("main", 1);
  scheduler.run_until_idle();
  end("main", 1);
  const auto later = status(first).at("conditions").as_array();
  EXPECT_NE(later, first);
  EXPECT_EQ(later[0], first[0]);
}

TEST_F(PodWorkerTest, AnEnvironmentThatCannotBeMadeKeepsTheContainerWaiting) {
  make_running("", R"(,"env":[{"name":"S","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}])");
  EXPECT_EQ(waiting_reason(), "CreateContainerConfigError");
  EXPECT_EQ(phase(), "Pending");
  EXPECT_TRUE(host.processes.empty());
  worker->remove(seconds(0));
  scheduler.run_until_idle();
  detach();
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace berth::dev
