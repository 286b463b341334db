#include "controller/webhook.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "api/annotations.h"
#include "api/request.h"
#include "base/log.h"
#include "net/address.h"

namespace berth::controller {
namespace {

http::ServerResponse text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body) + "\n"};
}

http::ServerResponse json(const api::JsonObject& body) {
  return {200, {{"Content-Type", "application/json"}}, boost::json::serialize(body)};
}

// Until there is a certificate that clients trust; they fail open.
Result<http::KeyPair> placeholder(const admission::ServedNames& names, WallTime now) {
  const auto made = admission::rotate(std::nullopt, names, std::nullopt, now, {});
  if (!made) return fail(made.error());
  return made->serving;
}

api::Request about(api::Kind kind, api::Verb verb, std::string ns, std::string name) {
  api::Request out;
  out.kind = kind;
  out.verb = verb;
  out.ns = std::move(ns);
  out.name = std::move(name);
  return out;
}

}  // namespace

admission::ServedNames names_of(const WebhookOptions& options, const std::string& own_ns) {
  admission::ServedNames out;
  const std::string ns = options.target && options.target->url.empty() ? options.target->service_ns : own_ns;
  const std::string service = options.target && options.target->url.empty() ? options.target->service : "berth-webhook";
  out.dns_names = {fmt::format("{}.{}.svc", service, ns), fmt::format("{}.{}.svc.cluster.local", service, ns)};
  if (!options.url_host.empty())
    (net::Address::parse(options.url_host) ? out.addresses : out.dns_names).push_back(options.url_host);
  std::ranges::sort(out.dns_names);
  return out;
}

Webhook::Webhook(Settings settings, Sources sources)
    : settings_(std::move(settings)), sources_(std::move(sources)), names_(names_of(settings_.options, settings_.ns)) {}

Result<std::unique_ptr<Webhook>> Webhook::start(Settings settings, const kube::Config& api, Sources sources) {
  std::unique_ptr<Webhook> webhook(new Webhook(std::move(settings), std::move(sources)));
  auto identity = placeholder(webhook->names_, webhook->loop_.loop().wall_now());
  if (!identity) return fail(identity.error());
  http::ServerOptions options;
  options.address = webhook->settings_.options.listen.address.to_string();
  options.port = webhook->settings_.options.listen.port;
  options.tls = http::ServerTls{std::move(*identity), ""};
  options.limits.header_bytes = 16 * 1024;
  options.limits.connections = 256;
  auto server = http::Server::start(std::move(options),
                                    [&self = *webhook](const http::ServerRequest& request, http::Responder responder) {
                                      self.handle(request, std::move(responder));
                                    });
  if (!server) return fail(server.error());
  webhook->server_ = std::move(*server);
  webhook->loop_.run([&self = *webhook, &api] {
    kube::Client::Options connection;
    connection.user_agent = "berth-controller/webhook";
    connection.timeout = std::chrono::seconds(5);
    connection.before_write = [leads = self.sources_.leads](const api::Request&) -> Status {
      if (leads()) return {};
      return fail(ErrorCode::fenced, "another process leads");
    };
    self.client_ = std::make_unique<kube::Client>(self.loop_.loop(), api, std::move(connection));
    self.look();
  });
  return webhook;
}

Webhook::~Webhook() {
  if (server_) server_->stop();
  loop_.run([this] { client_.reset(); });
}

// ---- Reviews

void Webhook::handle(const http::ServerRequest& request, http::Responder responder) {
  if (request.path != admission::kPath) return responder.send(text(404, "here is /validate"));
  if (request.method != "POST") return responder.send(text(405, "only POST is served here"));
  auto review = admission::parse_review(request.body);
  if (!review) return responder.send(text(400, review.error().message));
  decide(std::move(*review), std::move(responder));
}

void Webhook::decide(admission::Review review, http::Responder responder) {
  struct Question {
    admission::Review review;
    http::Responder responder;
    bool answered = false;

    void answer(const admission::Verdict& verdict) {
      if (std::exchange(answered, true)) return;
      if (!verdict.allowed()) log::info("admission denied", {{"why", api::join(verdict.denials, "; ")}});
      responder.send(json(admission::answer(review, verdict)));
    }
  };
  auto question = std::make_shared<Question>(Question{std::move(review), std::move(responder)});
  EventLoop& loop = loop_.loop();
  loop.post([this, &loop, question] {
    const auto timer =
        loop.after(settings_.patience, [question] { question->answer(admission::review(question->review, nullptr)); });
    sources_.with_world([&loop, question, timer](const world::World* world) {
      loop.post([&loop, question, timer, verdict = admission::review(question->review, world)] {
        loop.cancel(timer);
        question->answer(verdict);
      });
    });
  });
}

// ---- Certificates: look at the Secret, then (who leads) at the configuration, rotate, store, publish, look again

void Webhook::look() {
  if (!client_) return;  // being destroyed
  client_->send(about(api::Kind::secret, api::Verb::get, settings_.ns, std::string(kWebhookSecret)),
                [this](Result<boost::json::value> reply) { on_secret(std::move(reply)); });
}

void Webhook::again(Duration delay) {
  loop_.loop().after(delay, [this] { look(); });
}

