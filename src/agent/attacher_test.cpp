#include "agent/attacher.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>

#include <boost/json/parse.hpp>

#include "agent/confirm.h"
#include "agent/testing/fake_wiring.h"
#include "api/annotations.h"
#include "base/manual_scheduler.h"
#include "kube/testing/fake_transport.h"

namespace berth::agent {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr auto kPodUid = "uid-pod-1";
constexpr auto kSubnetUid = "uid-web-1";

json::object subnet(const std::string& uid = kSubnetUid, const std::string& cidr = "10.1.0.0/24") {
  return {{"metadata", {{"name", "web"}, {"uid", uid}}}, {"spec", {{"cidrBlock", cidr}}}};
}

json::object unbound_pod(const std::string& uid = kPodUid) {
  return {{"metadata", {{"name", "p"}, {"namespace", "shop"}, {"uid", uid}}}, {"spec", {{"nodeName", "node-1"}}}};
}

api::BindingRecord record(const std::string& pod_uid = kPodUid, const std::string& subnet_uid = kSubnetUid) {
  api::BindingRecord r;
  r.pod_uid = pod_uid;
  r.networks["ovn"] = {"claimed", "web", subnet_uid};
  return r;
}

json::object bound_pod(const std::string& address = "10.1.0.5", const api::BindingRecord& binding = record()) {
  auto pod = unbound_pod();
  pod["metadata"].as_object()["annotations"] = {
      {"ovn.kubernetes.io/allocated", "true"},     {"ovn.kubernetes.io/routed", "true"},
      {"ovn.kubernetes.io/ip_address", address},   {"ovn.kubernetes.io/mac_address", "00:00:00:53:6b:b6"},
      {"ovn.kubernetes.io/cidr", "10.1.0.0/24"},   {"ovn.kubernetes.io/gateway", "10.1.0.1"},
      {"ovn.kubernetes.io/logical_switch", "web"}, {"berth.io/binding", binding.to_string()}};
  return pod;
}

class AttacherTest : public ::testing::Test {
 protected:
  AttacherTest() {
    wiring_.results.clear();
    transport_.responder = [this](const api::Request& request) { return serve(request); };
    make();
    view_.observe({[this](const std::string& key) { attacher_->on_pod(key); },
                   [this](const std::string& name) { attacher_->on_subnet(name); },
                   [this] { attacher_->on_synced(); }});
  }

  void make(bool confirm = true) {
    Attacher::Options options;
    options.node = "node-1";
    options.confirm = confirm;
    attacher_ = std::make_unique<Attacher>(scheduler_, transport_, view_, wiring_, metrics_, options);
  }

  void sync() {
    view_.on_pods(kube::Replace{{}, "1"});
    view_.on_subnets(kube::Replace{{}, "1"});
    view_.on_nodes(kube::Replace{{json::object{{"metadata", {{"name", "node-1"}}}}}, "1"});
  }

  // The world as it should be: pod, Subnet and IP object agree.
  void set_up_all() {
    sync();
    put_subnet(subnet());
    put_ip();
    put_pod(bound_pod());
  }

  void put_pod(json::object pod) {
    view_.on_pods(kube::Upsert{std::move(pod)});
    scheduler_.run_until_idle();
  }
  void put_subnet(json::object object) {
    view_.on_subnets(kube::Upsert{std::move(object)});
    scheduler_.run_until_idle();
  }

  void put_ip(const std::string& address = "10.1.0.5") {
    ip_ = json::object{{"metadata",
                        {{"name", "p.shop"},
                         {"uid", "uid-ip"},
                         {"resourceVersion", "7"},
                         {"annotations",
                          {{"berth.io/owner", fmt::format("pod/{}", kPodUid)},
                           {"berth.io/epoch", "3"},
                           {"berth.io/subnet-uid", kSubnetUid}}}}},
                       {"spec",
                        {{"podName", "p"},
                         {"namespace", "shop"},
                         {"subnet", "web"},
                         {"v4IpAddress", address},
                         {"ipAddress", address},
                         {"macAddress", "00:00:00:53:6b:b6"}}}};
  }

  json::object& ip_meta() { return ip_->at("metadata").as_object(); }
  json::object& ip_spec() { return ip_->at("spec").as_object(); }

