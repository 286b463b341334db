#include "http/client.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>

namespace berth::http {
namespace {

using Clock = std::chrono::steady_clock;
using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

constexpr std::chrono::seconds kUnackedLimit{8};
constexpr std::chrono::seconds kKeepaliveIdle{10};
constexpr std::chrono::seconds kKeepaliveInterval{4};
constexpr long kIdleConnections = 64;
constexpr std::size_t kPooledHandles = 128;

void init_curl_once() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)once;
}

struct Endpoint {
  std::string scheme;
  std::string host;
  std::string port;

  [[nodiscard]] std::string text() const { return fmt::format("{}://{}:{}", scheme, host, port); }
  [[nodiscard]] bool is_this_machine() const {
    return host == "localhost" || host.starts_with("127.") || host == "[::1]";
  }
};

Result<Endpoint> endpoint_of(const std::string& url) {
  const Url parsed(curl_url(), &curl_url_cleanup);
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorCode::invalid, fmt::format("\"{}\" is not a URL", url));
  }
  Endpoint endpoint{part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT)};
  if (endpoint.scheme != "http" && endpoint.scheme != "https") {
    return fail(ErrorCode::invalid, fmt::format("\"{}\": the scheme must be http or https", url));
  }
  return endpoint;
}

// The same URL with another host, for a certificate that names the server otherwise.
std::string with_host(const std::string& url, const std::string& host) {
  const Url parsed(curl_url(), &curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_set(parsed.get(), CURLUPART_HOST, host.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
    return url;
  }
  std::string copy(text);
  curl_free(text);
  return copy;
}

struct Lists {
  curl_slist* head = nullptr;

  Lists() = default;
  Lists(const Lists&) = delete;
  Lists& operator=(const Lists&) = delete;
  ~Lists() { curl_slist_free_all(head); }
  void add(const std::string& line) { head = curl_slist_append(head, line.c_str()); }
};

struct Transfer {
  Client::Id id = 0;
  ClientRequest request;
  std::function<void(Result<ClientResponse>)> done;  // of a request
  StreamHandler stream;                              // of a stream
  bool streaming = false;
  std::size_t body_limit = 0;
  Clock::time_point deadline = Clock::time_point::max();
  Endpoint endpoint;

  CURL* easy = nullptr;  // while on the wire
  Lists headers;
  Lists connect_to;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  ClientResponse response;
  bool head_done = false;
  bool cancelled = false;
  std::optional<Error> refused;  // our own reason to break off
};

int on_socket(void*, curl_socket_t socket, curlsocktype) {
  // Without this a connection whose peer vanished swallows requests for minutes.
  const auto limit = static_cast<unsigned>(std::chrono::milliseconds(kUnackedLimit).count());
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
  return CURL_SOCKOPT_OK;
}

int on_prerequest(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.cancelled) return CURL_PREREQFUNC_ABORT;
  if (!transfer.request.before_send) return CURL_PREREQFUNC_OK;
  if (auto status = transfer.request.before_send(); !status) {
    transfer.refused = std::move(status.error());
    return CURL_PREREQFUNC_ABORT;
  }
  return CURL_PREREQFUNC_OK;
}

void add_header(ClientResponse& response, std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  const auto from = value.find_first_not_of(" \t");
  const auto to = value.find_last_not_of(" \t\r\n");
  value = from == std::string_view::npos || to == std::string_view::npos ? std::string_view()
                                                                         : value.substr(from, to - from + 1);
  response.headers.emplace_back(std::move(name), value);
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  if (transfer.head_done) return size;  // trailers
  if (line.starts_with("HTTP/")) {
    transfer.response.headers.clear();
  } else if (line == "\r\n" || line == "\n") {
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) return size;  // 1xx: the real head follows
    transfer.response.status = static_cast<int>(status);
    transfer.head_done = true;
    if (transfer.streaming && !transfer.cancelled && transfer.stream.on_head)
      transfer.stream.on_head(transfer.response);
  } else {
    add_header(transfer.response, line);
  }
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.cancelled) return size;  // taken off after this turn
  if (transfer.streaming) {
    if (transfer.stream.on_data) transfer.stream.on_data(std::string_view(data, size));
    return size;
  }
  if (transfer.response.body.size() + size > transfer.body_limit) {
    transfer.refused =
        Error{ErrorCode::internal, fmt::format("the answer is larger than {} bytes", transfer.body_limit)};
    return size == 0 ? 1 : 0;
  }
  transfer.response.body.append(data, size);
  return size;
}

