#include "ipam/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ipam/test_util.h"

namespace berth::ipam {
namespace {

using net::Family;
using net::Uint128;
using ::testing::AllOf;
using ::testing::HasSubstr;

class AllocatorTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (allocator_) expect_consistent();
  }

  Allocator& make(const Config& config) { return allocator_.emplace(config); }

  std::string take(const std::string& owner, const std::vector<std::string_view>& wanted = {},
                   const std::string& pool = {}) {
    return take(ask_for(owner, wanted, pool));
  }
  std::string take(const Ask& ask) {
    auto text = outcome(allocator_->acquire(ask, random_));
    expect_consistent();
    return text;
  }
  std::string why_not(const Ask& ask) {
    const auto result = allocator_->acquire(ask, random_);
    return result ? "granted " + outcome(result) : result.error().message;
  }
  void expect_consistent() {
    const auto status = allocator_->check();
    EXPECT_TRUE(status) << status.error().message;
  }

  std::optional<Allocator> allocator_;
  Random random_{1};
};

TEST_F(AllocatorTest, DrawsTheLowestNeverUsedThenTheReleased) {
  make(make_config("10.0.0.0/30"));
  EXPECT_EQ(take("a"), "10.0.0.1");
  EXPECT_TRUE(allocator_->release("a"));
  EXPECT_EQ(take("b"), "10.0.0.2");
  EXPECT_TRUE(allocator_->release("b"));
  EXPECT_EQ(take("c"), "10.0.0.1");
  EXPECT_EQ(take("d"), "10.0.0.2");
  EXPECT_EQ(take("e"), "NoAvailableAddress");
}

TEST_F(AllocatorTest, ReleasedOnesAreDrawnLowestFirst) {
  make(make_config("10.0.0.0/29"));
  for (const char* owner : {"a", "b", "c", "d", "e"}) take(owner);
  for (const char* owner : {"d", "b", "c"}) allocator_->release(owner);
  EXPECT_EQ(take("f"), "10.0.0.6") << "the last never-used one";
  EXPECT_EQ(take("g"), "10.0.0.2");
  EXPECT_EQ(take("h"), "10.0.0.3");
  EXPECT_EQ(take("i"), "10.0.0.4");
  EXPECT_EQ(take("j"), "NoAvailableAddress");
}

// What can be drawn from a fresh subnet until it is full, in order.
TEST_F(AllocatorTest, DrawsNothingThatIsReserved) {
  struct Row {
    Config config;
    const char* drawn;
  };
  const Row rows[] = {
      {make_config("10.0.0.0/29", {"10.0.0.1"}), "2 3 4 5 6"},
      {make_config("10.0.0.0/29", {"10.0.0.6"}), "1 2 3 4 5"},
      {make_config("10.0.0.0/29", {"10.0.0.1"}, {"10.0.0.1..10.0.0.3", "10.0.0.5"}), "4 6"},
      {make_config("10.0.0.0/29", {}, {"0.0.0.0..10.0.0.4", "fd00::1..fd00::ffff"}), "5 6"},
      {make_config("10.0.0.0/29", {}, {"10.0.0.0/8"}), ""},
      {make_config("10.0.0.0/29", {"10.9.0.1"}), "1 2 3 4 5 6"},
      {make_config("10.0.0.0/30", {"10.0.0.1"}), "2"},
      {make_config("10.0.0.0/31", {"10.0.0.0"}), "1"},
      {make_config("10.0.0.0/31"), "0 1"},
      {make_config("10.0.0.7/32"), "7"},
      {make_config("10.0.0.7/32", {"10.0.0.7"}), ""},
      {make_config("fd00::/125", {"fd00::1"}), "2 3 4 5 6"},
      {make_config("fd00::/126"), "1 2"},
      {make_config("fd00::/127", {"fd00::"}), "1"},
      {make_config("fd00::/127"), "0 1"},
      {make_config("fd00::7/128"), "7"},
  };
  for (const auto& row : rows) {
    make(row.config);
    std::string drawn;
    for (int i = 0; i < 10; ++i) {
      const auto lease = allocator_->acquire(ask_for("owner-" + std::to_string(i)), random_);
      if (!lease) {
        EXPECT_EQ(lease.error().denial, Denial::NoAvailableAddress);
        break;
      }
      const auto offset = lease->addresses().at(0).bits() & 0xFF;
      drawn += (drawn.empty() ? "" : " ") + net::to_string(offset);
    }
    EXPECT_EQ(drawn, row.drawn) << row.config.cidrs.at(0).to_string();
    EXPECT_FALSE(allocator_->has_room(std::nullopt));
    const auto usage = allocator_->usage(row.config.cidrs.at(0).family());
    EXPECT_EQ(usage.available, Uint128{0});
    EXPECT_EQ(usage.used + usage.reserved, usage.size);
    expect_consistent();
  }
}

