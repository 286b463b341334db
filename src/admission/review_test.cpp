#include "admission/review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/test_cluster.h"

namespace berth::admission {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

api::JsonObject parsed(std::string_view text) { return boost::json::parse(text).as_object(); }

Review asking(Operation operation, const std::string& kind, const std::string& name, api::JsonObject spec,
              api::JsonObject metadata = {}) {
  Review out;
  out.uid = "u";
  out.operation = operation;
  out.group = kind == "Pod" ? "" : "kubeovn.io";
  out.kind = kind;
  out.name = name;
  metadata["name"] = name;
  if (kind == "Pod") metadata["namespace"] = out.ns = "web";
  out.object = {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
  return out;
}

Review create(const std::string& kind, const std::string& name, std::string_view spec,
              std::string_view metadata = "{}") {
  return asking(Operation::create, kind, name, parsed(spec), parsed(metadata));
}

Review update(const std::string& kind, const std::string& name, std::string_view before, std::string_view after,
              std::string_view metadata = "{}") {
  Review out = asking(Operation::update, kind, name, parsed(after), parsed(metadata));
  out.old_object = out.object;
  out.old_object["spec"] = parsed(before);
  return out;
}

Review removal(const std::string& kind, const std::string& name) {
  Review out = asking(Operation::remove, kind, name, {});
  out.old_object = std::exchange(out.object, {});
  return out;
}

Review pod(const std::string& annotations, std::string_view spec = "{}") {
  return create("Pod", "p", spec, R"({"annotations": )" + annotations + "}");
}

class ReviewTest : public testing::Test {
 protected:
  Verdict ask(const Review& asked) { return review(asked, &cluster_.world); }
  reconcile::TestCluster cluster_;
};

// ---- Without a world

TEST(ReviewAlone, SaysOfABadSubnetWhatTheReconcilerSays) {
  const auto bad = create("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24", "gateway": "10.2.0.1"})");
  const Verdict verdict = review(bad, nullptr);
  const auto plan = api::plan_subnet(api::Subnet::parse(bad.object));
  ASSERT_FALSE(plan);
  EXPECT_THAT(verdict.denials, ElementsAre(plan.error().message));
  EXPECT_THAT(verdict.denials.front(), AllOf(HasSubstr("spec.gateway"), HasSubstr("10.2.0.1"), HasSubstr("use an")));
}

TEST(ReviewAlone, AllowsWhatIsRight) {
  EXPECT_TRUE(review(create("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24,fd00:1::/112"})"), nullptr).allowed());
  EXPECT_TRUE(review(create("IPPool", "p", R"({"subnet": "a", "ips": ["10.1.0.5..10.1.0.9"]})"), nullptr).allowed());
  EXPECT_TRUE(review(create("Vip", "v", R"({"subnet": "a", "v4ip": "10.1.0.7"})"), nullptr).allowed());
  EXPECT_TRUE(review(create("Vpc", "v", R"({"namespaces": ["web"]})"), nullptr).allowed());
  EXPECT_TRUE(review(create("IP", "p.web", R"({"subnet": "a", "v4IpAddress": "10.1.0.7"})"), nullptr).allowed());
}

TEST(ReviewAlone, ChecksEveryKind) {
  const auto denial = [](const Review& asked) {
    const Verdict verdict = review(asked, nullptr);
    return verdict.allowed() ? std::string("allowed") : verdict.denials.front();
  };
  EXPECT_THAT(denial(create("IPPool", "p", R"({"subnet": "a", "ips": ["10.1.0.9..10.1.0.5"]})")),
              AllOf(HasSubstr("IPPool p: spec.ips"), HasSubstr("reversed")));
  EXPECT_THAT(
      denial(create("IPPool", "p", R"({"subnet": "a", "enableAddressSet": true, "ips": ["10.1.0.9", "fd00::1"]})")),
      HasSubstr("spec.enableAddressSet"));
  EXPECT_THAT(denial(create("Vip", "v", R"({"subnet": "a", "v4ip": "10.1.0"})")), HasSubstr("Vip v: spec.v4ip"));
  EXPECT_THAT(denial(create("Vip", "v", R"({})")), HasSubstr("Vip v: spec.subnet"));
  EXPECT_THAT(denial(create("Vpc", "v", R"({"staticRoutes": [{"cidr": "10.0.0.0/8", "nextHopIP": "x"}]})")),
              HasSubstr("Vpc v: spec.staticRoutes[0].nextHopIP"));
  EXPECT_THAT(denial(create("IP", "p.web", R"({"subnet": "a", "v4IpAddress": "fd00::1"})")),
              HasSubstr("IP p.web: spec.v4IpAddress"));
  EXPECT_THAT(denial(create("IP", "p.web", R"({"subnet": "a", "macAddress": "zz"})")), HasSubstr("spec.macAddress"));
}

TEST(ReviewAlone, TakesWhatKubeOvnTakes) {
  const Verdict just_mac = review(create("Subnet", "a", R"({"vlan": "v"})"), nullptr);
  EXPECT_TRUE(just_mac.allowed());
  EXPECT_THAT(just_mac.warnings, Contains(HasSubstr("Berth does nothing about it")));
  const Verdict empty = review(create("IPPool", "p", R"({"subnet": "a", "ips": []})"), nullptr);
  EXPECT_TRUE(empty.allowed());
  EXPECT_THAT(empty.warnings, Contains(HasSubstr("is empty")));
}

TEST(ReviewAlone, NamesFieldsThatAreKeptButDoNothing) {
  const Verdict verdict = review(create("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24", "enableEcmp": true})"), nullptr);
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("spec.enableEcmp")));
}