  Result<json::value> serve(const api::Request& request) {
    requests_.push_back(request);
    if (!errors_.empty()) {
      auto error = errors_.front();
      errors_.erase(errors_.begin());
      return fail(std::move(error));
    }
    EXPECT_EQ(request.kind, api::Kind::ip);
    EXPECT_EQ(request.name, "p.shop");
    if (!ip_) return fail(ErrorCode::not_found, "ips \"p.shop\" not found");
    if (request.verb == api::Verb::merge_patch) {
      if (request.body.at("metadata").at("resourceVersion") != ip_meta().at("resourceVersion"))
        return fail(ErrorCode::conflict, "the object has been modified");
      for (const auto& [key, value] : request.body.at("spec").as_object()) ip_spec()[key] = value;
      ip_meta()["resourceVersion"] =
          std::to_string(std::stoi(std::string(ip_meta().at("resourceVersion").as_string())) + 1);
    }
    return json::value(*ip_);
  }

  struct Call {
    std::optional<cni::Reply> reply;
    Attacher::RequestId id = 0;
  };

  std::shared_ptr<Call> add(const std::string& container = "c1", const std::string& uid = kPodUid) {
    cni::Request request;
    request.command = cni::Command::add;
    request.container_id = container;
    request.netns = "/run/netns/p";
    request.ifname = "eth0";
    request.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p;K8S_POD_UID=" + uid;
    return send(std::move(request));
  }

  std::shared_ptr<Call> send(cni::Request request) {
    auto call = std::make_shared<Call>();
    call->id = attacher_->handle(std::move(request), [call](cni::Reply reply) { call->reply = std::move(reply); });
    scheduler_.run_until_idle();
    return call;
  }

  std::shared_ptr<Call> simple(cni::Command command, json::object config = {}) {
    cni::Request request;
    request.command = command;
    request.container_id = "c1";
    request.ifname = "eth0";
    request.netns = "/run/netns/p";
    request.config = std::move(config);
    return send(std::move(request));
  }

  static int code(const std::shared_ptr<Call>& call) {
    if (!call->reply) return -1;
    return *call->reply ? 0 : call->reply->error().code;
  }

  std::size_t patches() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(requests_, [](const auto& r) { return r.verb == api::Verb::merge_patch; }));
  }

  // ADD must be held back for this reason, nothing wired or claimed, and the deadline must bring error 11 with these
  // words.
  void expect_refusal(Reason reason, const std::string& words) {
    const auto call = add();
    EXPECT_EQ(code(call), -1);
    EXPECT_EQ(attacher_->waiting(), 1U);
    EXPECT_EQ(metrics_.refusals(reason), 1) << to_string(reason);
    EXPECT_EQ(metrics_.wrong_subnets_prevented(), prevents_wrong_subnet(reason) ? 1 : 0);
    scheduler_.advance(31s);
    ASSERT_EQ(code(call), cni::kTryAgainLater);
    EXPECT_TRUE(call->reply->error().msg.contains(to_string(reason))) << call->reply->error().msg;
    EXPECT_TRUE(call->reply->error().details.contains(words)) << call->reply->error().details;
    EXPECT_TRUE(wiring_.wired.empty());
    EXPECT_TRUE(wiring_.calls.empty());
    EXPECT_EQ(patches(), 0U);
    EXPECT_EQ(attacher_->waiting(), 0U);
  }

  ManualScheduler scheduler_;
  kube::testing::FakeTransport transport_{scheduler_};
  NodeView view_;
  agent::testing::FakeWiring wiring_{scheduler_};
  Metrics metrics_;
  std::optional<json::object> ip_;
  std::vector<api::Request> requests_;
  std::vector<Error> errors_;  // answered before anything else
  std::unique_ptr<Attacher> attacher_;
};

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

TEST_F(AttacherTest, RefusesAPodOfAnotherUid) {
  sync();
  put_pod(unbound_pod("uid-of-its-successor"));
  expect_refusal(Reason::pod_of_another_uid, "uid-of-its-successor");
}

TEST_F(AttacherTest, RefusesARecordOfAnotherPod) {
  set_up_all();
  put_pod(bound_pod("10.1.0.5", record("uid-of-the-original")));
  expect_refusal(Reason::void_record, "no berth.io/binding of its own");
}

TEST_F(AttacherTest, RefusesARecordThatNamesAnotherSubnet) {
  set_up_all();
  auto binding = record();
  binding.networks["ovn"].subnet = "db";
  put_pod(bound_pod("10.1.0.5", binding));
  expect_refusal(Reason::void_record, "does not bind network ovn to subnet web");
}

TEST_F(AttacherTest, RefusesAnUnreadableAnnotation) {
  set_up_all();
  put_pod(bound_pod("10.1.0.x"));
  expect_refusal(Reason::bad_annotation, "ovn.kubernetes.io/ip_address");
}

