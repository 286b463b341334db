#pragma once

// One execution of the plugin, read from its environment and its standard input. Pure.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "cni/error.h"

namespace berth::cni {

enum class Command { add, del, check, status, gc, version };

[[nodiscard]] std::string_view to_string(Command command);  // "ADD"
[[nodiscard]] std::optional<Command> parse_command(std::string_view text);

// ADD, DEL and CHECK are about one interface of one container; the others take no notice of what names it.
[[nodiscard]] bool is_per_container(Command command);

inline constexpr std::size_t kMaxConfigBytes = 1 << 20;
inline constexpr std::string_view kDefaultSocket = "/run/berth/agent.sock";

struct Call {
  Command command = Command::version;
  std::string container_id;  // empty for STATUS, GC, VERSION
  std::string netns;         // path; may be empty for DEL
  std::string ifname;        // empty for STATUS, GC, VERSION
  std::string args;          // CNI_ARGS as given, of the same commands: "K8S_POD_NAME=…;K8S_POD_UID=…"
  std::string cni_version;   // of the config; one of kVersions, except for VERSION, where it is what was asked
  std::string socket;        // server_socket of the config, else kDefaultSocket
  boost::json::object config;
};

// CNI specification, "Parameters": letters and digits first, then also '_', '.', '-'. Bounded to 256 characters.
[[nodiscard]] bool is_container_id(std::string_view text);

// What Linux accepts as the name of a network interface, and the specification asks for: 1 to 15 characters, not "." or
// "..", no '/', ':' or white space; control characters are refused as well.
[[nodiscard]] bool is_ifname(std::string_view text);

// Printable ASCII: what the specification means by alphanumeric, and what JSON carries unharmed.
[[nodiscard]] bool is_plain_text(std::string_view text);

// Looks up one environment variable; empty if it is not set.
using Environment = std::function<std::string(const char* name)>;

// Errors: kInvalidEnvironment, kDecodingFailure, kInvalidConfig, kIncompatibleVersion; details name the field and
// value.
[[nodiscard]] Result<Call> parse_call(const Environment& environment, std::string_view standard_input);

}  // namespace berth::cni
