#include "integration/admission/kubernetes.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>

#include "base/base64.h"
#include "http/certificates.h"
#include "integration/controller/fixture.h"

namespace berth::test {
namespace {

std::string asset(const std::string& name) {
  const char* folder = std::getenv("KUBEBUILDER_ASSETS");
  if (folder != nullptr && *folder != '\0') {
    const std::string path = std::string(folder) + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  const std::string path = "/usr/bin/" + name;
  return ::access(path.c_str(), X_OK) == 0 ? path : std::string();
}

void write(const std::string& file, const std::string& text) { std::ofstream(file) << text; }

std::string read(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string Kubernetes::missing() {
  for (const char* name : {"kube-apiserver", "etcd"}) {
    if (asset(name).empty()) return fmt::format("{} is not there; name its folder in KUBEBUILDER_ASSETS", name);
  }
  return {};
}

Kubernetes::Kubernetes() : kubeconfig_(folder_ / "kubeconfig") {
  const WallTime now = std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
  const http::Validity day{now - std::chrono::hours(1), now + std::chrono::hours(24)};
  const auto authority = *http::make_authority("ca", day);
  const auto server = *http::issue_server(authority, {"kube-apiserver", {}, {"127.0.0.1"}}, day);
  const auto admin = *http::issue_client(authority, {"admin", {"system:masters"}}, day);
  write(folder_ / "ca.crt", authority.certificate);
  write(folder_ / "server.crt", server.certificate);
  write(folder_ / "server.key", server.key);
  write(folder_ / "sa.key", admin.key);
  write(folder_ / "sa.crt", admin.certificate);
  const std::string client = fmt::format("http://127.0.0.1:{}", free_port());
  const std::string peer = fmt::format("http://127.0.0.1:{}", free_port());
  const int port = free_port();
  url_ = fmt::format("https://127.0.0.1:{}", port);
  write(kubeconfig_,
        fmt::format("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                    "clusters: [{{name: c, cluster: {{server: \"{}\", certificate-authority-data: {}}}}}]\n"
                    "users: [{{name: u, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n"
                    "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n",
                    url_, base64_encode(authority.certificate), base64_encode(admin.certificate),
                    base64_encode(admin.key)));
  const auto start = [&](std::string name, std::vector<std::string> flags) {
    flags.insert(flags.begin(), asset(name));
    const auto id = supervisor_.start({.name = name, .argv = flags, .log_file = folder_ / (name + ".log")}, {});
    if (!id) ADD_FAILURE() << id.error().message;
  };
  start("etcd", {"--unsafe-no-fsync", "--data-dir", folder_ / "etcd", "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", "default=" + peer});
  start("kube-apiserver", {"--etcd-servers",
                           client,
                           "--bind-address",
                           "127.0.0.1",
                           "--secure-port",
                           std::to_string(port),
                           "--tls-cert-file",
                           folder_ / "server.crt",
                           "--tls-private-key-file",
                           folder_ / "server.key",
                           "--client-ca-file",
                           folder_ / "ca.crt",
                           "--service-account-key-file",
                           folder_ / "sa.crt",
                           "--service-account-signing-key-file",
                           folder_ / "sa.key",
                           "--service-account-issuer",
                           "https://localhost",
                           "--service-cluster-ip-range",
                           "10.96.0.0/16",
                           "--authorization-mode",
                           "RBAC",
                           "--endpoint-reconciler-type",
                           "none",
                           "--disable-admission-plugins",
                           "ServiceAccount"});
  http::ClientOptions options;
  options.tls = {authority.certificate, admin.certificate, admin.key, "", true};
  client_ = std::make_unique<http::Client>(std::move(options));
  const bool ready =
      eventually([&] { return call("GET", "/readyz").ok() && call("GET", "/api/v1/namespaces/default").ok(); },
                 std::chrono::seconds(90));
  if (!ready) {
    ADD_FAILURE() << "kube-apiserver does not become ready:\n" << read(folder_ / "kube-apiserver.log");
    std::abort();
  }
}

Kubernetes::~Kubernetes() = default;

Answer Kubernetes::send(http::ClientRequest request) {
  std::promise<Result<http::ClientResponse>> promise;
  client_->send(std::move(request), [&](Result<http::ClientResponse> reply) { promise.set_value(std::move(reply)); });
  const auto reply = promise.get_future().get();
  Answer out;
  if (!reply) {
    out.text = reply.error().message;
    return out;
  }
  out.status = reply->status;
  out.text = reply->body;
  for (const auto& [name, value] : reply->headers) {
    if (name == "warning") out.warnings += value + "\n";
  }
  boost::system::error_code ec;
  out.body = boost::json::parse(reply->body, ec);
  return out;
}

Answer Kubernetes::call(const std::string& method, const std::string& path, const boost::json::value& body) {
  http::ClientRequest request;
  request.method = method;
  request.url = url_ + path;
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!body.is_null()) request.body = boost::json::serialize(body);
  return send(std::move(request));
}

Answer Kubernetes::merge_patch(const std::string& path, const std::string& patch) {
  http::ClientRequest request;
  request.method = "PATCH";
  request.url = url_ + path;
  request.headers = {{"Content-Type", "application/merge-patch+json"}, {"Accept", "application/json"}};
  request.body = patch;
  return send(std::move(request));
}

}  // namespace berth::test
