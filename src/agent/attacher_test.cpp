#include "agent/attacher.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "agent/testing/attacher_fixture.h"

namespace berth::agent {
namespace {

namespace json = boost::json;
using namespace testing;
using namespace std::chrono_literals;

class AttacherTest : public AttacherFixture {};

TEST_F(AttacherTest, WiresAPodWhoseAddressIsConfirmed) {
  set_up_all();
  const auto call = add();
  ASSERT_EQ(code(call), 0);
  EXPECT_EQ(**call->reply, json::parse(R"({
    "cniVersion":"1.1.0",
    "interfaces":[{"name":"c1_h","mac":"02:00:00:00:00:01"},
                  {"name":"eth0","mac":"00:00:00:53:6b:b6","mtu":1400,"sandbox":"/run/netns/p"}],
    "ips":[{"address":"10.1.0.5/24","interface":1,"gateway":"10.1.0.1"}],
    "routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1"}],
    "dns":{}})")
                               .as_object());
  ASSERT_EQ(wiring_.wired.size(), 1U);
  const auto& spec = wiring_.wired.begin()->second;
  EXPECT_EQ(spec.port, "p.shop");
  EXPECT_EQ(spec.pod_uid, kPodUid);
  EXPECT_EQ(spec.netns, "/run/netns/p");
  EXPECT_EQ(ip_spec().at("nodeName"), "node-1");
  EXPECT_EQ(ip_spec().at("containerID"), "c1");
  EXPECT_EQ(metrics_.wrong_subnets_prevented(), 0);
}

TEST_F(AttacherTest, ClaimsBeforeItTouchesTheNode) {
  set_up_all();
  wiring_.hold = true;
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  ASSERT_EQ(wiring_.calls.size(), 1U);
  EXPECT_EQ(ip_spec().at("containerID"), "c1");
}

TEST_F(AttacherTest, TheMtuOfTheSubnetIsThePods) {
  set_up_all();
  json::object narrow = subnet();
  if (!narrow["spec"].is_object()) narrow["spec"].emplace_object();
  narrow["spec"].as_object()["mtu"] = 1300;
  put_subnet(std::move(narrow));
  EXPECT_EQ(code(add()), 0);
  ASSERT_EQ(wiring_.wired.size(), 1U);
  EXPECT_EQ(wiring_.wired.begin()->second.mtu, 1300);
}

TEST_F(AttacherTest, WaitsForThePodAndItsAnnotationsWithoutAsking) {
  sync();
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  scheduler_.advance(5s);
  put_pod(unbound_pod());
  EXPECT_EQ(code(call), -1);
  put_subnet(subnet());
  put_ip();
  scheduler_.advance(5s);
  EXPECT_TRUE(requests_.empty());
  put_pod(bound_pod());
  EXPECT_EQ(code(call), 0);
  EXPECT_EQ(metrics_.text().find("berth_agent_refused_total{"), std::string::npos) << metrics_.text();
}

TEST_F(AttacherTest, WaitsUntilTheCachesAreFull) {
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  put_ip();
  view_.on_pods(kube::Replace{{bound_pod()}, "1"});
  view_.on_subnets(kube::Replace{{subnet()}, "1"});
  scheduler_.run_until_idle();
  EXPECT_EQ(code(call), -1);
  view_.on_nodes(kube::Replace{{json::object{{"metadata", {{"name", "node-1"}}}}}, "1"});
  scheduler_.run_until_idle();
  EXPECT_EQ(code(call), 0);
}

TEST_F(AttacherTest, AnUnboundPodMeansErrorElevenAtTheDeadline) {
  sync();
  put_pod(unbound_pod());
  const auto call = add();
  scheduler_.advance(29s);
  EXPECT_EQ(code(call), -1);
  scheduler_.advance(1s);
  ASSERT_EQ(code(call), cni::kTryAgainLater);
  EXPECT_TRUE(call->reply->error().details.contains("no address for network ovn yet"));
  EXPECT_EQ(attacher_->waiting(), 0U);
}

