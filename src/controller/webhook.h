#pragma once

// The admission webhook: serves admission::review() over TLS, and keeps its certificates, in the Secret
// "berth-webhook-tls" and in the ValidatingWebhookConfiguration "berth".
//
// Every replica serves. The one that leads also makes and renews the certificates, with resourceVersions as
// preconditions; the others read the Secret. Only the leader knows the cluster; without it, and when the deciding
// thread is late, the review says what the object itself says.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "admission/configuration.h"
#include "admission/review.h"
#include "admission/rotation.h"
#include "base/result.h"
#include "controller/loop_thread.h"
#include "controller/options.h"
#include "http/server.h"
#include "kube/client.h"
#include "world/world.h"

namespace berth::controller {

inline constexpr std::string_view kWebhookSecret = "berth-webhook-tls";

class Webhook {
 public:
  struct Sources {
    // Whether this process may write now. Any thread.
    std::function<bool()> leads;
    // Calls fn on the deciding thread, soon, with what is known; null if that is not in sync. Any thread. After the
    // deciding thread has ended, fn is not called.
    std::function<void(std::function<void(const world::World*)>)> with_world;
  };
  struct Settings {
    WebhookOptions options;
    std::string ns;  // Berth's own: of the Secret
    admission::RotationPolicy policy{};
    Duration look = std::chrono::seconds(20);     // between two looks at Secret and configuration
    Duration retry = std::chrono::seconds(1);     // while there is no certificate to serve with
    Duration patience = std::chrono::seconds(1);  // with the deciding thread; the API server waits 3 s
  };

  // Listens when it returns; until there is a Secret, with a certificate that nobody trusts. Errors: unavailable
  // (cannot bind), internal.
  [[nodiscard]] static Result<std::unique_ptr<Webhook>> start(Settings settings, const kube::Config& api,
                                                              Sources sources);

  // No source is called afterwards.
  ~Webhook();
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  Webhook(Settings settings, Sources sources);
  void handle(const http::ServerRequest& request, http::Responder responder);
  void decide(admission::Review review, http::Responder responder);

  // On the loop
  void look();
  void on_secret(Result<boost::json::value> reply);
  void on_configuration(const std::optional<api::JsonObject>& secret, Result<boost::json::value> reply);
  void store(const std::optional<api::JsonObject>& secret, const admission::Certificates& certificates);
  void publish(const std::string& bundle);
  void serve(const http::KeyPair& identity);
  void again(Duration delay);
  void complain(std::string_view what, const Error& error);

  const Settings settings_;
  const Sources sources_;
  const admission::ServedNames names_;
  LoopThread loop_;
  std::unique_ptr<kube::Client> client_;          // the loop's
  std::optional<api::JsonObject> configuration_;  // as last read; the loop's, as the rest
  bool has_configuration_ = false;                // it could be read, or it is known not to be there
  std::string served_;                            // the certificate that is served; empty: one that nobody trusts
  std::string complaint_;                         // the last one that was logged
  std::unique_ptr<http::Server> server_;
};

// What the serving certificate is good for.
[[nodiscard]] admission::ServedNames names_of(const WebhookOptions& options, const std::string& own_ns);

}  // namespace berth::controller