// Words without numbers that vary (our port, milliseconds, a stream's id), so that a log can tell a new fault from the
// same.
Error error_of(const Transfer& transfer, CURLcode code) {
  const std::string where = transfer.endpoint.text();
  const std::string detail = transfer.error_text[0] != 0 ? transfer.error_text.data() : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_CONNECT: {
      long number = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_OS_ERRNO, &number);
      const auto why = number != 0 ? std::strerror(static_cast<int>(number)) : "no connection";
      return {ErrorCode::unavailable, fmt::format("cannot connect to {}: {}", where, why)};
    }
    case CURLE_OPERATION_TIMEDOUT:  // of connecting; the rest of the time is kept by expire()
      return {ErrorCode::unavailable, fmt::format("cannot connect to {}: no answer in time", where)};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorCode::unavailable, fmt::format("cannot resolve the host name of {}", where)};
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return {ErrorCode::unavailable, fmt::format("{}: the connection was lost before the answer was complete", where)};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {ErrorCode::forbidden, fmt::format("{}: the server's certificate is not trusted: {}", where, detail)};
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorCode::invalid, fmt::format("{}: the client's own certificates cannot be used: {}", where, detail)};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorCode::invalid, fmt::format("{}: {}", where, detail)};
    case CURLE_WEIRD_SERVER_REPLY:
      return {ErrorCode::internal, fmt::format("{}: the answer is not HTTP", where)};
    default:
      return {ErrorCode::unavailable, fmt::format("{}: {}", where, detail)};
  }
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : options_(std::move(options)) {
    init_curl_once();
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_, CURLMOPT_MAX_CONCURRENT_STREAMS, 1000L);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (auto& [id, transfer] : transfers_) take_off(*transfer);
    for (CURL* easy : pool_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
  }

  Id submit(std::unique_ptr<Transfer> transfer) {
    transfer->body_limit = options_.response_bytes;
    if (auto endpoint = endpoint_of(transfer->request.url)) {
      transfer->endpoint = std::move(*endpoint);
    } else {
      transfer->refused = std::move(endpoint.error());
    }
    Id id = 0;
    {
      const std::lock_guard lock(mutex_);
      id = transfer->id = next_id_++;
      submitted_.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi_);
    return id;
  }

  void cancel(Id id) {
    if (std::this_thread::get_id() == thread_.get_id()) {
      if (const auto it = transfers_.find(id); it != transfers_.end()) it->second->cancelled = true;
    }
    {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(id);
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void run() {
    while (take_commands()) {
      start_waiting();
      int running = 0;
      curl_multi_perform(multi_, &running);
      collect();
      expire();
      if (waiting_.empty() || on_wire_ >= limit_) curl_multi_poll(multi_, nullptr, 0, poll_timeout(), nullptr);
    }
  }

  // What other threads, and callbacks, asked for; false when it is time to end.
  bool take_commands() {
    std::vector<std::unique_ptr<Transfer>> submitted;
    std::vector<Id> cancelled;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      submitted.swap(submitted_);
      cancelled.swap(cancelled_);
    }
    for (auto& transfer : submitted) {
      const Id id = transfer->id;
      waiting_.push_back(id);
      transfers_.emplace(id, std::move(transfer));
    }
    for (const Id id : cancelled) forget(id);
    return true;
  }

  // Streams never wait: they are few, and stay.
  void start_waiting() {
    std::deque<Id> later;
    for (; !waiting_.empty(); waiting_.pop_front()) {
      const auto it = transfers_.find(waiting_.front());
      if (it == transfers_.end()) continue;
      Transfer& transfer = *it->second;
      if (!transfer.streaming && on_wire_ >= limit_) {
        later.push_back(transfer.id);
      } else {
        put_on(transfer);
      }
    }
    waiting_.swap(later);
  }

  void put_on(Transfer& transfer) {
    if (transfer.refused) return complete(transfer.id, std::move(transfer.refused));
    if (pool_.empty()) {
      transfer.easy = curl_easy_init();
    } else {
      transfer.easy = pool_.back();
      pool_.pop_back();
    }
    if (!transfer.streaming) ++on_wire_;
    if (const auto timeout = transfer.request.timeout; timeout > std::chrono::milliseconds::zero()) {
      transfer.deadline = Clock::now() + timeout;
      deadlines_.emplace(transfer.deadline, transfer.id);
    }
    set_request(transfer);
    set_connection(transfer);
    if (!options_.tls.server_name.empty()) set_server_name(transfer);
    curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, transfer.headers.head);
    curl_multi_add_handle(multi_, transfer.easy);
  }

  void set_request(Transfer& transfer) {
    CURL* easy = transfer.easy;
    const ClientRequest& request = transfer.request;
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text.data());
    if (!request.body.empty()) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    } else if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{0});
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    for (const auto& [name, value] : request.headers) transfer.headers.add(fmt::format("{}: {}", name, value));
    if (options_.bearer_token) {
      if (const auto token = options_.bearer_token(); !token.empty()) {
        transfer.headers.add(fmt::format("Authorization: Bearer {}", token));
      }
    }
    transfer.headers.add("Expect:");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &on_prerequest);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, &transfer);
  }

  void set_connection(const Transfer& transfer) {
    CURL* easy = transfer.easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, options_.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    // Without TLS nothing but a first answer would end the wait, and a watch may have none to give.
    const bool may_share = options_.http2 && transfer.endpoint.scheme == "https";
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, may_share ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, static_cast<long>(kKeepaliveIdle.count()));
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, static_cast<long>(kKeepaliveInterval.count()));
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &on_socket);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (!options_.proxy.empty()) {
      curl_easy_setopt(easy, CURLOPT_PROXY, options_.proxy.c_str());
    } else if (transfer.endpoint.is_this_machine()) {
      curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    set_tls(easy);
  }

  void set_tls(CURL* easy) {
    const auto blob = [easy](CURLoption option, const std::string& text) {
      curl_blob value{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
      curl_easy_setopt(easy, option, &value);
    };
    const ClientTls& tls = options_.tls;
    if (!tls.authority.empty()) {
      // Only this one: libcurl would otherwise go on trusting the system's folder of authorities besides.
      curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
      curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
      blob(CURLOPT_CAINFO_BLOB, tls.authority);
    }
    if (!tls.certificate.empty()) {
      blob(CURLOPT_SSLCERT_BLOB, tls.certificate);
      blob(CURLOPT_SSLKEY_BLOB, tls.key);
      curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
      curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
    }
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  }

  // libcurl takes the name to verify from the URL: so the URL gets that name, and the connection the real address.
  void set_server_name(Transfer& transfer) {
    const std::string url = with_host(transfer.request.url, options_.tls.server_name);
    curl_easy_setopt(transfer.easy, CURLOPT_URL, url.c_str());
    transfer.connect_to.add(fmt::format("::{}:{}", transfer.endpoint.host, transfer.endpoint.port));
    curl_easy_setopt(transfer.easy, CURLOPT_CONNECT_TO, transfer.connect_to.head);
    transfer.headers.add(fmt::format("Host: {}:{}", transfer.endpoint.host, transfer.endpoint.port));
  }

  void take_off(Transfer& transfer) {
    if (transfer.easy == nullptr) return;
    if (!transfer.streaming) --on_wire_;
    curl_multi_remove_handle(multi_, transfer.easy);
    if (pool_.size() < kPooledHandles) {
      curl_easy_reset(transfer.easy);
      pool_.push_back(transfer.easy);
    } else {
      curl_easy_cleanup(transfer.easy);
    }
    transfer.easy = nullptr;
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      Transfer& transfer = *static_cast<Transfer*>(user);
      const CURLcode code = message->data.result;
      long version = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_HTTP_VERSION, &version);
      if (version != 0) limit_ = version >= CURL_HTTP_VERSION_2_0 ? options_.requests_http2 : options_.requests_http1;
      std::optional<Error> error = std::move(transfer.refused);
      if (!error && code != CURLE_OK) error = error_of(transfer, code);
      complete(transfer.id, std::move(error));
    }
  }

  void expire() {
    const auto now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const Id id = deadlines_.begin()->second;
      const Transfer& transfer = *transfers_.at(id);
      complete(id, Error{ErrorCode::timeout, fmt::format("{}: no complete answer in {} ms", transfer.endpoint.text(),
                                                         transfer.request.timeout.count())});
    }
  }

  // Ends a transfer: without an error the response is whole.
  void complete(Id id, std::optional<Error> error) {
    auto transfer = extract(id);
    if (!transfer || transfer->cancelled) return;
    if (transfer->streaming) {
      if (!transfer->stream.on_end) return;
      if (error) return transfer->stream.on_end(fail(std::move(*error)));
      return transfer->stream.on_end({});
    }
    if (error) return transfer->done(fail(std::move(*error)));
    transfer->done(std::move(transfer->response));
  }

  void forget(Id id) { (void)extract(id); }

  std::unique_ptr<Transfer> extract(Id id) {
    auto node = transfers_.extract(id);
    if (!node) return nullptr;
    deadlines_.erase({node.mapped()->deadline, id});
    take_off(*node.mapped());
    return std::move(node.mapped());
  }

  int poll_timeout() const {
    constexpr std::chrono::milliseconds kLongest = std::chrono::minutes(1);
    if (deadlines_.empty()) return static_cast<int>(kLongest.count());
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadlines_.begin()->first - Clock::now());
    return static_cast<int>(std::clamp(left, std::chrono::milliseconds::zero(), kLongest).count());
  }

  const ClientOptions options_;
  CURLM* multi_ = nullptr;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> submitted_;  // guarded by mutex_, as the next three
  std::vector<Id> cancelled_;
  bool stopping_ = false;
  Id next_id_ = 1;

  // The I/O thread's own.
  std::unordered_map<Id, std::unique_ptr<Transfer>> transfers_;
  std::deque<Id> waiting_;                                // not on the wire, in order of arrival
  std::set<std::pair<Clock::time_point, Id>> deadlines_;  // of those on the wire
  std::vector<CURL*> pool_;
  std::size_t on_wire_ = 0;  // requests
  // How many may be: until an answer shows HTTP/2, the server may be one that needs a connection for each.
  std::size_t limit_ = options_.requests_http1;

  std::thread thread_;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

Client::Id Client::send(ClientRequest request, std::function<void(Result<ClientResponse>)> done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  return impl_->submit(std::move(transfer));
}

Client::Id Client::stream(ClientRequest request, StreamHandler handler) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->stream = std::move(handler);
  transfer->streaming = true;
  return impl_->submit(std::move(transfer));
}

void Client::cancel(Id id) { impl_->cancel(id); }

}  // namespace berth::http
