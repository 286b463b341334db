#include "http/client.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "http/certificates.h"
#include "http/server.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

Validity valid(std::chrono::hours from = -1h, std::chrono::hours until = 24h) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return {now + from, now + until};
}

// Says one prepared thing to whoever connects, whatever they ask, and may then close.
class RawServer {
 public:
  explicit RawServer(std::function<void(int fd, int connection)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int connection = 0;; ++connection) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        serve_(fd, connection);
        ::close(fd);
      }
    });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/x", port_); }

  // Reads a request without a body; false if the client closed.
  static bool read_request(int fd) {
    std::string seen;
    char c = 0;
    while (seen.find("\r\n\r\n") == std::string::npos) {
      if (::recv(fd, &c, 1, 0) != 1) return false;
      seen += c;
    }
    return true;
  }
  static void say(int fd, std::string_view text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

 private:
  std::function<void(int, int)> serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::function<void(int, int)> answer(std::string text) {
  return [text = std::move(text)](int fd, int) {
    if (RawServer::read_request(fd)) RawServer::say(fd, text);
  };
}

Result<ClientResponse> ask(Client& client, ClientRequest request) {
  auto promise = std::make_shared<std::promise<Result<ClientResponse>>>();
  auto future = promise->get_future();
  client.send(std::move(request), [promise](Result<ClientResponse> result) { promise->set_value(std::move(result)); });
  if (future.wait_for(20s) != std::future_status::ready) return fail(ErrorCode::internal, "the callback never came");
  return future.get();
}

ClientRequest get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

// What a stream delivered so far.
struct Record {
  std::mutex mutex;
  std::condition_variable changed;
  int status = 0;
  std::string data;
  int ends = 0;
  Status end;

  StreamHandler handler() {
    return {.on_head =
                [this](const ClientResponse& head) {
                  const std::lock_guard lock(mutex);
                  status = head.status;
                },
            .on_data =
                [this](std::string_view bytes) {
                  const std::lock_guard lock(mutex);
                  data += bytes;
                  changed.notify_all();
                },
            .on_end =
                [this](Status how) {
                  const std::lock_guard lock(mutex);
                  end = std::move(how);
                  ++ends;
                  changed.notify_all();
                }};
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
};

std::unique_ptr<Server> serve(Handler handler, ServerOptions options = {}) {
  auto server = Server::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

std::string url_of(const Server& server, std::string_view path = "/x") {
  return fmt::format("http://127.0.0.1:{}{}", server.port(), path);
}

TEST(HttpClient, SendsMethodHeadersAndBodyAndReadsTheAnswer) {
  const auto server = serve([](const ServerRequest& r, const Responder& out) {
    out.send({r.path == "/missing" ? 404 : 201,
              {{"X-Got", std::string(r.header("x-sent"))}},
              fmt::format("{} {} {} [{}]", r.method, r.target, r.header("user-agent"), r.body)});
  });
  Client client({});
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    for (const std::string body : {"", "some text"}) {
      if (method == "GET" && !body.empty()) continue;
      ClientRequest request = get(url_of(*server, "/a%2Fb?q=1%3D2"));
      request.method = method;
      request.body = body;
      request.headers = {{"X-Sent", "v1"}};
      const auto result = ask(client, std::move(request));
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(result->status, 201);
      EXPECT_EQ(result->header("x-got"), "v1");
      EXPECT_EQ(result->body, fmt::format("{} /a%2Fb?q=1%3D2 berth [{}]", method, body));
    }
  }
  const auto missing = ask(client, get(url_of(*server, "/missing")));
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
}

TEST(HttpClient, ThousandsInFlightShareAFewConnections) {
  std::mutex mutex;
  std::set<std::string> peers;
  const auto server = serve([&](const ServerRequest& r, const Responder& out) {
    {
      const std::lock_guard lock(mutex);
      peers.insert(r.peer.address);
    }
    out.send({200, {}, r.path});
  });
  Client client({});
  constexpr int kCount = 5000;
  std::atomic<int> right = 0;
  std::atomic<int> left = kCount;
  std::promise<void> all;
  for (int i = 0; i < kCount; ++i) {
    const std::string path = fmt::format("/{}", i);
    client.send(get(url_of(*server, path)), [&, path](const Result<ClientResponse>& result) {
      if (result && result->body == path) ++right;
      if (--left == 0) all.set_value();
    });
  }
  ASSERT_EQ(all.get_future().wait_for(60s), std::future_status::ready);
  EXPECT_EQ(right, kCount);
  EXPECT_LE(peers.size(), 64U);
}

TEST(HttpClient, AStreamDeliversBytesAsTheyCome) {
  std::promise<Stream> opened;
  const auto server = serve([&](const ServerRequest&, const Responder& out) { opened.set_value(out.start(200, {})); });
  Client client({});
  Record record;
  client.stream(get(url_of(*server)), record.handler());
  const Stream stream = opened.get_future().get();
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = fmt::format("piece {}\n", i);
    stream.write(piece);
    expected += piece;
    ASSERT_TRUE(record.wait([&] { return record.data == expected; })) << i;
  }
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.ends, 0);
  stream.finish();
  ASSERT_TRUE(record.wait([&] { return record.ends == 1; }));
  EXPECT_TRUE(record.end);
}

