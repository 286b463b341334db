#include "agent/server.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "cni/protocol.h"

namespace berth::agent {
namespace {

constexpr std::size_t kMostCalls = 512;  // more wait in the kernel's backlog

http::ServerResponse json_answer(const cni::Reply& reply) {
  return {200, {{"Content-Type", "application/json"}}, cni::encode_reply(reply)};
}

http::ServerResponse text_answer(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

}  // namespace

Result<std::unique_ptr<CniServer>> CniServer::start(const Options& options, Scheduler& scheduler, Attacher& attacher) {
  std::error_code error;
  const auto folder = std::filesystem::path(options.path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::unavailable, fmt::format("cannot make {}: {}", folder.string(), error.message()));
  std::unique_ptr<CniServer> self(new CniServer(scheduler, attacher));
  self->uid_ = options.uid;
  http::ServerOptions server;
  server.unix_path = options.path;
  server.unix_mode = 0600;
  server.limits.body_bytes = cni::kMaxMessageBytes;
  server.limits.connections = kMostCalls;
  server.limits.request = std::chrono::seconds(5);
  server.limits.write = std::chrono::seconds(5);
  server.limits.idle = std::chrono::seconds(5);
  auto started = http::Server::start(
      std::move(server), [raw = self.get()](const http::ServerRequest& request, const http::Responder& responder) {
        raw->on_request(request, responder);
      });
  if (!started) return fail(started.error());
  self->server_ = std::move(*started);
  return self;
}

CniServer::~CniServer() {
  if (server_) server_->stop();  // from here on nobody copies alive_
  alive_.reset();
}

// On the server's thread.
void CniServer::on_request(const http::ServerRequest& request, const http::Responder& responder) {
  const auto& process = request.peer.process;
  if (!process || process->uid != uid_) {
    log::warn("refused a caller on the CNI socket", {{"uid", process ? std::to_string(process->uid) : "unknown"}});
    responder.send(text_answer(403, "only root may call\n"));
    return;
  }
  if (request.path != cni::kCallPath || request.method != "POST") {
    responder.send(text_answer(404, "POST /v1/cni is all there is\n"));
    return;
  }
  auto call = cni::decode_request(request.body);
  if (!call) {
    responder.send(json_answer(tl::unexpected<cni::Error>(call.error())));
    return;
  }
  scheduler_.post([this, alive = std::weak_ptr<int>(alive_), call = std::move(*call), responder]() mutable {
    if (alive.expired()) return;
    const auto id =
        attacher_.handle(std::move(call), [responder](const cni::Reply& reply) { responder.send(json_answer(reply)); });
    responder.on_gone([this, alive, id, scheduler = &scheduler_] {
      scheduler->post([this, alive, id] {
        if (!alive.expired()) attacher_.abandon(id);
      });
    });
  });
}

Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& address, const Metrics& metrics) {
  const auto colon = address.rfind(':');
  http::ServerOptions options;
  bool has_port = false;
  if (colon != std::string::npos) {
    const char* end = address.data() + address.size();
    const auto parsed = std::from_chars(address.data() + colon + 1, end, options.port);
    has_port = parsed.ec == std::errc() && parsed.ptr == end;
  }
  if (!has_port)
    return fail(ErrorCode::invalid,
                fmt::format("\"{}\" is not an address and a port, such as 127.0.0.1:10665", address));
  options.address = colon == 0 ? "0.0.0.0" : address.substr(0, colon);
  if (options.address.front() == '[' && options.address.back() == ']')
    options.address = options.address.substr(1, options.address.size() - 2);
  return http::Server::start(
      std::move(options), [&metrics](const http::ServerRequest& request, const http::Responder& responder) {
        if (request.path == "/metrics") {
          responder.send({200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics.text()});
        } else if (request.path == "/healthz") {
          responder.send(text_answer(200, "ok\n"));
        } else {
          responder.send(text_answer(404, "only /metrics and /healthz\n"));
        }
      });
}

}  // namespace berth::agent
