#include "dev/kubelet/cni_network.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "api/workload.h"

namespace berth::dev {

namespace {

using boost::json::array;
using boost::json::object;

constexpr std::string_view kDefaultInterface = "eth0";

std::string find_program(const std::vector<std::string>& dirs, const std::string& type) {
  for (const auto& dir : dirs) {
    std::string path = dir + "/" + type;
    if (!type.contains('/') && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// What a plugin prints when it fails, in words.
std::string printed_error(const ProcessEnd& end) {
  const auto printed = api::parse_json(end.output);
  if (!printed || !printed->is_object()) {
    return fmt::format("{}: {}{}", end.describe(), end.error, end.output.substr(0, 1024));
  }
  const auto& error = printed->get_object();
  const std::string details = api::string_at(error, {"details"});
  return fmt::format("{}{}{} (code {})", api::string_at(error, {"msg"}), details.empty() ? "" : ": ", details,
                     api::int_at(error, {"code"}));
}

// The address of an interface as network-status lists it.
object status_of(const std::string& network, const std::string& interface, const object& result, bool is_default) {
  array ips;
  for (const auto& address : addresses_of(result)) ips.emplace_back(address);
  object out{{"name", network}, {"interface", interface}, {"ips", std::move(ips)}};
  if (const auto* interfaces = api::find_array(result, {"interfaces"})) {
    for (const auto& one : *interfaces) {
      if (!one.is_object() || api::string_at(one.get_object(), {"name"}) != interface) continue;
      out["mac"] = api::string_at(one.get_object(), {"mac"});
    }
  }
  out["default"] = is_default;
  out["dns"] = object{};
  return out;
}

}  // namespace

Result<object> read_network(const std::string& conf_dir) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(conf_dir, error)) {
    const std::string extension = entry.path().extension();
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (!hidden && (extension == ".conflist" || extension == ".conf" || extension == ".json")) files.push_back(entry);
  }
  if (files.empty()) {
    return fail(ErrorCode::not_found, fmt::format("cni plugin not initialized: no configuration in {}", conf_dir));
  }
  std::ranges::sort(files);
  std::ostringstream text;
  text << std::ifstream(files.front()).rdbuf();
  auto config = api::parse_json(text.str());
  if (!config) return fail(config.error().with_context(files.front().string()));
  if (!config->is_object() || plugins_of(config->get_object()).empty()) {
    return fail(ErrorCode::invalid, fmt::format("{} names no plugin", files.front().string()));
  }
  return std::move(config->get_object());
}

std::vector<object> plugins_of(const object& config) {
  std::vector<object> out;
  if (const auto* plugins = api::find_array(config, {"plugins"})) {
    for (const auto& plugin : *plugins) {
      if (plugin.is_object()) out.push_back(plugin.get_object());
    }
  } else if (config.contains("type")) {
    out.push_back(config);
  }
  return out;
}

std::vector<std::string> addresses_of(const object& result) {
  std::vector<std::string> out;
  if (const auto* ips = api::find_array(result, {"ips"})) {
    for (const auto& ip : *ips) {
      if (!ip.is_object()) continue;
      const std::string address = api::string_at(ip.get_object(), {"address"});
      out.push_back(address.substr(0, address.find('/')));
    }
  }
  return out;
}

CniNetwork::CniNetwork(Scheduler& scheduler, Host& host, kube::Transport& transport, CniOptions options)
    : scheduler_(scheduler), host_(host), transport_(transport), options_(std::move(options)) {}

CniNetwork::~CniNetwork() { *alive_ = false; }

void CniNetwork::attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) {
  auto state = std::make_shared<State>();
  state->sandbox = sandbox;
  auto network = read_network(options_.conf_dir);
  if (!network) {
    return scheduler_.post([done = std::move(done), error = network.error()] { done(fail(error)); });
  }
  state->interfaces.push_back(
      {.name = std::string(kDefaultInterface), .network = {}, .config = std::move(*network), .args = {}, .result = {}});
  state->done = std::move(done);
  states_[sandbox.id] = state;
  if (sandbox.networks.empty()) return add_next(state);
  fetch_networks(state);
}

void CniNetwork::cancel(const Sandbox& sandbox) {
  const auto found = states_.find(sandbox.id);
  if (found == states_.end()) return;
  found->second->cancelled = true;
  if (found->second->running != 0) host_.stop(found->second->running, Duration::zero());
}

void CniNetwork::fetch_networks(const Shared& state) {
  auto selections = api::parse_network_selections(state->sandbox.networks, state->sandbox.ns);
  if (!selections) return finish(state, fail(selections.error()));
  for (const auto& selection : *selections) {
    Interface interface{.name = selection.interface,
                        .network = selection.ns + "/" + selection.name,
                        .config = {},
                        .args = {},
                        .result = {}};
    if (interface.name.empty()) interface.name = fmt::format("net{}", state->interfaces.size());
    if (!selection.ips.empty()) interface.args["ips"] = api::to_json(selection.ips);
    if (!selection.mac.empty()) interface.args["mac"] = selection.mac;
    state->interfaces.push_back(std::move(interface));
  }
  fetch_network(state, 1);
}

void CniNetwork::fetch_network(const Shared& state, std::size_t index) {
  if (state->cancelled) return finish(state, fail(ErrorCode::unavailable, "cancelled"));
  if (index == state->interfaces.size()) return add_next(state);
  const std::string& network = state->interfaces[index].network;
  const auto slash = network.find('/');
  transport_.send({.verb = api::Verb::get,
                   .kind = api::Kind::network_attachment_definition,
                   .ns = network.substr(0, slash),
                   .name = network.substr(slash + 1),
                   .subresource = {},
                   .body = {},
                   .label_selector = {},
                   .field_selector = {}},
                  [this, alive = alive_, state, index](Result<boost::json::value> reply) {
                    if (!*alive) return;
                    Interface& interface = state->interfaces[index];
                    const std::string what = fmt::format("network {}", interface.network);
                    if (!reply) return finish(state, fail(reply.error().with_context(what)));
                    const auto* definition = reply->if_object();
                    auto config = api::parse_json(definition ? api::string_at(*definition, {"spec", "config"}) : "");
                    if (!config) return finish(state, fail(config.error().with_context(what + ": spec.config")));
                    if (!config->is_object() || plugins_of(config->get_object()).empty()) {
                      return finish(state, fail(ErrorCode::invalid, what + ": spec.config names no plugin"));
                    }
                    interface.config = std::move(config->get_object());
                    fetch_network(state, index + 1);
                  });
}

void CniNetwork::add_next(const Shared& state) {
  if (state->cancelled) return finish(state, fail(ErrorCode::unavailable, "cancelled"));
  if (state->next < state->interfaces.size()) return add_plugin(state, 0);
  PodAddresses out{.addresses = addresses_of(state->interfaces.front().result)};
  if (state->interfaces.size() > 1) {
    array list;
    for (const auto& interface : state->interfaces) {
      const bool first = interface.network.empty();
      const std::string name = first ? api::string_at(interface.config, {"name"}) : interface.network;
      list.emplace_back(status_of(name, interface.name, interface.result, first));
    }
    out.network_status = boost::json::serialize(list);
  }
  finish(state, std::move(out));
}

void CniNetwork::add_plugin(const Shared& state, std::size_t plugin) {
  if (state->cancelled) return finish(state, fail(ErrorCode::unavailable, "cancelled"));
  const auto plugins = plugins_of(state->interfaces[state->next].config);
  if (plugin == plugins.size()) {
    ++state->next;
    return add_next(state);
  }
  const Interface& interface = state->interfaces[state->next];
  execute(state, interface, "ADD", plugin, [this, state, plugin](const Result<std::string>& output) {
    if (!output) return finish(state, fail(output.error()));
    auto result = api::parse_json(*output);
    if (!result || !result->is_object()) {
      return finish(state, fail(ErrorCode::internal,
                                fmt::format("the plugin's result is no JSON object: {}", output->substr(0, 256))));
    }
    state->interfaces[state->next].result = std::move(result->get_object());
    add_plugin(state, plugin + 1);
  });
}

void CniNetwork::finish(const Shared& state, Result<PodAddresses> result) {
  if (auto done = std::exchange(state->done, nullptr)) {
    scheduler_.post([done = std::move(done), result = std::move(result)] { done(result); });
  }
}

void CniNetwork::detach(const Sandbox& sandbox, std::function<void(Status)> done) {
  const auto found = states_.find(sandbox.id);
  if (found == states_.end()) {
    return scheduler_.post([done = std::move(done)] { done({}); });
  }
  const Shared state = found->second;
  // The interface whose ADD failed may be half made.
  state->next = std::min(state->next + 1, state->interfaces.size());
  delete_next(state, [this, id = sandbox.id, done = std::move(done)](const Status& status) {
    if (status) states_.erase(id);
    done(status);
  });
}

void CniNetwork::delete_next(const Shared& state, std::function<void(Status)> done) {
  // Never begun: its network may never have been fetched.
  while (state->next > 0 && plugins_of(state->interfaces[state->next - 1].config).empty()) --state->next;
  if (state->next == 0) {
    return scheduler_.post([done = std::move(done)] { done({}); });
  }
  delete_plugin(state, plugins_of(state->interfaces[state->next - 1].config).size(), std::move(done));
}

void CniNetwork::delete_plugin(const Shared& state, std::size_t plugins_left, std::function<void(Status)> done) {
  if (plugins_left == 0) {
    --state->next;
    return delete_next(state, std::move(done));
  }
  const Interface& interface = state->interfaces[state->next - 1];
  execute(state, interface, "DEL", plugins_left - 1,
          [this, state, plugins_left, done = std::move(done)](const Result<std::string>& output) mutable {
            if (!output) return done(fail(output.error()));
            delete_plugin(state, plugins_left - 1, std::move(done));
          });
}

void CniNetwork::execute(const Shared& state, const Interface& interface, const std::string& command,
                         std::size_t plugin, std::function<void(Result<std::string>)> done) {
  object config = plugins_of(interface.config)[plugin];
  const std::string type = api::string_at(config, {"type"});
  for (const char* key : {"name", "cniVersion"}) {
    if (const auto* value = interface.config.if_contains(key)) config[key] = *value;
  }
  if (!interface.args.empty()) {
    object args = api::find_object(config, {"args"}) ? *api::find_object(config, {"args"}) : object{};
    args["cni"] = interface.args;
    config["args"] = std::move(args);
  }
  if (!interface.result.empty()) config["prevResult"] = interface.result;

  const std::string program = find_program(options_.plugin_dirs, type);
  const std::string what = fmt::format("plugin type=\"{}\" {} {}", type, command, interface.name);
  if (program.empty()) {
    return scheduler_.post([done = std::move(done), what, dirs = api::join(options_.plugin_dirs, ":")] {
      done(fail(ErrorCode::invalid, fmt::format("{}: not found in {}", what, dirs)));
    });
  }
  const Sandbox& sandbox = state->sandbox;
  ProcessSpec spec{
      .name = fmt::format("cni {} {}/{}", command, sandbox.ns, sandbox.pod),
      .argv = {program},
      .env = {"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + sandbox.id,
              "CNI_NETNS=" + (sandbox.namespace_.empty() ? "" : "/run/netns/" + sandbox.namespace_),
              "CNI_IFNAME=" + interface.name, "CNI_PATH=" + api::join(options_.plugin_dirs, ":"),
              fmt::format("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};"
                          "K8S_POD_UID={}",
                          sandbox.ns, sandbox.pod, sandbox.id, sandbox.uid),
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      .clean_env = true,
      .netns = options_.node_netns,
      .run_dir = options_.run_dir,
      .input = boost::json::serialize(config),
      .capture = true,
      .timeout = options_.timeout};
  auto started = host_.run(std::move(spec), [alive = alive_, state, done, what](const ProcessEnd& end) {
    if (!*alive) return;
    state->running = 0;
    if (end.ok()) return done(end.output);
    done(fail(end.timed_out ? ErrorCode::timeout : ErrorCode::unavailable,
              fmt::format("{} failed: {}", what, printed_error(end))));
  });
  if (started) {
    state->running = *started;
  } else {
    scheduler_.post([done = std::move(done), error = started.error().with_context(what)] { done(fail(error)); });
  }
}

}  // namespace berth::dev