TEST_F(AttacherTest, ARebindUnderWayIsWaitedFor) {
  set_up_all();
  put_ip("10.1.0.9");
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  EXPECT_EQ(metrics_.refusals(Reason::ip_differs), 1);
  put_pod(bound_pod("10.1.0.9"));
  ASSERT_EQ(code(call), 0);
  EXPECT_EQ(wiring_.wired.begin()->second.addresses.at(0).address, *net::Address::parse("10.1.0.9"));
}

TEST_F(AttacherTest, ASubnetThatComesBackReleasesItsPods) {
  set_up_all();
  view_.on_subnets(kube::Delete{subnet()});
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  put_subnet(subnet());
  EXPECT_EQ(code(call), 0);
  EXPECT_EQ(metrics_.refusals(Reason::subnet_missing), 1);
}

TEST_F(AttacherTest, AConflictIsReadAndConfirmedAgain) {
  set_up_all();
  transport_.responder = nullptr;
  const auto call = add();
  (void)transport_.answer(json::value(*ip_));
  scheduler_.run_until_idle();
  // The controller rebinds between the read and the claim: the claim must lose.
  EXPECT_EQ(transport_.answer(fail(ErrorCode::conflict, "modified")).verb, api::Verb::merge_patch);
  scheduler_.run_until_idle();
  put_ip("10.1.0.8");
  EXPECT_EQ(transport_.answer(json::value(*ip_)).verb, api::Verb::get);
  scheduler_.run_until_idle();
  EXPECT_EQ(code(call), -1);
  EXPECT_TRUE(wiring_.calls.empty());
  EXPECT_EQ(metrics_.refusals(Reason::ip_differs), 1);
  transport_.responder = [this](const api::Request& request) { return serve(request); };
  put_pod(bound_pod("10.1.0.8"));
  EXPECT_EQ(code(call), 0);
}

TEST_F(AttacherTest, AChangeDuringTheReadIsNotMissed) {
  set_up_all();
  transport_.responder = nullptr;
  const auto call = add();
  put_subnet(subnet("uid-web-2"));
  (void)transport_.answer(json::value(*ip_));
  scheduler_.run_until_idle();
  EXPECT_EQ(code(call), -1);
  EXPECT_TRUE(transport_.calls.empty());
  EXPECT_EQ(metrics_.refusals(Reason::subnet_replaced), 1);
}

TEST_F(AttacherTest, AnUnreachableApiServerIsTriedAgain) {
  set_up_all();
  errors_ = {{ErrorCode::unavailable, "connection refused"}, {ErrorCode::timeout, "too slow"}};
  const auto call = add();
  EXPECT_EQ(code(call), -1);
  scheduler_.advance(2s);
  EXPECT_EQ(code(call), 0);
  EXPECT_EQ(requests_.size(), 4U);  // two failures, the read, the claim
}

TEST_F(AttacherTest, AClaimOfUnknownOutcomeIsReadAgain) {
  set_up_all();
  transport_.responder = nullptr;
  const auto call = add();
  (void)transport_.answer(json::value(*ip_));
  scheduler_.run_until_idle();
  (void)transport_.answer(fail(ErrorCode::timeout, "no answer"));
  scheduler_.run_until_idle();
  EXPECT_EQ(code(call), -1);
  // It did happen.
  ip_spec()["nodeName"] = "node-1";
  ip_spec()["containerID"] = "c1";
  transport_.responder = [this](const api::Request& request) { return serve(request); };
  scheduler_.advance(2s);
  EXPECT_EQ(code(call), 0);
  EXPECT_EQ(patches(), 0U);
}

TEST_F(AttacherTest, ARepeatedAddSucceedsWithTheSameResult) {
  set_up_all();
  const auto first = add();
  const auto second = add();
  ASSERT_EQ(code(first), 0);
  ASSERT_EQ(code(second), 0);
  EXPECT_EQ(**first->reply, **second->reply);
  EXPECT_EQ(patches(), 1U);
}

