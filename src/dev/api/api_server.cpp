#include "dev/api/api_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <chrono>
#include <random>

#include <boost/json/serialize.hpp>

#include "base/base64.h"
#include "base/log.h"
#include "dev/api/discovery.h"
#include "dev/api/pod_logs.h"
#include "dev/api/render.h"
#include "dev/api/resource_requests.h"
#include "dev/api/reviews.h"
#include "dev/api/watches.h"
#include "dev/api/workers.h"
#include "http/certificates.h"
#include "http/server.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

constexpr int kWorkers = 3;
constexpr std::size_t kLargestBody = 8 * 1024 * 1024;

WallTime system_now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

http::Validity validity() {
  const WallTime now = system_now();
  return {now - std::chrono::hours(1), now + std::chrono::hours(24 * 365)};
}

bool is_ip(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 || ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_open(std::string_view path) {
  return path == "/healthz" || path == "/readyz" || path == "/livez" || path == "/version" || path == "/version/" ||
         path.starts_with("/healthz/") || path.starts_with("/readyz/") || path.starts_with("/livez/");
}

sim::ApiError unauthorized(const http::Peer& peer) {
  return {401,
          "Unauthorized",
          peer.refused.empty() ? std::string("Unauthorized") : fmt::format("Unauthorized: {}", peer.refused),
          {}};
}

}  // namespace

class ApiServer::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        random_(options_.seed ? *options_.seed : std::random_device{}()),
        store_(system_now, random_, options_.store),
        workers_(kWorkers),
        requests_(store_, system_now),
        watches_(store_, workers_, system_now),
        logs_(store_, workers_) {}

  ~Impl() { stop(); }

  Status start() {
    auto authority = http::make_authority("berth-dev", validity());
    if (!authority) return fail(authority.error());
    authority_ = std::move(*authority);
    http::ServerSubject subject{
        "kube-apiserver", {"localhost", "kubernetes", "kubernetes.default.svc"}, {"127.0.0.1", "::1"}};
    for (const std::string& name : options_.alternative_names)
      (is_ip(name) ? subject.addresses : subject.dns_names).push_back(name);
    if (is_ip(options_.address)) subject.addresses.push_back(options_.address);
    auto identity = http::issue_server(authority_, subject, validity());
    if (!identity) return fail(identity.error());

    http::ServerOptions server;
    server.address = options_.address;
    server.port = options_.port;
    server.tls = http::ServerTls{std::move(*identity), authority_.certificate};
    server.limits.body_bytes = kLargestBody;
    auto started =
        http::Server::start(std::move(server), [this](http::ServerRequest request, http::Responder responder) {
          // Shared: a job must be copyable.
          auto shared = std::make_shared<http::ServerRequest>(std::move(request));
          workers_.post([this, shared, responder = std::move(responder)] { handle(*shared, responder); });
        });
    if (!started) return fail(started.error());
    server_ = std::move(*started);
    return {};
  }

  void stop() {
    if (server_) server_->stop();
    workers_.stop();
    watches_.stop();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  Status listen_also(int listening) { return server_->listen_also(listening); }
  [[nodiscard]] std::string url() const {
    std::string host = options_.address;
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    if (host.find(':') != std::string::npos) host = fmt::format("[{}]", host);
    return fmt::format("https://{}:{}", host, port());
  }
  [[nodiscard]] const http::KeyPair& authority() const { return authority_; }
  [[nodiscard]] sim::ApiStore& store() { return store_; }
  [[nodiscard]] PodLogs& logs() { return logs_; }

 private:
  template <typename Fn>
  auto with_lock(Fn&& fn) {
    const std::lock_guard lock(store_.mutex());
    return fn();
  }

  void handle(const http::ServerRequest& request, const http::Responder& responder) {
    const http::Peer& peer = request.peer;
    if (!is_open(request.path) && (peer.user.empty() || !peer.refused.empty())) {
      return responder.send(error_response(unauthorized(peer)));
    }
    if (is_open(request.path) && !request.path.starts_with("/version")) {
      return responder.send({200, {{"Content-Type", "text/plain; charset=utf-8"}}, "ok"});
    }
    if (is_discovery_path(request.path)) return discover_for(request, responder);
    const auto path = parse_api_path(request.path);
    if (!path) return responder.send(error_response(sim::no_such_resource()));
    serve_resource(request, *path, responder);
  }

  void discover_for(const http::ServerRequest& request, const http::Responder& responder) {
    if (request.method != "GET") return responder.send(error_response(not_allowed(request)));
    const auto form = negotiate(request.header("Accept"), {Form::aggregated_discovery});
    if (!form) return responder.send(error_response(form.error()));
    const auto types = with_lock([this] { return store_.types().all(); });
    const auto found = discover(request.path, *form, fmt::format("{}:{}", options_.address, port()), types);
    if (!found) return responder.send(error_response(sim::no_such_resource()));
    responder.send(json_response(200, json::serialize(found->body), found->content_type));
  }

  void serve_resource(const http::ServerRequest& http, const ApiPath& path, const http::Responder& responder) {
    auto type = with_lock([&] { return store_.types().find(path.group, path.version, path.plural); });
    for (const sim::TypePtr& review : review_types()) {
      if (review->group == path.group && review->version == path.version && review->plural == path.plural)
        type = review;
    }
    if (!type) return responder.send(error_response(sim::no_such_resource()));
    const ResourceRequest request{http, path, type};
    if (type->group.empty() && type->plural == "pods" && !path.name.empty()) {
      if (path.subresource == "log") return logs_.answer(request, responder);
      if (path.subresource == "exec" || path.subresource == "attach" || path.subresource == "portforward" ||
          path.subresource == "proxy") {
        return responder.send(
            error_response({501,
                            "NotImplemented",
                            fmt::format("pods/{} is not served by this embedded API server", path.subresource),
                            {}}));
      }
    }
    const auto watch = http.parameter("watch");
    if (http.method == "GET" && path.name.empty() && (watch == "true" || watch == "1")) {
      return watches_.begin(request, responder);
    }
    responder.send(requests_.answer(request));
  }

  Options options_;
  Random random_;
  sim::ApiStore store_;
  Workers workers_;
  ResourceRequests requests_;
  Watches watches_;
  PodLogs logs_;
  http::KeyPair authority_;
  std::unique_ptr<http::Server> server_;
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto started = impl->start(); !started) return fail(started.error());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