TEST_F(AllocatorTest, StaticAsks) {
  auto config = make_config("10.0.0.0/28,fd00::/124", {"10.0.0.1", "fd00::1"}, {"10.0.0.9..10.0.0.12", "fd00::9"});
  struct Row {
    std::vector<std::string_view> wanted;
    const char* outcome;
  };
  const Row rows[] = {
      {{"10.0.0.7"}, "10.0.0.7 fd00::3"},
      {{"fd00::7"}, "10.0.0.3 fd00::7"},
      {{"10.0.0.7", "fd00::7"}, "10.0.0.7 fd00::7"},
      {{"fd00::7", "10.0.0.7"}, "10.0.0.7 fd00::7"},
      {{"10.0.0.10", "fd00::9"}, "10.0.0.10 fd00::9"},  // excluded, but asked for by name
      {{"10.0.0.14", "fd00::f"}, "10.0.0.14 fd00::f"},  // IPv6 last: only by name
      {{"10.0.0.5", "fd00::5"}, "10.0.0.5 fd00::5"},    // of a pool
      {{"10.0.0.2"}, "AddressConflict"},                // held
      {{"fd00::2"}, "AddressConflict"},                 //
      {{"10.0.0.1"}, "AddressConflict"},                // gateway
      {{"fd00::1"}, "AddressConflict"},                 //
      {{"10.0.0.0"}, "AddressOutOfRange"},              // network
      {{"fd00::"}, "AddressOutOfRange"},                //
      {{"10.0.0.15"}, "AddressOutOfRange"},             // broadcast
      {{"10.0.0.16"}, "AddressOutOfRange"},             // outside
      {{"fd00::10"}, "AddressOutOfRange"},              //
      {{"10.0.0.7", "fd00::10"}, "AddressOutOfRange"},  // one good, one bad
      {{"10.0.0.7", "10.0.0.8"}, "InvalidIPFamily"},    // two of a family
  };
  for (const auto& row : rows) {
    make(config);
    ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.5", "fd00::5"})));
    ASSERT_EQ(take("holder"), "10.0.0.2 fd00::2");
    EXPECT_EQ(take("web", row.wanted), row.outcome) << row.wanted.at(0);
    const bool granted = row.outcome[0] == '1';
    EXPECT_EQ(allocator_->lease_count(), granted ? 2U : 1U);
  }
}

TEST_F(AllocatorTest, EdgeSubnetsGiveTheirEndsByName) {
  struct Row {
    const char* cidr;
    const char* wanted;
    const char* outcome;
  };
  const Row rows[] = {
      {"10.0.0.4/31", "10.0.0.4", "10.0.0.4"},
      {"10.0.0.4/31", "10.0.0.5", "10.0.0.5"},
      {"10.0.0.4/32", "10.0.0.4", "10.0.0.4"},
      {"fd00::4/127", "fd00::4", "fd00::4"},
      {"fd00::4/127", "fd00::5", "fd00::5"},
      {"fd00::4/128", "fd00::4", "fd00::4"},
      {"10.0.0.4/30", "10.0.0.4", "AddressOutOfRange"},
      {"10.0.0.4/30", "10.0.0.7", "AddressOutOfRange"},
      {"fd00::4/126", "fd00::4", "AddressOutOfRange"},
      {"fd00::4/126", "fd00::7", "fd00::7"},
      {"10.0.0.4/30", "fd00::4", "AddressOutOfRange"},
  };
  for (const auto& row : rows) {
    make(make_config(row.cidr));
    EXPECT_EQ(take("a", {row.wanted}), row.outcome) << row.cidr << " " << row.wanted;
  }
}