TEST_F(AttacherTest, TwoCallersOfOneAddShareIt) {
  sync();
  const auto first = add();
  const auto second = add();
  EXPECT_EQ(attacher_->waiting(), 1U);
  put_subnet(subnet());
  put_ip();
  put_pod(bound_pod());
  EXPECT_EQ(code(first), 0);
  EXPECT_EQ(code(second), 0);
  EXPECT_EQ(wiring_.calls.size(), 1U);
}

TEST_F(AttacherTest, FailedWiringGivesTheIpBackToTheController) {
  set_up_all();
  wiring_.results.push_back(fail(ErrorCode::timeout, "OVN has not installed port p.shop"));
  const auto call = add();
  ASSERT_EQ(code(call), cni::kTryAgainLater);
  EXPECT_TRUE(call->reply->error().details.contains("OVN has not installed"));
  EXPECT_EQ(ip_spec().at("containerID"), "");
  const auto again = add("c2");
  EXPECT_EQ(code(again), 0);
  EXPECT_EQ(ip_spec().at("containerID"), "c2");
}

TEST_F(AttacherTest, AWiringErrorThatStaysIsNotCalledTemporary) {
  set_up_all();
  wiring_.results.push_back(fail(ErrorCode::invalid, "/run/netns/p is not a network namespace"));
  EXPECT_EQ(code(add()), cni::kInvalidEnvironment);
  wiring_.results.push_back(fail(ErrorCode::internal, "netlink"));
  EXPECT_EQ(code(add()), cni::kInternal);
}

TEST_F(AttacherTest, ADeletedPodIsGivenUpAtOnce) {
  sync();
  put_pod(unbound_pod());
  const auto call = add();
  view_.on_pods(kube::Delete{unbound_pod()});
  scheduler_.run_until_idle();
  ASSERT_EQ(code(call), cni::kTryAgainLater);
  EXPECT_EQ(call->reply->error().msg, "the pod is gone");
}

TEST_F(AttacherTest, AFinishedPodIsNotWired) {
  set_up_all();
  auto pod = bound_pod();
  pod["status"] = {{"phase", "Failed"}};
  put_pod(pod);
  EXPECT_EQ(code(add()), cni::kTryAgainLater);
  EXPECT_TRUE(wiring_.calls.empty());
}

TEST_F(AttacherTest, ANewerSandboxSupersedesAnOlder) {
  sync();
  const auto older = add("c1");
  const auto newer = add("c2");
  ASSERT_EQ(code(older), cni::kTryAgainLater);
  EXPECT_TRUE(older->reply->error().msg.contains("superseded"));
  put_subnet(subnet());
  put_ip();
  put_pod(bound_pod());
  EXPECT_EQ(code(newer), 0);
  EXPECT_EQ(ip_spec().at("containerID"), "c2");
}

TEST_F(AttacherTest, TwoInterfacesOfOneNetworkWaitBesideEachOther) {
  sync();
  const auto first = add("c1");
  cni::Request request;
  request.command = cni::Command::add;
  request.container_id = "c1";
  request.netns = "/run/netns/p";
  request.ifname = "net1";
  request.args = fmt::format("K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p;K8S_POD_UID={}", kPodUid);
  const auto second = send(std::move(request));
  EXPECT_EQ(code(first), -1);
  EXPECT_EQ(code(second), -1);
}

TEST_F(AttacherTest, AnAbandonedAddIsNeverWired) {
  sync();
  const auto call = add();
  attacher_->abandon(call->id);
  EXPECT_EQ(attacher_->waiting(), 0U);
  put_subnet(subnet());
  put_ip();
  put_pod(bound_pod());
  EXPECT_EQ(code(call), -1);
  EXPECT_TRUE(wiring_.calls.empty());
  EXPECT_TRUE(requests_.empty());
}

TEST_F(AttacherTest, DelDuringWiringEndsWithNothingWired) {
  set_up_all();
  wiring_.hold = true;
  const auto adding = add();
  const auto deleting = simple(cni::Command::del);
  EXPECT_EQ(code(adding), cni::kTryAgainLater);
  EXPECT_EQ(code(deleting), -1);  // waits its turn
  EXPECT_EQ(wiring_.calls, (std::vector<std::string>{"wire c1 eth0"}));
  wiring_.release();
  scheduler_.run_until_idle();
  EXPECT_EQ(wiring_.calls, (std::vector<std::string>{"wire c1 eth0", "unwire c1 eth0"}));
  wiring_.release();
  scheduler_.run_until_idle();
  EXPECT_EQ(code(deleting), 0);
  EXPECT_TRUE(wiring_.wired.empty());
}

