#include "dev/api/api_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "http/client.h"
#include "kube/config.h"

// What the conformance suite cannot know: the parts that only the embedded server has.

namespace berth::dev {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

std::unique_ptr<ApiServer> start(ApiServer::Options options = {}) {
  auto server = ApiServer::start(std::move(options));
  EXPECT_TRUE(server) << server.error().message;
  return server ? std::move(*server) : nullptr;
}

// A client as a kubeconfig describes it.
class Api {
 public:
  explicit Api(const std::string& kubeconfig)
      : config_(*kube::parse_kubeconfig(kubeconfig, "test")), client_(options()) {}

  http::ClientResponse call(const std::string& method, const std::string& path, std::string body = {},
                            const std::string& type = "application/json") {
    http::ClientRequest request;
    request.method = method;
    request.url = config_.server + path;
    if (!body.empty()) request.headers = {{"Content-Type", type}};
    request.body = std::move(body);
    std::promise<http::ClientResponse> promise;
    client_.send(std::move(request), [&](Result<http::ClientResponse> response) {
      EXPECT_TRUE(response) << response.error().message;
      promise.set_value(response ? *response : http::ClientResponse{});
    });
    return promise.get_future().get();
  }

  http::Client::Id stream(const std::string& path, http::StreamHandler handler) {
    http::ClientRequest request;
    request.url = config_.server + path;
    request.timeout = 0ms;
    return client_.stream(std::move(request), std::move(handler));
  }

 private:
  [[nodiscard]] http::ClientOptions options() const {
    http::ClientOptions made;
    made.tls = config_.tls;
    return made;
  }

  kube::Config config_;
  http::Client client_;
};

constexpr const char* kPods = "/api/v1/namespaces/default/pods";
constexpr const char* kMaps = "/api/v1/namespaces/default/configmaps";
constexpr const char* kPod =
    R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"i"}]}})";

std::string message(const http::ClientResponse& response) {
  boost::system::error_code ec;
  const json::value body = json::parse(response.body, ec);
  return ec || !body.is_object() ? response.body : std::string(body.at("message").as_string());
}

TEST(ApiServer, KnowsUsersByTheirCertificate) {
  const auto server = start();
  Api api(server->kubeconfig_for("system:node:n1", {"system:nodes"}));
  const auto review = api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
  EXPECT_EQ(review.status, 201);
  EXPECT_NE(review.body.find(R"("username":"system:node:n1","groups":["system:nodes","system:authenticated"])"),
            std::string::npos)
      << review.body;
}

TEST(ApiServer, RefusesCertificatesOfOthers) {
  const auto server = start();
  const auto other = start();
  // The other server's client, but this server's address and authority.
  auto config = *kube::parse_kubeconfig(other->kubeconfig(), "test");
  http::ClientOptions options;
  options.tls = config.tls;
  options.tls.authority = kube::parse_kubeconfig(server->kubeconfig(), "test")->tls.authority;
  http::Client client(options);
  std::promise<http::ClientResponse> promise;
  http::ClientRequest request;
  request.url = server->url() + kPods;
  client.send(std::move(request), [&](Result<http::ClientResponse> response) {
    promise.set_value(response ? *response : http::ClientResponse{0, {}, response.error().message});
  });
  const auto response = promise.get_future().get();
  EXPECT_EQ(response.status, 401) << response.body;
  EXPECT_TRUE(message(response).starts_with("Unauthorized: client certificate: ")) << response.body;
}

TEST(ApiServer, SaysWhatItDoesNotServe) {
  const auto server = start();
  Api api(server->kubeconfig());
  ASSERT_EQ(api.call("POST", kPods, kPod).status, 201);
  const auto exec = api.call("POST", std::string(kPods) + "/p/exec?command=ls", "{}");
  EXPECT_EQ(exec.status, 501);
  EXPECT_EQ(message(exec), "pods/exec is not served by this embedded API server");
  const auto apply = api.call("PATCH", std::string(kPods) + "/p?fieldManager=x", "{}", "application/apply-patch+yaml");
  EXPECT_EQ(apply.status, 415);
  EXPECT_NE(message(apply).find("server-side apply is not supported"), std::string::npos);
}

TEST(ApiServer, HandsOutLogs) {
  const auto server = start();
  Api api(server->kubeconfig());
  ASSERT_EQ(api.call("POST", kPods, kPod).status, 201);
  const std::string log = std::string(kPods) + "/p/log";
  EXPECT_EQ(api.call("GET", log).status, 404) << "without a source";
  server->set_log_source([](const LogRequest& request, std::uint64_t offset) -> Result<LogChunk> {
    if (request.previous) return fail(ErrorCode::not_found, "previous terminated container not found");
    const std::string text = fmt::format("{}/{} {}\nsecond\n", request.ns, request.pod, request.container);
    return LogChunk{text.substr(std::min<std::size_t>(offset, text.size())), true};
  });
  EXPECT_EQ(api.call("GET", log).body, "default/p c\nsecond\n");
  EXPECT_EQ(api.call("GET", log + "?container=d&tailLines=1").body, "second\n");
  EXPECT_EQ(api.call("GET", log + "?limitBytes=4").body, "defa");
  EXPECT_EQ(message(api.call("GET", log + "?container=x")), "container x is not valid for pod p");
  EXPECT_EQ(message(api.call("GET", log + "?previous=true")), "previous terminated container not found");
  EXPECT_EQ(api.call("GET", std::string(kPods) + "/q/log").status, 404);
}

