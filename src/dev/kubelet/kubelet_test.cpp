#include "dev/kubelet/kubelet.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "base/manual_scheduler.h"
#include "dev/kubelet/annotation_network.h"
#include "dev/kubelet/fakes.h"
#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using kube::WatchEvent;
using std::chrono::seconds;

// A kubelet on an API that takes every write and remembers it.
class KubeletTest : public ::testing::Test {
 protected:
  void SetUp() override {
    transport_.responder = [this](const api::Request& request) { return respond(request); };
    kubelet_.emplace(scheduler_, transport_, random_, host_, network_, nullptr,
                     KubeletOptions{.node = "n1",
                                    .node_address = "192.0.2.1",
                                    .node_netns = "node",
                                    .namespace_prefix = "b-",
                                    .log_dir = {},
                                    .timings = {}});
  }

  Result<json::value> respond(const api::Request& request) {
    sent_.push_back(request);
    if (const auto found = failures_.find(request.verb); found != failures_.end()) return fail(found->second, "no");
    if (request.verb == api::Verb::list) {
      return json::value{{"metadata", {{"resourceVersion", "7"}}}, {"items", listed_}};
    }
    // A pod comes back from a patch with what was patched.
    if (request.kind == api::Kind::pod && request.verb == api::Verb::merge_patch) {
      json::object pod = pod_;
      pod["status"] =
          request.body.as_object().contains("status") ? request.body.at("status") : json::value(json::object{});
      return pod;
    }
    return json::value(json::object{});
  }

  static json::object make_pod(const std::string& more = "") {
    return json::parse(R"({"metadata":{"name":"p","namespace":"ns","uid":"u1"},"spec":{"nodeName":"n1","containers":[
                        {"name":"c","command":["main"]}]})" +
                       more + "}")
        .as_object();
  }

  void start() {
    kubelet_->start();
    scheduler_.run_until_idle();
  }
  void see(WatchEvent::Type type, const json::object& pod) {
    pod_ = pod;
    transport_.emit(type, pod);
    scheduler_.run_until_idle();
  }
  // A pod that runs.
  void start_pod() {
    start();
    see(WatchEvent::Type::added, make_pod());
    network_.answer_attach(PodAddresses{.addresses = {"10.0.0.2"}});
    scheduler_.run_until_idle();
  }
  void kill(const std::string& program) {
    host_.end(host_.find(program), {.signal = 15});
    scheduler_.run_until_idle();
  }
  void answer_detach() {
    network_.answer_detach({});
    scheduler_.run_until_idle();
  }

  [[nodiscard]] int count(api::Verb verb, api::Kind kind) const {
    return static_cast<int>(std::ranges::count_if(
        sent_, [&](const api::Request& request) { return request.verb == verb && request.kind == kind; }));
  }
  // The last of that kind.
  [[nodiscard]] api::Request last(api::Verb verb, api::Kind kind) const {
    for (auto it = sent_.rbegin(); it != sent_.rend(); ++it) {
      if (it->verb == verb && it->kind == kind) return *it;
    }
    ADD_FAILURE() << "nothing of that kind was sent";
    return {};
  }
  [[nodiscard]] std::string last_phase() const {
    return api::string_at(last(api::Verb::merge_patch, api::Kind::pod).body.as_object(), {"status", "phase"});
  }
  static json::object deleting(json::object pod, int grace) {
    auto& metadata = pod["metadata"].as_object();
    metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    metadata["deletionGracePeriodSeconds"] = grace;
    return pod;
  }

  ManualScheduler scheduler_;
  kube::testing::FakeTransport transport_{scheduler_};
  Random random_{1};
  FakeHost host_{scheduler_};
  FakeNetwork network_{scheduler_};
  json::array listed_;
  json::object pod_;
  std::vector<api::Request> sent_;
  std::map<api::Verb, ErrorCode> failures_;
  std::optional<Kubelet> kubelet_;
};

TEST_F(KubeletTest, RegistersItsNodeAndFollowsItsPodsOnly) {
  start();
  ASSERT_GE(sent_.size(), 3U);
  EXPECT_EQ(sent_[0].verb, api::Verb::create);
  EXPECT_EQ(api::string_at(sent_[0].body.as_object(), {"metadata", "name"}), "n1");
  EXPECT_EQ(sent_[1].subresource, "status");
  EXPECT_EQ(json::serialize(sent_[1].body.at("status").at("addresses").at(0)),
            R"({"type":"InternalIP","address":"192.0.2.1"})");
  EXPECT_EQ(sent_[2].field_selector, "spec.nodeName=n1");
  EXPECT_EQ(transport_.watches.begin()->second.field_selector, "spec.nodeName=n1");
  EXPECT_TRUE(kubelet_->registered());
}

TEST_F(KubeletTest, RegistersAgainstAnApiThatIsDownAndANodeThatIsThere) {
  failures_[api::Verb::create] = ErrorCode::unavailable;
  start();
  EXPECT_FALSE(kubelet_->registered());
  failures_[api::Verb::create] = ErrorCode::already_exists;
  scheduler_.advance(seconds(1));
  EXPECT_TRUE(kubelet_->registered());
}