TEST_F(AllocatorTest, AnExcludedAddressIsUsedWhileHeldAndReservedAgainAfter) {
  make(make_config("10.0.0.0/29", {"10.0.0.1"}, {"10.0.0.3"}));
  EXPECT_EQ(net::to_string(allocator_->usage(Family::v4).reserved), "4");
  EXPECT_EQ(take("a", {"10.0.0.3"}), "10.0.0.3");
  auto usage = allocator_->usage(Family::v4);
  EXPECT_EQ(usage.used, Uint128{1});
  EXPECT_EQ(usage.reserved, Uint128{3});
  EXPECT_EQ(usage.used_ranges, "10.0.0.3");
  EXPECT_EQ(usage.available_ranges, "10.0.0.2,10.0.0.4-10.0.0.6");
  allocator_->release("a");
  usage = allocator_->usage(Family::v4);
  EXPECT_EQ(usage.used, Uint128{0});
  EXPECT_EQ(usage.reserved, Uint128{4});
}

TEST_F(AllocatorTest, HugeSubnetsCountBeyondSixtyFourBits) {
  make(make_config("10.0.0.0/8,fd00::/64", {"10.0.0.1", "fd00::1"}));
  EXPECT_EQ(take("a"), "10.0.0.2 fd00::2");
  EXPECT_EQ(take("b", {"10.200.0.7", "fd00::dead:beef:0:1"}), "10.200.0.7 fd00::dead:beef:0:1");
  const auto v4 = allocator_->usage(Family::v4);
  EXPECT_EQ(net::to_string(v4.size), "16777216");
  EXPECT_EQ(net::to_string(v4.available), "16777211");
  EXPECT_EQ(v4.available_ranges, "10.0.0.3-10.200.0.6,10.200.0.8-10.255.255.254");
  const auto v6 = allocator_->usage(Family::v6);
  EXPECT_EQ(net::to_string(v6.size), "18446744073709551616");
  EXPECT_EQ(net::to_string(v6.available), "18446744073709551611");
  EXPECT_EQ(v6.used_ranges, "fd00::2,fd00::dead:beef:0:1");
}

// Of one subnet and of a pool in it, by all ways to ask.
TEST_F(AllocatorTest, CountersBeyondSixtyFourBitsAreExact) {
  make(make_config("fd00::/48", {"fd00::1"}));
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"fd00:0:0:1::/64"})));
  EXPECT_EQ(take("a"), "fd00::2");
  EXPECT_EQ(take("b", {}, "p"), "fd00:0:0:1::");
  EXPECT_EQ(take("c", {"fd00:0:0:ffff::7"}), "fd00:0:0:ffff::7");
  const Counts kept = allocator_->counts(Family::v6);
  EXPECT_EQ(net::to_string(kept.size), "1208925819614629174706176");
  EXPECT_EQ(net::to_string(kept.available), "1208925819614629174706170")
      << "2^80 without first, last, gateway and three";
  EXPECT_EQ(kept.reserved, Uint128{3});
  const Snapshot before = allocator_->snapshot(Family::v6);
  EXPECT_EQ(before.counts(), kept);
  EXPECT_EQ(net::to_string(before.counts("p").size), "18446744073709551616");
  EXPECT_EQ(net::to_string(before.counts("p").available), "18446744073709551615");
  EXPECT_EQ(before.available_ranges("p"), "fd00:0:0:1::1-fd00::1:ffff:ffff:ffff:ffff");
  allocator_->release("c");
  EXPECT_EQ(net::to_string(allocator_->counts(Family::v6).available), "1208925819614629174706171");
  EXPECT_EQ(before.counts(), kept) << "a snapshot stays what it was";
  EXPECT_TRUE(allocator_->check());
}

TEST_F(AllocatorTest, DrawsAndPoolsBeyondTheDenseOffsets) {
  make(make_config("fd00::/64", {"fd00::1"}, {"fd00::..fd00::0:ffff:ffff"}));
  EXPECT_EQ(take("a"), "fd00::1:0:0");
  EXPECT_EQ(take("b"), "fd00::1:0:1");
  EXPECT_EQ(take("c", {"fd00::1:0:2"}), "fd00::1:0:2");
  EXPECT_EQ(take("d"), "fd00::1:0:3");
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"fd00::8000:0:0:1..fd00::8000:0:0:2", "fd00::ffff:0:0:0/80"})));
  EXPECT_EQ(take("e", {}, "p"), "fd00::8000:0:0:1");
  EXPECT_EQ(take("f", {}, "p"), "fd00::8000:0:0:2");
  EXPECT_EQ(take("g", {}, "p"), "fd00::ffff:0:0:0");
  EXPECT_TRUE(allocator_->release("f"));
  EXPECT_EQ(take("h", {}, "p"), "fd00::ffff:0:0:1") << "never drawn before released";
  const auto usage = allocator_->pool_usage("p", Family::v6);
  EXPECT_EQ(net::to_string(usage->size), "281474976710658");
  EXPECT_EQ(usage->used_ranges, "fd00::8000:0:0:1,fd00::ffff:0:0:0-fd00::ffff:0:0:1");
  EXPECT_EQ(allocator_->usage(Family::v6).used_ranges,
            "fd00::1:0:0-fd00::1:0:3,fd00::8000:0:0:1,fd00::ffff:0:0:0-fd00::ffff:0:0:1");
}