TEST(ApiServer, FollowsLogsUntilTheContainerEnds) {
  const auto server = start();
  Api api(server->kubeconfig());
  ASSERT_EQ(api.call("POST", kPods, kPod).status, 201);
  std::atomic<int> asked = 0;
  server->set_log_source([&](const LogRequest&, std::uint64_t offset) -> Result<LogChunk> {
    const int time = ++asked;
    EXPECT_EQ(offset, 2U * static_cast<unsigned>(time - 1));
    return LogChunk{fmt::format("{}\n", time), time == 4};
  });
  EXPECT_EQ(api.call("GET", std::string(kPods) + "/p/log?follow=true").body, "1\n2\n3\n4\n");
}

// Collects a stream; can be held up, as a client that does not read.
struct Reader {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text;
  bool held = false;
  bool ended = false;

  http::StreamHandler handler() {
    http::StreamHandler made;
    made.on_data = [this](std::string_view bytes) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return !held; });
      text += bytes;
      changed.notify_all();
    };
    made.on_end = [this](const Status&) {
      const std::lock_guard lock(mutex);
      ended = true;
      changed.notify_all();
    };
    return made;
  }
  bool wait_for(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 60s, condition);
  }
};

sim::Object make_map(ApiServer& server, std::string_view name, std::size_t size = 1) {
  return server.with_store([&](sim::ApiStore& store) {
    auto made = store.create(*store.types().find("", "v1", "configmaps"), "default",
                             {{"metadata", {{"name", name}}}, {"data", {{"k", std::string(size, 'x')}}}});
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
  });
}

TEST(ApiServer, WatchesSeeWhatThisProcessWrites) {
  const auto server = start();
  Reader reader;
  Api api(server->kubeconfig());
  api.stream(std::string(kMaps) + "?watch=true", reader.handler());
  make_map(*server, "from-inside");
  EXPECT_TRUE(reader.wait_for([&] { return reader.text.find("from-inside") != std::string::npos; }));
}

TEST(ApiServer, AClientThatDoesNotReadIsToldToListAgain) {
  ApiServer::Options options;
  options.store.history_limit = 16;
  const auto server = start(options);
  Reader reader;
  Api api(server->kubeconfig());
  make_map(*server, "first");
  api.stream(std::string(kMaps) + "?watch=true", reader.handler());
  ASSERT_TRUE(reader.wait_for([&] { return reader.text.find("first") != std::string::npos; }));  // the watch is open
  {
    const std::lock_guard lock(reader.mutex);
    reader.held = true;
  }
  // More than sockets on the way can hold.
  for (int i = 0; i < 400; ++i) make_map(*server, fmt::format("m{}", i), 100'000);
  {
    const std::lock_guard lock(reader.mutex);
    reader.held = false;
    reader.changed.notify_all();
  }
  ASSERT_TRUE(reader.wait_for([&] { return reader.ended; }));
  const auto last_line = reader.text.rfind('\n', reader.text.size() - 2) + 1;
  const json::value last = json::parse(std::string_view(reader.text).substr(last_line));
  EXPECT_EQ(last.at("type"), "ERROR");
  EXPECT_EQ(last.at("object").at("code"), 410);
  EXPECT_EQ(reader.text.find("\"m399\""), std::string::npos);
}

TEST(ApiServer, StoppingEndsWatchesAndLeavesTheStore) {
  const auto server = start();
  Reader reader;
  Api api(server->kubeconfig());
  make_map(*server, "before");
  api.stream(std::string(kMaps) + "?watch=true", reader.handler());
  ASSERT_TRUE(reader.wait_for([&] { return !reader.text.empty(); }));
  server->stop();
  EXPECT_TRUE(reader.wait_for([&] { return reader.ended; }));
  EXPECT_TRUE(make_map(*server, "after"));
  server->stop();
}

TEST(ApiServer, TheSameSeedGivesTheSameNames) {
  ApiServer::Options options;
  options.seed = 7;
  const auto uid = [](const sim::Object& object) { return std::string(sim::uid_of(*object)); };
  EXPECT_EQ(uid(make_map(*start(options), "a")), uid(make_map(*start(options), "a")));
}

TEST(ApiServer, SaysWhyItCannotListen) {
  const auto first = start();
  ApiServer::Options options;
  options.port = first->port();
  const auto second = ApiServer::start(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace berth::dev
