#include "cni/protocol.h"

#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace berth::cni {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kMaxArgsBytes = 16384;

Result<json::object> parse_object(std::string_view message) {
  if (message.size() > kMaxMessageBytes) return fail(kDecodingFailure, "message too long");
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 96;
  auto value = json::parse(json::string_view(message), ec, {}, options);
  if (ec) return fail(kDecodingFailure, "message is not JSON", ec.message());
  if (!value.is_object()) return fail(kDecodingFailure, "message is not a JSON object");
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(json::string_view(key));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<void> check(const Request& request) {
  if (!is_per_container(request.command)) return {};
  if (!is_container_id(request.container_id)) return fail(kInvalidEnvironment, "invalid container id");
  if (!is_ifname(request.ifname)) return fail(kInvalidEnvironment, "invalid interface name");
  if (request.netns.size() > kMaxPathBytes || request.args.size() > kMaxArgsBytes || !is_plain_text(request.netns) ||
      !is_plain_text(request.args))
    return fail(kInvalidEnvironment, "network namespace path or arguments too long or not plain ASCII");
  const bool needs_netns = request.command != Command::del;
  if ((request.netns.empty() && needs_netns) || (!request.netns.empty() && request.netns.front() != '/'))
    return fail(kInvalidEnvironment, "invalid network namespace path");
  return {};
}

}  // namespace

std::string encode_request(const Call& call) {
  json::object out;
  out["version"] = kProtocolVersion;
  out["command"] = json::string_view(to_string(call.command));
  out["container_id"] = call.container_id;
  out["netns"] = call.netns;
  out["ifname"] = call.ifname;
  out["args"] = call.args;
  out["config"] = call.config;
  return json::serialize(out);
}

std::string encode_reply(const Reply& reply) {
  json::object out;
  if (reply) {
    out["result"] = *reply;
  } else {
    out["error"] = {{"code", reply.error().code}, {"msg", reply.error().msg}, {"details", reply.error().details}};
  }
  return json::serialize(out);
}

Result<Request> decode_request(std::string_view message) {
  auto object = parse_object(message);
  if (!object) return tl::unexpected<Error>(object.error());
  const auto* version = object->if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != kProtocolVersion)
    return fail(kDecodingFailure, "plugin and agent do not fit together", "this agent speaks protocol version 1");
  const auto command = parse_command(text_of(*object, "command"));
  if (!command) return fail(kDecodingFailure, "unknown command");
  Request request;
  request.command = *command;
  request.container_id = text_of(*object, "container_id");
  request.netns = text_of(*object, "netns");
  request.ifname = text_of(*object, "ifname");
  request.args = text_of(*object, "args");
  if (auto* config = object->if_contains("config"); config != nullptr && config->is_object())
    request.config = std::move(config->get_object());
  if (auto status = check(request); !status) return tl::unexpected<Error>(status.error());
  return request;
}

Reply decode_reply(std::string_view message) {
  auto object = parse_object(message);
  if (!object) return tl::unexpected<Error>(object.error());
  if (auto* result = object->if_contains("result"); result != nullptr && result->is_object())
    return std::move(result->get_object());
  const auto* error = object->if_contains("error");
  if (error == nullptr || !error->is_object())
    return fail(kDecodingFailure, "the agent's reply holds neither result nor error");
  const auto& fields = error->get_object();
  const auto* code = fields.if_contains("code");
  if (code == nullptr || !code->is_int64() || code->get_int64() < 1 || code->get_int64() > 65535)
    return fail(kDecodingFailure, "the agent's error has no code");
  return fail(static_cast<int>(code->get_int64()), text_of(fields, "msg"), text_of(fields, "details"));
}

}  // namespace berth::cni