TEST(HttpClient, StreamsDoNotTakeTheRequestsTurns) {
  std::mutex mutex;
  std::vector<Stream> open;
  const auto server = serve([&](const ServerRequest& r, const Responder& out) {
    const std::lock_guard lock(mutex);
    if (r.path == "/watch") {
      open.push_back(out.start(200, {}));
      open.back().write("x");
    } else {
      out.send({200, {}, "ok"});
    }
  });
  ClientOptions options;
  options.requests_http1 = 2;
  Client client(options);
  std::vector<std::unique_ptr<Record>> records;
  for (int i = 0; i < 20; ++i) {
    records.push_back(std::make_unique<Record>());
    client.stream(get(url_of(*server, "/watch")), records.back()->handler());
  }
  for (const auto& record : records) ASSERT_TRUE(record->wait([&] { return record->data == "x"; }));
  const auto result = ask(client, get(url_of(*server)));
  EXPECT_TRUE(result && result->body == "ok");
}

TEST(HttpClient, ABrokenOffAnswerIsAnErrorAndNotAnEnd) {
  const auto chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
  const auto sized = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
  for (const std::string text : {chunked, sized}) {
    const RawServer server(answer(text));
    Client client({});
    Record record;
    client.stream(get(server.url()), record.handler());
    ASSERT_TRUE(record.wait([&] { return record.ends == 1; }));
    EXPECT_EQ(record.data, "hello");
    ASSERT_FALSE(record.end);
    EXPECT_EQ(record.end.error().code, ErrorCode::unavailable);
    const auto whole = ask(client, get(server.url()));
    ASSERT_FALSE(whole);
    EXPECT_EQ(whole.error().code, ErrorCode::unavailable);
  }
}

TEST(HttpClient, InterimAnswersAndTrailersAreNotMistakenForTheHead) {
  const RawServer server(answer(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-Real: yes\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n"));
  Client client({});
  const auto result = ask(client, get(server.url()));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(result->body, "ok");
  EXPECT_EQ(result->header("x-real"), "yes");
  EXPECT_EQ(result->header("link"), "");
  EXPECT_EQ(result->header("x-trailer"), "");
}

TEST(HttpClient, ASlowAnswerTimesOutAndDisturbsNothingElse) {
  std::promise<Responder> held;
  const auto server = serve([&](const ServerRequest& r, const Responder& out) {
    if (r.path == "/slow")
      held.set_value(out);
    else
      out.send({200, {}, "quick"});
  });
  Client client({});
  ClientRequest slow = get(url_of(*server, "/slow"));
  slow.timeout = 150ms;
  const auto result = ask(client, slow);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::timeout);
  EXPECT_EQ(result.error().message, fmt::format("http://127.0.0.1:{}: no complete answer in 150 ms", server->port()));
  const auto next = ask(client, get(url_of(*server, "/quick")));
  EXPECT_TRUE(next && next->body == "quick");
}

TEST(HttpClient, WaitingForATurnDoesNotCountAgainstTheTimeout) {
  std::promise<Responder> held;
  const auto server = serve([&](const ServerRequest& r, const Responder& out) {
    if (r.path == "/first") {
      held.set_value(out);
    } else {
      out.send({200, {}, "ok"});
    }
  });
  ClientOptions options;
  options.requests_http1 = 1;
  Client client(options);
  ClientRequest first = get(url_of(*server, "/first"));
  first.timeout = 400ms;
  std::promise<Result<ClientResponse>> timed_out;
  client.send(first, [&](Result<ClientResponse> result) { timed_out.set_value(std::move(result)); });
  ClientRequest second = get(url_of(*server, "/second"));
  second.timeout = 200ms;
  const auto result = ask(client, second);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->body, "ok");
  EXPECT_EQ(timed_out.get_future().get().error().code, ErrorCode::timeout);
}

