#include "agent/pod_network.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "api/annotations.h"

namespace berth::agent {
namespace {

namespace json = boost::json;

net::Address address(const std::string& text) { return *net::Address::parse(text); }
net::Cidr cidr(const std::string& text) { return *net::Cidr::parse(text); }

// A pod whose network of that provider is bound to subnet "web", by both families.
api::Pod pod(const std::string& provider = "ovn") {
  api::Pod out;
  out.meta.name = "p";
  out.meta.ns = "shop";
  out.meta.uid = "uid-p";
  auto& notes = out.meta.annotations;
  const auto key = [&](std::string_view suffix) { return api::annotation_key(provider, suffix); };
  notes[key("allocated")] = "true";
  notes[key("routed")] = "true";
  notes[key("ip_address")] = "fd00:1::5,10.1.0.5";
  notes[key("mac_address")] = "02:00:00:00:00:05";
  notes[key("cidr")] = "10.1.0.0/24,fd00:1::/64";
  notes[key("gateway")] = "10.1.0.1,fd00:1::1";
  notes[key("logical_switch")] = "web";
  api::BindingRecord record;
  record.pod_uid = "uid-p";
  record.networks[provider] = {"claimed", "web", "uid-web"};
  notes[std::string(api::kBindingAnnotation)] = record.to_string();
  return out;
}

Reason reason_without(const std::string& suffix) {
  auto p = pod();
  p.meta.annotations.erase("ovn.kubernetes.io/" + suffix);
  const auto network = read_pod_network(p, "ovn", "eth0", true);
  EXPECT_FALSE(network) << suffix;
  return network ? Reason::not_synced : network.error().reason;
}

Reason reason_with(const std::string& suffix, const std::string& value) {
  auto p = pod();
  p.meta.annotations["ovn.kubernetes.io/" + suffix] = value;
  const auto network = read_pod_network(p, "ovn", "eth0", true);
  EXPECT_FALSE(network) << suffix << "=" << value;
  return network ? Reason::not_synced : network.error().reason;
}

TEST(PodNetworkTest, ReadsBothFamiliesIpv4First) {
  const auto network = read_pod_network(pod(), "ovn", "eth0", true);
  ASSERT_TRUE(network) << network.error().text;
  EXPECT_EQ(network->port, "p.shop");
  EXPECT_EQ(network->subnet, "web");
  EXPECT_EQ(network->subnet_uid, "uid-web");
  EXPECT_EQ(network->mac, *net::Mac::parse("02:00:00:00:00:05"));
  EXPECT_EQ(network->addresses, (std::vector<InterfaceAddress>{{address("10.1.0.5"), cidr("10.1.0.0/24")},
                                                               {address("fd00:1::5"), cidr("fd00:1::/64")}}));
  EXPECT_EQ(network->all_routes(),
            (std::vector<Route>{{cidr("0.0.0.0/0"), address("10.1.0.1")}, {cidr("::/0"), address("fd00:1::1")}}));
}

TEST(PodNetworkTest, AnAttachedNetworkHasItsOwnKeysAndNoDefaultRoute) {
  const auto network = read_pod_network(pod("net1.shop.ovn"), "net1.shop.ovn", "net1", true);
  ASSERT_TRUE(network) << network.error().text;
  EXPECT_EQ(network->port, "p.shop.net1.shop.ovn");
  EXPECT_TRUE(network->all_routes().empty());
  EXPECT_EQ(read_pod_network(pod(), "net1.shop.ovn", "net1", true).error().reason, Reason::not_bound);
}

TEST(PodNetworkTest, TheUserMayChooseTheDefaultRouteAndAddOthers) {
  auto p = pod();
  p.meta.annotations["ovn.kubernetes.io/default_route"] = "false";
  p.meta.annotations["ovn.kubernetes.io/routes"] =
      R"([{"dst":"1.1.1.0/24","gw":"10.1.0.254"},{"dst":"fd99::1","gw":"fd00:1::2"}])";
  const auto network = read_pod_network(p, "ovn", "eth0", true);
  ASSERT_TRUE(network) << network.error().text;
  EXPECT_EQ(network->all_routes(), (std::vector<Route>{{cidr("1.1.1.0/24"), address("10.1.0.254")},
                                                       {cidr("fd99::1/128"), address("fd00:1::2")}}));
}

TEST(PodNetworkTest, AGatewayOfAFamilyThatThePodLacksIsLeftOut) {
  auto p = pod();
  p.meta.annotations["ovn.kubernetes.io/ip_address"] = "fd00:1::5";
  const auto network = read_pod_network(p, "ovn", "eth0", true);
  ASSERT_TRUE(network) << network.error().text;
  EXPECT_EQ(network->gateways, std::vector{address("fd00:1::1")});
}

TEST(PodNetworkTest, WaitsForBothMarks) {
  EXPECT_EQ(reason_without("allocated"), Reason::not_bound);
  EXPECT_EQ(reason_without("routed"), Reason::not_bound);
  EXPECT_EQ(reason_with("routed", "false"), Reason::not_bound);
}

TEST(PodNetworkTest, RefusesAnnotationsThatAreMissingOrWrong) {
  for (const auto suffix : {"ip_address", "mac_address", "cidr", "gateway", "logical_switch"})
    EXPECT_EQ(reason_without(suffix), Reason::bad_annotation) << suffix;
  EXPECT_EQ(reason_with("ip_address", "10.1.0.5,10.1.0.6"), Reason::bad_annotation);
  EXPECT_EQ(reason_with("ip_address", "10.2.0.5"), Reason::bad_annotation);
  EXPECT_EQ(reason_with("cidr", "10.1.0.0"), Reason::bad_annotation);
  EXPECT_EQ(reason_with("mac_address", "02:00:00:00:00"), Reason::bad_annotation);
  EXPECT_EQ(reason_with("gateway", "10.1.0.1;fd00:1::1"), Reason::bad_annotation);
  EXPECT_EQ(reason_with("logical_switch", "db"), Reason::void_record);
  for (const auto routes : {"{}", "[1]", R"([{"dst":"1.1.1.0/24"}])", R"([{"dst":"1.1.1.0/24","gw":"fd00:1::1"}])"})
    EXPECT_EQ(reason_with("routes", routes), Reason::bad_annotation) << routes;
}

TEST(PodNetworkTest, RefusesARecordThatProvesNothing) {
  const auto reason = [](const std::string& record, bool with_record) {
    auto p = pod();
    p.meta.annotations[std::string(api::kBindingAnnotation)] = record;
    const auto network = read_pod_network(p, "ovn", "eth0", with_record);
    return network ? std::optional<Reason>() : std::optional<Reason>(network.error().reason);
  };
  const std::string copied =
      R"({"podUID":"uid-q","networks":{"ovn":{"rule":"claimed","subnet":"web","subnetUID":"uid-web"}},"wrote":{}})";
  const std::string without_uid =
      R"({"podUID":"uid-p","networks":{"ovn":{"rule":"claimed","subnet":"web"}},"wrote":{}})";
  for (const auto& record : {std::string(), std::string("{"), copied, without_uid}) {
    EXPECT_EQ(reason(record, true), Reason::void_record) << record;
    EXPECT_EQ(reason(record, false), std::nullopt) << record;
  }
}

TEST(PodRefTest, NeedsAllThreeArguments) {
  const auto ref = parse_cni_args("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p;X;K8S_POD_UID=u=1");
  ASSERT_TRUE(ref) << ref.error().message;
  EXPECT_EQ(ref->key(), "shop/p");
  EXPECT_EQ(ref->uid, "u=1");
  for (const auto args : {"", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p", "K8S_POD_NAMESPACE=shop;K8S_POD_UID=u",
                          "K8S_POD_NAME=p;K8S_POD_UID=u", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=p;K8S_POD_UID="})
    EXPECT_FALSE(parse_cni_args(args)) << args;
}

TEST(PodRefTest, AStaticPodIsKnownByItsMirrorsHash) {
  auto p = pod();
  EXPECT_TRUE(is_pod(p, "uid-p"));
  EXPECT_FALSE(is_pod(p, "hash"));
  p.meta.annotations["kubernetes.io/config.hash"] = "hash";
  EXPECT_FALSE(is_pod(p, "hash"));
  p.meta.annotations["kubernetes.io/config.mirror"] = "hash";
  EXPECT_TRUE(is_pod(p, "hash"));
}

TEST(PodNetworkTest, AnInterfaceIsToldApartWhereItsNetworkIsAttachedTwice) {
  const std::string provider = "net1.shop.ovn";
  EXPECT_EQ(provider_of_interface(pod(provider), provider, "net1"), provider);
  EXPECT_EQ(provider_of_interface(pod(provider + ".net2"), provider, "net2"), provider + ".net2");
  EXPECT_EQ(provider_of_interface(pod(provider + ".net2"), provider, "net1"), provider);
}

}  // namespace
}  // namespace berth::agent