std::uint16_t ApiServer::port() const { return impl_->port(); }
Status ApiServer::listen_also(int listening) { return impl_->listen_also(listening); }
const std::string& ApiServer::authority() const { return impl_->authority().certificate; }
std::string ApiServer::url() const { return impl_->url(); }
sim::ApiStore& ApiServer::store() { return impl_->store(); }
void ApiServer::set_log_source(LogSource source) { impl_->logs().set_source(std::move(source)); }
void ApiServer::stop() { impl_->stop(); }

std::string ApiServer::kubeconfig() const { return kubeconfig_for("admin", {"system:masters"}); }

std::string ApiServer::kubeconfig_for(const std::string& user, const std::vector<std::string>& groups) const {
  const auto client = http::issue_client(impl_->authority(), {user, groups}, validity());
  if (!client) {
    log::error("cannot make a client certificate", {{"user", user}, {"error", client.error().message}});
    return {};
  }
  return fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: berth-dev\n"
      "clusters:\n- name: berth-dev\n  cluster:\n    server: {}\n    certificate-authority-data: {}\n"
      "users:\n- name: {}\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n"
      "contexts:\n- name: berth-dev\n  context:\n    cluster: berth-dev\n    user: {}\n    namespace: default\n",
      url(), base64_encode(impl_->authority().certificate), json::serialize(json::value(user)),
      base64_encode(client->certificate), base64_encode(client->key), json::serialize(json::value(user)));
}

}  // namespace berth::dev
