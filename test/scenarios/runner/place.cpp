#include "scenarios/runner/place.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "api/json.h"
#include "kube/rest.h"

namespace berth::scenarios {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

// So that scenarios about the default subnet need not wait for long.
constexpr auto kSettle = "1s";

std::string path_of(const KindInfo& kind, const std::string& ns, const std::string& name) {
  const bool core = kind.api_version.find('/') == std::string::npos;
  return fmt::format("/{}/{}{}/{}{}{}", core ? "api" : "apis", kind.api_version,
                     kind.namespaced && !ns.empty() ? "/namespaces/" + ns : "", kind.plural, name.empty() ? "" : "/",
                     name);
}

// ["set",[…]], ["map",[…]], ["uuid","…"] of RFC 7047 as plain JSON.
json::value plain(const json::value& value) {
  const json::array* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string()) return value;
  const std::string_view type = (*pair)[0].get_string();
  if (type == "uuid" || type == "named-uuid") return (*pair)[1];
  if (type == "set") {
    json::array out;
    for (const json::value& item : (*pair)[1].as_array()) out.push_back(plain(item));
    return out;
  }
  json::object out;
  for (const json::value& entry : (*pair)[1].as_array()) {
    const json::value key = plain(entry.as_array()[0]);
    out[key.is_string() ? std::string_view(key.get_string()) : std::string_view(json::serialize(key))] =
        plain(entry.as_array()[1]);
  }
  return out;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

std::string programs_folder() {
  const char* folder = std::getenv("BERTH_BIN_DIR");
  return folder == nullptr ? "build/bin" : folder;
}

}  // namespace

