#include "controller/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "api/metadata.h"
#include "api/yaml.h"
#include "net/cidr.h"
#include "ovsdb/remote.h"

namespace berth::controller {
namespace {

// The defaults are Kube-OVN's.
constexpr std::string_view kDefaultCidr = "10.16.0.0/16";
constexpr std::string_view kJoinCidr = "100.64.0.0/16";
constexpr std::string_view kServiceCidr = "10.96.0.0/12";

constexpr std::array kOptions{
    OptionInfo{"kubeconfig", "FILE", "How to reach the API server; without it, the pod's service account"},
    OptionInfo{"ovn-nb", "REMOTES",
               "OVN's northbound database: unix:PATH or tcp:IP:PORT; the members of a raft cluster with commas"},
    OptionInfo{"default-cidr", "CIDR",
               "Range of the default subnet: IPv4, IPv6, or both with a comma (default 10.16.0.0/16)"},
    OptionInfo{"join-cidr", "CIDR", "Range of the nodes' join subnet, likewise (default 100.64.0.0/16)"},
    OptionInfo{"service-cidr", "CIDR", "Range of the cluster's Services, likewise (default 10.96.0.0/12)"},
    OptionInfo{"settle", "DURATION",
               "How long pods of a new Namespace wait for a Subnet to claim it, as 5s or 500ms (default 5s)"},
    OptionInfo{"leader-elect", "",
               "Lead only while holding the Lease (default true); false takes it from whoever holds it: for a single "
               "replica"},
    OptionInfo{"identity", "NAME",
               "This process in the Lease; default $POD_NAME, or the host's name and a random part"},
    OptionInfo{"log-format", "text|json", "Default text"},
    OptionInfo{"log-level", "LEVEL", "debug, info, warn or error (default info)"},
    OptionInfo{"metrics-addr", "IP:PORT",
               "Where /metrics, /healthz and /readyz are served ; by default, and with an empty text, nowhere"},
    OptionInfo{"webhook-addr", "IP:PORT",
               "Where the admission webhook is served; by default, and with an empty text, nowhere"},
    OptionInfo{"webhook-service", "NAMESPACE/NAME",
               "The Service by which the API server reaches it: the controller then tells the API server of it"},
    OptionInfo{"webhook-url", "URL", "Likewise by a URL, as https://10.0.0.5:9443/validate; instead of a Service"},
    OptionInfo{"unsafe-no-late-binding", "",
               "Give pods the default subnet at once, as others do. Breaks Berth's promise; exists to prove that tests "
               "notice"},
    OptionInfo{"unsafe-skip-confirmation", "",
               "Deliver addresses without deciding anew. Breaks Berth's promise; exists to prove that tests notice"},
};

tl::unexpected<Error> bad(const Given& given, std::string_view why) {
  return fail(ErrorCode::invalid, fmt::format("{}: \"{}\": {}", given.where, given.value, why));
}

bool known(std::string_view name) {
  return std::ranges::any_of(kOptions, [&](const OptionInfo& option) { return option.name == name; });
}

std::string known_names() {
  std::string names;
  for (const auto& option : kOptions) names += (names.empty() ? "" : ", ") + std::string(option.name);
  return names;
}

Result<bool> parse_switch(const Given& given) {
  if (given.value == "true" || given.value == "1") return true;
  if (given.value == "false" || given.value == "0") return false;
  return bad(given, "must be true or false");
}

Result<std::vector<net::Cidr>> parse_cidrs(const Given& given) {
  auto cidrs = net::Cidr::parse_list(given.value);
  if (!cidrs) return fail(cidrs.error().with_context(given.where));
  return cidrs;
}

// Of two ranges of the system neither may contain the other, nor may they share an address.
Status check_apart(const Given& a, const std::vector<net::Cidr>& cidrs, const Given& b,
                   const std::vector<net::Cidr>& others) {
  for (const auto& cidr : cidrs) {
    for (const auto& other : others) {
      if (!cidr.overlaps(other)) continue;
      return fail(ErrorCode::invalid, fmt::format("{} {} overlaps {} {}: choose ranges that share no address", a.where,
                                                  cidr.to_string(), b.where, other.to_string()));
    }
  }
  return {};
}

// Every node needs an address of each family that pods have.
Status check_families(const Given& pods, const std::vector<net::Cidr>& cidrs, const Given& nodes,
                      const std::vector<net::Cidr>& others) {
  for (const auto& cidr : cidrs) {
    const auto same = [&](const net::Cidr& other) { return other.family() == cidr.family(); };
    if (std::ranges::any_of(others, same)) continue;
    return bad(nodes, fmt::format("has no {} range, but {} has {}; add one", cidr.network().is_v4() ? "IPv4" : "IPv6",
                                  pods.where, cidr.to_string()));
  }
  return {};
}

// Looks options up: the flag, else the file's key, else a default.
class Lookup {
 public:
  Lookup(const GivenOptions& flags, const GivenOptions& file) : flags_(flags), file_(file) {}

