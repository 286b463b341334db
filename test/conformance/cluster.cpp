#include "conformance/cluster.h"

#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <random>
#include <thread>

#include "base/event_loop.h"
#include "dev/api/api_server.h"
#include "dev/controllers/controller_manager.h"

namespace berth::conformance {

using namespace std::chrono_literals;

const json::value& at(const json::value& value, std::string_view pointer) {
  static const json::value kNull;
  boost::system::error_code ec;
  const json::value* found = value.find_pointer(pointer, ec);
  return found == nullptr ? kNull : *found;
}

std::string string_at(const json::value& value, std::string_view pointer) {
  const json::value& found = at(value, pointer);
  return found.is_string() ? std::string(found.get_string()) : std::string();
}

const json::value& Reply::at(std::string_view pointer) const { return conformance::at(body, pointer); }
std::string Reply::string(std::string_view pointer) const { return string_at(body, pointer); }

json::value parse(std::string_view text) {
  boost::system::error_code ec;
  json::value value = json::parse(text, ec);
  if (ec) {
    ADD_FAILURE() << "the test's JSON is broken: " << text;
    return nullptr;
  }
  return value;
}

// Lines as they come; written on the client's thread, read by the test.
struct Watch::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::string partial;
  std::deque<json::value> events;
  int status = 0;
  bool ended = false;

  void take(std::string_view bytes) {
    const std::lock_guard lock(mutex);
    partial += bytes;
    for (auto end = partial.find('\n'); end != std::string::npos; end = partial.find('\n')) {
      boost::system::error_code ec;
      events.push_back(json::parse(std::string_view(partial).substr(0, end), ec));
      partial.erase(0, end + 1);
    }
    changed.notify_all();
  }
};

Watch::Watch(http::Client& client, http::ClientRequest request) : client_(client), shared_(std::make_shared<Shared>()) {
  http::StreamHandler handler;
  handler.on_head = [shared = shared_](const http::ClientResponse& head) {
    const std::lock_guard lock(shared->mutex);
    shared->status = head.status;
    shared->changed.notify_all();
  };
  handler.on_data = [shared = shared_](std::string_view bytes) { shared->take(bytes); };
  handler.on_end = [shared = shared_](const berth::Status&) {
    const std::lock_guard lock(shared->mutex);
    shared->ended = true;
    shared->changed.notify_all();
  };
  id_ = client_.stream(std::move(request), std::move(handler));
}

Watch::~Watch() { client_.cancel(id_); }

std::optional<json::value> Watch::next() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, kSoon, [&] { return !shared_->events.empty() || shared_->ended; });
  if (shared_->events.empty()) return std::nullopt;
  json::value event = std::move(shared_->events.front());
  shared_->events.pop_front();
  lock.unlock();
  // A controller of the real cluster puts this ConfigMap into each namespace, sooner or later.
  if (string_at(event, "/object/metadata/name") == "kube-root-ca.crt") return next();
  return event;
}

std::string Watch::next_text() {
  for (auto event = next(); event; event = next()) {
    const std::string type = string_at(*event, "/type");
    if (type != "BOOKMARK") return type + " " + string_at(*event, "/object/metadata/name");
  }
  return "nothing";
}

bool Watch::ended() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, kSoon, [&] { return shared_->ended; });
  return shared_->ended && shared_->events.empty();
}

int Watch::status() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, kSoon, [&] { return shared_->status != 0 || shared_->ended; });
  return shared_->status;
}

// The embedded server with its controllers, which run on a thread of their own.
struct Cluster::Embedded {
  explicit Embedded(std::unique_ptr<dev::ApiServer> started)
      : server(std::move(started)),
        controllers(server->with_store([this](sim::ApiStore& store) -> sim::ApiStore& { return store; }), loop,
                    {.root_ca = server->authority()}),
        thread([this] { loop.run(); }) {}
  ~Embedded() {
    loop.stop();
    thread.join();
    server->stop();
  }

  std::unique_ptr<dev::ApiServer> server;
  EventLoop loop;
  dev::ControllerManager controllers;
  std::thread thread;
};

Cluster& Cluster::instance() {
  static Cluster cluster;
  return cluster;
}

Cluster::Cluster() {
  run_ = fmt::format("{:06x}", std::random_device{}() & 0xffffff);
  const char* file = std::getenv("BERTH_CONFORMANCE_KUBECONFIG");
  if (file == nullptr) {
    auto started = dev::ApiServer::start({});
    if (!started) {
      fmt::print(stderr, "the embedded API server does not start: {}\n", started.error().message);
      std::exit(1);
    }
    embedded_ = std::make_unique<Embedded>(std::move(*started));
  }
  const auto config =
      embedded_ ? kube::parse_kubeconfig(embedded_->server->kubeconfig(), "embedded") : kube::load_kubeconfig({file});
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    std::exit(1);
  }
  config_ = *config;
  http::ClientOptions options;
  options.tls = config_.tls;
  if (!config_.token.empty()) options.bearer_token = [token = config_.token] { return token; };
  client_ = std::make_unique<http::Client>(options);
  options.tls.certificate.clear();
  options.tls.key.clear();
  options.bearer_token = nullptr;
  anonymous_ = std::make_unique<http::Client>(options);
  // Pods of a node that does not exist would be collected; and no scheduler may put others there.
  (void)post("/api/v1/nodes", {{"metadata", {{"name", "conf-node"}}}, {"spec", {{"unschedulable", true}}}});
}

Cluster::~Cluster() { (void)remove("/api/v1/nodes/conf-node"); }

void Cluster::pause() { std::this_thread::sleep_for(20ms); }