TEST(HttpClient, CancellingAStreamClosesItAndCallsNothing) {
  std::promise<void> gone;
  std::promise<Stream> opened;
  const auto server = serve([&](const ServerRequest&, const Responder& out) {
    out.on_gone([&] { gone.set_value(); });
    opened.set_value(out.start(200, {}));
  });
  Client client({});
  Record record;
  const auto id = client.stream(get(url_of(*server)), record.handler());
  const Stream stream = opened.get_future().get();
  stream.write("a");
  ASSERT_TRUE(record.wait([&] { return record.data == "a"; }));
  client.cancel(id);
  client.cancel(id);
  client.cancel(4711);
  EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(record.ends, 0);
}

TEST(HttpClient, AStreamMayCancelItselfInItsCallback) {
  std::promise<void> gone;
  std::optional<Stream> held;
  const auto server = serve([&](const ServerRequest&, const Responder& out) {
    out.on_gone([&] { gone.set_value(); });
    held = out.start(200, {});
    held->write("aaaa");
    held->write("bbbb");
  });
  Client client({});
  std::atomic<Client::Id> id = 0;
  std::atomic<int> calls = 0;
  std::promise<void> submitted;
  auto known = submitted.get_future();
  id = client.stream(get(url_of(*server)), {.on_head = {},
                                            .on_data =
                                                [&](std::string_view) {
                                                  known.wait();
                                                  ++calls;
                                                  client.cancel(id);
                                                },
                                            .on_end = [&](const Status&) { calls += 100; }});
  submitted.set_value();
  ASSERT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(calls, 1);
}

TEST(HttpClient, BeforeSendHoldsARequestBackAtTheLastMoment) {
  std::atomic<int> served = 0;
  std::promise<Responder> held;
  const auto server = serve([&](const ServerRequest& r, const Responder& out) {
    ++served;
    if (r.path == "/first")
      held.set_value(out);
    else
      out.send({200, {}, ""});
  });
  ClientOptions options;
  options.requests_http1 = 1;
  Client client(options);
  client.send(get(url_of(*server, "/first")), [](const Result<ClientResponse>&) {});
  const Responder first = held.get_future().get();

  std::atomic<bool> allowed = true;
  std::atomic<int> asked = 0;
  ClientRequest second = get(url_of(*server, "/second"));
  second.before_send = [&]() -> Status {
    ++asked;
    if (!allowed) return fail(ErrorCode::fenced, "the lease is over");
    return {};
  };
  std::promise<Result<ClientResponse>> done;
  client.send(second, [&](Result<ClientResponse> result) { done.set_value(std::move(result)); });
  EXPECT_EQ(asked, 0);  // it waits for its turn; what it was allowed then does not count
  allowed = false;
  first.send({200, {}, ""});
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
  const auto result = future.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{ErrorCode::fenced, "the lease is over"}));
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(served, 1);

  allowed = true;
  EXPECT_TRUE(ask(client, second));
  EXPECT_EQ(served, 2);
}

