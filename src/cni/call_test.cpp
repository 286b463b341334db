#include "cni/call.h"

#include <gtest/gtest.h>

#include <map>

#include "cni/version.h"

namespace berth::cni {
namespace {

constexpr std::string_view kConfig = R"({"cniVersion":"1.0.0","name":"berth","type":"berth-cni"})";

Environment env(const std::map<std::string, std::string>& overrides = {}) {
  std::map<std::string, std::string> all = {{"CNI_COMMAND", "ADD"},
                                            {"CNI_CONTAINERID", "abc-123"},
                                            {"CNI_NETNS", "/run/netns/p1"},
                                            {"CNI_IFNAME", "eth0"},
                                            {"CNI_ARGS", "K8S_POD_NAME=p1"}};
  for (const auto& [key, value] : overrides) all[key] = value;
  return [all](const char* name) {
    const auto it = all.find(name);
    return it == all.end() ? std::string() : it->second;
  };
}

int code_of(const Result<Call>& call) { return call ? 0 : call.error().code; }

TEST(CallTest, ReadsAWholeCall) {
  const auto call = parse_call(
      env(), R"({"cniVersion":"0.4.0","name":"berth","type":"berth-cni","server_socket":"/tmp/a.sock","mtu":1400})");
  ASSERT_TRUE(call) << call.error().details;
  EXPECT_EQ(call->command, Command::add);
  EXPECT_EQ(call->container_id, "abc-123");
  EXPECT_EQ(call->netns, "/run/netns/p1");
  EXPECT_EQ(call->ifname, "eth0");
  EXPECT_EQ(call->args, "K8S_POD_NAME=p1");
  EXPECT_EQ(call->cni_version, "0.4.0");
  EXPECT_EQ(call->socket, "/tmp/a.sock");
  EXPECT_EQ(call->config.at("mtu").to_number<int>(), 1400);
}

TEST(CallTest, TakesTheUsualSocketUnlessToldOtherwise) {
  const auto call = parse_call(env(), kConfig);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->socket, kDefaultSocket);
}

TEST(CallTest, AcceptsEverySupportedVersionAndNoOther) {
  for (const auto version : kVersions) {
    const auto config = R"({"cniVersion":")" + std::string(version) + R"(","name":"n","type":"t"})";
    EXPECT_TRUE(parse_call(env(), config)) << version;
  }
  for (const std::string version : {"0.1.0", "0.2.0", "1.2.0", "2.0.0", "", "one", "1.0"}) {
    const auto config = R"({"cniVersion":")" + version + R"(","name":"n","type":"t"})";
    EXPECT_EQ(code_of(parse_call(env(), config)), kIncompatibleVersion) << version;
  }
  EXPECT_EQ(code_of(parse_call(env(), R"({"name":"n","type":"t"})")), kIncompatibleVersion);
}

TEST(CallTest, RefusesABadEnvironment) {
  const std::map<std::string, std::string> bad[] = {
      {{"CNI_COMMAND", ""}},
      {{"CNI_COMMAND", "add"}},
      {{"CNI_CONTAINERID", ""}},
      {{"CNI_CONTAINERID", "../etc"}},
      {{"CNI_CONTAINERID", "-a"}},
      {{"CNI_CONTAINERID", std::string(257, 'a')}},
      {{"CNI_CONTAINERID", "a\xff"}},
      {{"CNI_IFNAME", ""}},
      {{"CNI_IFNAME", "."}},
      {{"CNI_IFNAME", ".."}},
      {{"CNI_IFNAME", "a/b"}},
      {{"CNI_IFNAME", "a b"}},
      {{"CNI_IFNAME", "a:1"}},
      {{"CNI_IFNAME", "sixteencharacter"}},
      {{"CNI_NETNS", ""}},
      {{"CNI_NETNS", "run/netns/p1"}},
      {{"CNI_NETNS", "/run/netns/\xff"}},
      {{"CNI_ARGS", std::string(20000, 'x')}},
      {{"CNI_ARGS", "A=\n"}},
  };
  for (const auto& overrides : bad) {
    const auto call = parse_call(env(overrides), kConfig);
    EXPECT_EQ(code_of(call), kInvalidEnvironment) << overrides.begin()->first << "=" << overrides.begin()->second;
    ASSERT_FALSE(call);
    EXPECT_TRUE(call.error().details.contains(overrides.begin()->first)) << call.error().details;
  }
}

TEST(CallTest, DelNeedsNoNamespace) {
  EXPECT_TRUE(parse_call(env({{"CNI_COMMAND", "DEL"}, {"CNI_NETNS", ""}}), kConfig));
  EXPECT_EQ(code_of(parse_call(env({{"CNI_COMMAND", "DEL"}, {"CNI_NETNS", "x"}}), kConfig)), kInvalidEnvironment);
}

TEST(CallTest, RefusesABadConfiguration) {
  const std::pair<std::string, int> bad[] = {
      {"", kDecodingFailure},
      {"{", kDecodingFailure},
      {"[]", kDecodingFailure},
      {R"({"cniVersion":1,"name":"n","type":"t"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","type":"t"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"n"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"","type":"t"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"a/b","type":"t"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"n","type":"t","server_socket":"relative"})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"n","type":"t","server_socket":7})", kInvalidConfig},
      {R"({"cniVersion":"1.0.0","name":"n","type":"t","server_socket":"/)" + std::string(107, 'a') + "\"}",
       kInvalidConfig},
      {std::string(kMaxConfigBytes + 1, ' '), kInvalidConfig},
      {std::string(100, '['), kDecodingFailure},
  };
  for (const auto& [config, code] : bad) EXPECT_EQ(code_of(parse_call(env(), config)), code) << config.substr(0, 80);
}

