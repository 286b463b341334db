#include "agent/confirm.h"

#include <gtest/gtest.h>

#include "agent/testing/attacher_fixture.h"

namespace berth::agent {
namespace {

namespace json = boost::json;
using namespace testing;
using namespace std::chrono_literals;

class ConfirmTest : public AttacherFixture {};

TEST_F(ConfirmTest, RefusesAPodOfAnotherUid) {
  sync();
  put_pod(unbound_pod("uid-of-its-successor"));
  expect_refusal(Reason::pod_of_another_uid, "uid-of-its-successor");
}

TEST_F(ConfirmTest, RefusesARecordOfAnotherPod) {
  set_up_all();
  put_pod(bound_pod("10.1.0.5", record("uid-of-the-original")));
  expect_refusal(Reason::void_record, "no berth.io/binding of its own");
}

TEST_F(ConfirmTest, RefusesARecordThatNamesAnotherSubnet) {
  set_up_all();
  auto binding = record();
  binding.networks["ovn"].subnet = "db";
  put_pod(bound_pod("10.1.0.5", binding));
  expect_refusal(Reason::void_record, "does not bind network ovn to subnet web");
}

TEST_F(ConfirmTest, RefusesAnUnreadableAnnotation) {
  set_up_all();
  put_pod(bound_pod("10.1.0.x"));
  expect_refusal(Reason::bad_annotation, "ovn.kubernetes.io/ip_address");
}

TEST_F(ConfirmTest, RefusesAMissingSubnet) {
  set_up_all();
  view_.on_subnets(kube::Delete{subnet()});
  expect_refusal(Reason::subnet_missing, "subnet web does not exist");
}

TEST_F(ConfirmTest, RefusesATerminatingSubnet) {
  set_up_all();
  auto ending = subnet();
  ending["metadata"].as_object()["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  put_subnet(ending);
  expect_refusal(Reason::subnet_terminating, "web is being deleted");
}

TEST_F(ConfirmTest, RefusesAnotherSubnetOfTheSameName) {
  set_up_all();
  put_subnet(subnet("uid-web-2"));
  expect_refusal(Reason::subnet_replaced, "uid-web-2");
}

TEST_F(ConfirmTest, RefusesAnAddressOutsideItsSubnet) {
  set_up_all();
  put_subnet(subnet(kSubnetUid, "10.2.0.0/24"));
  expect_refusal(Reason::address_outside, "10.1.0.5 lies outside subnet web (10.2.0.0/24)");
}

TEST_F(ConfirmTest, RefusesAMissingIp) {
  set_up_all();
  ip_.reset();
  expect_refusal(Reason::ip_missing, "IP p.shop does not exist");
}

TEST_F(ConfirmTest, RefusesADeletingIp) {
  set_up_all();
  ip_meta()["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  expect_refusal(Reason::ip_deleting, "IP p.shop is being deleted");
}

TEST_F(ConfirmTest, RefusesAnIpOfAnotherOwner) {
  set_up_all();
  ip_meta()["annotations"].as_object()["berth.io/owner"] = "pod/uid-of-its-predecessor";
  expect_refusal(Reason::ip_of_another, "uid-of-its-predecessor");
}

TEST_F(ConfirmTest, RefusesAnIpWithoutOwner) {
  set_up_all();
  ip_meta()["annotations"].as_object().erase("berth.io/owner");
  expect_refusal(Reason::ip_of_another, "owner \"\"");
}

TEST_F(ConfirmTest, RefusesAnIpOfAnEarlierIncarnation) {
  set_up_all();
  ip_meta()["annotations"].as_object()["berth.io/pod-uid"] = "uid-of-yesterday";
  expect_refusal(Reason::ip_of_another, "uid-of-yesterday");
}

TEST_F(ConfirmTest, RefusesAnIpOfAnotherPodName) {
  set_up_all();
  ip_spec()["podName"] = "q";
  expect_refusal(Reason::ip_of_another, "shop/q");
}

TEST_F(ConfirmTest, RefusesAnIpWithAnotherAddress) {
  set_up_all();
  put_ip("10.1.0.6");
  expect_refusal(Reason::ip_differs, "another address or MAC");
}

TEST_F(ConfirmTest, RefusesAnIpWithAnotherMac) {
  set_up_all();
  ip_spec()["macAddress"] = "00:00:00:00:00:99";
  expect_refusal(Reason::ip_differs, "another address or MAC");
}

TEST_F(ConfirmTest, RefusesAnIpOfAnotherSubnet) {
  set_up_all();
  ip_spec()["subnet"] = "ovn-default";
  expect_refusal(Reason::ip_differs, "of subnet ovn-default");
}

TEST_F(ConfirmTest, RefusesAnIpOfAnotherSubnetUid) {
  set_up_all();
  ip_meta()["annotations"].as_object()["berth.io/subnet-uid"] = "uid-web-0";
  expect_refusal(Reason::ip_differs, "of subnet web");
}

TEST_F(ConfirmTest, AcceptsAnIpOfItsStatefulSetAndOrdinal) {
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

}  // namespace
}  // namespace berth::agent