constexpr const char* kBad = R"({"cidrBlock": "10.1.0.0/99"})";

TEST(ReviewAlone, ABadStoredObjectCanBeLetGoAndEdited) {
  // Finalizers, labels, status: spec is as it was.
  EXPECT_TRUE(review(update("Subnet", "a", kBad, kBad), nullptr).allowed());
  Review status = update("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24"})", kBad);
  status.subresource = "status";
  EXPECT_TRUE(review(status, nullptr).allowed());
  EXPECT_TRUE(review(update("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24"})", kBad,
                            R"({"deletionTimestamp": "2026-01-01T00:00:00Z"})"),
                     nullptr)
                  .allowed());
  // Another field: it was wrong already.
  const Verdict verdict =
      review(update("Subnet", "a", kBad, R"({"cidrBlock": "10.1.0.0/99", "private": true})"), nullptr);
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("spec.cidrBlock")));
  // What was right must not become wrong.
  EXPECT_FALSE(review(update("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24"})", kBad), nullptr).allowed());
}

TEST(ReviewAlone, LooksAtPodAnnotations) {
  const auto denial = [](const Review& asked) {
    const Verdict verdict = review(asked, nullptr);
    return verdict.allowed() ? std::string("allowed") : verdict.denials.front();
  };
  EXPECT_THAT(denial(pod(R"({"ovn.kubernetes.io/ip_address": "10.1.0.x"})")),
              AllOf(HasSubstr("Pod web/p"), HasSubstr("ovn.kubernetes.io/ip_address"), HasSubstr("10.1.0.x")));
  EXPECT_THAT(denial(pod(R"({"ovn.kubernetes.io/mac_address": "1:2"})")), HasSubstr("mac_address"));
  EXPECT_THAT(denial(pod(R"({"ovn.kubernetes.io/ip_family": "IPv4"})")), HasSubstr("must be ipv4 or ipv6"));
  EXPECT_THAT(denial(pod(R"({"ovn.kubernetes.io/ip_pool": "10.1.0.5,nonsense"})")), HasSubstr("ip_pool"));
  EXPECT_EQ(denial(pod(R"({"ovn.kubernetes.io/ip_address": "10.1.0.5"})")), "allowed");
  EXPECT_EQ(denial(pod(R"({"ovn.kubernetes.io/logical_switch": "not-there-yet"})")), "allowed");
}

TEST(ReviewAlone, LeavesPodsAloneThatHaveNoNetworkOfTheirOwn) {
  const std::string bad = R"({"ovn.kubernetes.io/ip_address": "x"})";
  EXPECT_TRUE(review(pod(bad, R"({"hostNetwork": true})"), nullptr).allowed());
  EXPECT_TRUE(
      review(pod(R"({"ovn.kubernetes.io/ip_address": "x", "kubernetes.io/config.mirror": "1"})"), nullptr).allowed());
  Review edited = pod(bad);
  edited.operation = Operation::update;
  edited.old_object = pod("{}").object;
  EXPECT_TRUE(review(edited, nullptr).allowed()) << "pods are asked about when they are created";
}

TEST(ReviewAlone, KnowsOnlyItsKinds) {
  EXPECT_TRUE(review(create("Vlan", "v", R"({"id": -5})"), nullptr).allowed());
  Review elsewhere = create("Subnet", "s", kBad);
  elsewhere.group = "example.com";
  EXPECT_TRUE(review(elsewhere, nullptr).allowed());
}

// ---- With a world