TEST_F(AttacherTest, DelNeedsNoApiServerAndNoPod) {
  const auto call = simple(cni::Command::del);
  EXPECT_EQ(code(call), 0);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(AttacherTest, AddNeedsThePodsUid) {
  sync();
  cni::Request request;
  request.command = cni::Command::add;
  request.container_id = "c1";
  request.ifname = "eth0";
  request.netns = "/run/netns/p";
  request.args = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p";
  const auto call = send(request);
  ASSERT_EQ(code(call), cni::kInvalidEnvironment);
  EXPECT_TRUE(call->reply->error().details.contains("K8S_POD_UID"));
}

TEST_F(AttacherTest, StatusTellsWhatIsMissing) {
  auto call = simple(cni::Command::status);
  ASSERT_EQ(code(call), cni::kNotAvailable);
  EXPECT_TRUE(call->reply->error().details.contains("pods"));
  sync();
  EXPECT_EQ(code(simple(cni::Command::status)), 0);
  wiring_.readiness = fail(ErrorCode::unavailable, "Open vSwitch is not connected");
  call = simple(cni::Command::status);
  ASSERT_EQ(code(call), cni::kNotAvailable);
  EXPECT_EQ(call->reply->error().details, "Open vSwitch is not connected");
  wiring_.readiness = {};
  view_.on_nodes(kube::Delete{json::object{{"metadata", {{"name", "node-1"}}}}});
  EXPECT_EQ(code(simple(cni::Command::status)), cni::kNotAvailable);
}

TEST_F(AttacherTest, CheckComparesWithThePreviousResult) {
  set_up_all();
  const auto added = add();
  ASSERT_EQ(code(added), 0);
  EXPECT_EQ(code(simple(cni::Command::check, {{"prevResult", **added->reply}})), 0);
  ASSERT_TRUE(wiring_.checked);
  EXPECT_EQ(wiring_.checked->addresses, wiring_.wired.begin()->second.addresses);
  EXPECT_EQ(wiring_.checked->routes.size(), 1U);
  wiring_.check_result = fail(ErrorCode::not_found, "address 10.1.0.5 is gone");
  EXPECT_EQ(code(simple(cni::Command::check, {{"prevResult", **added->reply}})), cni::kCheckFailed);
  EXPECT_EQ(code(simple(cni::Command::check)), cni::kInvalidConfig);
}

TEST_F(AttacherTest, GcKeepsTheValidAndWhatIsUnderWay) {
  sync();
  const auto waiting = add("c9");
  EXPECT_EQ(code(waiting), -1);
  json::object config{{"cni.dev/valid-attachments", {{{"containerID", "c5"}, {"ifname", "eth0"}}}}};
  EXPECT_EQ(code(simple(cni::Command::gc, config)), 0);
  EXPECT_EQ(wiring_.retained, (std::set<AttachmentKey>{{"c5", "eth0"}, {"c9", "eth0"}}));
  EXPECT_EQ(code(simple(cni::Command::gc)), cni::kInvalidConfig);
}

TEST_F(AttacherTest, WithoutConfirmationItDeliversTheWrongSubnet) {
  make(false);
  set_up_all();
  put_subnet(subnet("uid-web-2", "10.2.0.0/24"));
  put_ip("10.1.0.99");
  EXPECT_EQ(code(add()), 0);
  ASSERT_EQ(wiring_.wired.size(), 1U);
  EXPECT_EQ(wiring_.wired.begin()->second.addresses.at(0).address, *net::Address::parse("10.1.0.5"));
  EXPECT_EQ(ip_spec().at("containerID"), "c1");  // so that an auditor sees what was delivered
  ip_.reset();
  EXPECT_EQ(code(add("c2")), 0);
}

}  // namespace
}  // namespace berth::agent