Reply Cluster::send(http::Client& client, http::ClientRequest request) {
  std::promise<Reply> promise;
  client.send(std::move(request), [&promise](Result<http::ClientResponse> response) {
    Reply reply;
    if (response) {
      reply.status = response->status;
      reply.text = response->body;
      boost::system::error_code ec;
      reply.body = json::parse(response->body, ec);
      if (ec) reply.body = nullptr;
    } else {
      reply.text = response.error().message;
    }
    promise.set_value(std::move(reply));
  });
  return promise.get_future().get();
}

Reply Cluster::call(const std::string& method, const std::string& path, std::string body,
                    const std::string& content_type, const std::string& accept) {
  http::ClientRequest request;
  request.method = method;
  request.url = config_.server + path;
  request.headers = {{"Accept", accept}};
  if (!body.empty()) request.headers.emplace_back("Content-Type", content_type);
  request.body = std::move(body);
  return send(*client_, std::move(request));
}

Reply Cluster::call_anonymous(const std::string& path) {
  http::ClientRequest request;
  request.url = config_.server + path;
  return send(*anonymous_, std::move(request));
}

Reply Cluster::get_table(const std::string& path) {
  return call("GET", path, {}, {}, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
}
Reply Cluster::post(const std::string& path, const json::value& body) {
  return call("POST", path, json::serialize(body));
}
Reply Cluster::put(const std::string& path, const json::value& body) {
  return call("PUT", path, json::serialize(body));
}
Reply Cluster::merge_patch(const std::string& path, std::string_view patch) {
  return call("PATCH", path, std::string(patch), "application/merge-patch+json");
}
Reply Cluster::json_patch(const std::string& path, std::string_view patch) {
  return call("PATCH", path, std::string(patch), "application/json-patch+json");
}
Reply Cluster::strategic_patch(const std::string& path, std::string_view patch) {
  return call("PATCH", path, std::string(patch), "application/strategic-merge-patch+json");
}
Reply Cluster::remove(const std::string& path, std::string_view options) {
  return call("DELETE", path, std::string(options));
}

std::unique_ptr<Watch> Cluster::watch(const std::string& path_and_query, const std::string& accept) {
  http::ClientRequest request;
  request.url = config_.server + path_and_query;
  request.headers = {{"Accept", accept}};
  request.timeout = 0ms;
  auto watch = std::make_unique<Watch>(*client_, std::move(request));
  return watch;
}

void Cluster::forget_history() {
  if (embedded_) embedded_->server->with_store([](sim::ApiStore& store) { store.forget_history(); });
}

bool Cluster::has_controllers() {
  if (has_controllers_) return *has_controllers_;
  const std::string name = fresh("probe");
  (void)post("/api/v1/namespaces", {{"metadata", {{"name", name}}}});
  (void)remove("/api/v1/namespaces/" + name);
  // Without a namespace controller its finalizer stays for ever.
  has_controllers_ =
      get_until("/api/v1/namespaces/" + name, [](const Reply& r) { return r.status == 404; }).status == 404;
  return *has_controllers_;
}

std::string Cluster::fresh(std::string_view prefix) { return fmt::format("conf-{}-{}-{}", prefix, run_, next_++); }

ConformanceTest::ConformanceTest() : ns(api.fresh("ns")) {
  const Reply made = api.post("/api/v1/namespaces", {{"metadata", {{"name", ns}}}});
  EXPECT_EQ(made.status, 201) << made.text;
}

ConformanceTest::~ConformanceTest() { (void)api.remove("/api/v1/namespaces/" + ns); }

std::string ConformanceTest::core(std::string_view plural, std::string_view name) const {
  return fmt::format("/api/v1/namespaces/{}/{}{}{}", ns, plural, name.empty() ? "" : "/", name);
}
std::string ConformanceTest::deployments(std::string_view name) const {
  return fmt::format("/apis/apps/v1/namespaces/{}/deployments{}{}", ns, name.empty() ? "" : "/", name);
}

Reply ConformanceTest::make_config_map(std::string_view name, std::string_view extra_metadata, std::string_view data) {
  const Reply made =
      api.post(config_maps(),
               parse(fmt::format(R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"{}{}}},"data":{}}})",
                                 name, extra_metadata.empty() ? "" : ",", extra_metadata, data)));
  EXPECT_EQ(made.status, 201) << made.text;
  return made;
}

Reply ConformanceTest::make_pod(std::string_view name, std::string_view extra_spec, std::string_view extra_metadata) {
  const Reply made =
      api.post(pods(), parse(fmt::format(R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}"{}{}}},)"
                                         R"("spec":{{"containers":[{{"name":"c","image":"i"}}]{}{}}}}})",
                                         name, extra_metadata.empty() ? "" : ",", extra_metadata,
                                         extra_spec.empty() ? "" : ",", extra_spec)));
  EXPECT_EQ(made.status, 201) << made.text;
  return made;
}

Reply ConformanceTest::make_deployment(std::string_view name, std::string_view extra_metadata) {
  const Reply made = api.post(
      deployments(),
      parse(fmt::format(
          R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{}"{}{}}},)"
          R"("spec":{{"replicas":0,"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},)"
          R"("spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}}}}})",
          name, extra_metadata.empty() ? "" : ",", extra_metadata)));
  EXPECT_EQ(made.status, 201) << made.text;
  return made;
}

void expect_failure(const Reply& reply, int code, std::string_view reason) {
  EXPECT_EQ(reply.status, code) << reply.text;
  EXPECT_EQ(reply.string("/kind"), "Status") << reply.text;
  EXPECT_EQ(reply.string("/apiVersion"), "v1");
  EXPECT_EQ(reply.string("/status"), "Failure");
  EXPECT_EQ(reply.string("/reason"), reason) << reply.text;
  EXPECT_EQ(reply.at("/code"), code);
  EXPECT_NE(reply.string("/message"), "");
}

}  // namespace berth::conformance