TEST_F(AllocatorTest, TheWholeOfIpv6) {
  make(make_config("::/0"));
  EXPECT_EQ(take("a"), "::1");
  EXPECT_EQ(take("b", {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(allocator_->usage(Family::v6).available_ranges, "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
}

TEST_F(AllocatorTest, ASnapshotStaysWhatItWas) {
  make(make_config("10.0.0.0/28", {"10.0.0.1"}));
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.8..10.0.0.9"})));
  take("a");
  take("b", {}, "p");
  const Snapshot before = allocator_->snapshot(Family::v4);
  take("c");
  allocator_->release("b");
  allocator_->remove_pool("p");
  allocator_->reconfigure(make_config("10.9.0.0/28"));
  EXPECT_EQ(before.counts(), (Counts{16, 2, 3, 11}));
  EXPECT_EQ(before.used_ranges(), "10.0.0.2,10.0.0.8");
  EXPECT_EQ(before.available_ranges(), "10.0.0.3-10.0.0.7,10.0.0.9-10.0.0.14");
  EXPECT_EQ(before.counts("p"), (Counts{2, 1, 0, 1}));
  EXPECT_EQ(before.used_ranges("p"), "10.0.0.8");
  EXPECT_EQ(before.available_ranges("p"), "10.0.0.9");
  EXPECT_FALSE(before.has_pool("q"));
  EXPECT_EQ(before.counts("q"), Counts{});
  EXPECT_FALSE(allocator_->snapshot(Family::v4).has_pool("p"));
  EXPECT_EQ(allocator_->snapshot(Family::v6).used_ranges(), "");
}

TEST_F(AllocatorTest, FamiliesOfADualStackSubnet) {
  make(make_config("10.0.0.0/29,fd00::/125"));
  auto ask = ask_for("a");
  ask.only = Family::v6;
  EXPECT_EQ(take(ask), "fd00::1");
  ask.only = Family::v4;
  EXPECT_EQ(take(ask), "10.0.0.1") << "the other family is given up";
  EXPECT_EQ(allocator_->holder_of(addr("fd00::1")), std::nullopt);
  ask.only.reset();
  EXPECT_EQ(take(ask), "10.0.0.1 fd00::2");
  ask.only = Family::v6;
  ask.wanted = {addr("10.0.0.3")};
  EXPECT_EQ(take(ask), "InvalidIPFamily");
}

TEST_F(AllocatorTest, AFamilyThatTheSubnetLacks) {
  make(make_config("10.0.0.0/29"));
  auto ask = ask_for("a");
  ask.only = Family::v6;
  EXPECT_EQ(take(ask), "InvalidIPFamily");
  EXPECT_FALSE(allocator_->has_room(Family::v6));
  EXPECT_TRUE(allocator_->has_room(Family::v4));
  EXPECT_EQ(allocator_->usage(Family::v6).size, Uint128{0});
  EXPECT_EQ(allocator_->usage(Family::v6).used_ranges, "");
}

TEST_F(AllocatorTest, DualStackIsAllOrNothing) {
  make(make_config("10.0.0.0/28,fd00::/126"));
  EXPECT_EQ(take("a"), "10.0.0.1 fd00::1");
  EXPECT_EQ(take("b"), "10.0.0.2 fd00::2");
  const auto before = allocator_->usage(Family::v4).available_ranges;
  EXPECT_EQ(take("c"), "NoAvailableAddress");
  EXPECT_EQ(allocator_->find("c"), std::nullopt);
  EXPECT_EQ(allocator_->usage(Family::v4).available_ranges, before) << "the IPv4 half is not even marked as released";
  EXPECT_TRUE(allocator_->has_room(Family::v4));
  EXPECT_FALSE(allocator_->has_room(Family::v6));
  EXPECT_FALSE(allocator_->has_room(std::nullopt));
}

TEST_F(AllocatorTest, ARefusalLeavesTheOldLeaseUntouched) {
  make(make_config("10.0.0.0/29", {"10.0.0.1"}));
  take("a");
  take("b");
  const Lease before = *allocator_->find("a");
  EXPECT_EQ(take("a", {"10.0.0.4", "fd00::1"}), "AddressOutOfRange");
  EXPECT_EQ(take("a", {"10.0.0.4"}, "nowhere"), "10.0.0.4") << "a name needs no pool";
  EXPECT_EQ(take("a", {}, "nowhere"), "NoAvailableAddress");
  auto ask = ask_for("a", {"10.0.0.5"});
  ask.mac = allocator_->find("b")->mac;
  EXPECT_EQ(take(ask), "AddressConflict");
  EXPECT_EQ(allocator_->find("a")->v4, addr("10.0.0.4"));
  EXPECT_EQ(allocator_->find("a")->mac, before.mac);
}

TEST_F(AllocatorTest, TheSameAskGetsTheSameLease) {
  make(make_config("10.0.0.0/29,fd00::/125"));
  const auto first = allocator_->acquire(ask_for("a"), random_);
  take("b");
  EXPECT_EQ(allocator_->acquire(ask_for("a"), random_), first);
  EXPECT_EQ(take("a", {"10.0.0.1"}), "10.0.0.1 fd00::1");
  EXPECT_EQ(take("a", {"10.0.0.5"}), "10.0.0.5 fd00::1") << "only the difference changes";
  EXPECT_EQ(allocator_->find("a")->mac, first->mac);
  EXPECT_EQ(take("c"), "10.0.0.3 fd00::3") << "10.0.0.1 is released, so drawn last";
}

TEST_F(AllocatorTest, MacsAreUniqueAndNeverTheGateways) {
  auto config = make_config("10.0.0.0/16");
  Random twin(1);
  config.gateway_mac = net::Mac::random(twin);  // what the allocator's generator gives first
  const auto second = net::Mac::random(twin);
  make(config);
  ASSERT_TRUE(allocator_->adopt("holder", make_lease({"10.0.0.9"}, second)));
  take("a");
  EXPECT_EQ(allocator_->find("a")->mac, net::Mac::random(twin)) << "the first two are taken";

  auto ask = ask_for("b");
  ask.mac = config.gateway_mac;
  EXPECT_EQ(take(ask), "AddressConflict");
  ask.mac = second;
  EXPECT_EQ(take(ask), "AddressConflict");
  ask.mac = mac("00:00:5e:00:53:01");
  EXPECT_EQ(take(ask), "10.0.0.2");
  EXPECT_EQ(take(ask_for("b")), "10.0.0.2");
  EXPECT_EQ(allocator_->find("b")->mac, ask.mac) << "kept when none is asked for";

  allocator_->release("holder");
  ask.owner = "c";
  ask.mac = second;
  EXPECT_EQ(take(ask), "10.0.0.3") << "free again";

  config.gateway_mac = second;
  allocator_->reconfigure(config);
  EXPECT_EQ(take(ask), "AddressConflict");
  EXPECT_EQ(take("c"), "10.0.0.3");
  EXPECT_NE(allocator_->find("c")->mac, second);
}

TEST_F(AllocatorTest, ASubnetWithoutCidrGivesMacsOnly) {
  Config config;
  config.name = "layer2";
  make(config);
  EXPECT_EQ(take("a"), "");
  const Lease lease = *allocator_->find("a");
  EXPECT_FALSE(lease.mac.is_none());
  EXPECT_EQ(allocator_->acquire(ask_for("a"), random_), lease);
  EXPECT_EQ(take("b", {"10.0.0.1"}), "AddressOutOfRange");
  auto ask = ask_for("b");
  ask.mac = lease.mac;
  EXPECT_EQ(take(ask), "AddressConflict");
}

TEST_F(AllocatorTest, ReleaseOfNobodyIsNoError) {
  make(make_config("10.0.0.0/29"));
  EXPECT_FALSE(allocator_->release("nobody"));
  take("a");
  EXPECT_TRUE(allocator_->release("a"));
  EXPECT_FALSE(allocator_->release("a"));
}

TEST_F(AllocatorTest, AdoptTakesNoteOfAnythingButADoubleHolder) {
  make(make_config("10.0.0.0/28,fd00::/124", {"10.0.0.1"}, {"10.0.0.4"}));
  const auto adopt = [&](const std::string& owner, const std::vector<std::string_view>& addresses) {
    const auto result = allocator_->adopt(owner, make_lease(addresses, mac("02:00:00:00:00:01")));
    expect_consistent();
    return result ? std::string("adopted") : std::string(to_string(result.error().denial));
  };
  EXPECT_EQ(adopt("plain", {"10.0.0.2", "fd00::2"}), "adopted");
  EXPECT_EQ(adopt("again", {"10.0.0.2"}), "AddressConflict");
  EXPECT_EQ(adopt("half", {"10.0.0.3", "fd00::2"}), "AddressConflict");
  EXPECT_EQ(allocator_->holder_of(addr("10.0.0.3")), std::nullopt);
  EXPECT_EQ(allocator_->lease_count(), 1U);
  EXPECT_EQ(adopt("excluded", {"10.0.0.4"}), "adopted");
  EXPECT_EQ(adopt("gateway", {"10.0.0.1"}), "adopted");
  EXPECT_EQ(adopt("outside", {"10.9.9.9"}), "adopted");
  EXPECT_EQ(allocator_->usage(Family::v4).used_ranges, "10.0.0.1-10.0.0.2,10.0.0.4");
  ASSERT_NE(allocator_->holder_of(addr("10.9.9.9")), std::nullopt);
  EXPECT_EQ(*allocator_->holder_of(addr("10.9.9.9")), "outside");
  EXPECT_EQ(adopt("plain", {"10.0.0.7"}), "adopted");
  EXPECT_EQ(allocator_->holder_of(addr("fd00::2")), std::nullopt) << "exactly the new lease is held";

  // A shared MAC becomes free only with its last holder.
  allocator_->release("plain");
  auto ask = ask_for("new");
  ask.mac = mac("02:00:00:00:00:01");
  EXPECT_EQ(take(ask), "AddressConflict");
  for (const char* owner : {"excluded", "gateway", "outside"}) EXPECT_TRUE(allocator_->release(owner));
  EXPECT_EQ(take(ask), "10.0.0.3 fd00::1");
}

TEST_F(AllocatorTest, ReconfigureKeepsHoldersAndStates) {
  make(make_config("10.0.0.0/28", {"10.0.0.1"}));
  for (const char* owner : {"a", "b", "c", "d"}) take(owner);  // .2 to .5
  allocator_->release("b");                                    // .3
  allocator_->reconfigure(make_config("10.0.0.0/28", {"10.0.0.1"}, {"10.0.0.4", "10.0.0.6..10.0.0.7"}));
  expect_consistent();
  EXPECT_EQ(allocator_->find("c")->v4, addr("10.0.0.4"));
  EXPECT_EQ(allocator_->usage(Family::v4).used_ranges, "10.0.0.2,10.0.0.4-10.0.0.5");
  EXPECT_EQ(take("c"), "10.0.0.4") << "an excluded address is kept";
  EXPECT_EQ(take("e"), "10.0.0.8");

  allocator_->reconfigure(make_config("10.0.0.0/27", {"10.0.0.5"}));
  expect_consistent();
  EXPECT_EQ(take("f"), "10.0.0.1") << "no longer the gateway, never drawn";
  EXPECT_EQ(take("d"), "10.0.0.6") << "the gateway is not kept";
  EXPECT_EQ(take("g"), "10.0.0.7") << "10.0.0.3 stays released";

  allocator_->reconfigure(make_config("10.0.1.0/29", {"10.0.1.1"}));
  expect_consistent();
  EXPECT_EQ(allocator_->find("a")->v4, addr("10.0.0.2"));
  EXPECT_EQ(allocator_->usage(Family::v4).used, Uint128{0});
  EXPECT_EQ(take("a"), "10.0.1.2") << "an address outside does not satisfy";
  EXPECT_TRUE(allocator_->release("c"));
  expect_consistent();
}

TEST_F(AllocatorTest, ReconfigureAddsAndDropsFamilies) {
  make(make_config("10.0.0.0/29"));
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"fd00::1..fd00::3"})));
  take("a");
  allocator_->reconfigure(make_config("10.0.0.0/29,fd00::/125"));
  EXPECT_EQ(take("a"), "10.0.0.1 fd00::4") << "the pool was waiting for its family";
  allocator_->reconfigure(make_config("fd00::/125"));
  EXPECT_EQ(allocator_->find("a")->addresses().size(), 2U);
  EXPECT_EQ(take("a"), "fd00::4");
  EXPECT_EQ(allocator_->holder_of(addr("10.0.0.1")), std::nullopt);
}

