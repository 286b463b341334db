#include "cni/protocol.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::cni {
namespace {

namespace json = boost::json;

Call add_call() {
  Call call;
  call.command = Command::add;
  call.container_id = "abc";
  call.netns = "/run/netns/p1";
  call.ifname = "eth0";
  call.args = "K8S_POD_NAME=p1";
  call.config = {{"name", "berth"}, {"note", "two\nlines"}};
  return call;
}

TEST(ProtocolTest, ARequestArrivesAsItWasSent) {
  const auto call = add_call();
  const auto request = decode_request(encode_request(call));
  ASSERT_TRUE(request) << request.error().msg;
  EXPECT_EQ(request->command, Command::add);
  EXPECT_EQ(request->container_id, call.container_id);
  EXPECT_EQ(request->netns, call.netns);
  EXPECT_EQ(request->ifname, call.ifname);
  EXPECT_EQ(request->args, call.args);
  EXPECT_EQ(request->config, call.config);
}

TEST(ProtocolTest, TheAgentTrustsNoOne) {
  const auto refused = [](std::string_view key, const json::value& value) {
    auto object = json::parse(encode_request(add_call())).get_object();
    object[json::string_view(key)] = value;
    const auto request = decode_request(json::serialize(object));
    return request ? 0 : request.error().code;
  };
  EXPECT_EQ(refused("version", 2), kDecodingFailure);
  EXPECT_EQ(refused("version", nullptr), kDecodingFailure);
  EXPECT_EQ(refused("command", "RUN"), kDecodingFailure);
  EXPECT_EQ(refused("command", 1), kDecodingFailure);
  EXPECT_EQ(refused("container_id", "../x"), kInvalidEnvironment);
  EXPECT_EQ(refused("container_id", 3), kInvalidEnvironment);
  EXPECT_EQ(refused("ifname", "a/b"), kInvalidEnvironment);
  EXPECT_EQ(refused("netns", ""), kInvalidEnvironment);
  EXPECT_EQ(refused("netns", "here"), kInvalidEnvironment);
  EXPECT_EQ(refused("netns", "/a\nb"), kInvalidEnvironment);
  EXPECT_EQ(refused("args", "K8S_POD_NAME=\u00e9"), kInvalidEnvironment);
  EXPECT_EQ(refused("netns", json::string("/" + std::string(5000, 'n'))), kInvalidEnvironment);
  EXPECT_EQ(refused("args", json::string(std::string(20000, 'a'))), kInvalidEnvironment);
  EXPECT_EQ(decode_request("").error().code, kDecodingFailure);
  EXPECT_EQ(decode_request("[1]").error().code, kDecodingFailure);
  EXPECT_EQ(decode_request(std::string(kMaxMessageBytes + 1, ' ')).error().code, kDecodingFailure);
}

TEST(ProtocolTest, RepliesArriveAsTheyWereSent) {
  const Reply good = json::object{{"ips", json::array{}}};
  EXPECT_EQ(decode_reply(encode_reply(good)), good);
  const Reply bad = fail(kTryAgainLater, "later", "waits for subnet web");
  EXPECT_EQ(decode_reply(encode_reply(bad)), bad);
}

TEST(ProtocolTest, AnUnreadableReplyIsAnError) {
  for (const auto line : {"", "{}", "null", R"({"result":3})", R"({"error":{}})", R"({"error":{"code":0}})",
                          R"({"error":"x"})", R"({"error":{"code":70000}})"}) {
    const auto reply = decode_reply(line);
    ASSERT_FALSE(reply) << line;
    EXPECT_EQ(reply.error().code, kDecodingFailure) << line;
  }
}

}  // namespace
}  // namespace berth::cni
