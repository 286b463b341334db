#include "binding/decision.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "api/annotations.h"

namespace berth::binding {
namespace {

// A Knowledge that says what the test tells it.
class Facts final : public Knowledge {
 public:
  api::Subnet& add_subnet(const std::string& name, const std::string& cidr, int age_rank = 0) {
    api::Subnet& s = subnets_[name];
    s.meta.name = name;
    s.meta.uid = "uid-" + name;
    s.meta.created = WallTime(std::chrono::seconds(1000 + age_rank));
    s.cidr_block = cidr;
    return s;
  }
  api::Namespace& add_namespace(const std::string& name) {
    api::Namespace& ns = namespaces_[name];
    ns.meta.name = name;
    return ns;
  }

  Safeguards guards;
  TimePoint clock{std::chrono::hours(1)};
  TimePoint settled{};
  bool fresh = true;
  std::set<std::string> unready, full;
  std::map<std::string, std::vector<std::string>> claims;
  std::map<std::string, api::IpPool> pool_objects;
  std::optional<api::Vpc> vpc;
  std::vector<std::string> vpc_defaults;
  std::optional<std::string> inferred;
  std::map<std::string, api::NetworkAttachmentDefinition> networks;

  const Safeguards& safeguards() const override { return guards; }
  TimePoint now() const override { return clock; }
  const api::Namespace* find_namespace(const std::string& ns) const override {
    const auto it = namespaces_.find(ns);
    return it == namespaces_.end() ? nullptr : &it->second;
  }
  const api::NetworkAttachmentDefinition* find_network(const std::string& ns, const std::string& name) const override {
    const auto it = networks.find(ns + "/" + name);
    return it == networks.end() ? nullptr : &it->second;
  }
  const api::IpPool* find_pool(const std::string& name) const override {
    const auto it = pool_objects.find(name);
    return it == pool_objects.end() ? nullptr : &it->second;
  }
  std::optional<SubnetView> subnet(const std::string& name) const override {
    const auto it = subnets_.find(name);
    if (it == subnets_.end()) return std::nullopt;
    const bool ready = !unready.contains(name);
    return SubnetView{&it->second, ready, ready ? "" : "its logical switch is being made",
                      net::Cidr::parse_list(it->second.cidr_block).value()};
  }
  std::vector<SubnetView> claimants(const std::string& ns) const override {
    const auto it = claims.find(ns);
    return it == claims.end() ? std::vector<SubnetView>{} : views(it->second);
  }
  std::vector<SubnetView> of_provider(const std::string& provider) const override {
    std::vector<std::string> names;
    for (const auto& [name, s] : subnets_) {
      if (s.effective_provider() == provider) names.push_back(name);
    }
    return views(names);
  }
  std::vector<const api::IpPool*> pools(const std::string& ns, const std::string& subnet) const override {
    std::vector<const api::IpPool*> out;
    for (const auto& [name, pool] : pool_objects) {
      if (pool.subnet == subnet && std::ranges::find(pool.namespaces, ns) != pool.namespaces.end())
        out.push_back(&pool);
    }
    return out;
  }
  const api::Vpc* vpc_of(const std::string&) const override { return vpc ? &*vpc : nullptr; }
  std::vector<SubnetView> defaults_of(const std::string&) const override { return views(vpc_defaults); }
  bool has_room(const std::string& subnet, const std::string&, std::optional<net::Family>,
                const std::string& pool) const override {
    return !full.contains(pool.empty() ? subnet : pool);
  }
  std::optional<std::string> inferred_expectation(const std::string&) const override { return inferred; }
  TimePoint settled_at(const std::string&) const override { return settled; }
  bool is_fresh_for(const api::Pod&) const override { return fresh; }

 private:
  std::vector<SubnetView> views(const std::vector<std::string>& names) const {
    std::vector<SubnetView> out;
    for (const std::string& name : names) out.push_back(*subnet(name));
    return out;
  }
  std::map<std::string, api::Subnet> subnets_;
  std::map<std::string, api::Namespace> namespaces_;
};

class DecisionTest : public testing::Test {
 protected:
  DecisionTest() {
    facts.add_namespace("shop");
    facts.add_subnet("ovn-default", "10.16.0.0/16");
    facts.add_subnet("web", "10.66.0.0/24", 1);
    facts.add_subnet("blue", "10.67.0.0/24", 2);
    pod.meta.name = "p";
    pod.meta.ns = "shop";
    pod.meta.uid = "pod-uid";
  }