TEST_F(ReviewTest, WhatMayStillComeIsOnlyAWarning) {
  Verdict verdict = ask(create("Subnet", "app-a", R"({"cidrBlock": "10.1.0.0/24", "vpc": "x"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings,
              ElementsAre(AllOf(HasSubstr("Subnet app-a: spec.vpc \"x\""), HasSubstr("does not exist yet"))));
  verdict = ask(create("IPPool", "p", R"({"subnet": "app-a", "ips": ["10.1.0.5"]})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("that Subnet does not exist yet")));
  verdict = ask(create("Vip", "v", R"({"subnet": "app-a"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("that Subnet does not exist yet")));
  verdict = ask(create("Vpc", "v", R"({"defaultSubnet": "app-a"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("that Subnet does not exist yet")));
  cluster_.ns("web");
  cluster_.settle();
  verdict = ask(pod(R"({"ovn.kubernetes.io/logical_switch": "app-a"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(AllOf(HasSubstr("will wait for"), HasSubstr("app-a"))));
  verdict = ask(pod(R"({"ovn.kubernetes.io/ip_pool": "p"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("will wait for")));
}

TEST_F(ReviewTest, ARangeThatIsHeldIsDenied) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}});
  cluster_.settle();
  const Verdict verdict = ask(create("Subnet", "b", R"({"cidrBlock": "10.1.0.0/25"})"));
  EXPECT_THAT(verdict.denials, ElementsAre(AllOf(HasSubstr("Subnet b: spec.cidrBlock"), HasSubstr("overlaps Subnet a"),
                                                 HasSubstr("choose another range"))));
  EXPECT_TRUE(ask(create("Subnet", "b", R"({"cidrBlock": "10.1.0.0/25", "vpc": "x"})")).allowed());
  EXPECT_FALSE(ask(create("Subnet", "b", R"({"cidrBlock": "10.96.4.0/24"})")).allowed()) << "the range of Services";
}

TEST_F(ReviewTest, ARangeThatMayBeGivenUpIsOnlyAWarning) {
  constexpr const char* kRelease =
      R"({"annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "n"}})";
  cluster_.put(api::Kind::subnet, "", "a", {{"metadata", parsed(kRelease)}, {"spec", {{"cidrBlock", "10.1.0.0/24"}}}});
  cluster_.settle();
  const auto renamed = create("Subnet", "b", R"({"cidrBlock": "10.1.0.0/24"})", kRelease);
  Verdict verdict = ask(renamed);
  EXPECT_TRUE(verdict.allowed()) << "an upgrade that renames it deletes the old one afterwards";
  EXPECT_THAT(verdict.warnings, Contains(HasSubstr("overlaps Subnet a")));

  cluster_.ns("web");
  cluster_.pod("web", "p", {{"ovn.kubernetes.io/logical_switch", "a"}});
  cluster_.settle();
  ASSERT_EQ(cluster_.address("web", "p"), "10.1.0.2");
  cluster_.edit(api::Kind::pod, "web", "p",
                {{"status", {{"phase", "Running"}, {"podIPs", api::JsonArray{api::JsonObject{{"ip", "10.1.0.2"}}}}}}});
  cluster_.remove(api::Kind::subnet, "", "a");
  cluster_.settle();
  ASSERT_NE(cluster_.find(api::Kind::subnet, "", "a"), nullptr) << "held by the pod";
  EXPECT_TRUE(ask(create("Subnet", "b", R"({"cidrBlock": "10.1.0.0/24"})")).allowed());
}

TEST_F(ReviewTest, NormalisationByTheControllerIsNoConflict) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.9/24"}});
  const Verdict verdict = ask(update("Subnet", "a", R"({"cidrBlock": "10.1.0.9/24"})",
                                     R"({"cidrBlock": "10.1.0.0/24", "gateway": "10.1.0.1", "vpc": "ovn-cluster"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, IsEmpty());
}

TEST_F(ReviewTest, EditsUnderPodsAreWarnings) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}, {"namespaces", api::JsonArray{"web"}}});
  cluster_.ns("web");
  cluster_.settle();
  cluster_.pod("web", "p");
  cluster_.settle();
  ASSERT_EQ(cluster_.address("web", "p"), "10.1.0.2");
  Verdict verdict = ask(update("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24"})", R"({"cidrBlock": "10.2.0.0/24"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, Contains(HasSubstr("1 addresses are in use")));
  verdict = ask(update("Subnet", "a", R"({"cidrBlock": "10.1.0.0/24"})",
                       R"({"cidrBlock": "10.1.0.0/24", "gateway": "10.1.0.2"})"));
  EXPECT_TRUE(verdict.allowed());
  EXPECT_THAT(verdict.warnings, Contains(AllOf(HasSubstr("spec.gateway"), HasSubstr("p.web"))));
}

TEST_F(ReviewTest, DeletionsSayWhatTheyWaitFor) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}, {"namespaces", api::JsonArray{"web"}}});
  cluster_.ns("web");
  cluster_.settle();
  EXPECT_THAT(ask(removal("Subnet", "a")).warnings, IsEmpty());
  cluster_.pod("web", "p");
  cluster_.settle();
  const Verdict subnet = ask(removal("Subnet", "a"));
  EXPECT_TRUE(subnet.allowed());
  EXPECT_THAT(subnet.warnings, ElementsAre(HasSubstr("1 IP objects (first: p.web)")));

  cluster_.put(api::Kind::ip_pool, "", "pool", {{"spec", {{"subnet", "a"}, {"ips", api::JsonArray{"10.1.0.50"}}}}});
  cluster_.settle();
  EXPECT_THAT(ask(removal("IPPool", "pool")).warnings, IsEmpty());
  cluster_.pod("web", "q", {{"ovn.kubernetes.io/ip_pool", "pool"}});
  cluster_.settle();
  EXPECT_THAT(ask(removal("IPPool", "pool")).warnings, ElementsAre(HasSubstr("first: q.web")));
  EXPECT_THAT(ask(removal("Vpc", "ovn-cluster")).warnings, ElementsAre(HasSubstr("Subnets")));
  EXPECT_THAT(ask(removal("IP", "q.web")).warnings, IsEmpty()) << "the old object did not come along";
}