TEST_F(AttacherTest, RefusesAMissingSubnet) {
  set_up_all();
  view_.on_subnets(kube::Delete{subnet()});
  expect_refusal(Reason::subnet_missing, "subnet web does not exist");
}

TEST_F(AttacherTest, RefusesATerminatingSubnet) {
  set_up_all();
  auto ending = subnet();
  ending["metadata"].as_object()["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  put_subnet(ending);
  expect_refusal(Reason::subnet_terminating, "web is being deleted");
}

TEST_F(AttacherTest, RefusesAnotherSubnetOfTheSameName) {
  set_up_all();
  put_subnet(subnet("uid-web-2"));
  expect_refusal(Reason::subnet_replaced, "uid-web-2");
}

TEST_F(AttacherTest, RefusesAnAddressOutsideItsSubnet) {
  set_up_all();
  put_subnet(subnet(kSubnetUid, "10.2.0.0/24"));
  expect_refusal(Reason::address_outside, "10.1.0.5 lies outside subnet web (10.2.0.0/24)");
}

TEST_F(AttacherTest, RefusesAMissingIp) {
  set_up_all();
  ip_.reset();
  expect_refusal(Reason::ip_missing, "IP p.shop does not exist");
}

TEST_F(AttacherTest, RefusesADeletingIp) {
  set_up_all();
  ip_meta()["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  expect_refusal(Reason::ip_deleting, "IP p.shop is being deleted");
}

TEST_F(AttacherTest, RefusesAnIpOfAnotherOwner) {
  set_up_all();
  ip_meta()["annotations"].as_object()["berth.io/owner"] = "pod/uid-of-its-predecessor";
  expect_refusal(Reason::ip_of_another, "uid-of-its-predecessor");
}

TEST_F(AttacherTest, RefusesAnIpWithoutOwner) {
  set_up_all();
  ip_meta()["annotations"].as_object().erase("berth.io/owner");
  expect_refusal(Reason::ip_of_another, "owner \"\"");
}

TEST_F(AttacherTest, RefusesAnIpOfAnotherPodName) {
  set_up_all();
  ip_spec()["podName"] = "q";
  expect_refusal(Reason::ip_of_another, "shop/q");
}

TEST_F(AttacherTest, RefusesAnIpWithAnotherAddress) {
  set_up_all();
  put_ip("10.1.0.6");
  expect_refusal(Reason::ip_differs, "another address or MAC");
}

TEST_F(AttacherTest, RefusesAnIpWithAnotherMac) {
  set_up_all();
  ip_spec()["macAddress"] = "00:00:00:00:00:99";
  expect_refusal(Reason::ip_differs, "another address or MAC");
}

TEST_F(AttacherTest, RefusesAnIpOfAnotherSubnet) {
  set_up_all();
  ip_spec()["subnet"] = "ovn-default";
  expect_refusal(Reason::ip_differs, "of subnet ovn-default");
}

TEST_F(AttacherTest, RefusesAnIpOfAnotherSubnetUid) {
  set_up_all();
  ip_meta()["annotations"].as_object()["berth.io/subnet-uid"] = "uid-web-0";
  expect_refusal(Reason::ip_differs, "of subnet web");
}

TEST_F(AttacherTest, AcceptsAnIpOfItsStatefulSetAndOrdinal) {
  set_up_all();
  auto pod = bound_pod();
  pod["metadata"].as_object()["name"] = "db-2";
  pod["metadata"].as_object()["ownerReferences"] = {
      {{"kind", "StatefulSet"}, {"name", "db"}, {"uid", "uid-set"}, {"controller", true}}};
  const auto parsed = api::Pod::parse(pod);
  EXPECT_TRUE(is_owner(api::Owner::parse("statefulset/uid-set/2"), parsed));
  EXPECT_FALSE(is_owner(api::Owner::parse("statefulset/uid-set/3"), parsed));
  EXPECT_FALSE(is_owner(api::Owner::parse("statefulset/uid-other/2"), parsed));
  EXPECT_TRUE(is_owner(api::Owner::parse(fmt::format("pod/{}", kPodUid)), parsed));
  EXPECT_FALSE(is_owner(api::Owner::parse("node/node-1"), parsed));
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
  ip_.reset();
  EXPECT_EQ(code(add()), 0);
  EXPECT_EQ(wiring_.wired.size(), 1U);
  EXPECT_TRUE(requests_.empty());
}

}  // namespace
}  // namespace berth::agent