  Decision decided() {
    const auto networks = networks_of(pod, facts);
    EXPECT_TRUE(networks.has_value());
    return decide(pod, std::get<NetworkRequest>(networks->front()), facts);
  }
  void annotate(const std::string& key, const std::string& value) { pod.meta.annotations[key] = value; }
  void expect_bound(const std::string& subnet, Rule rule) {
    const Decision d = decided();
    ASSERT_NE(d.bind(), nullptr) << (d.wait() != nullptr ? d.wait()->for_what : d.refuse()->why);
    EXPECT_EQ(d.bind()->subnet, subnet);
    EXPECT_EQ(d.bind()->subnet_uid, "uid-" + subnet);
    EXPECT_EQ(d.rule, rule);
    EXPECT_FALSE(d.chain.empty());
  }
  void expect_waiting_on(WaitKey::Kind kind, const std::string& name) {
    const Decision d = decided();
    ASSERT_NE(d.wait(), nullptr);
    EXPECT_TRUE(d.wait()->keys.contains({kind, name})) << "not woken by " << to_string(WaitKey{kind, name});
    EXPECT_FALSE(d.wait()->for_what.empty());
  }

  Facts facts;
  api::Pod pod;
};

TEST_F(DecisionTest, TakesTheDefaultWhenNothingElseSpeaks) { expect_bound("ovn-default", Rule::cluster_default); }

TEST_F(DecisionTest, NeverTakesTheDefaultOnStaleKnowledge) {
  facts.fresh = false;
  expect_waiting_on(WaitKey::Kind::fresh_read, "shop");
}

TEST_F(DecisionTest, WhileTheNamespaceSettlesAnAddressOutsideItsOnlyClaimantWaitsForAnother) {
  facts.claims["shop"] = {"web"};
  annotate("ovn.kubernetes.io/ip_address", "10.67.0.9");
  facts.settled = facts.clock + std::chrono::seconds(5);
  expect_waiting_on(WaitKey::Kind::namespace_, "shop");
  EXPECT_EQ(decided().rule, Rule::settling);
  EXPECT_EQ(decided().wait()->until, facts.settled);
  EXPECT_NE(decided().wait()->for_what.find("10.67.0.9"), std::string::npos);

  facts.clock = facts.settled;
  ASSERT_NE(decided().refuse(), nullptr);
  EXPECT_EQ(decided().refuse()->denial, ipam::Denial::AddressOutOfRange);
}

TEST_F(DecisionTest, TheUsersSubnetOnThePodComesFirst) {
  facts.claims["shop"] = {"blue"};
  annotate("ovn.kubernetes.io/logical_switch", "web");
  expect_bound("web", Rule::pod_subnet);
  annotate("ovn.kubernetes.io/logical_switch", "missing");
  expect_waiting_on(WaitKey::Kind::subnet, "missing");
}

TEST_F(DecisionTest, WhatBerthWroteIsNotTheUsersWord) {
  annotate("ovn.kubernetes.io/logical_switch", "ovn-default");
  api::BindingRecord record;
  record.pod_uid = "pod-uid";
  record.wrote["ovn.kubernetes.io/logical_switch"] = "ovn-default";
  annotate(std::string(api::kBindingAnnotation), record.to_string());
  facts.claims["shop"] = {"web"};
  expect_bound("web", Rule::claimed);
  // The user has changed it since: now it is.
  annotate("ovn.kubernetes.io/logical_switch", "blue");
  expect_bound("blue", Rule::pod_subnet);
}

TEST_F(DecisionTest, ANamedPoolDecidesItsSubnet) {
  annotate("ovn.kubernetes.io/ip_pool", "vips");
  expect_waiting_on(WaitKey::Kind::pool, "vips");
  facts.pool_objects["vips"].meta.name = "vips";
  facts.pool_objects["vips"].subnet = "blue";
  expect_bound("blue", Rule::pod_pool);
  EXPECT_EQ(decided().bind()->pool, "vips");
  // Together with a subnet that it is not part of it is a contradiction.
  annotate("ovn.kubernetes.io/logical_switch", "web");
  ASSERT_NE(decided().refuse(), nullptr);
  EXPECT_NE(decided().refuse()->why.find("vips"), std::string::npos);
}

TEST_F(DecisionTest, TheNamespacesNamesComeInTheirOrder) {
  facts.add_namespace("shop").meta.annotations["berth.io/expects-subnet"] = "blue,web";
  facts.claims["shop"] = {"web"};
  expect_bound("blue", Rule::namespace_subnets);
  facts.full.insert("blue");
  expect_bound("web", Rule::namespace_subnets);
  facts.full.insert("web");
  expect_waiting_on(WaitKey::Kind::room, "blue");
  expect_waiting_on(WaitKey::Kind::room, "web");
}

TEST_F(DecisionTest, AnUnmarkedOvnDefaultOnANamespaceIsNobodysChoice) {
  facts.add_namespace("shop").meta.annotations["ovn.kubernetes.io/logical_switch"] = "ovn-default";
  facts.claims["shop"] = {"web"};
  expect_bound("web", Rule::claimed);
}

TEST_F(DecisionTest, ClaimsAreHonouredOldestFirstAndWaitedFor) {
  facts.claims["shop"] = {"web", "blue"};
  expect_bound("web", Rule::claimed);
  facts.unready.insert("web");
  expect_bound("blue", Rule::claimed);
  facts.unready.insert("blue");
  expect_waiting_on(WaitKey::Kind::subnet, "web");
  expect_waiting_on(WaitKey::Kind::subnet, "blue");
  expect_waiting_on(WaitKey::Kind::namespace_, "shop");
}

TEST_F(DecisionTest, ExpectationsAndSettlingHoldTheDefaultBack) {
  facts.settled = facts.clock + std::chrono::seconds(3);
  const Decision settling = decided();
  ASSERT_NE(settling.wait(), nullptr);
  EXPECT_EQ(settling.rule, Rule::settling);
  EXPECT_EQ(settling.wait()->until, facts.settled);

  facts.add_namespace("shop").meta.annotations["berth.io/expects-subnet"] = "none";
  expect_bound("ovn-default", Rule::cluster_default);
  facts.add_namespace("shop").meta.annotations["berth.io/expects-subnet"] = "any";
  facts.settled = {};
  EXPECT_EQ(decided().rule, Rule::expected);
  expect_waiting_on(WaitKey::Kind::namespace_, "shop");
  facts.add_namespace("shop").meta.annotations.clear();
  facts.inferred = "Subnet web of Helm release shop";
  EXPECT_EQ(decided().rule, Rule::expected);
}

TEST_F(DecisionTest, AVpcsNamespaceNeverFallsToTheClusterDefault) {
  facts.vpc.emplace();
  facts.vpc->meta.name = "tenant";
  EXPECT_EQ(decided().rule, Rule::vpc_default);
  expect_waiting_on(WaitKey::Kind::vpc, "tenant");
  facts.vpc_defaults = {"blue"};
  expect_bound("blue", Rule::vpc_default);
  facts.vpc->default_subnet = "web";
  expect_bound("web", Rule::vpc_default);
  facts.vpc->default_subnet = "missing";
  expect_waiting_on(WaitKey::Kind::subnet, "missing");
}

TEST_F(DecisionTest, AStaticAddressPicksTheCandidateThatContainsIt) {
  facts.claims["shop"] = {"web", "blue"};
  annotate("ovn.kubernetes.io/ip_address", "10.67.0.9");
  expect_bound("blue", Rule::claimed);
  facts.unready.insert("blue");
  expect_waiting_on(WaitKey::Kind::subnet, "blue");
  annotate("ovn.kubernetes.io/ip_address", "192.0.2.1");
  const Decision outside = decided();
  ASSERT_NE(outside.refuse(), nullptr);
  EXPECT_EQ(outside.refuse()->denial, ipam::Denial::AddressOutOfRange);
  for (const char* part : {"shop/p", "192.0.2.1", "web (10.66.0.0/24)", "ovn.kubernetes.io/ip_address"}) {
    EXPECT_NE(outside.refuse()->why.find(part), std::string::npos) << part << " missing in: " << outside.refuse()->why;
  }
  EXPECT_TRUE(outside.refuse()->keys.contains({WaitKey::Kind::subnet, "web"}));
}

TEST_F(DecisionTest, APodWithoutAKnownNamespaceWaits) {
  pod.meta.ns = "elsewhere";
  expect_waiting_on(WaitKey::Kind::namespace_, "elsewhere");
}

TEST_F(DecisionTest, ANamespacesPoolsAreTheOnlySupply) {
  facts.claims["shop"] = {"web"};
  facts.pool_objects["a"].meta.name = "a";
  facts.pool_objects["a"].subnet = "web";
  facts.pool_objects["a"].namespaces = {"shop"};
  EXPECT_EQ(decided().bind()->pool, "a");
  facts.full.insert("a");
  expect_waiting_on(WaitKey::Kind::room, "web");
  expect_waiting_on(WaitKey::Kind::namespace_, "shop");
}

struct BadAnnotation {
  const char* key;
  const char* value;
};

class BadAnnotations : public testing::TestWithParam<BadAnnotation> {};

TEST_P(BadAnnotations, AreNamedWithTheirValue) {
  Facts facts;
  api::Pod pod;
  pod.meta.name = "p";
  pod.meta.ns = "shop";
  pod.meta.annotations[GetParam().key] = GetParam().value;
  const auto networks = networks_of(pod, facts);
  ASSERT_FALSE(networks.has_value());
  EXPECT_EQ(networks.error().code, ErrorCode::invalid);
  EXPECT_NE(networks.error().message.find(GetParam().key), std::string::npos) << networks.error().message;
  EXPECT_NE(networks.error().message.find("shop/p"), std::string::npos) << networks.error().message;
}

INSTANTIATE_TEST_SUITE_P(Table, BadAnnotations,
                         testing::Values(BadAnnotation{"ovn.kubernetes.io/ip_address", "10.66.0.300"},
                                         BadAnnotation{"ovn.kubernetes.io/ip_address", "10.66.0.1,10.66.0.2"},
                                         BadAnnotation{"ovn.kubernetes.io/ip_address", "fd00:::1"},
                                         BadAnnotation{"ovn.kubernetes.io/mac_address", "00:11:22"},
                                         BadAnnotation{"ovn.kubernetes.io/mac_address", "01:00:5e:00:00:01"},
                                         BadAnnotation{"ovn.kubernetes.io/ip_family", "IPv4"},
                                         BadAnnotation{"ovn.kubernetes.io/ip_pool", "10.66.0.1,nonsense"},
                                         BadAnnotation{"k8s.v1.cni.cncf.io/networks", "[{\"namespace\": \"x\"}]"}));

TEST(PodNetworks, ReadLiteralPoolsInAllTheirForms) {
  Facts facts;
  api::Pod pod;
  const auto pool = [&](const std::string& text) {
    pod.meta.annotations["ovn.kubernetes.io/ip_pool"] = text;
    return std::get<NetworkRequest>(networks_of(pod, facts)->front()).literal_pool;
  };
  EXPECT_EQ(pool("10.0.0.1,10.0.0.2").size(), 2u);
  EXPECT_EQ(pool("10.0.0.1,fd00::1").size(), 1u) << "two of different families are one dual-stack entry";
  EXPECT_EQ(pool("10.0.0.1,fd00::1;10.0.0.2,fd00::2").size(), 2u);
  EXPECT_EQ(pool("10.0.0.1").size(), 1u);
}

// The pod's networks as "provider>subnets' provider>port", and "missing ns/name".
std::vector<std::string> networks_text(const api::Pod& pod, const Facts& facts) {
  std::vector<std::string> out;
  const auto networks = networks_of(pod, facts);
  EXPECT_TRUE(networks.has_value());
  for (const auto& network : *networks) {
    if (const auto* missing = std::get_if<MissingNetwork>(&network)) {
      out.push_back("missing " + missing->ns + "/" + missing->name);
    } else {
      const auto& request = std::get<NetworkRequest>(network);
      out.push_back(request.provider + ">" + request.subnet_provider + ">" + request.port);
    }
  }
  return out;
}

class NetworksTest : public DecisionTest {
 protected:
  NetworksTest() {
    facts.networks["shop/blue"].provider = "blue.shop.ovn";
    facts.networks["shop/mac"].provider = "mac.shop";
    facts.networks["shop/foreign"];
  }
  std::vector<std::string> of(const std::string& text) {
    pod.meta.annotations[std::string(api::kNetworksAnnotation)] = text;
    return networks_text(pod, facts);
  }
};

using Texts = std::vector<std::string>;

TEST_F(NetworksTest, TheDefaultOneComesFirstThenThoseThatAreBerths) {
  EXPECT_EQ(of("blue, foreign, mac@x, gone"),
            (Texts{"ovn>ovn>p.shop", "blue.shop.ovn>blue.shop.ovn>p.shop.blue.shop.ovn",
                   "mac.shop>mac.shop>p.shop.mac.shop", "missing shop/gone"}));
}

TEST_F(NetworksTest, OneThatIsAttachedTwiceIsToldApartByInterface) {
  EXPECT_EQ(of("blue@a, blue@b"), (Texts{"ovn>ovn>p.shop", "blue.shop.ovn.a>blue.shop.ovn>p.shop.blue.shop.ovn.a",
                                         "blue.shop.ovn.b>blue.shop.ovn>p.shop.blue.shop.ovn.b"}));
  EXPECT_EQ(of("blue, mac, blue"),
            (Texts{"ovn>ovn>p.shop", "blue.shop.ovn>blue.shop.ovn>p.shop.blue.shop.ovn",
                   "mac.shop>mac.shop>p.shop.mac.shop", "blue.shop.ovn.net3>blue.shop.ovn>p.shop.blue.shop.ovn.net3"}));
}

TEST_F(NetworksTest, EachInterfaceHasItsOwnAddressAndSharesTheRest) {
  pod.meta.annotations["blue.shop.kubernetes.io/ip_address.b"] = "10.9.0.9";
  pod.meta.annotations["blue.shop.ovn.a.kubernetes.io/mac_address"] = "00:00:00:53:6b:01";
  pod.meta.annotations["blue.shop.ovn.kubernetes.io/logical_switch"] = "web";
  (void)of("blue@a, blue@b");
  const auto networks = networks_of(pod, facts);
  const auto& a = std::get<NetworkRequest>(networks->at(1));
  const auto& b = std::get<NetworkRequest>(networks->at(2));
  EXPECT_EQ(a.addresses.size(), 0U);
  EXPECT_EQ(a.mac.to_string(), "00:00:00:53:6b:01");
  EXPECT_EQ(b.addresses.at(0).to_string(), "10.9.0.9");
  EXPECT_TRUE(b.mac.is_none());
  EXPECT_EQ(a.subnet, "web");
  EXPECT_EQ(b.subnet, "web");
}

TEST_F(NetworksTest, AnotherOneMayStandInThePlaceOfTheDefault) {
  pod.meta.annotations[std::string(api::kDefaultNetworkAnnotation)] = "shop/blue";
  EXPECT_EQ(networks_text(pod, facts), Texts{"blue.shop.ovn>blue.shop.ovn>p.shop.blue.shop.ovn"});
  pod.meta.annotations[std::string(api::kDefaultNetworkAnnotation)] = "foreign";
  EXPECT_EQ(networks_text(pod, facts), Texts{});
}

TEST_F(NetworksTest, AnAttachmentNeedsASubnetOfItsKind) {
  facts.add_subnet("net", "10.9.0.0/24").provider = "blue.shop.ovn";
  facts.add_subnet("vlan", "10.8.0.0/24").provider = "mac.shop";
  (void)of("blue");
  const auto decide_blue = [&] { return decide(pod, std::get<NetworkRequest>(networks_of(pod, facts)->at(1)), facts); };
  ASSERT_NE(decide_blue().bind(), nullptr);
  EXPECT_EQ(decide_blue().bind()->subnet, "net");
  pod.meta.annotations["blue.shop.ovn.kubernetes.io/logical_switch"] = "web";
  ASSERT_NE(decide_blue().bind(), nullptr) << "any logical switch will do";
  pod.meta.annotations["blue.shop.ovn.kubernetes.io/logical_switch"] = "vlan";
  ASSERT_NE(decide_blue().refuse(), nullptr);
  EXPECT_NE(decide_blue().refuse()->why.find("Subnet vlan is of provider mac.shop"), std::string::npos);
  pod.meta.annotations["ovn.kubernetes.io/logical_switch"] = "net";
  ASSERT_NE(decided().refuse(), nullptr);
  EXPECT_NE(decided().refuse()->why.find("Subnet net is of provider blue.shop.ovn"), std::string::npos);
}

}  // namespace
}  // namespace berth::binding