TEST_F(ReviewTest, PoolsShareNothing) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}});
  cluster_.settle();
  cluster_.put(api::Kind::ip_pool, "", "one",
               {{"spec", {{"subnet", "a"}, {"ips", api::JsonArray{"10.1.0.5..10.1.0.9"}}}}});
  cluster_.settle();
  const Verdict verdict = ask(create("IPPool", "two", R"({"subnet": "a", "ips": ["10.1.0.9..10.1.0.12"]})"));
  EXPECT_THAT(verdict.denials, ElementsAre(AllOf(HasSubstr("IPPool two: spec.ips"), HasSubstr("IPPool one"))));
  EXPECT_TRUE(ask(create("IPPool", "two", R"({"subnet": "a", "ips": ["10.1.0.10..10.1.0.12"]})")).allowed());
  const Verdict outside = ask(create("IPPool", "two", R"({"subnet": "a", "ips": ["10.9.0.1"]})"));
  EXPECT_TRUE(outside.allowed()) << "the Subnet may follow in the same release";
  EXPECT_THAT(outside.warnings, ElementsAre(HasSubstr("lies outside Subnet a")));
}

TEST_F(ReviewTest, AnAddressThatALivingPodHoldsIsDenied) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}, {"namespaces", api::JsonArray{"web"}}});
  cluster_.ns("web");
  cluster_.settle();
  cluster_.pod("web", "first", {{"ovn.kubernetes.io/ip_address", "10.1.0.7"}});
  cluster_.settle();
  ASSERT_EQ(cluster_.address("web", "first"), "10.1.0.7");
  const auto second = pod(R"({"ovn.kubernetes.io/ip_address": "10.1.0.7"})");
  EXPECT_THAT(ask(second).denials, ElementsAre(AllOf(HasSubstr("IP first.web"), HasSubstr("choose another"))));
  EXPECT_THAT(ask(create("Vip", "v", R"({"subnet": "a", "v4ip": "10.1.0.7"})")).denials,
              ElementsAre(HasSubstr("IP first.web")));
  EXPECT_THAT(ask(create("IP", "other.web", R"({"subnet": "a", "v4IpAddress": "10.1.0.7"})")).denials,
              ElementsAre(HasSubstr("IP first.web")));
  EXPECT_TRUE(ask(create("IP", "first.web", R"({"subnet": "a", "v4IpAddress": "10.1.0.7"})")).allowed()) << "its own";

  const Verdict of_controller = ask(create("Pod", "p", "{}", R"({"annotations": {"ovn.kubernetes.io/ip_address":
      "10.1.0.7"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "1", "controller": true}]})"));
  EXPECT_TRUE(of_controller.allowed()) << "the old pod may be about to go";
  EXPECT_THAT(of_controller.warnings, ElementsAre(HasSubstr("IP first.web")));

  cluster_.edit(api::Kind::pod, "web", "first", {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}});
  EXPECT_TRUE(ask(second).allowed()) << "the holder is going";
}