void Webhook::complain(std::string_view what, const Error& error) {
  if (std::exchange(complaint_, error.message) == error.message) return;
  log::warn(what, {{"error", error.message}});
}

void Webhook::on_secret(Result<boost::json::value> reply) {
  std::optional<api::JsonObject> secret;
  if (reply && reply->is_object()) secret = std::move(reply->get_object());
  if (!secret && reply.error().code != ErrorCode::not_found) {
    complain("the webhook's Secret cannot be read", reply.error());
    return again(settings_.retry);
  }
  if (!sources_.leads()) {
    const auto known = secret ? admission::parse_secret(*secret) : fail(ErrorCode::not_found, "");
    if (known) serve(known->serving);
    return again(known ? settings_.look : settings_.retry);
  }
  client_->send(about(api::Kind::validating_webhook_configuration, api::Verb::get, "",
                      std::string(admission::kConfigurationName)),
                [this, secret = std::move(secret)](Result<boost::json::value> found) {
                  on_configuration(secret, std::move(found));
                });
}

void Webhook::on_configuration(const std::optional<api::JsonObject>& secret, Result<boost::json::value> reply) {
  configuration_.reset();
  has_configuration_ = reply || reply.error().code == ErrorCode::not_found;
  if (reply && reply->is_object()) configuration_ = std::move(reply->get_object());
  if (!has_configuration_) complain("the ValidatingWebhookConfiguration cannot be read", reply.error());

  std::optional<admission::Certificates> is;
  if (secret) {
    auto known = admission::parse_secret(*secret);
    if (known) is = std::move(*known);
  }
  // Nothing is taken for published as long as that cannot be seen.
  std::optional<std::string> published;
  if (!has_configuration_) published.emplace();
  if (configuration_) published = admission::published_bundle(*configuration_);
  const WallTime now = loop_.loop().wall_now();
  const auto wanted = admission::rotate(is, names_, published, now, settings_.policy);
  if (!wanted) {
    complain("the webhook's certificates cannot be made", wanted.error());
    return again(settings_.look);
  }
  const bool same = is && is->bundle() == wanted->bundle() && is->serving.certificate == wanted->serving.certificate;
  if (!same) return store(secret, *wanted);
  serve(wanted->serving);
  publish(wanted->bundle());
}

void Webhook::store(const std::optional<api::JsonObject>& secret, const admission::Certificates& certificates) {
  api::JsonObject metadata{{"name", kWebhookSecret}, {"namespace", settings_.ns}};
  if (secret) metadata["resourceVersion"] = api::string_at(*secret, {"metadata", "resourceVersion"});
  metadata["labels"] = {{"app.kubernetes.io/managed-by", "berth-controller"}};
  api::Request request = about(api::Kind::secret, secret ? api::Verb::update : api::Verb::create, settings_.ns,
                               secret ? std::string(kWebhookSecret) : std::string());
  request.body = api::JsonObject{{"apiVersion", "v1"},
                                 {"kind", "Secret"},
                                 {"type", secret ? api::string_at(*secret, {"type"}) : "kubernetes.io/tls"},
                                 {"metadata", std::move(metadata)},
                                 {"data", admission::secret_data(certificates)}};
  client_->send(std::move(request), [this, certificates](Result<boost::json::value> reply) {
    if (!reply) {
      if (reply.error().code != ErrorCode::conflict && reply.error().code != ErrorCode::already_exists)
        complain("the webhook's Secret cannot be written", reply.error());
      return again(settings_.retry);
    }
    log::info("the webhook's certificates were renewed",
              {{"secret", settings_.ns + "/" + std::string(kWebhookSecret)}});
    serve(certificates.serving);
    publish(certificates.bundle());
  });
}

void Webhook::publish(const std::string& bundle) {
  if (!has_configuration_) return again(settings_.look);
  const auto& target = settings_.options.target;
  api::Request request = about(api::Kind::validating_webhook_configuration, api::Verb::update, "",
                               std::string(admission::kConfigurationName));
  if (configuration_) {
    auto wanted = admission::renewed(*configuration_, target, settings_.ns, bundle);
    if (!wanted) return again(settings_.look);
    request.body = std::move(*wanted);
  } else {
    if (!target) return again(settings_.look);
    request.verb = api::Verb::create;
    request.name.clear();
    request.body = admission::configuration(*target, settings_.ns, bundle);
  }
  client_->send(std::move(request), [this](const Result<boost::json::value>& reply) {
    if (!reply && reply.error().code != ErrorCode::conflict && reply.error().code != ErrorCode::already_exists) {
      complain("the ValidatingWebhookConfiguration cannot be written", reply.error());
      return again(settings_.look);
    }
    if (reply) log::info("the API server was told of the webhook", {{"configuration", "berth"}});
    again(reply ? settings_.look : settings_.retry);
  });
}

void Webhook::serve(const http::KeyPair& identity) {
  if (served_ == identity.certificate) return;
  if (const auto ok = server_->replace_tls({identity, ""}); !ok)
    return complain("the webhook's certificate cannot be served", ok.error());
  served_ = identity.certificate;
  complaint_.clear();
  log::info("the webhook serves with the certificate of the Secret");
}

}  // namespace berth::controller