TEST_F(AllocatorTest, PoolsAreExclusiveForDraws) {
  make(make_config("10.0.0.0/28", {"10.0.0.1"}, {"10.0.0.6"}));
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.2..10.0.0.3", "10.0.0.6", "10.0.0.8", "10.9.0.0/24"})));
  EXPECT_TRUE(allocator_->has_pool("p"));
  EXPECT_EQ(take("a"), "10.0.0.4");
  EXPECT_EQ(take("b", {}, "p"), "10.0.0.2");
  EXPECT_EQ(take("c", {"10.0.0.3"}), "10.0.0.3") << "a pool's address by name, without the pool";
  EXPECT_EQ(take("d", {}, "p"), "10.0.0.8") << "the excluded one is passed over";
  EXPECT_EQ(take("e", {}, "p"), "NoAvailableAddress");
  EXPECT_FALSE(allocator_->has_room(std::nullopt, "p"));
  EXPECT_TRUE(allocator_->has_room(std::nullopt));
  EXPECT_FALSE(allocator_->has_room(std::nullopt, "q"));
  auto usage = allocator_->pool_usage("p", Family::v4);
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->size, Uint128{4});
  EXPECT_EQ(usage->used_ranges, "10.0.0.2-10.0.0.3,10.0.0.8");
  EXPECT_EQ(usage->reserved, Uint128{1});
  EXPECT_EQ(usage->available, Uint128{0});
  EXPECT_FALSE(allocator_->pool_usage("q", Family::v4));

  allocator_->release("b");
  EXPECT_EQ(allocator_->pool_usage("p", Family::v4)->available_ranges, "10.0.0.2");
  EXPECT_EQ(take("e", {}, "p"), "10.0.0.2");
  EXPECT_EQ(take("e"), "10.0.0.5") << "out of the pool when the ask no longer names it";
  EXPECT_EQ(take("a", {}, "p"), "10.0.0.2") << "and into it";
}