TEST_F(ReviewTest, AnAddressOutsideTheSubnetIsSaidInTheControllersWords) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}, {"namespaces", api::JsonArray{"web"}}});
  cluster_.ns("web");
  cluster_.settle();
  const auto asked = pod(R"({"ovn.kubernetes.io/ip_address": "10.7.0.7", "ovn.kubernetes.io/logical_switch": "a"})");
  const Verdict verdict = ask(asked);
  EXPECT_TRUE(verdict.allowed()) << "the Subnet may follow in the same release";
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("10.7.0.7")));
}

TEST_F(ReviewTest, AVipIsFrozenOnceItHasItsAddress) {
  cluster_.subnet("a", {{"cidrBlock", "10.1.0.0/24"}});
  cluster_.settle();
  cluster_.put(api::Kind::vip, "", "v", {{"spec", {{"subnet", "a"}, {"v4ip", "10.1.0.7"}}}});
  cluster_.settle();
  Review edit;
  edit.operation = Operation::update;
  edit.group = "kubeovn.io";
  edit.kind = "Vip";
  edit.name = "v";
  edit.old_object = edit.object = *cluster_.find(api::Kind::vip, "", "v");
  ASSERT_TRUE(api::Vip::parse(edit.object).allocated());
  edit.object["spec"].as_object()["v4ip"] = "10.1.0.8";
  EXPECT_THAT(ask(edit).denials, ElementsAre(AllOf(HasSubstr("spec.v4ip"), HasSubstr("cannot change"))));
}

TEST_F(ReviewTest, TheIdentityOfAnIpIsNotForEditing) {
  const Verdict verdict = ask(update("IP", "p.web", R"({"subnet": "a", "v4IpAddress": "10.1.0.7"})",
                                     R"({"subnet": "a", "v4IpAddress": "10.1.0.8"})"));
  EXPECT_TRUE(verdict.allowed()) << "the controller itself may bind it anew";
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("spec.v4IpAddress")));
}

// ---- The protocol

TEST(AdmissionProtocol, ReadsAndAnswers) {
  const auto asked = parse_review(R"({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
      {"uid": "1-2", "kind": {"group": "kubeovn.io", "version": "v1", "kind": "Subnet"}, "operation": "CREATE",
       "name": "a", "object": {"metadata": {"name": "a"}, "spec": {"cidrBlock": "10.1.0.0/99"}}, "oldObject": null}})");
  ASSERT_TRUE(asked) << asked.error().message;
  const auto reply = answer(*asked, review(*asked, nullptr));
  EXPECT_EQ(api::string_at(reply, {"apiVersion"}), "admission.k8s.io/v1");
  EXPECT_EQ(api::string_at(reply, {"response", "uid"}), "1-2");
  EXPECT_FALSE(api::bool_at(reply, {"response", "allowed"}, true));
  EXPECT_EQ(api::int_at(reply, {"response", "status", "code"}), 422);
  const auto* causes = api::find_array(reply, {"response", "status", "details", "causes"});
  ASSERT_NE(causes, nullptr);
  EXPECT_EQ(api::string_at(causes->front().as_object(), {"field"}), "spec.cidrBlock");
}

TEST(AdmissionProtocol, NamesTheAnnotation) {
  const auto asked = pod(R"({"ovn.kubernetes.io/ip_address": "x"})");
  const auto reply = answer(asked, review(asked, nullptr));
  const auto* causes = api::find_array(reply, {"response", "status", "details", "causes"});
  ASSERT_NE(causes, nullptr);
  EXPECT_EQ(api::string_at(causes->front().as_object(), {"field"}),
            "metadata.annotations[ovn.kubernetes.io/ip_address]");
}

TEST(AdmissionProtocol, ShortensWarnings) {
  Verdict verdict;
  verdict.warnings = {std::string(300, 'a'), "b"};
  const auto reply = answer(Review{}, verdict);
  const auto* warnings = api::find_array(reply, {"response", "warnings"});
  ASSERT_NE(warnings, nullptr);
  EXPECT_LE(warnings->front().as_string().size(), 256U);
  EXPECT_TRUE(api::bool_at(reply, {"response", "allowed"}));
}

TEST(AdmissionProtocol, RefusesWhatIsNoReview) {
  EXPECT_FALSE(parse_review("x"));
  EXPECT_FALSE(parse_review("[]"));
  EXPECT_FALSE(parse_review(R"({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"})"));
  EXPECT_FALSE(parse_review(R"({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}})"));
}

}  // namespace
}  // namespace berth::admission
