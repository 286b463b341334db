#pragma once

// What berth-controller can be told, by flags and by a configuration file with the same keys. Parsing and checking
// only; every error is for the person who starts the program: it names where the value was given, the value and the
// remedy.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admission/configuration.h"
#include "base/log.h"
#include "base/result.h"
#include "net/address.h"
#include "world/world.h"

namespace berth::controller {

// One thing that can be set: "--<name>" as a flag, <name> as a key of the configuration file.
struct OptionInfo {
  std::string_view name;
  std::string_view value;  // what stands for the value in the help; empty: a switch, true or false
  std::string_view help;
};

// All but --config.
[[nodiscard]] std::span<const OptionInfo> option_infos();

struct Given {
  std::string value;
  std::string where;  // "--settle", "/etc/berth.yaml: settle": for messages
};
using GivenOptions = std::map<std::string, Given, std::less<>>;  // by OptionInfo::name

struct Endpoint {
  net::Address address;
  std::uint16_t port = 0;
};

struct WebhookOptions {
  Endpoint listen;
  std::optional<admission::Target> target;  // how the API server reaches it; none: somebody else tells it
  std::string url_host;                     // of target.url
};

struct Options {
  std::string kubeconfig;  // empty: the pod's service account
  std::string ovn_nb;      // remotes, as ovsdb::ClientOptions has them
  world::Settings settings;
  bool leader_elect = true;
  std::string identity;  // of this process in the Lease; empty: one is made up
  log::Options log;
  std::optional<Endpoint> metrics;        // absent: not served
  std::optional<WebhookOptions> webhook;  // likewise
};

// The configuration file's text; `file` is its name, for messages. Errors: invalid (not YAML, an unknown key, a value
// that is neither text, number nor truth value).
[[nodiscard]] Result<GivenOptions> parse_config_file(std::string_view text, const std::string& file);

// Reads it. Errors: as above, and not_found.
[[nodiscard]] Result<GivenOptions> load_config_file(const std::string& file);

// `flags` win over `file`. Errors: invalid.
[[nodiscard]] Result<Options> make_options(const GivenOptions& flags, const GivenOptions& file);

// "5s", "500ms", "1m30s", "0". Errors: invalid.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

// "127.0.0.1:9090", "[::1]:9090", ":9090" (all IPv4 addresses). Errors: invalid.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace berth::controller