TEST_F(AllocatorTest, PoolsComeAndGoWithoutLosingStates) {
  make(make_config("10.0.0.0/28"));
  for (const char* owner : {"a", "b", "c"}) take(owner);
  allocator_->release("a");
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.1..10.0.0.5"})));
  EXPECT_EQ(take("d"), "10.0.0.6");
  EXPECT_EQ(take("e", {}, "p"), "10.0.0.4") << "never used before released";
  EXPECT_EQ(allocator_->find("b")->v4, addr("10.0.0.2")) << "a pool displaces nobody";
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.1..10.0.0.2"})));
  EXPECT_EQ(take("f"), "10.0.0.5");
  EXPECT_EQ(take("g", {}, "p"), "10.0.0.1");
  allocator_->release("g");
  allocator_->remove_pool("p");
  allocator_->remove_pool("p");
  EXPECT_FALSE(allocator_->has_pool("p"));
  EXPECT_EQ(take("h"), "10.0.0.7") << "10.0.0.1 stays released";
}

TEST_F(AllocatorTest, OverlappingPoolsAreRefusedWhole) {
  make(make_config("10.0.0.0/24,fd00::/120"));
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.10..10.0.0.20", "10.0.0.40", "fd00::10..fd00::20"})));
  struct Row {
    std::vector<std::string_view> texts;
    const char* clash;  // empty: accepted
  };
  const Row rows[] = {
      {{"10.0.0.21..10.0.0.30"}, ""},
      {{"10.0.0.20..10.0.0.30"}, "10.0.0.10..10.0.0.20"},
      {{"10.0.0.0..10.0.0.10"}, "10.0.0.10"},
      {{"10.0.0.12"}, "10.0.0.10..10.0.0.20"},
      {{"10.0.0.0/24"}, "10.0.0.10..10.0.0.20"},
      {{"10.0.0.5", "fd00::20"}, "fd00::10..fd00::20"},
      {{"10.0.0.30..10.0.0.50"}, "10.0.0.40"},
      {{"10.0.0.41", "10.0.0.41..10.0.0.42"}, ""},
      {{}, ""},
  };
  for (const auto& row : rows) {
    allocator_->remove_pool("q");
    const auto status = allocator_->set_pool("q", ranges(row.texts));
    expect_consistent();
    EXPECT_EQ(status.has_value(), std::string(row.clash).empty());
    EXPECT_EQ(allocator_->has_pool("q"), status.has_value());
    if (!status) {
      EXPECT_EQ(status.error().code, ErrorCode::invalid);
      EXPECT_THAT(status.error().message, AllOf(HasSubstr("pool q of subnet tenant"), HasSubstr(row.clash),
                                                HasSubstr("of pool p"), HasSubstr("take it out")));
    }
  }
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.15..10.0.0.25"}))) << "a pool may overlap its own old ranges";
  EXPECT_EQ(allocator_->pool_usage("p", Family::v4)->available_ranges, "10.0.0.15-10.0.0.25");
  EXPECT_EQ(allocator_->pool_usage("p", Family::v6)->size, Uint128{0});
}

