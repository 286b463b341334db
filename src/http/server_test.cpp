#include "http/server.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

namespace berth::http {
namespace {

using namespace std::chrono_literals;

Validity validity() {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return {now - 1h, now + 24h};
}

void echo(ServerRequest request, const Responder& responder) {
  std::string text = fmt::format("{} {} user={} refused={} body={}", request.method, request.path, request.peer.user,
                                 request.peer.refused, request.body);
  for (const auto& [name, value] : request.query) text += fmt::format(" {}={}", name, value);
  responder.send({200, {{"X-Header", std::string(request.header("x-header"))}}, std::move(text)});
}

// A client socket that says exactly what it is told.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval timeout{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  ~RawClient() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] bool connected() const { return connected_; }
  void send(std::string_view text) const {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }

  // All until `end` has been seen, the server closes, or 10 s of silence.
  std::string receive_until(std::string_view end) {
    while (received_.find(end) == std::string::npos) {
      char buffer[4096];
      const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
      if (size <= 0) break;
      received_.append(buffer, std::size_t(size));
    }
    const auto at = received_.find(end);
    const auto size = at == std::string::npos ? received_.size() : at + end.size();
    std::string out = received_.substr(0, size);
    received_.erase(0, size);
    return out;
  }
  std::string receive_all() { return receive_until("\x01 never sent \x01"); }

 private:
  int fd_;
  bool connected_ = false;
  std::string received_;
};

struct Reply {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string body;
};

struct Call {
  std::string url;
  const KeyPair* client = nullptr;
  const KeyPair* authority = nullptr;
  std::string unix_path = {};
  std::vector<std::string> headers = {};
};

curl_blob blob_of(const std::string& text) { return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY}; }

Reply call(const Call& call) {
  CURL* curl = curl_easy_init();
  Reply reply;
  curl_easy_setopt(curl, CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* data, std::size_t size, std::size_t count, std::string* out) {
        out->append(data, size * count);
        return size * count;
      });
  if (!call.unix_path.empty()) curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, call.unix_path.c_str());
  if (call.authority != nullptr) {
    const auto blob = blob_of(call.authority->certificate);
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (call.client != nullptr) {
    const auto certificate = blob_of(call.client->certificate);
    const auto key = blob_of(call.client->key);
    curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
  }
  curl_slist* headers = nullptr;
  for (const auto& header : call.headers) headers = curl_slist_append(headers, header.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  reply.code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return reply;
}

std::unique_ptr<Server> serve(Handler handler, ServerOptions options = {}) {
  auto server = Server::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server) << server.error().message;
  return server ? std::move(*server) : nullptr;
}

// A flag set on another thread.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

TEST(Server, AnswersPipelinedRequestsInOrder) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send(
      "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzGET /c HT");
  EXPECT_TRUE(client.receive_until("body= x=1").ends_with("GET /a user= refused= body= x=1"));
  EXPECT_TRUE(client.receive_until("body=xyz").ends_with("POST /b user= refused= body=xyz"));
  client.send("TP/1.1\r\nHost: h\r\nX-Header: seen\r\nConnection: close\r\n\r\n");
  const auto last = client.receive_all();
  EXPECT_NE(last.find("X-Header: seen"), std::string::npos) << last;
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(last.ends_with("GET /c user= refused= body="));
}

TEST(Server, ServesAnotherListeningSocketToo) {
  auto server = Server::start({}, echo);
  ASSERT_TRUE(server);
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listening, 16), 0);
  ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_NE(ntohs(address.sin_port), (*server)->port());
  ASSERT_TRUE((*server)->listen_also(listening));
  for (const std::uint16_t port : {ntohs(address.sin_port), (*server)->port()}) {
    RawClient client(port);
    client.send("GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(client.receive_all().find("GET /here"), std::string::npos);
  }
  EXPECT_FALSE((*server)->listen_also(::open("/dev/null", O_RDONLY)));
}

TEST(Server, TakesChunkedBodiesAndExpectations) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_TRUE(client.receive_until("body=abcde").ends_with("body=abcde"));
}

