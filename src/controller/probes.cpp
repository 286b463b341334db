#include "controller/probes.h"

#include <utility>

namespace berth::controller {
namespace {

http::ServerResponse text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body) + "\n"};
}

http::ServerResponse readiness(const Metrics& metrics, bool in_contact) {
  if (metrics.running) return text(200, "ok: leads");
  if (metrics.leader) return text(503, "leads, but is not in sync with the API server and OVN yet");
  if (in_contact) return text(200, "ok: stands by");
  return text(503, "the API server has not answered yet");
}

}  // namespace

Result<std::unique_ptr<Probes>> Probes::start(const Endpoint& endpoint, Sources sources) {
  std::unique_ptr<Probes> probes(new Probes(std::move(sources)));
  http::ServerOptions options;
  options.address = endpoint.address.to_string();
  options.port = endpoint.port;
  options.limits.header_bytes = 16 * 1024;
  options.limits.body_bytes = 16 * 1024;
  options.limits.connections = 32;
  auto server = http::Server::start(std::move(options),
                                    [&self = *probes](const http::ServerRequest& request, http::Responder responder) {
                                      self.handle(request, std::move(responder));
                                    });
  if (!server) return fail(server.error());
  probes->server_ = std::move(*server);
  return probes;
}

Probes::~Probes() {
  if (server_) server_->stop();
}

void Probes::handle(const http::ServerRequest& request, http::Responder responder) {
  if (request.method != "GET") return responder.send(text(405, "only GET is served here"));
  if (request.path == "/healthz") {
    const Status alive = sources_.alive();
    return responder.send(alive ? text(200, "ok") : text(503, alive.error().message));
  }
  if (request.path == "/readyz") {
    return with_snapshot(std::move(responder), [contact = sources_.in_contact()](const Metrics& metrics) {
      return readiness(metrics, contact);
    });
  }
  if (request.path == "/metrics") {
    return with_snapshot(std::move(responder), [](const Metrics& metrics) {
      return http::ServerResponse{
          200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, to_text(metrics)};
    });
  }
  responder.send(text(404, "here are /metrics, /healthz and /readyz"));
}

void Probes::with_snapshot(http::Responder responder, std::function<http::ServerResponse(const Metrics&)> answer) {
  EventLoop& loop = loop_.loop();
  loop.post([this, &loop, responder = std::move(responder), answer = std::move(answer)] {
    const auto answered = std::make_shared<bool>(false);
    const auto timer = loop.after(sources_.patience, [answered, responder] {
      if (!std::exchange(*answered, true)) responder.send(text(503, "the deciding thread does not answer"));
    });
    sources_.take_snapshot([&loop, answered, responder, answer, timer](Metrics metrics) {
      loop.post([&loop, answered, responder, answer, timer, metrics = std::move(metrics)] {
        loop.cancel(timer);
        if (!std::exchange(*answered, true)) responder.send(answer(metrics));
      });
    });
  });
}

}  // namespace berth::controller
