#include "agent/veth.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "agent/rtnl.h"
#include "sandbox.h"

namespace berth::agent {
namespace {

using testing::shell;
using testing::TestNetNs;

class VethTest : public ::testing::Test {
 protected:
  VethTest() {
    if (::geteuid() != 0) return;
    std::string name = (std::filesystem::temp_directory_path() / "berth-veth-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    node_ = std::make_unique<TestNetNs>(directory_ + "/node");
    pod_ = std::make_unique<TestNetNs>(directory_ + "/pod");
  }

  ~VethTest() override {
    pod_.reset();
    node_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }

  static InterfaceAddress address(const std::string& text) {
    return {*net::Address::parse(text.substr(0, text.find('/'))), *net::Cidr::parse(text)};
  }
  static Route route(const std::string& destination, const std::string& gateway) {
    return {*net::Cidr::parse(destination), *net::Address::parse(gateway)};
  }

  static VethPlan dual_plan() {
    return {"c1_h",
            "eth0",
            *net::Mac::parse("00:00:00:53:6b:b6"),
            {address("10.1.0.5/24"), address("fd00:1::5/64")},
            {route("0.0.0.0/0", "10.1.0.1"), route("::/0", "fd00:1::1"), route("172.30.0.0/16", "10.1.0.254")},
            1350};
  }

  // On the node, as the agent would.
  Result<net::Mac> ensure(const VethPlan& plan) {
    std::optional<Result<net::Mac>> result;
    node_->enter([&] {
      const auto ns = NetNs::open(pod_->path());
      result = ns ? ensure_veth(plan, *ns) : fail(ns.error());
    });
    return *result;
  }

  Status check(const VethPlan& plan) {
    Status result;
    node_->enter([&] {
      const auto ns = NetNs::open(pod_->path());
      result = check_veth(plan.host_name, {{"c1", plan.ifname}, pod_->path(), plan.addresses, plan.routes}, *ns);
    });
    return result;
  }

  std::string on_node(const std::string& command) const { return in(*node_, command); }
  std::string in_pod(const std::string& command) const { return in(*pod_, command); }

  static std::string in(const TestNetNs& ns, const std::string& command) {
    std::string out;
    ns.enter([&] { out = shell(command); });
    return out;
  }

  std::string directory_;
  std::unique_ptr<TestNetNs> node_;
  std::unique_ptr<TestNetNs> pod_;
};

TEST_F(VethTest, MakesADualStackInterface) {
  const auto mac = ensure(dual_plan());
  ASSERT_TRUE(mac) << mac.error().message;
  EXPECT_FALSE(mac->is_none());
  const auto link = in_pod("ip -o link show eth0");
  EXPECT_TRUE(link.contains("mtu 1350")) << link;
  EXPECT_TRUE(link.contains("00:00:00:53:6b:b6")) << link;
  EXPECT_TRUE(link.contains("LOWER_UP")) << link;
  const auto addresses = in_pod("ip -o addr show dev eth0");
  EXPECT_TRUE(addresses.contains("inet 10.1.0.5/24")) << addresses;
  EXPECT_TRUE(addresses.contains("inet6 fd00:1::5/64")) << addresses;
  EXPECT_FALSE(in_pod("ip -o -6 addr show dev eth0 scope global").contains("tentative"));
  const auto routes = in_pod("ip route; ip -6 route");
  EXPECT_TRUE(routes.contains("default via 10.1.0.1 dev eth0")) << routes;
  EXPECT_TRUE(routes.contains("172.30.0.0/16 via 10.1.0.254 dev eth0")) << routes;
  EXPECT_TRUE(routes.contains("default via fd00:1::1 dev eth0")) << routes;
  const auto host = on_node("ip -o link show c1_h");
  EXPECT_TRUE(host.contains(mac->to_string())) << host;
  EXPECT_TRUE(host.contains("qlen 1000")) << host;
  EXPECT_EQ(on_node("ip -o addr show dev c1_h"), "");
  EXPECT_TRUE(check(dual_plan()));
}

TEST_F(VethTest, SwitchesChecksumOffloadOffAtBothEnds) {
  on_node("ip link add other type veth peer name another");
  node_->enter([] { EXPECT_TRUE(testing::tx_checksum_offload("other")); });  // what it is otherwise
  ASSERT_TRUE(ensure(dual_plan()));
  pod_->enter([] { EXPECT_FALSE(testing::tx_checksum_offload("eth0")); });
  node_->enter([] { EXPECT_FALSE(testing::tx_checksum_offload("c1_h")); });
}

TEST_F(VethTest, EnablesIpv6WhereTheRuntimeSwitchedItOff) {
  in_pod("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
  const auto mac = ensure(dual_plan());
  ASSERT_TRUE(mac) << mac.error().message;
  EXPECT_TRUE(in_pod("ip -o addr show dev eth0").contains("fd00:1::5/64"));
}

TEST_F(VethTest, FindsItsOwnWorkAgain) {
  const auto first = ensure(dual_plan());
  const auto before = on_node("ip -o link show c1_h");
  const auto second = ensure(dual_plan());
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(on_node("ip -o link show c1_h"), before);
}

TEST_F(VethTest, ReplacesAPairThatDiffers) {
  ASSERT_TRUE(ensure(dual_plan()));
  auto plan = dual_plan();
  plan.addresses = {address("10.2.0.9/24")};
  plan.routes = {route("0.0.0.0/0", "10.2.0.1")};
  const auto mac = ensure(plan);
  ASSERT_TRUE(mac) << mac.error().message;
  const auto addresses = in_pod("ip -o -4 addr show dev eth0");
  EXPECT_TRUE(addresses.contains("10.2.0.9/24")) << addresses;
  EXPECT_FALSE(addresses.contains("10.1.0.5")) << addresses;
}

TEST_F(VethTest, LeavesAForeignInterfaceAloneAndNothingBehind) {
  in_pod("ip link add eth0 type veth peer name other");
  const auto mac = ensure(dual_plan());
  ASSERT_FALSE(mac);
  EXPECT_EQ(mac.error().code, ErrorCode::already_exists);
  EXPECT_TRUE(in_pod("ip -o link show eth0").contains("eth0@other"));
  EXPECT_TRUE(on_node("ip -o link show c1_h").contains("does not exist"));
}

TEST_F(VethTest, RollsBackWhatCannotBeConfigured) {
  auto plan = dual_plan();
  plan.routes = {route("10.9.0.0/16", "224.0.0.1")};  // no gateway can be that
  ASSERT_FALSE(ensure(plan));
  EXPECT_TRUE(on_node("ip -o link show c1_h").contains("does not exist"));
  EXPECT_TRUE(in_pod("ip -o link show eth0").contains("does not exist"));
}

TEST_F(VethTest, AGatewayOutsideTheNetworkIsReachedOnTheLink) {
  auto plan = dual_plan();
  plan.addresses = {address("10.1.0.5/32")};
  plan.routes = {route("0.0.0.0/0", "10.1.0.1")};
  const auto mac = ensure(plan);
  ASSERT_TRUE(mac) << mac.error().message;
  EXPECT_TRUE(in_pod("ip route").contains("default via 10.1.0.1 dev eth0 proto static onlink")) << in_pod("ip route");
  EXPECT_TRUE(check(plan));
}

TEST_F(VethTest, RemovesBothEndsAndToleratesThatTheyAreGone) {
  ASSERT_TRUE(ensure(dual_plan()));
  node_->enter([] {
    EXPECT_TRUE(remove_veth("c1_h"));
    EXPECT_TRUE(remove_veth("c1_h"));
  });
  EXPECT_TRUE(in_pod("ip -o link show eth0").contains("does not exist"));
}

TEST_F(VethTest, CheckNamesWhatIsMissing) {
  const auto plan = dual_plan();
  ASSERT_TRUE(ensure(plan));
  in_pod("ip route del 172.30.0.0/16");
  EXPECT_EQ(check(plan).error().message, "route to 172.30.0.0/16 via 10.1.0.254 is gone");
  in_pod("ip addr del 10.1.0.5/24 dev eth0");
  EXPECT_EQ(check(plan).error().message, "address 10.1.0.5/24 is gone");
  in_pod("ip link set eth0 down");
  EXPECT_EQ(check(plan).error().message, "interface eth0 is down");
  on_node("ip link del c1_h");
  EXPECT_EQ(check(plan).error().message, "the node's interface c1_h is gone");
}

TEST_F(VethTest, ReadsTheTunnelsMtu) {
  on_node("ip link add up0 type veth peer name up1; ip link set up0 mtu 9000 up; ip addr add 192.168.7.1/24 dev up0");
  node_->enter([] {
    const auto mtu = tunnel_mtu(*net::Address::parse("192.168.7.1"));
    ASSERT_TRUE(mtu) << mtu.error().message;
    EXPECT_EQ(*mtu, 8900);
    EXPECT_EQ(tunnel_mtu(*net::Address::parse("192.168.7.2")).error().code, ErrorCode::not_found);
  });
}

TEST_F(VethTest, OpensNothingButForeignNetworkNamespaces) {
  const auto code = [](const std::string& path) {
    const auto ns = NetNs::open(path);
    return ns ? std::optional<ErrorCode>() : std::optional<ErrorCode>(ns.error().code);
  };
  EXPECT_EQ(code(pod_->path()), std::nullopt);
  EXPECT_EQ(code(directory_ + "/absent"), ErrorCode::not_found);
  EXPECT_EQ(code(directory_), ErrorCode::invalid);
  EXPECT_EQ(code("/proc/self/ns/mnt"), ErrorCode::invalid);
  EXPECT_EQ(code("/proc/self/ns/net"), ErrorCode::invalid);
  EXPECT_EQ(code("/dev/null"), ErrorCode::invalid);
}

TEST(HostVethNameTest, IsShortAndTellsInterfacesApart) {
  const std::string id = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(host_veth_name({id, "eth0"}), "0123456789ab_h");
  EXPECT_EQ(host_veth_name({id, "net1"}), "01234567_net1_h");
  EXPECT_EQ(host_veth_name({"c1", "eth0"}), "c1_h");
  const auto a = host_veth_name({id, "a-very-long-if1"});
  const auto b = host_veth_name({id, "a-very-long-if2"});
  EXPECT_NE(a, b);
  EXPECT_LE(a.size(), 15U);
}

}  // namespace
}  // namespace berth::agent
