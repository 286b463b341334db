#include "cni/call.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cni/version.h"

namespace berth::cni {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<Command, std::string_view>, 6> kCommands = {{{Command::add, "ADD"},
                                                                            {Command::del, "DEL"},
                                                                            {Command::check, "CHECK"},
                                                                            {Command::status, "STATUS"},
                                                                            {Command::gc, "GC"},
                                                                            {Command::version, "VERSION"}}};

constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kMaxArgsBytes = 16384;
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path without its final zero

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= 256 && is_alphanumeric(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

// A quoted excerpt that is valid UTF-8 whatever the input was.
std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out += c >= ' ' && c < 0x7f ? c : '?';
  out += text.size() > 80 ? "...\"" : "\"";
  return out;
}

// A string field; none if absent; an error if it is something else.
Result<std::optional<std::string>> text_field(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(json::string_view(key));
  if (value == nullptr || value->is_null()) return std::optional<std::string>{};
  if (!value->is_string())
    return fail(kInvalidConfig, "invalid network configuration", std::string(key) + " must be a string");
  return std::optional<std::string>(std::string(value->get_string()));
}

Result<json::object> parse_config(std::string_view text) {
  if (text.size() > kMaxConfigBytes)
    return fail(kInvalidConfig, "network configuration too large",
                "standard input is longer than " + std::to_string(kMaxConfigBytes) + " bytes");
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 64;
  auto value = json::parse(json::string_view(text), ec, {}, options);
  if (ec) return fail(kDecodingFailure, "network configuration is not JSON", ec.message());
  if (!value.is_object())
    return fail(kDecodingFailure, "network configuration is not a JSON object", "standard input must hold one object");
  return std::move(value.get_object());
}

Result<std::string> required(const json::object& config, std::string_view key) {
  auto value = text_field(config, key);
  if (!value) return tl::unexpected<Error>(value.error());
  if (!*value || (*value)->empty())
    return fail(kInvalidConfig, "invalid network configuration", std::string(key) + " is missing");
  return std::move(**value);
}

Result<void> read_config(Call& call) {
  auto version = text_field(call.config, "cniVersion");
  if (!version) return tl::unexpected<Error>(version.error());
  // A configuration without a version is one of 0.1.0, by that specification.
  call.cni_version = version->value_or("0.1.0");
  if (call.command == Command::version) return {};
  if (!is_supported(call.cni_version)) {
    return fail(kIncompatibleVersion, "incompatible CNI version",
                "cniVersion " + shown(call.cni_version) + " is not supported; use 1.1.0, 1.0.0, 0.4.0, 0.3.1 or 0.3.0");
  }
  const auto name = required(call.config, "name");
  if (!name) return tl::unexpected<Error>(name.error());
  if (!is_identifier(*name))
    return fail(kInvalidConfig, "invalid network configuration",
                "name " + shown(*name) + " must start with a letter or digit and hold only these and '_', '.', '-'");
  if (const auto type = required(call.config, "type"); !type) return tl::unexpected<Error>(type.error());
  auto socket = text_field(call.config, "server_socket");
  if (!socket) return tl::unexpected<Error>(socket.error());
  call.socket = socket->value_or(std::string(kDefaultSocket));
  if (call.socket.empty() || call.socket.front() != '/' || call.socket.size() > kMaxSocketPath)
    return fail(kInvalidConfig, "invalid network configuration",
                "server_socket " + shown(call.socket) + " must be an absolute path of at most 107 bytes");
  return {};
}

Result<void> check_environment(const Call& call) {
  if (!is_per_container(call.command)) return {};
  const auto bad = [](std::string details) {
    return fail(kInvalidEnvironment, "invalid environment variable", std::move(details));
  };
  if (!is_container_id(call.container_id))
    return bad("CNI_CONTAINERID " + shown(call.container_id) +
               " must start with a letter or digit and hold only these and '_', '.', '-'");
  if (!is_ifname(call.ifname))
    return bad("CNI_IFNAME " + shown(call.ifname) + " is not a name for a network interface");
  if (call.netns.empty() && call.command != Command::del) return bad("CNI_NETNS is missing");
  if (!call.netns.empty() &&
      (call.netns.front() != '/' || call.netns.size() > kMaxPathBytes || !is_plain_text(call.netns)))
    return bad("CNI_NETNS " + shown(call.netns) + " must be an absolute path in ASCII");
  if (call.args.size() > kMaxArgsBytes) return bad("CNI_ARGS is too long");
  if (!is_plain_text(call.args)) return bad("CNI_ARGS " + shown(call.args) + " must be plain ASCII");
  return {};
}

Result<void> check_version_has_command(const Call& call) {
  const std::string_view since = call.command == Command::check                                   ? "0.4.0"
                                 : call.command == Command::status || call.command == Command::gc ? "1.1.0"
                                                                                                  : "0.3.0";
  if (call.command == Command::version || at_least(call.cni_version, since)) return {};
  return fail(kIncompatibleVersion, "incompatible CNI version",
              std::string(to_string(call.command)) + " needs cniVersion " + std::string(since) +
                  " or newer, the configuration says " + call.cni_version);
}

}  // namespace

bool is_per_container(Command command) {
  return command == Command::add || command == Command::del || command == Command::check;
}

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string_view to_string(Command command) {
  return std::find_if(kCommands.begin(), kCommands.end(), [&](const auto& c) { return c.first == command; })->second;
}

std::optional<Command> parse_command(std::string_view text) {
  const auto it = std::find_if(kCommands.begin(), kCommands.end(), [&](const auto& c) { return c.second == text; });
  if (it == kCommands.end()) return std::nullopt;
  return it->first;
}

bool is_container_id(std::string_view text) { return is_identifier(text); }

bool is_ifname(std::string_view text) {
  if (text.empty() || text.size() > 15 || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 0x7f && c != '/' && c != ':'; });
}

Result<Call> parse_call(const Environment& environment, std::string_view standard_input) {
  const auto command_text = environment("CNI_COMMAND");
  const auto command = parse_command(command_text);
  if (!command)
    return fail(kInvalidEnvironment, "invalid environment variable",
                "CNI_COMMAND " + shown(command_text) + " must be ADD, DEL, CHECK, STATUS, GC or VERSION");
  Call call;
  call.command = *command;
  if (is_per_container(*command)) {
    call.container_id = environment("CNI_CONTAINERID");
    call.netns = environment("CNI_NETNS");
    call.ifname = environment("CNI_IFNAME");
    call.args = environment("CNI_ARGS");
  }
  auto config = parse_config(standard_input);
  if (!config) return tl::unexpected<Error>(config.error());
  call.config = std::move(*config);
  if (auto status = read_config(call); !status) return tl::unexpected<Error>(status.error());
  if (auto status = check_environment(call); !status) return tl::unexpected<Error>(status.error());
  if (auto status = check_version_has_command(call); !status) return tl::unexpected<Error>(status.error());
  return call;
}

}  // namespace berth::cni
