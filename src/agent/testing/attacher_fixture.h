#pragma once

// The attacher between a cluster and a node that are both fakes. Header-only, for *_test.cpp.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/attacher.h"
#include "agent/testing/fake_wiring.h"
#include "api/annotations.h"
#include "base/manual_scheduler.h"
#include "kube/testing/fake_transport.h"

namespace berth::agent::testing {

namespace json = boost::json;

inline constexpr auto kPodUid = "uid-pod-1";
inline constexpr auto kSubnetUid = "uid-web-1";

inline json::object subnet(const std::string& uid = kSubnetUid, const std::string& cidr = "10.1.0.0/24") {
  return {{"metadata", {{"name", "web"}, {"uid", uid}}}, {"spec", {{"cidrBlock", cidr}}}};
}

inline json::object unbound_pod(const std::string& uid = kPodUid) {
  return {{"metadata", {{"name", "p"}, {"namespace", "shop"}, {"uid", uid}}}, {"spec", {{"nodeName", "node-1"}}}};
}

inline api::BindingRecord record(const std::string& pod_uid = kPodUid, const std::string& subnet_uid = kSubnetUid) {
  api::BindingRecord r;
  r.pod_uid = pod_uid;
  r.networks["ovn"] = {"claimed", "web", subnet_uid};
  return r;
}

inline json::object bound_pod(const std::string& address = "10.1.0.5", const api::BindingRecord& binding = record()) {
  auto pod = unbound_pod();
  pod["metadata"].as_object()["annotations"] = {
      {"ovn.kubernetes.io/allocated", "true"},     {"ovn.kubernetes.io/routed", "true"},
      {"ovn.kubernetes.io/ip_address", address},   {"ovn.kubernetes.io/mac_address", "00:00:00:53:6b:b6"},
      {"ovn.kubernetes.io/cidr", "10.1.0.0/24"},   {"ovn.kubernetes.io/gateway", "10.1.0.1"},
      {"ovn.kubernetes.io/logical_switch", "web"}, {"berth.io/binding", binding.to_string()}};
  return pod;
}

class AttacherFixture : public ::testing::Test {
 protected:
  AttacherFixture() {
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
                           {"berth.io/pod-uid", kPodUid},
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
    scheduler_.advance(std::chrono::seconds(31));
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
  FakeWiring wiring_{scheduler_};
  Metrics metrics_;
  std::optional<json::object> ip_;
  std::vector<api::Request> requests_;
  std::vector<Error> errors_;  // answered before anything else
  std::unique_ptr<Attacher> attacher_;
};

}  // namespace berth::agent::testing