  [[nodiscard]] Given get(std::string_view name, std::string_view otherwise) const {
    for (const auto* from : {&flags_, &file_}) {
      if (const auto it = from->find(name); it != from->end()) return it->second;
    }
    return {std::string(otherwise), fmt::format("--{} (default)", name)};
  }

 private:
  const GivenOptions& flags_;
  const GivenOptions& file_;
};

Status take_ranges(const Lookup& given, world::Settings& settings) {
  const Given pods = given.get("default-cidr", kDefaultCidr);
  const Given nodes = given.get("join-cidr", kJoinCidr);
  const Given services = given.get("service-cidr", kServiceCidr);
  struct {
    const Given* from;
    std::vector<net::Cidr>* to;
  } const parts[] = {
      {&pods, &settings.default_cidr}, {&nodes, &settings.join_cidr}, {&services, &settings.service_cidr}};
  for (const auto& part : parts) {
    auto cidrs = parse_cidrs(*part.from);
    if (!cidrs) return fail(cidrs.error());
    *part.to = std::move(*cidrs);
  }
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    for (std::size_t j = i + 1; j < std::size(parts); ++j) {
      if (auto status = check_apart(*parts[i].from, *parts[i].to, *parts[j].from, *parts[j].to); !status) return status;
    }
  }
  return check_families(pods, settings.default_cidr, nodes, settings.join_cidr);
}

Status take_safeguards(const Lookup& given, world::Settings& settings) {
  const auto late = parse_switch(given.get("unsafe-no-late-binding", "false"));
  if (!late) return fail(late.error());
  const auto skip = parse_switch(given.get("unsafe-skip-confirmation", "false"));
  if (!skip) return fail(skip.error());
  if (*late) {
    settings.safeguards.late_binding = false;
    settings.safeguards.fresh_reads = false;
    settings.safeguards.settle = false;
  }
  if (*skip) settings.safeguards.confirm = false;
  return {};
}

Status take_log(const Lookup& given, log::Options& out) {
  const Given format = given.get("log-format", "text");
  if (format.value != "text" && format.value != "json") return bad(format, "must be text or json");
  out.format = format.value == "json" ? log::Format::json : log::Format::text;

  const Given level = given.get("log-level", "info");
  constexpr std::array kLevels{std::pair{"debug", log::Level::debug}, std::pair{"info", log::Level::info},
                               std::pair{"warn", log::Level::warn}, std::pair{"error", log::Level::error}};
  const auto* found = std::ranges::find_if(kLevels, [&](const auto& entry) { return level.value == entry.first; });
  if (found == kLevels.end()) return bad(level, "must be debug, info, warn or error");
  out.level = found->second;
  out.program = "berth-controller";
  out.background = true;
  return {};
}

// "https://host:port/validate": the host.
Result<std::string> webhook_host(const Given& url) {
  constexpr std::string_view kScheme = "https://";
  const auto wrong = [&] { return bad(url, "must be like https://10.0.0.5:9443/validate"); };
  if (!url.value.starts_with(kScheme)) return wrong();
  const auto slash = url.value.find('/', kScheme.size());
  if (slash == std::string::npos || url.value.substr(slash) != admission::kPath) return wrong();
  std::string host = url.value.substr(kScheme.size(), slash - kScheme.size());
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string::npos) return wrong();
    host = host.substr(1, end - 1);
    return net::Address::parse(host) ? Result<std::string>(host) : wrong();
  }
  host = host.substr(0, host.find(':'));
  if (host.empty() || (!net::Address::parse(host) && !api::is_object_name(host))) return wrong();
  return host;
}

Status take_webhook(const Lookup& given, std::optional<WebhookOptions>& out) {
  const Given listen = given.get("webhook-addr", "");
  const Given service = given.get("webhook-service", "");
  const Given url = given.get("webhook-url", "");
  if (listen.value.empty()) {
    for (const Given* option : {&service, &url}) {
      if (!option->value.empty()) return bad(*option, "needs --webhook-addr, where the webhook is served");
    }
    return {};
  }
  const auto endpoint = parse_endpoint(listen.value);
  if (!endpoint) return fail(endpoint.error().with_context(listen.where));
  out.emplace().listen = *endpoint;
  if (!service.value.empty() && !url.value.empty()) return bad(url, "excludes --webhook-service; remove one of them");
  if (!service.value.empty()) {
    const auto parts = api::split_list(service.value, '/');
    if (parts.size() != 2 || !api::is_object_name(parts[0]) || !api::is_object_name(parts[1]))
      return bad(service, "must be like berth-system/berth-webhook");
    out->target = admission::Target{parts[0], parts[1], ""};
  }
  if (!url.value.empty()) {
    auto host = webhook_host(url);
    if (!host) return fail(host.error());
    out->url_host = std::move(*host);
    out->target = admission::Target{"", "", url.value};
  }
  return {};
}

// A scalar as somebody would have written it behind a flag.
std::optional<std::string> text_of(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_bool() || value.is_number()) return boost::json::serialize(value);
  if (value.is_null()) return std::string();
  return std::nullopt;
}

}  // namespace