TEST(HttpClient, AnIdleConnectionThatTheServerClosedIsReplaced) {
  const RawServer server([](int fd, int) {  // closes each connection after one answer, without saying so
    if (RawServer::read_request(fd)) RawServer::say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Client client({});
  for (int i = 0; i < 20; ++i) {
    const auto result = ask(client, get(server.url()));
    ASSERT_TRUE(result) << i << result.error().message;
    EXPECT_EQ(result->body, "ok");
  }
}

TEST(HttpClient, NamesWhatIsWrongWithTheOtherSide) {
  Client client({});
  std::uint16_t port = 0;
  port = serve([](const ServerRequest&, const Responder&) {})->port();  // closed again
  const auto refused = ask(client, get(fmt::format("http://127.0.0.1:{}/x", port)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(),
            (Error{ErrorCode::unavailable, fmt::format("cannot connect to http://127.0.0.1:{}: Connection "
                                                       "refused",
                                                       port)}));
  const auto unknown = ask(client, get("http://no-such-host.invalid/x"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::unavailable);

  const RawServer nonsense(answer("what do you want?\r\n\r\n"));
  EXPECT_FALSE(ask(client, get(nonsense.url())));
  const RawServer silent(answer(""));
  EXPECT_EQ(ask(client, get(silent.url())).error().code, ErrorCode::unavailable);

  for (const auto* url : {"", "no url", "ftp://127.0.0.1/x", "http://"}) {
    EXPECT_EQ(ask(client, get(url)).error().code, ErrorCode::invalid) << url;
  }
}

TEST(HttpClient, RefusesAnAnswerThatIsTooLarge) {
  const auto server =
      serve([](const ServerRequest&, const Responder& out) { out.send({200, {}, std::string(5000, 'x')}); });
  ClientOptions options;
  options.response_bytes = 4999;
  Client client(options);
  const auto result = ask(client, get(url_of(*server)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::internal);
  options.response_bytes = 5000;
  Client larger(options);
  EXPECT_TRUE(ask(larger, get(url_of(*server))));
}

TEST(HttpClient, CanBeDestroyedWithRequestsInFlight) {
  std::vector<Responder> held;
  std::mutex mutex;
  std::condition_variable changed;
  const auto server = serve([&](const ServerRequest&, const Responder& out) {
    const std::lock_guard lock(mutex);
    held.push_back(out);
    changed.notify_all();
  });
  std::atomic<int> calls = 0;
  {
    ClientOptions options;
    options.requests_http1 = 5;
    Client client(options);
    for (int i = 0; i < 20; ++i) client.send(get(url_of(*server)), [&](const Result<ClientResponse>&) { ++calls; });
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 20s, [&] { return held.size() == 5; }));
  }
  EXPECT_EQ(calls, 0);
}

struct HttpClientTls : ::testing::Test {
  KeyPair authority = *make_authority("ca", valid());
  KeyPair stranger = *make_authority("another", valid());
  KeyPair person = *issue_client(authority, {"jane", {"system:masters"}}, valid());
  std::unique_ptr<Server> server;
  std::string url;

  void SetUp() override {
    ServerOptions options;
    options.tls =
        ServerTls{*issue_server(authority, {"api", {"api.example"}, {"127.0.0.1"}}, valid()), authority.certificate};
    options.tokens = {{"s3cret", "robot", {"g"}}};
    server = serve(
        [](const ServerRequest& r, const Responder& out) {
          out.send({200, {}, fmt::format("user={} refused={} host={}", r.peer.user, r.peer.refused, r.header("host"))});
        },
        options);
    url = fmt::format("https://127.0.0.1:{}/x", server->port());
  }
  Result<ClientResponse> try_with(ClientOptions options) {
    Client client(std::move(options));
    return ask(client, get(url));
  }
};

TEST_F(HttpClientTls, ShowsAClientCertificateOrAToken) {
  ClientOptions options;
  options.tls.authority = authority.certificate;
  const auto anonymous = try_with(options);
  ASSERT_TRUE(anonymous) << anonymous.error().message;
  EXPECT_EQ(anonymous->body, fmt::format("user= refused= host=127.0.0.1:{}", server->port()));
  options.bearer_token = [] { return std::string("s3cret"); };
  const auto robot = try_with(options);
  ASSERT_TRUE(robot);
  EXPECT_EQ(robot->body.substr(0, 10), "user=robot");
  options.bearer_token = {};
  options.tls.certificate = person.certificate;
  options.tls.key = person.key;
  const auto jane = try_with(options);
  ASSERT_TRUE(jane) << jane.error().message;
  EXPECT_EQ(jane->body.substr(0, 9), "user=jane");
}

TEST_F(HttpClientTls, AnAnswerThatHangsDoesNotHoldTheOthersUp) {
  std::mutex mutex;
  std::vector<Responder> held;
  ServerOptions options;
  options.tls = ServerTls{*issue_server(authority, {"api", {}, {"127.0.0.1"}}, valid()), {}};
  const auto silent = serve(
      [&](const ServerRequest& r, const Responder& out) {
        const std::lock_guard lock(mutex);
        if (r.path == "/hang")
          held.push_back(out);
        else
          out.send({200, {}, "ok"});
      },
      options);
  ClientOptions trusting;
  trusting.tls.authority = authority.certificate;
  Client client(trusting);
  const std::string base = fmt::format("https://127.0.0.1:{}", silent->port());
  Record record;
  client.stream(get(base + "/hang"), record.handler());
  client.send(get(base + "/hang"), [](const Result<ClientResponse>&) {});
  for (int i = 0; i < 10; ++i) {
    const auto result = ask(client, get(base + "/quick"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->body, "ok");
  }
}

TEST_F(HttpClientTls, TrustsOnlyTheAuthorityItWasGiven) {
  ClientOptions options;
  options.tls.authority = stranger.certificate;
  const auto wrong = try_with(options);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::forbidden);
  EXPECT_NE(wrong.error().message.find("not trusted"), std::string::npos) << wrong.error().message;
  options.tls.authority.clear();
  EXPECT_EQ(try_with(options).error().code, ErrorCode::forbidden);
  options.tls.verify = false;
  EXPECT_TRUE(try_with(options));
}

TEST_F(HttpClientTls, ChecksTheServersName) {
  ClientOptions options;
  options.tls.authority = authority.certificate;
  options.tls.server_name = "api.example";
  const auto right = try_with(options);
  ASSERT_TRUE(right) << right.error().message;
  EXPECT_NE(right->body.find(fmt::format("host=127.0.0.1:{}", server->port())), std::string::npos) << right->body;
  options.tls.server_name = "other.example";
  EXPECT_EQ(try_with(options).error().code, ErrorCode::forbidden);
}

TEST_F(HttpClientTls, ChecksItsOwnCertificatesBeforehand) {
  const auto message = [](const ClientTls& tls) {
    const Status status = check_tls(tls);
    EXPECT_TRUE(status || status.error().code == ErrorCode::invalid);
    return status ? std::string("ok") : status.error().message;
  };
  ClientTls tls;
  EXPECT_EQ(message(tls), "ok");
  tls.authority = stranger.certificate + authority.certificate;
  tls.certificate = person.certificate;
  tls.key = person.key;
  EXPECT_EQ(message(tls), "ok");
  tls.key = stranger.key;
  EXPECT_EQ(message(tls), "the client key does not belong to the client certificate");
  tls.key = "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n";
  EXPECT_EQ(message(tls), "the client key is not a PEM private key without a pass phrase");
  tls.key.clear();
  EXPECT_EQ(message(tls), "the client certificate has no key");
  tls.certificate.clear();
  tls.key = person.key;
  EXPECT_EQ(message(tls), "the client key has no certificate");
  tls.certificate = person.key;
  EXPECT_EQ(message(tls), "the client certificate is not a PEM certificate");
  const auto old = *issue_client(authority, {"old", {}}, valid(-48h, -24h));
  tls.certificate = old.certificate;
  tls.key = old.key;
  EXPECT_EQ(message(tls).substr(0, 34), "the client certificate expired at ");
  tls = {};
  tls.authority = "not PEM at all";
  EXPECT_EQ(message(tls), "the certificate authority is not a PEM certificate");
  tls.authority = make_authority("future", valid(24h, 48h))->certificate;
  EXPECT_EQ(message(tls).substr(0, 43), "the certificate authority is valid only fro");
  tls.authority += authority.certificate;
  EXPECT_EQ(message(tls), "ok");
}

}  // namespace
}  // namespace berth::http