TEST(CallTest, CommandsAreKnownSinceTheirVersion) {
  const auto with = [](const std::string& command, const std::string& version) {
    return code_of(
        parse_call(env({{"CNI_COMMAND", command}}), R"({"cniVersion":")" + version + R"(","name":"n","type":"t"})"));
  };
  EXPECT_EQ(with("CHECK", "0.3.1"), kIncompatibleVersion);
  EXPECT_EQ(with("CHECK", "0.4.0"), 0);
  EXPECT_EQ(with("STATUS", "1.0.0"), kIncompatibleVersion);
  EXPECT_EQ(with("STATUS", "1.1.0"), 0);
  EXPECT_EQ(with("GC", "1.0.0"), kIncompatibleVersion);
  EXPECT_EQ(with("GC", "1.1.0"), 0);
}

TEST(CallTest, StatusAndGcNeedNoContainer) {
  const std::map<std::string, std::string> nothing = {{"CNI_CONTAINERID", ""}, {"CNI_NETNS", ""}, {"CNI_IFNAME", ""}};
  for (const std::string command : {"STATUS", "GC", "VERSION"}) {
    auto overrides = nothing;
    overrides["CNI_COMMAND"] = command;
    EXPECT_TRUE(parse_call(env(overrides), R"({"cniVersion":"1.1.0","name":"n","type":"t"})")) << command;
  }
}

TEST(CallTest, StatusAndGcCarryNoContainer) {
  const auto call = parse_call(env({{"CNI_COMMAND", "GC"}, {"CNI_CONTAINERID", "\xff"}}),
                               R"({"cniVersion":"1.1.0","name":"n","type":"t"})");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->container_id, "");
  EXPECT_EQ(call->netns, "");
}

TEST(CallTest, VersionTakesAnyVersionAndNoName) {
  const auto call = parse_call(env({{"CNI_COMMAND", "VERSION"}}), R"({"cniVersion":"9.9.9"})");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->cni_version, "9.9.9");
}

}  // namespace
}  // namespace berth::cni
