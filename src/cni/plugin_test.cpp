#include "cni/plugin.h"

#include <gtest/gtest.h>

#include <map>

#include <boost/json/parse.hpp>

#include "cni/protocol.h"

namespace berth::cni {
namespace {

namespace json = boost::json;

Environment env(std::string command) {
  return [command](const char* name) -> std::string {
    const std::map<std::string, std::string> all = {
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "abc"}, {"CNI_NETNS", "/run/netns/p1"}, {"CNI_IFNAME", "eth0"}};
    const auto it = all.find(name);
    return it == all.end() ? std::string() : it->second;
  };
}

std::string config(std::string_view version) {
  return R"({"cniVersion":")" + std::string(version) + R"(","name":"berth","type":"berth-cni","extra":{"a":[1]}})";
}

Exchange answers(const Reply& reply, std::vector<std::string>* seen = nullptr) {
  return [reply, seen](const Call&, const std::string& message) -> Result<std::string> {
    if (seen != nullptr) seen->push_back(message);
    return encode_reply(reply);
  };
}

Exchange nobody() {
  return [](const Call&, const std::string&) -> Result<std::string> {
    return fail(kIoFailure, "berth-agent cannot be reached", "/run/x: No such file or directory");
  };
}

TEST(PluginTest, AddPrintsTheAgentsResultInTheVersionAsked) {
  const Reply reply = json::object{{"ips", json::array{json::object{{"address", "10.1.0.5/24"}}}}};
  std::vector<std::string> seen;
  const auto output = run(env("ADD"), config("0.4.0"), answers(reply, &seen));
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(json::parse(output.text),
            json::parse(R"({"cniVersion":"0.4.0","ips":[{"address":"10.1.0.5/24","version":"4"}]})"));
  ASSERT_EQ(seen.size(), 1U);
  const auto request = decode_request(seen.front());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->config, json::parse(config("0.4.0")).get_object());
}

TEST(PluginTest, OtherCommandsPrintNothingOnSuccess) {
  for (const auto command : {"DEL", "CHECK", "STATUS", "GC"}) {
    const auto output = run(env(command), config("1.1.0"), answers(json::object{}));
    EXPECT_EQ(output.exit_status, 0) << command;
    EXPECT_EQ(output.text, "") << command;
  }
}

TEST(PluginTest, TheAgentsErrorIsPassedOn) {
  const auto output =
      run(env("ADD"), config("1.0.0"), answers(fail(kTryAgainLater, "not yet", "waits for subnet web")));
  EXPECT_EQ(output.exit_status, 1);
  EXPECT_EQ(json::parse(output.text),
            json::parse(R"({"cniVersion":"1.0.0","code":11,"msg":"not yet","details":"waits for subnet web"})"));
}

TEST(PluginTest, AnAbsentAgentMeansTryAgainLater) {
  for (const auto command : {"ADD", "DEL", "CHECK", "GC"}) {
    const auto output = run(env(command), config("1.1.0"), nobody());
    EXPECT_EQ(output.exit_status, 1);
    EXPECT_EQ(json::parse(output.text).at("code").as_int64(), kTryAgainLater) << command;
  }
  const auto output = run(env("STATUS"), config("1.1.0"), nobody());
  EXPECT_EQ(output.exit_status, 1);
  EXPECT_EQ(json::parse(output.text).at("code").as_int64(), kNotAvailable);
  EXPECT_EQ(json::parse(output.text).at("details"), "/run/x: No such file or directory");
}

TEST(PluginTest, VersionAsksNobody) {
  const auto output = run(env("VERSION"), R"({"cniVersion":"1.0.0"})", nobody());
  EXPECT_EQ(output.exit_status, 0);
  EXPECT_EQ(json::parse(output.text).at("cniVersion"), "1.0.0");
}

TEST(PluginTest, ABadCallIsAnsweredInItsOwnVersionWithoutAskingTheAgent) {
  std::vector<std::string> seen;
  const auto output = run(env("ADD"), R"({"cniVersion":"0.3.1","name":"berth"})", answers(json::object{}, &seen));
  EXPECT_EQ(output.exit_status, 1);
  EXPECT_EQ(json::parse(output.text).at("cniVersion"), "0.3.1");
  EXPECT_EQ(json::parse(output.text).at("code").as_int64(), kInvalidConfig);
  EXPECT_TRUE(seen.empty());
}

TEST(PluginTest, AGarbledAnswerIsADecodingFailure) {
  const auto output =
      run(env("ADD"), config("1.1.0"), [](const Call&, const std::string&) { return Result<std::string>("?"); });
  EXPECT_EQ(output.exit_status, 1);
  EXPECT_EQ(json::parse(output.text).at("code").as_int64(), kDecodingFailure);
}

}  // namespace
}  // namespace berth::cni
