#include "kube/client.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include <boost/json.hpp>

#include "base/event_loop.h"
#include "http/server.h"
#include "kube/reflector.h"

namespace berth::kube {
namespace {

using namespace std::chrono_literals;

boost::json::value object(std::string_view name, std::string_view version) {
  return {{"kind", "Pod"}, {"metadata", {{"name", name}, {"resourceVersion", version}}}};
}

std::string event_line(std::string_view type, const boost::json::value& value) {
  return boost::json::serialize(boost::json::value{{"type", type}, {"object", value}}) + "\n";
}

std::string status_text(int code, std::string_view reason, std::string_view message) {
  return boost::json::serialize(
      boost::json::value{{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}});
}

// A client on an event loop of its own thread, and a server that answers as the test says.
struct KubeClientTest : ::testing::Test {
  EventLoop loop;
  std::thread loop_thread;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<http::ServerRequest> requests;  // guarded by mutex, as the next
  std::deque<http::Stream> streams;           // watches that were opened
  int gone = 0;                               // of them, how many the client left
  std::function<void(const http::ServerRequest&, const http::Responder&)> respond;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<Client> client;
  Client::Options options;
  Config config;

  void SetUp() override {
    start_server(0);
    loop_thread = std::thread([this] { loop.run(); });
  }
  void TearDown() override {
    on_loop([this] { client.reset(); });
    loop.stop();
    loop_thread.join();
    server->stop();
  }
  void start_server(std::uint16_t port) {
    http::ServerOptions server_options;
    server_options.port = port;
    server_options.tokens = {{"s3cret", "robot", {}}};
    auto started = http::Server::start(server_options, [this](http::ServerRequest request, const http::Responder& out) {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
      if (request.parameter("watch") == "true" && !respond) {
        out.on_gone([this] { change([this] { ++gone; }); });
        streams.push_back(out.start(200, {{"Content-Type", "application/json"}}));
      } else if (respond) {
        respond(request, out);
      } else {
        out.send({200, {}, "{}"});
      }
      changed.notify_all();
    });
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }

  void on_loop(std::function<void()> fn) {
    std::promise<void> done;
    loop.post([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }
  Client& the_client() {
    if (!client) {
      config.server = fmt::format("http://127.0.0.1:{}", server->port());
      config.origin = "the test";
      on_loop([this] { client = std::make_unique<Client>(loop, config, options); });
    }
    return *client;
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
  template <typename Change>
  void change(Change fn) {
    const std::lock_guard lock(mutex);
    fn();
    changed.notify_all();
  }

  Result<boost::json::value> call(api::Verb verb, api::Kind kind, std::string ns = {}, std::string name = {},
                                  boost::json::value body = nullptr) {
    auto promise = std::make_shared<std::promise<Result<boost::json::value>>>();
    auto future = promise->get_future();
    Client& c = the_client();
    on_loop([&] {
      api::Request request;
      request.verb = verb;
      request.kind = kind;
      request.ns = std::move(ns);
      request.name = std::move(name);
      request.body = std::move(body);
      c.send(std::move(request), [this, promise](Result<boost::json::value> result) {
        EXPECT_EQ(std::this_thread::get_id(), loop_thread.get_id());
        promise->set_value(std::move(result));
      });
    });
    if (future.wait_for(20s) != std::future_status::ready) return fail(ErrorCode::internal, "no callback");
    return future.get();
  }
  void answer_all(int status, std::string body) {
    change([&] {
      respond = [status, body](const http::ServerRequest&, const http::Responder& out) {
        out.send({status, {}, body});
      };
    });
  }

  // A watch whose events are written down: "+a" added, "~a" modified, "-a" deleted, "*" bookmark.
  struct Seen {
    std::vector<std::string> events;
    std::optional<Error> end;
    int ends = 0;
  };
  Transport::WatchId watch(Seen& seen, std::function<void()> on_each = {}) {
    Client& c = the_client();
    Transport::WatchId id = 0;
    on_loop([&] {
      WatchRequest request;
      request.resource_version = "10";
      request.field_selector = "spec.nodeName=n1";
      id = c.watch(request,
                   {.on_event =
                        [this, &seen, on_each](const WatchEvent& event) {
                          const auto* name =
                              event.object.as_object().if_contains("metadata")->as_object().if_contains("name");
                          change([&] {
                            seen.events.push_back("+~-*"[static_cast<int>(event.type)] +
                                                  (name == nullptr ? std::string() : std::string(name->as_string())));
                          });
                          if (on_each) on_each();
                        },
                    .on_end =
                        [this, &seen](Error error) {
                          change([&] {
                            seen.end = std::move(error);
                            ++seen.ends;
                          });
                        }});
    });
    return id;
  }
  http::Stream stream(std::size_t index) {
    EXPECT_TRUE(wait([&] { return streams.size() > index; }));
    const std::lock_guard lock(mutex);
    return streams.at(index);
  }
};

using Names = std::vector<std::string>;

TEST_F(KubeClientTest, WritesAsTheApiWantsThem) {
  struct {
    api::Verb verb;
    const char* method;
    const char* type;
    const char* target;
  } const cases[] = {{api::Verb::create, "POST", "application/json", "/api/v1/namespaces/web/pods"},
                     {api::Verb::update, "PUT", "application/json", "/api/v1/namespaces/web/pods/a"},
                     {api::Verb::merge_patch, "PATCH", "application/merge-patch+json", "/api/v1/namespaces/web/pods/a"},
                     {api::Verb::remove, "DELETE", "application/json", "/api/v1/namespaces/web/pods/a"}};
  for (const auto& c : cases) {
    const auto result = call(c.verb, api::Kind::pod, "web", c.verb == api::Verb::create ? "" : "a", {{"x", 1}});
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(*result, boost::json::value(boost::json::object()));
    EXPECT_EQ(requests.back().method, c.method);
    EXPECT_EQ(requests.back().target, c.target);
    EXPECT_EQ(requests.back().header("Content-Type"), c.type);
    EXPECT_EQ(requests.back().header("Accept"), "application/json");
    EXPECT_EQ(requests.back().body, R"({"x":1})");
  }
  ASSERT_TRUE(call(api::Verb::remove, api::Kind::subnet, "", "s"));
  EXPECT_EQ(requests.back().body, "");
}

TEST_F(KubeClientTest, ReadsObjectsWithoutManagedFields) {
  answer_all(200, R"({"kind":"Pod","metadata":{"name":"a","managedFields":[{"manager":"x"}]}})");
  const auto pod = call(api::Verb::get, api::Kind::pod, "web", "a");
  ASSERT_TRUE(pod);
  EXPECT_EQ(*pod, (boost::json::value{{"kind", "Pod"}, {"metadata", {{"name", "a"}}}}));
  answer_all(200, "surely not JSON");
  const auto bad = call(api::Verb::get, api::Kind::pod, "web", "a");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::internal);
  EXPECT_TRUE(bad.error().message.starts_with("get pods/web/a: the answer is not JSON")) << bad.error().message;
}

TEST_F(KubeClientTest, ErrorsSayWhatWasCalledAndWhatTheServerSaid) {
  answer_all(409, status_text(409, "AlreadyExists", "ips.kubeovn.io \"a\" already exists"));
  auto result = call(api::Verb::create, api::Kind::ip, "", "", {{"metadata", {{"name", "a"}}}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{ErrorCode::already_exists, "create ips/a: ips.kubeovn.io \"a\" already exists"}));
  answer_all(409, status_text(409, "Conflict", "the object has been modified"));
  EXPECT_EQ(call(api::Verb::update, api::Kind::ip, "", "a").error().code, ErrorCode::conflict);
  answer_all(401, status_text(401, "Unauthorized", "Unauthorized"));
  EXPECT_EQ(call(api::Verb::get, api::Kind::ip, "", "a").error(),
            (Error{ErrorCode::forbidden, "get ips/a: Unauthorized (credentials from the test)"}));
  server->stop();
  result = call(api::Verb::get, api::Kind::ip, "", "a");
  EXPECT_EQ(result.error().code, ErrorCode::unavailable);
  EXPECT_NE(result.error().message.find("get ips/a: cannot connect to http://127.0.0.1:"), std::string::npos)
      << result.error().message;
}

TEST_F(KubeClientTest, TheTokenOfAFileIsShown) {
  const auto file = fmt::format("{}/berth-token-{}", ::testing::TempDir(), ::getpid());
  std::ofstream(file) << "s3cret\n";
  config.token_file = file;
  ASSERT_TRUE(call(api::Verb::get, api::Kind::pod, "web", "a"));
  EXPECT_EQ(requests.back().peer.user, "robot");
  std::remove(file.c_str());
}

struct Paged {
  int total;
  int expired_after;  // pages; then 410 for any continue

  void operator()(const http::ServerRequest& request, const http::Responder& out) {
    const auto limit = request.has_parameter("limit") ? std::stoi(std::string(request.parameter("limit"))) : total;
    const auto from = request.has_parameter("continue") ? std::stoi(std::string(request.parameter("continue"))) : 0;
    if (from > 0 && from / limit >= expired_after) {
      return out.send({410, {}, status_text(410, "Expired", "the continue token is too old")});
    }
    boost::json::array items;
    for (int i = from; i < std::min(from + limit, total); ++i)
      items.push_back(boost::json::value{{"metadata", {{"name", fmt::format("p{}", i)}}}});
    boost::json::object metadata{{"resourceVersion", "77"}};
    if (from + limit < total) metadata["continue"] = std::to_string(from + limit);
    out.send({200, {}, boost::json::serialize(boost::json::value{{"metadata", metadata}, {"items", items}})});
  }
};

TEST_F(KubeClientTest, ListsInPagesAndGivesOneValue) {
  options.page = 100;
  respond = Paged{1203, 1000};
  const auto list = call(api::Verb::list, api::Kind::pod);
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->at("items").as_array().size(), 1203U);
  for (std::size_t i = 0; i < 1203; ++i) {
    ASSERT_EQ(list->at("items").as_array()[i].at_pointer("/metadata/name").as_string(), fmt::format("p{}", i));
  }
  EXPECT_EQ(list->at("items").as_array()[0].at("kind").as_string(), "Pod");
  EXPECT_EQ(list->at("metadata"), (boost::json::value{{"resourceVersion", "77"}}));
  EXPECT_EQ(requests.size(), 13U);
  EXPECT_EQ(requests[0].target, "/api/v1/pods?limit=100");
  EXPECT_FALSE(requests[0].has_parameter("resourceVersion"));
}

TEST_F(KubeClientTest, AListWhoseSnapshotExpiresIsReadAgainInOnePiece) {
  options.page = 100;
  respond = Paged{550, 3};
  const auto list = call(api::Verb::list, api::Kind::pod);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->at("items").as_array().size(), 550U);
  EXPECT_EQ(requests.back().target, "/api/v1/pods");
  answer_all(410, status_text(410, "Expired", "always"));
  EXPECT_EQ(call(api::Verb::list, api::Kind::pod).error(), (Error{ErrorCode::gone, "list pods: always"}));
}

TEST_F(KubeClientTest, BeforeWriteHoldsWritesBackAndLetsReadsPass) {
  std::atomic<bool> leads = true;
  options.before_write = [&](const api::Request& request) -> Status {
    EXPECT_EQ(request.name, "s");
    if (leads) return {};
    return fail(ErrorCode::fenced, "not the leader any more");
  };
  EXPECT_TRUE(call(api::Verb::update, api::Kind::subnet, "", "s"));
  leads = false;
  const std::size_t before = requests.size();
  for (const auto verb : {api::Verb::create, api::Verb::update, api::Verb::merge_patch, api::Verb::remove}) {
    const auto result = call(verb, api::Kind::subnet, "", "s");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::fenced);
    EXPECT_TRUE(result.error().message.ends_with("subnets/s: not the leader any more")) << result.error().message;
  }
  EXPECT_EQ(requests.size(), before);
  EXPECT_TRUE(call(api::Verb::get, api::Kind::subnet, "", "x"));
}

TEST_F(KubeClientTest, AWatchSplitsTheStreamIntoEvents) {
  Seen seen;
  watch(seen);
  const auto out = stream(0);
  EXPECT_EQ(requests.back().parameter("watch"), "true");
  EXPECT_EQ(requests.back().parameter("allowWatchBookmarks"), "true");
  EXPECT_EQ(requests.back().parameter("resourceVersion"), "10");
  EXPECT_EQ(requests.back().parameter("fieldSelector"), "spec.nodeName=n1");
  const int seconds = std::stoi(std::string(requests.back().parameter("timeoutSeconds")));
  EXPECT_GE(seconds, 300);
  EXPECT_LE(seconds, 600);

  out.write(event_line("ADDED", object("a", "11")) + "\r\n\n" + event_line("MODIFIED", object("a", "12")));
  ASSERT_TRUE(wait([&] { return seen.events.size() == 2; }));
  const std::string line = event_line("DELETED", object(std::string(100'000, 'x'), "13"));
  for (const char c : line.substr(0, 60)) out.write(std::string(1, c));
  out.write(line.substr(60) + event_line("BOOKMARK", object("", "99")));
  ASSERT_TRUE(wait([&] { return seen.events.size() == 4 || seen.ends > 0; })) << seen.events.size();
  ASSERT_EQ(seen.ends, 0) << seen.end->message;
  EXPECT_EQ(seen.events, (Names{"+a", "~a", "-" + std::string(100'000, 'x'), "*"}));
  EXPECT_EQ(seen.ends, 0);
  out.write("{\"type\":\"ADDED\",\"obj");
  out.finish();
  ASSERT_TRUE(wait([&] { return seen.ends == 1; }));
  EXPECT_EQ(*seen.end, (Error{ErrorCode::unavailable, "watch pods: end of stream"}));
  EXPECT_EQ(seen.events.size(), 4U);
}

TEST_F(KubeClientTest, AWatchEndsWithWhatEndedIt) {
  const auto ended_by = [&](const std::string& text) {
    Seen seen;
    const std::size_t index = streams.size();
    watch(seen);
    stream(index).write(event_line("ADDED", object("a", "11")) + text);
    EXPECT_TRUE(wait([&] { return seen.ends == 1; }));
    EXPECT_EQ(seen.events, (Names{"+a"}));
    return seen.end.value_or(Error{});
  };
  EXPECT_EQ(ended_by(R"({"type":"ERROR","object":)" + status_text(410, "Expired", "too old") + "}\n" +
                     event_line("ADDED", object("late", "12"))),
            (Error{ErrorCode::gone, "watch pods: too old"}));
  EXPECT_EQ(ended_by("{]\n").code, ErrorCode::internal);

  Seen seen;
  const std::size_t index = streams.size();
  watch(seen);
  stream(index);
  change([&] { streams.clear(); });  // cut without an end
  ASSERT_TRUE(wait([&] { return seen.ends == 1; }));
  EXPECT_EQ(seen.end->code, ErrorCode::unavailable);
}

TEST_F(KubeClientTest, ARefusedWatchIsAnErrorOfItsStatus) {
  answer_all(410, status_text(410, "Expired", "too old resource version"));
  Seen seen;
  watch(seen);
  ASSERT_TRUE(wait([&] { return seen.ends == 1; }));
  EXPECT_EQ(*seen.end, (Error{ErrorCode::gone, "watch pods: too old resource version"}));
  server->stop();
  Seen down;
  watch(down);
  ASSERT_TRUE(wait([&] { return down.ends == 1; }));
  EXPECT_EQ(down.end->code, ErrorCode::unavailable);
}

TEST_F(KubeClientTest, NothingComesAfterStopWatch) {
  Seen seen;
  Transport::WatchId id = 0;
  id = watch(seen, [&] { client->stop_watch(id); });  // in the midst of a batch
  const auto out = stream(0);
  out.write(event_line("ADDED", object("a", "11")) + event_line("ADDED", object("b", "12")) +
            event_line("ADDED", object("c", "13")));
  ASSERT_TRUE(wait([&] { return !seen.events.empty(); }));
  EXPECT_TRUE(wait([&] { return gone == 1; }));
  on_loop([] {});
  EXPECT_EQ(seen.events, (Names{"+a"}));
  EXPECT_EQ(seen.ends, 0);
  on_loop([&] {
    client->stop_watch(id);
    client->stop_watch(0);
  });
}

TEST_F(KubeClientTest, DestructionCallsNothingBack) {
  std::vector<http::Responder> held;
  change([&] { respond = [&](const http::ServerRequest&, const http::Responder& out) { held.push_back(out); }; });
  Client& c = the_client();
  std::atomic<int> calls = 0;
  on_loop([&] {
    for (int i = 0; i < 10; ++i) {
      api::Request request;
      request.name = "a";
      request.ns = "b";
      c.send(request, [&](const Result<boost::json::value>&) { ++calls; });
      c.watch({}, {.on_event = [&](const WatchEvent&) { ++calls; }, .on_end = [&](const Error&) { ++calls; }});
    }
  });
  ASSERT_TRUE(wait([&] { return held.size() == 20; }));
  for (std::size_t i = 0; i < 5; ++i) held[i].send({200, {}, "{}"});
  on_loop([&] { client.reset(); });
  const int then = calls;
  on_loop([] {});
  EXPECT_EQ(calls, then);
}

// The reflector over the real client: a server that restarts and forgets old versions.
TEST_F(KubeClientTest, AReflectorOutlivesItsServer) {
  Names seen;
  std::atomic<int> version = 1;
  const auto list_or_watch = [&](const http::ServerRequest& request, const http::Responder& out) {
    if (request.parameter("watch") != "true") {
      out.send(
          {200,
           {},
           boost::json::serialize(boost::json::value{{"metadata", {{"resourceVersion", std::to_string(version)}}},
                                                     {"items", {object(fmt::format("l{}", version.load()), "1")}}})});
    } else if (request.parameter("resourceVersion") != std::to_string(version)) {
      out.send({410, {}, status_text(410, "Expired", "too old")});
    } else {
      streams.push_back(out.start(200, {}));
      streams.back().write(event_line("ADDED", object(fmt::format("w{}", version.load()), std::to_string(version))));
    }
  };
  change([&] { respond = list_or_watch; });
  Client& c = the_client();
  Random random(1);
  std::unique_ptr<Reflector> reflector;
  on_loop([&] {
    Reflector::Options fast;
    fast.backoff_first = 20ms;
    fast.backoff_cap = 100ms;
    reflector = std::make_unique<Reflector>(
        c, loop, random, fast,
        Reflector::Sink{.on_event =
                            [&](const ReflectorEvent& event) {
                              change([&] {
                                if (const auto* r = std::get_if<Replace>(&event)) {
                                  seen.push_back("=" +
                                                 std::string(r->items.at(0).at_pointer("/metadata/name").as_string()));
                                } else if (const auto* u = std::get_if<Upsert>(&event)) {
                                  seen.push_back("+" + std::string(u->object.at_pointer("/metadata/name").as_string()));
                                }
                              });
                            },
                        .on_error = {},
                        .on_recovered = {}});
    reflector->start();
  });
  EXPECT_TRUE(wait([&] { return seen == Names{"=l1", "+w1"}; }));
  const auto port = server->port();
  server->stop();
  version = 2;
  start_server(port);
  EXPECT_TRUE(wait([&] { return seen == Names{"=l1", "+w1", "=l2", "+w2"}; }));
  on_loop([&] { reflector.reset(); });
}

}  // namespace
}  // namespace berth::kube