TEST_F(KubeletTest, RunsAPodAndReportsItByUid) {
  start_pod();
  EXPECT_NE(host_.find("main"), 0U);
  EXPECT_EQ(last_phase(), "Running");
  const auto patch = last(api::Verb::merge_patch, api::Kind::pod);
  EXPECT_EQ(patch.subresource, "status");
  EXPECT_EQ(api::string_at(patch.body.as_object(), {"metadata", "uid"}), "u1");
  EXPECT_EQ(api::string_at(last(api::Verb::create, api::Kind::event).body.as_object(), {"reason"}), "Started");
}

TEST_F(KubeletTest, WritesNothingWhenNothingIsNew) {
  start_pod();
  const auto before = sent_.size();
  see(WatchEvent::Type::modified, pod_);
  json::object labelled = make_pod();
  labelled["metadata"].as_object()["labels"] = json::object{{"a", "b"}};
  labelled["status"] = last(api::Verb::merge_patch, api::Kind::pod).body.at("status");
  see(WatchEvent::Type::modified, labelled);
  EXPECT_EQ(sent_.size(), before);
}

TEST_F(KubeletTest, KeepsTheConditionsOfOthers) {
  start();
  see(WatchEvent::Type::added, make_pod(R"(,"status":{"conditions":[{"type":"x/y","status":"True"}]})"));
  const auto patch = json::serialize(last(api::Verb::merge_patch, api::Kind::pod).body);
  EXPECT_NE(patch.find(R"({"type":"x/y","status":"True"})"), std::string::npos) << patch;
}

TEST_F(KubeletTest, DeletesThePodAtTheEndWithItsUid) {
  start_pod();
  see(WatchEvent::Type::modified, deleting(make_pod(), 9));
  EXPECT_EQ(host_.processes.at(host_.find("main")).stopped, std::vector<Duration>{seconds(9)});
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 0);
  kill("main");
  answer_detach();
  ASSERT_EQ(count(api::Verb::remove, api::Kind::pod), 1);
  const auto request = last(api::Verb::remove, api::Kind::pod);
  EXPECT_EQ(json::serialize(request.body.at("preconditions")), R"({"uid":"u1"})");
  EXPECT_EQ(request.body.at("gracePeriodSeconds"), 0);
  see(WatchEvent::Type::deleted, pod_);
  EXPECT_EQ(kubelet_->pods(), 0U);
}

TEST_F(KubeletTest, AReplyFromBeforeTheDeletionDoesNotTakeItBack) {
  start();
  pod_ = make_pod();  // what the API answers to the first status
  transport_.emit(WatchEvent::Type::added, make_pod());
  transport_.emit(WatchEvent::Type::modified, deleting(make_pod(), 0));
  scheduler_.run_until_idle();
  network_.answer_attach(fail(ErrorCode::unavailable, "stopped"));
  scheduler_.run_until_idle();
  answer_detach();
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 1);
}

TEST_F(KubeletTest, TriesADeletionThatFailedAgain) {
  start_pod();
  failures_[api::Verb::remove] = ErrorCode::unavailable;
  see(WatchEvent::Type::modified, deleting(make_pod(), 0));
  kill("main");
  answer_detach();
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 1);
  failures_[api::Verb::remove] = ErrorCode::not_found;
  scheduler_.advance(seconds(1));
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 2);
  EXPECT_EQ(kubelet_->pods(), 0U);
}

TEST_F(KubeletTest, AStatusThatCouldNotBeWrittenIsWrittenLater) {
  start();
  failures_[api::Verb::merge_patch] = ErrorCode::unavailable;
  see(WatchEvent::Type::added, make_pod());
  const int tries = count(api::Verb::merge_patch, api::Kind::pod);
  EXPECT_GE(tries, 1);
  failures_.clear();
  scheduler_.advance(seconds(1));
  EXPECT_EQ(count(api::Verb::merge_patch, api::Kind::pod), tries + 1);
  EXPECT_EQ(last_phase(), "Pending");
}

TEST_F(KubeletTest, AForcedDeletionStillCleansUp) {
  start_pod();
  see(WatchEvent::Type::deleted, make_pod());
  EXPECT_EQ(host_.processes.at(host_.find("main")).stopped, std::vector<Duration>{seconds(2)});
  kill("main");
  answer_detach();
  EXPECT_EQ(kubelet_->pods(), 0U);
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 0);
  EXPECT_TRUE(host_.namespaces.empty());
}

TEST_F(KubeletTest, TheSameNameWithAnotherUidIsAnotherPod) {
  start_pod();
  see(WatchEvent::Type::deleted, make_pod());
  json::object second = make_pod();
  second["metadata"].as_object()["uid"] = "u2";
  see(WatchEvent::Type::added, second);
  EXPECT_EQ(kubelet_->pods(), 2U);
  ASSERT_EQ(network_.attaching.size(), 1U);
  EXPECT_EQ(network_.attaching.front().first.uid, "u2");
}