Result<std::unique_ptr<Place>> Place::embedded(bool with_controller) {
  std::unique_ptr<Place> place(new Place());
  std::string folder = (fs::temp_directory_path() / "berth-scenarios-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return fail(ErrorCode::unavailable, "cannot make " + folder);
  place->folder_ = folder;
  dev::ClusterOptions options;
  options.dir = folder + "/run";
  options.datapath = false;
  options.controller = false;
  options.programs = programs_folder();
  if (const char* kubernetes = std::getenv("BERTH_SCENARIOS_KUBERNETES"); kubernetes != nullptr) {
    options.kubernetes = kubernetes;
    options.kubernetes_crd_rules = false;  // the controller has to find by itself what they would keep out
  }
  auto cluster = dev::EmbeddedCluster::start(std::move(options));
  if (!cluster) return fail(cluster.error());
  place->cluster_ = std::move(*cluster);
  place->northbound_ = place->cluster_->northbound();
  if (auto connected = place->connect(place->cluster_->admin()); !connected) return fail(connected.error());
  if (!with_controller) return place;
  if (auto started = place->start_controller(); !started) return fail(started.error());
  return place;
}

Result<std::unique_ptr<Place>> Place::remote(const std::string& kubeconfig, std::string northbound,
                                             std::string metrics) {
  const auto config = kube::load_kubeconfig({kubeconfig});
  if (!config) return fail(config.error());
  std::unique_ptr<Place> place(new Place());
  place->northbound_ = std::move(northbound);
  place->metrics_ = std::move(metrics);
  if (auto connected = place->connect(*config); !connected) return fail(connected.error());
  return place;
}

Place::~Place() {
  stop_controller(false);
  client_.reset();
  cluster_.reset();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Status Place::connect(const kube::Config& config) {
  config_ = config;
  http::ClientOptions options;
  options.tls = config_.tls;
  options.proxy = config_.proxy;
  if (!config_.token.empty()) options.bearer_token = [token = config_.token] { return token; };
  client_ = std::make_unique<http::Client>(options);
  plain_ = std::make_unique<http::Client>(http::ClientOptions{});
  return {};
}

Status Place::start_controller() {
  if (!cluster_) return fail(ErrorCode::invalid, "the controller of a cluster outside cannot be started");
  auto started =
      programs_.start({.name = "berth-controller",
                       .argv = {programs_folder() + "/berth-controller", "--kubeconfig", cluster_->kubeconfig(),
                                "--ovn-nb", northbound_, "--service-cidr", "10.96.0.0/16", "--settle", kSettle,
                                "--leader-elect=false", "--metrics-addr", "127.0.0.1:0"},
                       .log_file = folder_ + "/controller.log"},
                      {});
  if (!started) return fail(started.error());
  controller_ = *started;
  return {};
}

void Place::stop_controller(bool kill) {
  if (controller_ == 0) return;
  programs_.stop_and_wait({controller_}, kill ? 0s : 10s);
  controller_ = 0;
}

std::string Place::controller_log() const { return read_file(folder_ + "/controller.log"); }

Result<json::value> Place::call(const std::string& method, const std::string& path, std::string body,
                                const std::string& content_type) {
  http::ClientRequest request;
  request.method = method;
  request.url = config_.server + path;
  request.headers = {{"Accept", "application/json"}};
  if (!body.empty()) request.headers.emplace_back("Content-Type", content_type);
  request.body = std::move(body);
  std::promise<Result<http::ClientResponse>> promise;
  client_->send(std::move(request), [&](Result<http::ClientResponse> reply) { promise.set_value(std::move(reply)); });
  const auto reply = promise.get_future().get();
  if (!reply) return fail(reply.error());
  if (reply->status > 299) return fail(kube::error_of_body(reply->status, reply->body));
  return api::parse_json(reply->body);
}

namespace {

Result<json::object> as_object(Result<json::value> value) {
  if (!value) return fail(value.error());
  if (!value->is_object()) return fail(ErrorCode::internal, "the answer is no object");
  return std::move(value->get_object());
}

}  // namespace

Result<json::object> Place::get(const ObjectName& name) {
  return as_object(call("GET", path_of(*find_kind(name.kind), name.ns, name.name), {}, {}));
}

Result<std::vector<json::object>> Place::list(std::string_view kind, const std::string& ns) {
  const auto reply = as_object(call("GET", path_of(*find_kind(kind), ns, {}), {}, {}));
  if (!reply) return fail(reply.error());
  std::vector<json::object> out;
  for (const json::value& item : reply->at("items").as_array()) out.push_back(item.as_object());
  return out;
}

Result<json::object> Place::create(const json::object& manifest) {
  const KindInfo* kind = find_kind(api::string_at(manifest, {"kind"}));
  if (kind == nullptr) return fail(ErrorCode::invalid, "unknown kind in " + json::serialize(manifest));
  return as_object(call("POST", path_of(*kind, api::string_at(manifest, {"metadata", "namespace"}), {}),
                        json::serialize(manifest), "application/json"));
}

Result<json::object> Place::merge_patch(const ObjectName& name, const json::object& patch,
                                        const std::string& subresource) {
  std::string path = path_of(*find_kind(name.kind), name.ns, name.name);
  if (!subresource.empty()) path += "/" + subresource;
  return as_object(call("PATCH", path, json::serialize(patch), "application/merge-patch+json"));
}

Status Place::remove(const ObjectName& name) {
  const auto reply = call("DELETE", path_of(*find_kind(name.kind), name.ns, name.name), {}, {});
  if (!reply) return fail(reply.error());
  return {};
}

Result<std::shared_ptr<const Northbound>> Place::northbound() {
  const auto asked = std::chrono::steady_clock::now();
  const std::lock_guard lock(dump_mutex_);
  if (last_dump_ && dump_begun_ >= asked) return last_dump_;
  dump_begun_ = std::chrono::steady_clock::now();
  auto dumped = dump();
  if (!dumped) return fail(dumped.error());
  last_dump_ = std::move(*dumped);
  return last_dump_;
}

Result<std::shared_ptr<const Northbound>> Place::dump() {
  const auto text =
      dev::run_command(programs_, {.name = "ovsdb-client",
                                   .argv = {"ovsdb-client", "dump", "--format=json", northbound_, "OVN_Northbound"},
                                   .timeout = 15s});
  if (!text) return fail(text.error());
  auto out = std::make_shared<Northbound>();
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const auto parsed = api::parse_json(line);
    if (!parsed || !parsed->is_object()) return fail(ErrorCode::internal, "ovsdb-client dump: " + line);
    const std::string caption = api::string_at(parsed->get_object(), {"caption"});  // "ACL table"
    auto& rows = out->tables[caption.substr(0, caption.find(' '))];
    const json::array& headings = parsed->at("headings").as_array();
    for (const json::value& data : parsed->at("data").as_array()) {
      json::object row;
      for (std::size_t i = 0; i < headings.size(); ++i) row[headings[i].as_string()] = plain(data.as_array()[i]);
      rows.push_back(std::move(row));
    }
  }
  for (const auto& [table, rows] : out->tables) {
    for (const json::object& row : rows) out->by_uuid[std::string(row.at("_uuid").as_string())] = &row;
  }
  return std::shared_ptr<const Northbound>(std::move(out));
}

Result<std::string> Place::fetch(const std::string& url) {
  http::ClientRequest request;
  request.url = url;
  std::promise<Result<http::ClientResponse>> promise;
  plain_->send(std::move(request), [&](Result<http::ClientResponse> reply) { promise.set_value(std::move(reply)); });
  auto reply = promise.get_future().get();
  if (!reply) return fail(reply.error());
  if (reply->status != 200) return fail(ErrorCode::unavailable, fmt::format("{}: status {}", url, reply->status));
  return std::move(reply->body);
}

Result<std::map<std::string, double>> Place::metrics(const std::string& name) {
  std::string url = metrics_;
  if (cluster_) {
    const std::string log = controller_log();
    static const std::string kSaid = "metrics and probes are served port=";
    const auto at = log.rfind(kSaid);
    if (at == std::string::npos) return fail(ErrorCode::unavailable, "the controller serves no metrics");
    url = fmt::format("http://127.0.0.1:{}/metrics", std::atoi(log.c_str() + at + kSaid.size()));
  }
  if (url.empty()) return fail(ErrorCode::unavailable, "it was not said where the controller's metrics are");
  const auto text = fetch(url);
  if (!text) return fail(text.error());
  std::map<std::string, double> out;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const auto blank = line.rfind(' ');
    if (!line.starts_with(name) || blank == std::string::npos) continue;
    out[line.substr(0, blank)] = std::strtod(line.c_str() + blank, nullptr);
  }
  return out;
}

}  // namespace berth::scenarios
