#pragma once

// What berth-cni and berth-agent say to each other over the agent's unix socket: the plugin POSTs one JSON object to
// kCallPath by HTTP/1.1, and the agent answers 200 with another. Neither is longer than kMaxMessageBytes. Pure.

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "cni/call.h"
#include "cni/error.h"

namespace berth::cni {

inline constexpr std::size_t kMaxMessageBytes = 2 << 20;
inline constexpr int kProtocolVersion = 1;
inline constexpr std::string_view kCallPath = "/v1/cni";

// {"version":1,"command":"ADD","container_id":…,"netns":…,"ifname":…,"args":…,"config":{…}}
struct Request {
  Command command = Command::status;
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;
  boost::json::object config;
};

// {"result":{…}} (of ADD, in the shape of 1.1.0; an empty object otherwise) or
// {"error":{"code":…,"msg":…,"details":…}}.
using Reply = Result<boost::json::object>;

[[nodiscard]] std::string encode_request(const Call& call);
[[nodiscard]] std::string encode_reply(const Reply& reply);

// Checks container id, interface name and lengths again: the agent trusts no one. Error: kDecodingFailure,
// kInvalidEnvironment.
[[nodiscard]] Result<Request> decode_request(std::string_view message);

// The reply, or kDecodingFailure if the message is none.
[[nodiscard]] Reply decode_reply(std::string_view message);

}  // namespace berth::cni