TEST_F(KubeletTest, AListWithoutAKnownPodMeansThatItIsGone) {
  start_pod();
  transport_.end({ErrorCode::gone, "too old"});
  EXPECT_TRUE(scheduler_.run_until([&] { return !host_.processes.begin()->second.stopped.empty(); }, seconds(60)));
  kill("main");
  answer_detach();
  EXPECT_EQ(kubelet_->pods(), 0U);
}

TEST_F(KubeletTest, APodThatIsOverIsNotRunAgainButCanBeDeleted) {
  listed_.push_back(make_pod(R"(,"status":{"phase":"Succeeded"})"));
  pod_ = listed_[0].as_object();
  start();
  EXPECT_TRUE(network_.attaching.empty());
  EXPECT_EQ(count(api::Verb::merge_patch, api::Kind::pod), 0);
  see(WatchEvent::Type::modified, deleting(pod_, 30));
  EXPECT_EQ(count(api::Verb::remove, api::Kind::pod), 1);
  EXPECT_EQ(count(api::Verb::merge_patch, api::Kind::pod), 0);
}

TEST_F(KubeletTest, RepeatedEventsAreCounted) {
  start();
  see(WatchEvent::Type::added, make_pod());
  for (int i = 0; i < 2; ++i) {
    network_.answer_attach(fail(ErrorCode::unavailable, "no subnet yet"));
    scheduler_.run_until_idle();
    answer_detach();
    scheduler_.advance(seconds(10));
  }
  EXPECT_EQ(count(api::Verb::create, api::Kind::event), 1);
  const auto patch = last(api::Verb::merge_patch, api::Kind::event);
  EXPECT_EQ(patch.body.at("count"), 2);
  EXPECT_EQ(patch.name,
            api::string_at(last(api::Verb::create, api::Kind::event).body.as_object(), {"metadata", "name"}));
}

TEST_F(KubeletTest, NothingHappensAfterItsDestruction) {
  start_pod();
  kubelet_.reset();
  host_.end(host_.find("main"), {.code = 0});
  scheduler_.advance(seconds(60));
}

TEST(AnnotationNetwork, DoesNotBelieveARecordOfAnotherPod) {
  ManualScheduler scheduler;
  AnnotationNetwork network(scheduler);
  const auto pod = [](const char* uid) {
    return json::object{
        {"metadata",
         {{"uid", "u"},
          {"annotations",
           {{"ovn.kubernetes.io/ip_address", "10.0.0.2"},
            {"ovn.kubernetes.io/allocated", "true"},
            {"ovn.kubernetes.io/routed", "true"},
            {"berth.io/binding", fmt::format(R"({{"podUID":"{}","networks":{{}},"wrote":{{}}}})", uid)}}}}}};
  };
  const Sandbox sandbox{.ns = "ns", .pod = "p", .uid = "u", .id = "c", .namespace_ = {}, .networks = {}};
  std::optional<Result<PodAddresses>> attached;
  network.attach(sandbox, [&](Result<PodAddresses> result) { attached = std::move(result); });
  network.pod_changed(pod("elsewhere"));
  scheduler.run_until_idle();
  EXPECT_FALSE(attached);
  network.pod_changed(pod("u"));
  scheduler.run_until_idle();
  EXPECT_TRUE(attached && *attached);
}

TEST(AnnotationNetwork, BelievesThePodsAnnotationsOnceTheyAreComplete) {
  ManualScheduler scheduler;
  AnnotationNetwork network(scheduler);
  const auto pod = [](const char* allocated, const char* routed) {
    return json::parse(
               fmt::format(
                   R"({{"metadata":{{"uid":"u","annotations":{{"ovn.kubernetes.io/ip_address":"10.0.0.2,fd00::2",
        "ovn.kubernetes.io/allocated":"{}","ovn.kubernetes.io/routed":"{}"}}}}}})",
                   allocated, routed))
        .as_object();
  };
  const Sandbox sandbox{.ns = "ns", .pod = "p", .uid = "u", .id = "c", .namespace_ = {}, .networks = {}};
  std::optional<Result<PodAddresses>> attached;
  network.attach(sandbox, [&](Result<PodAddresses> result) { attached = std::move(result); });
  network.pod_changed(pod("true", "false"));
  scheduler.run_until_idle();
  EXPECT_FALSE(attached);
  network.pod_changed(pod("true", "true"));
  EXPECT_FALSE(attached);  // never inside the call
  scheduler.run_until_idle();
  ASSERT_TRUE(attached && *attached);
  EXPECT_EQ((*attached)->addresses, (std::vector<std::string>{"10.0.0.2", "fd00::2"}));

  // Known before it is asked for; cancelled while it waits.
  attached.reset();
  network.attach(sandbox, [&](Result<PodAddresses> result) { attached = std::move(result); });
  scheduler.run_until_idle();
  EXPECT_TRUE(attached && *attached);
  network.pod_gone("u");
  attached.reset();
  network.attach(sandbox, [&](Result<PodAddresses> result) { attached = std::move(result); });
  network.cancel(sandbox);
  scheduler.run_until_idle();
  EXPECT_TRUE(attached && !*attached);
}

}  // namespace
}  // namespace berth::dev