std::span<const OptionInfo> option_infos() { return kOptions; }

Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid, fmt::format("\"{}\" is not a duration; write it like 5s, 500ms or 1m30s", text));
  };
  if (text == "0") return Duration::zero();
  constexpr std::array kUnits{std::pair{std::string_view("ms"), Duration(std::chrono::milliseconds(1))},
                              std::pair{std::string_view("h"), Duration(std::chrono::hours(1))},
                              std::pair{std::string_view("m"), Duration(std::chrono::minutes(1))},
                              std::pair{std::string_view("s"), Duration(std::chrono::seconds(1))}};
  constexpr Duration kLongest = std::chrono::hours(24 * 365);
  Duration total{};
  std::string_view rest = text;
  if (rest.empty()) return wrong();
  while (!rest.empty()) {
    double count = 0;
    if (rest.front() < '0' || rest.front() > '9') return wrong();
    const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), count, std::chars_format::fixed);
    if (ec != std::errc()) return wrong();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto* unit = std::ranges::find_if(kUnits, [&](const auto& entry) { return rest.starts_with(entry.first); });
    if (unit == kUnits.end()) return wrong();
    rest.remove_prefix(unit->first.size());
    const double part = count * static_cast<double>(unit->second.count());
    if (part > static_cast<double>((kLongest - total).count())) return wrong();
    total += Duration(std::llround(part));
  }
  return total;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("\"{}\" {}; write it like 127.0.0.1:10660 or [::1]:10660", text, why));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);

  Endpoint out;
  if (const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
      ec != std::errc() || end != port.data() + port.size()) {
    return wrong("has no port from 0 to 65535");
  }
  if (host.empty() && !bracketed) return out;
  const auto address = net::Address::parse(host);
  if (!address || address->is_v4() == bracketed) return wrong("does not begin with an IP address");
  out.address = *address;
  return out;
}

Result<GivenOptions> parse_config_file(std::string_view text, const std::string& file) {
  const auto documents = api::parse_yaml(text);
  if (!documents) return fail(documents.error().with_context(file));
  if (documents->empty()) return GivenOptions();
  if (documents->size() > 1) return fail(ErrorCode::invalid, file + ": holds more than one YAML document; keep one");
  const auto* top = documents->front().if_object();
  if (top == nullptr) return fail(ErrorCode::invalid, file + ": must be a map, such as `settle: 5s`");

  GivenOptions out;
  for (const auto& [key, value] : *top) {
    const std::string where = fmt::format("{}: {}", file, std::string_view(key));
    if (!known(key)) {
      return fail(ErrorCode::invalid, fmt::format("{}: is not a setting; known are {}", where, known_names()));
    }
    auto scalar = text_of(value);
    if (!scalar) {
      return fail(ErrorCode::invalid,
                  fmt::format("{}: {}: must be one value, not a list or a map", where, boost::json::serialize(value)));
    }
    out.emplace(key, Given{std::move(*scalar), where});
  }
  return out;
}

Result<GivenOptions> load_config_file(const std::string& file) {
  std::error_code ec;
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file, ec)) {
    return fail(ErrorCode::not_found,
                fmt::format("--config: \"{}\": is no file that can be read; correct the path", file));
  }
  std::ostringstream text;
  text << in.rdbuf();
  return parse_config_file(text.view(), file);
}

Result<Options> make_options(const GivenOptions& flags, const GivenOptions& file) {
  const Lookup given(flags, file);
  Options out;
  out.kubeconfig = given.get("kubeconfig", "").value;
  out.identity = given.get("identity", "").value;

  const Given ovn = given.get("ovn-nb", "");
  if (ovn.value.empty()) {
    return fail(ErrorCode::invalid,
                "--ovn-nb: is missing; give OVN's northbound database, such as unix:/run/ovn/ovnnb_db.sock or "
                "tcp:10.0.0.1:6641,tcp:10.0.0.2:6641");
  }
  if (const auto remotes = ovsdb::Remote::parse_list(ovn.value); !remotes) {
    return fail(remotes.error().with_context(ovn.where));
  }
  out.ovn_nb = ovn.value;

  if (auto status = take_ranges(given, out.settings); !status) return fail(status.error());
  if (auto status = take_safeguards(given, out.settings); !status) return fail(status.error());
  if (auto status = take_log(given, out.log); !status) return fail(status.error());

  const Given settle = given.get("settle", "5s");
  const auto duration = parse_duration(settle.value);
  if (!duration) return fail(duration.error().with_context(settle.where));
  out.settings.settle = *duration;

  const auto elect = parse_switch(given.get("leader-elect", "true"));
  if (!elect) return fail(elect.error());
  out.leader_elect = *elect;

  if (const Given metrics = given.get("metrics-addr", ""); !metrics.value.empty()) {
    const auto endpoint = parse_endpoint(metrics.value);
    if (!endpoint) return fail(endpoint.error().with_context(metrics.where));
    out.metrics = *endpoint;
  }
  if (auto status = take_webhook(given, out.webhook); !status) return fail(status.error());
  return out;
}

}  // namespace berth::controller
