#include "cni/plugin.h"

#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cni/protocol.h"
#include "cni/result.h"
#include "cni/version.h"

namespace berth::cni {
namespace {

Output failed(std::string_view cni_version, const Error& error) { return {1, print_error(cni_version, error)}; }

// The version that the caller speaks, as far as it can be told from a call that could not be read.
std::string guess_version(std::string_view standard_input) {
  if (standard_input.size() > kMaxConfigBytes) return {};
  boost::json::error_code ec;
  const auto value = boost::json::parse(boost::json::string_view(standard_input), ec);
  if (ec || !value.is_object()) return {};
  const auto* version = value.get_object().if_contains("cniVersion");
  return version != nullptr && version->is_string() ? std::string(version->get_string()) : std::string();
}

}  // namespace

Output run(const Environment& environment, std::string_view standard_input, const Exchange& exchange) {
  const auto call = parse_call(environment, standard_input);
  if (!call) return failed(guess_version(standard_input), call.error());
  if (call->command == Command::version) return {0, print_versions(call->cni_version)};

  const auto answer = exchange(*call, encode_request(*call));
  if (!answer) {
    const int code = call->command == Command::status ? kNotAvailable : kTryAgainLater;
    return failed(call->cni_version, {code, answer.error().msg, answer.error().details});
  }
  const auto reply = decode_reply(*answer);
  if (!reply) return failed(call->cni_version, reply.error());
  if (call->command != Command::add) return {};
  auto text = print_result(call->cni_version, *reply);
  if (!text) return failed(call->cni_version, text.error());
  return {0, std::move(*text)};
}

}  // namespace berth::cni
