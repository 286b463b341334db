#include "dev/cluster/kubernetes.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "base/base64.h"
#include "dev/process/unique_fd.h"

namespace berth::dev {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kReadyWithin{90};
constexpr std::chrono::seconds kStopGrace{10};
constexpr std::chrono::milliseconds kPoll{100};
constexpr std::size_t kLogTail = 2000;

std::string find_program(const std::string& folder, const std::string& name) {
  for (const std::string& place : {folder, std::string("/usr/bin"), std::string("/usr/local/bin")}) {
    const std::string path = place + "/" + name;
    if (!place.empty() && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// One that nobody listened on a moment ago: neither etcd nor kube-apiserver can say which port it was given.
Result<std::uint16_t> free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return fail(ErrorCode::unavailable, fmt::format("cannot find a free port: {}", std::strerror(errno)));
  return ntohs(address.sin_port);
}

Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return file ? Status{} : fail(ErrorCode::unavailable, fmt::format("cannot write {}", path));
}

std::string end_of(const std::string& log) {
  std::ostringstream text;
  text << std::ifstream(log).rdbuf();
  std::string all = std::move(text).str();
  return all.size() > kLogTail ? all.substr(all.size() - kLogTail) : all;
}

http::Validity one_day() {
  const auto now = std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
  return {now - std::chrono::hours(1), now + std::chrono::hours(24)};
}

}  // namespace

std::string Kubernetes::missing(const KubernetesOptions& options) {
  std::vector<std::string> needed{"kube-apiserver"};
  if (options.controllers) needed.insert(needed.end(), {"kube-controller-manager", "kube-scheduler"});
  for (const std::string& name : needed) {
    if (::access((options.programs + "/" + name).c_str(), X_OK) != 0)
      return fmt::format("{}/{} is not there; scripts/kubernetes finds or builds it", options.programs, name);
  }
  if (find_program(options.programs, "etcd").empty()) return "etcd is not there; install the package etcd-server";
  return {};
}

Result<std::unique_ptr<Kubernetes>> Kubernetes::start(Supervisor& supervisor, KubernetesOptions options) {
  if (const std::string what = missing(options); !what.empty()) return fail(ErrorCode::invalid, what);
  std::unique_ptr<Kubernetes> made(new Kubernetes(supervisor, std::move(options)));
  Status done = made->make_certificates();
  if (done) done = made->start_server();
  if (done && made->options_.controllers) done = made->start_controllers();
  if (!done) return fail(done.error());
  return made;
}

Kubernetes::~Kubernetes() {
  client_.reset();
  supervisor_.stop_and_wait(processes_, kStopGrace);
}

Status Kubernetes::make_certificates() {
  auto authority = http::make_authority("ca", one_day());
  if (!authority) return fail(authority.error());
  authority_ = std::move(*authority);
  const auto server =
      http::issue_server(authority_, {"kube-apiserver", {"localhost", "kubernetes"}, {"127.0.0.1"}}, one_day());
  // Tokens of ServiceAccounts are signed and checked with one pair of keys; any will do.
  const auto tokens = http::issue_client(authority_, {"service-accounts", {}}, one_day());
  const auto admin = http::issue_client(authority_, {"admin", {"system:masters"}}, one_day());
  for (const auto* pair : {&server, &tokens, &admin}) {
    if (!*pair) return fail(pair->error());
  }
  const std::pair<const char*, const std::string&> files[] = {{"ca.crt", authority_.certificate},
                                                              {"server.crt", server->certificate},
                                                              {"server.key", server->key},
                                                              {"tokens.crt", tokens->certificate},
                                                              {"tokens.key", tokens->key}};
  for (const auto& [name, text] : files) {
    if (auto written = write_file(options_.dir + "/" + name, text); !written) return written;
  }
  http::ClientOptions client;
  client.tls = {authority_.certificate, admin->certificate, admin->key, "", true};
  client_ = std::make_unique<http::Client>(std::move(client));
  return {};
}

Status Kubernetes::run(const std::string& program, std::vector<std::string> flags) {
  flags.insert(flags.begin(), find_program(options_.programs, program));
  auto started = supervisor_.start(
      {.name = program, .argv = std::move(flags), .log_file = fmt::format("{}/{}.log", options_.logs, program)}, {});
  if (!started) return fail(started.error());
  processes_.push_back(*started);
  return {};
}

Status Kubernetes::start_server() {
  const auto clients = free_port();
  const auto peers = free_port();
  const auto own = options_.port != 0 ? Result<std::uint16_t>(options_.port) : free_port();
  for (const auto* port : {&clients, &peers, &own}) {
    if (!*port) return fail(port->error());
  }
  const std::string store = fmt::format("http://127.0.0.1:{}", *clients);
  const std::string peer = fmt::format("http://127.0.0.1:{}", *peers);
  const std::string& dir = options_.dir;
  url_ = fmt::format("https://127.0.0.1:{}", *own);
  // Whatever is stored is gone with the cluster: nothing needs to be synced.
  if (auto done = run("etcd", {"--unsafe-no-fsync", "--data-dir", dir + "/etcd", "--listen-client-urls", store,
                               "--advertise-client-urls", store, "--listen-peer-urls", peer,
                               "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer});
      !done)
    return done;
  // Without the ServiceAccount plugin, a pod may follow its Namespace at once, as in the embedded API. The taint of new
  // nodes would be taken away by a controller that is not run.
  if (auto done = run("kube-apiserver", {"--etcd-servers",
                                         store,
                                         "--bind-address",
                                         "127.0.0.1",
                                         "--secure-port",
                                         std::to_string(*own),
                                         "--tls-cert-file",
                                         dir + "/server.crt",
                                         "--tls-private-key-file",
                                         dir + "/server.key",
                                         "--client-ca-file",
                                         dir + "/ca.crt",
                                         "--service-account-key-file",
                                         dir + "/tokens.crt",
                                         "--service-account-signing-key-file",
                                         dir + "/tokens.key",
                                         "--service-account-issuer",
                                         "https://localhost",
                                         "--service-cluster-ip-range",
                                         options_.service_cidr,
                                         "--authorization-mode",
                                         "Node,RBAC",
                                         "--endpoint-reconciler-type",
                                         "none",
                                         "--allow-privileged",
                                         "--disable-admission-plugins",
                                         "ServiceAccount,TaintNodesByCondition"});
      !done)
    return done;
  for (const char* path : {"/readyz", "/api/v1/namespaces/default"}) {
    if (auto served = await_served(path); !served) return served;
  }
  return {};
}

Status Kubernetes::start_controllers() {
  const std::string kubeconfig = options_.dir + "/kubeconfig";
  if (auto written = write_file(kubeconfig, this->kubeconfig()); !written) return written;
  // The kubelets of berth-dev send no heartbeats: what would declare their nodes dead stays out.
  if (auto done =
          run("kube-controller-manager",
              {"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port", "0",
               "--service-account-private-key-file", options_.dir + "/tokens.key", "--root-ca-file",
               options_.dir + "/ca.crt", "--controllers", "*,-node-lifecycle-controller,-taint-eviction-controller"});
      !done)
    return done;
  return run("kube-scheduler", {"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port", "0"});
}

std::string Kubernetes::kubeconfig_for(const std::string& user, const std::vector<std::string>& groups) const {
  const auto pair = http::issue_client(authority_, {user, groups}, one_day());
  if (!pair) return {};
  return fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: berth-dev\n"
      "clusters: [{{name: berth-dev, cluster: {{server: \"{}\", certificate-authority-data: {}}}}}]\n"
      "users: [{{name: \"{}\", user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n"
      "contexts: [{{name: berth-dev, context: {{cluster: berth-dev, user: \"{}\"}}}}]\n",
      url_, base64_encode(authority_.certificate), user, base64_encode(pair->certificate), base64_encode(pair->key),
      user);
}

Result<http::ClientResponse> Kubernetes::call(const std::string& method, const std::string& path, std::string body) {
  http::ClientRequest request;
  request.method = method;
  request.url = url_ + path;
  request.headers = {{"Content-Type", method == "PATCH" ? "application/merge-patch+json" : "application/json"},
                     {"Accept", "application/json"}};
  request.body = std::move(body);
  std::promise<Result<http::ClientResponse>> promise;
  client_->send(std::move(request), [&](Result<http::ClientResponse> reply) { promise.set_value(std::move(reply)); });
  return promise.get_future().get();
}

Status Kubernetes::await_served(const std::string& path) {
  const auto deadline = std::chrono::steady_clock::now() + kReadyWithin;
  while (true) {
    const auto reply = call("GET", path);
    if (reply && reply->status == 200) return {};
    const bool all_run = std::ranges::all_of(processes_, [&](auto id) { return supervisor_.running(id); });
    if (!all_run || std::chrono::steady_clock::now() > deadline) {
      return fail(all_run ? ErrorCode::timeout : ErrorCode::unavailable,
                  fmt::format("{}{} is not served; the end of kube-apiserver's log:\n{}", url_, path,
                              end_of(options_.logs + "/kube-apiserver.log")));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Status Kubernetes::install_crds(const std::vector<boost::json::object>& crds) {
  for (const boost::json::object& crd : crds) {
    const auto reply =
        call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", boost::json::serialize(crd));
    if (!reply) return fail(reply.error());
    if (reply->status != 201) return fail(ErrorCode::invalid, reply->body);
  }
  for (const boost::json::object& crd : crds) {
    const std::string group = api::string_at(crd, {"spec", "group"});
    const std::string plural = api::string_at(crd, {"spec", "names", "plural"});
    for (const auto& version : *api::find_array(crd, {"spec", "versions"})) {
      const std::string name = api::string_at(version.as_object(), {"name"});
      if (auto served = await_served(fmt::format("/apis/{}/{}/{}", group, name, plural)); !served) return served;
    }
  }
  return {};
}

}  // namespace berth::dev