TEST(Server, RefusesWhatIsMalformedOrTooLarge) {
  ServerOptions options;
  options.limits.body_bytes = 1000;
  options.limits.header_bytes = 2000;
  const auto server = serve(echo, options);
  const auto status_of = [&](std::string_view text) {
    RawClient client(server->port());
    client.send(text);
    return client.receive_all().substr(0, 12);
  };
  EXPECT_EQ(status_of("GARBAGE\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(status_of(fmt::format("GET / HTTP/1.1\r\nX: {}\r\n\r\n", std::string(3000, 'x'))), "HTTP/1.1 431");
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200");
}

TEST(Server, ClosesSlowAndIdleClients) {
  ServerOptions options;
  options.limits.request = 50ms;
  options.limits.idle = 50ms;
  const auto server = serve(echo, options);
  RawClient slow(server->port());
  slow.send("GET / HT");
  EXPECT_EQ(slow.receive_all().substr(0, 12), "HTTP/1.1 408");
  RawClient idle(server->port());
  EXPECT_EQ(idle.receive_all(), "");
}

TEST(Server, AnswersLaterFromAnotherThread) {
  std::thread worker;
  const auto server = serve([&](const ServerRequest&, const Responder& responder) {
    worker = std::thread([responder] { responder.send({201, {}, std::string(3'000'000, 'x')}); });
  });
  const auto reply = call({fmt::format("http://127.0.0.1:{}/", server->port())});
  worker.join();
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.body.size(), 3'000'000U);
}

TEST(Server, AForgottenRequestIsA500) {
  const auto server = serve([](const ServerRequest&, const Responder&) {});
  EXPECT_EQ(call({fmt::format("http://127.0.0.1:{}/", server->port())}).status, 500);
}

TEST(Server, StreamsWithBackPressure) {
  constexpr int kChunks = 64;
  const std::string chunk(100'000, 'c');
  std::atomic<std::size_t> most_pending = 0;
  const auto server = serve([&](const ServerRequest&, const Responder& responder) {
    const auto stream = std::make_shared<Stream>(responder.start(200, {}));
    const auto left = std::make_shared<int>(kChunks);
    const std::weak_ptr<Stream> weak = stream;
    const auto next = [&, left](const std::shared_ptr<Stream>& s) {
      if (*left == 0) return s->finish();
      --*left;
      s->write(chunk);
      most_pending = std::max(most_pending.load(), s->pending());
    };
    stream->on_drained([next, s = *stream]() mutable { next(std::make_shared<Stream>(s)); });
    next(stream);
  });
  const auto reply = call({fmt::format("http://127.0.0.1:{}/", server->port())});
  EXPECT_EQ(reply.code, CURLE_OK);
  EXPECT_EQ(reply.body.size(), kChunks * chunk.size());
  EXPECT_EQ(most_pending, chunk.size());
}

// Chunks of all sizes, in bursts that are joined on their way out: nothing is lost, repeated or garbled.
TEST(Server, StreamsBurstsUnharmed) {
  std::string expected;
  std::vector<std::string> chunks;
  for (int i = 0; i < 5000; ++i) {
    chunks.push_back(fmt::format("{}:{}\n", i, std::string(static_cast<std::size_t>(i * 37 % 400), 'a' + i % 26)));
    expected += chunks.back();
  }
  std::thread writer;
  const auto server = serve([&](const ServerRequest&, const Responder& responder) {
    writer = std::thread([&, stream = responder.start(200, {})] {
      for (const auto& chunk : chunks) stream.write(chunk);
      stream.finish();
    });
  });
  const auto reply = call({fmt::format("http://127.0.0.1:{}/", server->port())});
  writer.join();
  EXPECT_EQ(reply.code, CURLE_OK);
  EXPECT_TRUE(reply.body == expected) << reply.body.size() << " bytes of " << expected.size();
}

TEST(Server, AnAbandonedStreamIsSeenAsIncomplete) {
  const auto server =
      serve([](const ServerRequest&, const Responder& responder) { responder.start(200, {}).write("half"); });
  const auto reply = call({fmt::format("http://127.0.0.1:{}/", server->port())});
  EXPECT_NE(reply.code, CURLE_OK);
}

TEST(Server, NoticesThatTheClientLeaves) {
  Signal waiting;
  Signal gone;
  std::mutex mutex;
  std::optional<Responder> kept;
  const auto server = serve([&](const ServerRequest&, const Responder& responder) {
    responder.on_gone([&] { gone.set(); });
    const std::lock_guard lock(mutex);
    kept = responder;
    waiting.set();
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(waiting.wait());
  client.close();
  EXPECT_TRUE(gone.wait());
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(kept->gone());
  Signal late;
  kept->on_gone([&] { late.set(); });
  EXPECT_TRUE(late.wait());
}

TEST(Server, CutsClientsThatDoNotRead) {
  Signal gone;
  ServerOptions options;
  options.limits.write = 100ms;
  const auto server = serve(
      [&](const ServerRequest&, const Responder& responder) {
        const auto stream = responder.start(200, {});
        responder.on_gone([&gone, stream_pending = 0] { gone.set(); });
        stream.on_drained([] {});
        for (int i = 0; i < 40; ++i) stream.write(std::string(1'000'000, 'x'));
        stream.on_drained([stream] {});  // keeps the stream alive: the end must come from the deadline
      },
      options);
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gone.wait());
}

TEST(Server, ManyConnectionsOverTheLimitWaitTheirTurn) {
  ServerOptions options;
  options.limits.connections = 2;
  const auto server = serve(echo, options);
  std::vector<std::thread> clients;
  std::atomic<int> served = 0;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back([&] {
      if (call({fmt::format("http://127.0.0.1:{}/", server->port())}).status == 200) ++served;
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(served, 10);
}

TEST(Server, RespondersMayOutliveIt) {
  std::optional<Responder> kept;
  Signal waiting;
  Signal gone;
  auto server = serve([&](const ServerRequest&, const Responder& responder) {
    responder.on_gone([&] { gone.set(); });
    kept = responder;
    waiting.set();
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(waiting.wait());
  server->stop();
  EXPECT_TRUE(gone.wait());
  server.reset();
  kept->send({200, {}, "too late"});
  EXPECT_EQ(client.receive_all(), "");
}

TEST(Server, ServesAUnixSocketWithItsModeAndPeer) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("berth-http-{}", ::getpid());
  std::filesystem::create_directories(folder);
  ServerOptions options;
  options.unix_path = folder / "socket";
  {
    const auto server = serve(
        [](const ServerRequest& request, const Responder& responder) {
          responder.send({200, {}, fmt::format("{} {}", request.peer.address, request.peer.process->pid)});
        },
        options);
    struct stat file{};
    ASSERT_EQ(::stat(options.unix_path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600U);
    EXPECT_EQ(call({.url = "http://localhost/", .unix_path = options.unix_path}).body,
              fmt::format("unix {}", ::getpid()));
  }
  EXPECT_FALSE(std::filesystem::exists(options.unix_path));
  std::ofstream(options.unix_path) << "a file";
  const auto refused = Server::start(options, echo);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_TRUE(std::filesystem::exists(options.unix_path));
  std::filesystem::remove_all(folder);
}

TEST(Server, SaysWhyItCannotListen) {
  const auto first = serve(echo);
  ServerOptions options;
  options.port = first->port();
  const auto taken = Server::start(options, echo);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::unavailable);
  options.address = "nowhere";
  EXPECT_EQ(Server::start(options, echo).error().code, ErrorCode::invalid);
  options = {};
  options.tls = ServerTls{{"no", "pem"}, ""};
  EXPECT_EQ(Server::start(options, echo).error().code, ErrorCode::invalid);
}

class TlsServer : public testing::Test {
 protected:
  TlsServer() : authority_(*make_authority("berth", validity())) {
    ServerOptions options;
    options.tls = ServerTls{*issue_server(authority_, {"api", {}, {"127.0.0.1"}}, validity()), authority_.certificate};
    options.tokens = {{"secret-token", "robot", {"robots"}}};
    server_ = serve(echo, options);
    url_ = fmt::format("https://127.0.0.1:{}/who", server_->port());
  }
  KeyPair authority_;
  std::unique_ptr<Server> server_;
  std::string url_;
};

TEST_F(TlsServer, KnowsClientsByTheirCertificate) {
  const auto client = *issue_client(authority_, {"admin", {"system:masters"}}, validity());
  EXPECT_EQ(call({url_, &client, &authority_}).body, "GET /who user=admin refused= body=");
  EXPECT_EQ(call({url_, nullptr, &authority_}).body, "GET /who user= refused= body=");
}

TEST_F(TlsServer, SaysWhyACertificateIsRefused) {
  const auto other = *make_authority("berth", validity());
  const auto stranger = *issue_client(other, {"admin", {}}, validity());
  const auto body = call({url_, &stranger, &authority_}).body;
  EXPECT_TRUE(body.starts_with("GET /who user= refused=client certificate: ")) << body;
  const auto server_certificate = *issue_server(authority_, {"api", {}, {}}, validity());
  EXPECT_TRUE(
      call({url_, &server_certificate, &authority_}).body.starts_with("GET /who user= refused=client certificate: "));
}

TEST_F(TlsServer, KnowsClientsByTheirToken) {
  EXPECT_EQ(call({.url = url_, .authority = &authority_, .headers = {"Authorization: Bearer secret-token"}}).body,
            "GET /who user=robot refused= body=");
  EXPECT_EQ(call({.url = url_, .authority = &authority_, .headers = {"Authorization: Bearer secret-tokem"}}).body,
            "GET /who user= refused=bearer token: not known body=");
}

TEST_F(TlsServer, ItsOwnCertificateIsCheckable) {
  const auto other = *make_authority("berth", validity());
  EXPECT_EQ(call({url_, nullptr, &other}).code, CURLE_PEER_FAILED_VERIFICATION);
}

}  // namespace
}  // namespace berth::http
