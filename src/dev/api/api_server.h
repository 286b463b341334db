#pragma once

// The embedded Kubernetes-compatible API: sim::ApiStore behind HTTPS. Clients are known by a certificate of the
// server's own authority; whoever is known may do everything (there is no RBAC). Objects live in memory.
//
// Threads: one for network I/O, a few that carry requests out. The store is used under its mutex only, and nothing is
// parsed or serialised while it is held.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sim/api_store.h"

namespace berth::dev {

// GET .../pods/<name>/log
struct LogRequest {
  std::string ns;
  std::string pod;
  std::string container;  // empty: the pod's only container, or its first
  bool previous = false;  // of the container's last run before the present one
};

struct LogChunk {
  std::string text;
  bool ended = false;  // nothing will be added any more
};

// What a container has written, from a byte offset on. Called from several threads, without the store's mutex; must not
// block for long. While a client follows it is asked again and again, until ended.
using LogSource = std::function<Result<LogChunk>(const LogRequest& request, std::uint64_t offset)>;

class ApiServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                      // 0: any free one
    std::vector<std::string> alternative_names;  // further DNS names and addresses that the certificate is good for
    std::optional<std::uint64_t> seed;           // of UIDs and generated names; none: from the system
    sim::ApiStore::Options store;
  };

  // Serves when it returns. Errors: invalid (address), unavailable (cannot bind).
  [[nodiscard]] static Result<std::unique_ptr<ApiServer>> start(Options options);

  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer();  // stop()

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const;  // "https://127.0.0.1:4711"

  // Serves a listening socket of the caller's as well, e.g. one inside a node's network namespace; owns it from now on.
  [[nodiscard]] Status listen_also(int listening);

  // The certificate (PEM) that signs the server's and the clients' certificates.
  [[nodiscard]] const std::string& authority() const;

  // A kubeconfig (YAML) of user "admin", group system:masters.
  [[nodiscard]] std::string kubeconfig() const;

  // The same for another user with a certificate of its own: "system:node:node-1", {"system:nodes"}.
  [[nodiscard]] std::string kubeconfig_for(const std::string& user, const std::vector<std::string>& groups) const;

  // The store, for what runs in this process (built-in controllers, kubelet): fn runs under the store's mutex and
  // should be short; what it returns must not refer into the store, sim::Object excepted. A sim::Watch must be made,
  // read and destroyed inside such calls.
  template <typename Fn>
  decltype(auto) with_store(Fn&& fn) {
    const std::lock_guard lock(store().mutex());
    return std::forward<Fn>(fn)(store());
  }

  // Without one, logs answer 404.
  void set_log_source(LogSource source);

  // Ends all connections and joins the threads; the store stays usable. Repeating it is harmless.
  void stop();

 private:
  class Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  [[nodiscard]] sim::ApiStore& store();
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::dev