TEST_F(AllocatorTest, RefusalsNameSubnetAddressHolderAndRemedy) {
  make(make_config("10.0.0.0/30", {"10.0.0.1"}));
  ASSERT_EQ(take("web-0.shop"), "10.0.0.2");
  EXPECT_EQ(why_not(ask_for("x", {"10.0.0.2"})),
            "subnet tenant: 10.0.0.2 is held by web-0.shop; delete that holder, or ask for another address");
  EXPECT_EQ(why_not(ask_for("x", {"10.0.0.1"})),
            "subnet tenant: 10.0.0.1 is held by the subnet's gateway; ask for another address");
  EXPECT_EQ(why_not(ask_for("x", {"10.0.0.3"})),
            "subnet tenant: 10.0.0.3 is the broadcast address of 10.0.0.0/30; ask for an address from 10.0.0.1 to "
            "10.0.0.2");
  EXPECT_EQ(why_not(ask_for("x", {"10.0.1.3"})),
            "subnet tenant: 10.0.1.3 is outside 10.0.0.0/30; ask for an address from 10.0.0.1 to 10.0.0.2, or use "
            "another subnet");
  EXPECT_EQ(why_not(ask_for("x", {"fd00::3"})),
            "subnet tenant: fd00::3 is outside 10.0.0.0/30, which has no IPv6 part; ask for an address inside, or use "
            "another subnet");
  EXPECT_EQ(why_not(ask_for("x")),
            "subnet tenant: no IPv4 address is left in 10.0.0.0/30 (1 used, 3 reserved, 0 kept for pools); delete "
            "holders, shorten excludeIps, or use a larger cidrBlock");
  EXPECT_EQ(why_not(ask_for("x", {}, "p")),
            "subnet tenant: it has no pool p; create the IPPool in this subnet, or correct ip_pool");
  ASSERT_TRUE(allocator_->set_pool("p", ranges({"10.0.0.2..10.0.0.9"})));
  EXPECT_EQ(why_not(ask_for("x", {}, "p")),
            "subnet tenant: no IPv4 address is left in pool p (2 inside 10.0.0.0/30: 1 used, 1 reserved); delete "
            "holders, or extend the IPPool");
  auto ask = ask_for("x", {});
  ask.only = Family::v6;
  EXPECT_EQ(why_not(ask),
            "subnet tenant: x asks for IPv6, but the subnet has 10.0.0.0/30; correct ip_family, or use another subnet");
  const auto adopted = allocator_->adopt("web-1.shop", make_lease({"10.0.0.2"}));
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().message,
            "subnet tenant: web-1.shop claims 10.0.0.2, which is held by web-0.shop; delete one of the two and let it "
            "be made again");
}

TEST_F(AllocatorTest, MovesWithItsHolders) {
  make(make_config("10.0.0.0/29"));
  take("a");
  Allocator moved = std::move(*allocator_);
  allocator_.emplace(make_config("10.1.0.0/29"));
  take("z");
  *allocator_ = std::move(moved);
  expect_consistent();
  ASSERT_NE(allocator_->holder_of(addr("10.0.0.1")), std::nullopt);
  EXPECT_EQ(*allocator_->holder_of(addr("10.0.0.1")), "a");
  EXPECT_EQ(allocator_->find("z"), std::nullopt);
}

TEST(Denial, SpeaksKubeOvnsWords) {
  EXPECT_EQ(to_string(Denial::AddressOutOfRange), "AddressOutOfRange");
  EXPECT_EQ(to_string(Denial::AddressConflict), "AddressConflict");
  EXPECT_EQ(to_string(Denial::NoAvailableAddress), "NoAvailableAddress");
  EXPECT_EQ(to_string(Denial::InvalidIPFamily), "InvalidIPFamily");
}

}  // namespace
}  // namespace berth::ipam
