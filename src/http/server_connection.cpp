#include "http/server_connection.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cassert>

#include <boost/asio/post.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "base/log.h"
#include "http/url.h"

namespace berth::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::size_t kReadAhead = 64 * 1024;
constexpr std::size_t kJoin = 16 * 1024;
constexpr std::chrono::milliseconds kGoodbye{2'000};

// A bearer token replaces what the certificate said; a wrong one is an error even beside a good certificate.
void apply_token(std::string_view authorization, const std::vector<BearerToken>& tokens, Peer& peer) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return;
  authorization.remove_prefix(kScheme.size());
  peer.user.clear();
  peer.groups.clear();
  for (const BearerToken& known : tokens) {
    if (known.token.size() == authorization.size() &&
        CRYPTO_memcmp(known.token.data(), authorization.data(), authorization.size()) == 0) {
      peer.user = known.user;
      peer.groups = known.groups;
      peer.refused.clear();
      return;
    }
  }
  peer.refused = "bearer token: not known";
}

}  // namespace

void ServerCore::post(std::function<void()> fn) {
  const std::lock_guard lock(mutex);
  if (stopped) return;
  mailbox_.push_back(std::move(fn));
  if (mailbox_.size() == 1) asio::post(io, [this] { drain(); });
}

void ServerCore::drain() {
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex);
    batch.swap(mailbox_);
  }
  for (auto& fn : batch) fn();
}

void Deadline::set(std::chrono::milliseconds after, std::function<void()> fn) {
  clear();
  if (after.count() == 0) return;
  timer_.expires_after(after);
  // A completion that is already queued when the timer is set again carries no error: the generation tells.
  timer_.async_wait([this, fn = std::move(fn), generation = generation_](error_code ec) {
    if (!ec && generation == generation_) fn();
  });
}

void Deadline::clear() {
  ++generation_;
  timer_.cancel();
}

Connection::Connection(std::shared_ptr<ServerCore> core, std::unique_ptr<Wire> wire)
    : core_(std::move(core)),
      wire_(std::move(wire)),
      in_(core_->options.limits.header_bytes + kReadAhead),
      read_deadline_(core_->io),
      write_deadline_(core_->io) {}

void Connection::start() {
  read_deadline_.set(core_->options.limits.handshake, [self = shared_from_this()] { self->abort(); });
  wire_->handshake([self = shared_from_this()](error_code ec) {
    if (self->state_ != State::handshake) return;
    if (ec) return self->abort();
    self->wire_->describe(self->peer_);
    self->next_request();
  });
}

void Connection::abort() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  read_deadline_.clear();
  write_deadline_.clear();
  wire_->close();
  if (const auto exchange = exchange_.lock()) exchange->client_gone();
  exchange_.reset();
  core_->connections.erase(shared_from_this());
  if (core_->on_room) core_->on_room();
}

void Connection::next_request() {
  state_ = State::reading;
  exchange_.reset();
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(core_->options.limits.header_bytes));
  parser_->body_limit(core_->options.limits.body_bytes);
  continue_sent_ = false;
  write_deadline_.clear();
  const auto& limits = core_->options.limits;
  read_deadline_.set(in_.size() > 0 ? limits.request : limits.idle, [self = shared_from_this()] { self->abort(); });
  parse();
}

void Connection::read_some() {
  if (read_pending_ || state_ == State::closed || in_.size() >= in_.max_size()) return;
  if ((state_ == State::handling || state_ == State::flushing) && in_.size() >= kReadAhead) return;
  read_pending_ = true;
  const std::size_t room = std::min(read_buffer_.size(), in_.max_size() - in_.size());
  wire_->read(asio::mutable_buffer(read_buffer_.data(), room),
              [self = shared_from_this()](error_code ec, std::size_t size) { self->on_read(ec, size); });
}

void Connection::on_read(error_code ec, std::size_t size) {
  read_pending_ = false;
  if (state_ == State::closed) return;
  if (ec) return abort();
  const bool first_bytes = state_ == State::reading && in_.size() == 0 && !parser_->got_some();
  if (state_ != State::closing) {
    in_.commit(asio::buffer_copy(in_.prepare(size), asio::const_buffer(read_buffer_.data(), size)));
  }
  if (state_ != State::reading) return read_some();
  if (first_bytes) {
    read_deadline_.set(core_->options.limits.request, [self = shared_from_this()] { self->reject(408, "too slow"); });
  }
  parse();
}

void Connection::parse() {
  error_code ec;
  while (!ec && in_.size() > 0 && !parser_->is_done()) {
    in_.consume(parser_->put(in_.data(), ec));
    if (parser_->is_header_done() && !parser_->is_done() && !continue_sent_ &&
        beast::iequals(parser_->get()[beast::http::field::expect], "100-continue")) {
      continue_sent_ = true;
      enqueue("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
  if (parser_->is_done()) return dispatch();
  if (ec == beast::http::error::need_more && in_.size() >= in_.max_size()) ec = beast::http::error::header_limit;
  if (ec == beast::http::error::body_limit) {
    return reject(413, fmt::format("the body is larger than {} bytes", core_->options.limits.body_bytes));
  }
  if (ec == beast::http::error::header_limit) return reject(431, "the header is too large");
  if (ec && ec != beast::http::error::need_more) return reject(400, ec.message());
  read_some();
}

void Connection::dispatch() {
  auto message = parser_->release();
  read_deadline_.clear();
  state_ = State::handling;
  keep_alive_ = message.keep_alive();
  chunked_ = message.version() >= 11;
  head_only_ = message.method() == beast::http::verb::head;

  ServerRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.body = std::move(message.body());
  request.peer = peer_;
  for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
  auto target = parse_target(request.target);
  if (!target) return reject(400, target.error().message);
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  apply_token(request.header("Authorization"), core_->options.tokens, request.peer);

  auto exchange = std::make_shared<Exchange>(core_, weak_from_this());
  exchange_ = exchange;
  read_some();
  core_->handler(std::move(request), Responder(std::move(exchange)));
}

// Answers a request that no handler will see, and ends the connection: what follows on it cannot be understood.
void Connection::reject(int status, std::string_view why) {
  read_deadline_.clear();
  state_ = State::handling;
  keep_alive_ = false;
  head_only_ = false;
  answer({status, {{"Content-Type", "text/plain; charset=utf-8"}}, fmt::format("{}\n", why)});
}

std::string Connection::head(int status, const HeaderList& headers, std::string_view framing) const {
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\n", status,
      std::string_view(beast::http::obsolete_reason(static_cast<beast::http::status>(static_cast<unsigned>(status)))));
  for (const auto& [name, value] : headers) {
    assert(name.find_first_of("\r\n:") == std::string::npos);
    const auto end = std::min(value.find_first_of("\r\n"), value.size());  // an echoed value must not add headers
    text.append(name).append(": ").append(value, 0, end).append("\r\n");
  }
  text.append(framing);
  if (!keep_alive_) text.append("Connection: close\r\n");
  text.append("\r\n");
  return text;
}

void Connection::answer(ServerResponse response) {
  if (state_ != State::handling) return;
  const bool bodiless = response.status == 204 || response.status == 304;
  enqueue(head(response.status, response.headers,
               bodiless ? std::string() : fmt::format("Content-Length: {}\r\n", response.body.size())));
  if (!head_only_ && !bodiless) enqueue(std::move(response.body));
  answered();
}

void Connection::begin(int status, const HeaderList& headers) {
  if (state_ != State::handling) return;
  if (!chunked_) keep_alive_ = false;
  enqueue(head(status, headers, chunked_ ? "Transfer-Encoding: chunked\r\n" : ""));
}

void Connection::chunk(std::string bytes) {
  if (state_ != State::handling) return;
  const std::size_t counted = bytes.size();
  if (head_only_) bytes.clear();
  if (chunked_ && !bytes.empty()) bytes = fmt::format("{:x}\r\n{}\r\n", counted, bytes);
  enqueue(std::move(bytes), counted);
}

void Connection::end() {
  if (state_ != State::handling) return;
  if (chunked_ && !head_only_) enqueue("0\r\n\r\n");
  answered();
}

void Connection::cut() { abort(); }

void Connection::answered() {
  state_ = State::flushing;
  write_some();
}

void Connection::enqueue(std::string bytes, std::size_t counted) {
  if (bytes.empty() && counted == 0) return;
  out_.push_back({std::move(bytes), counted});
  write_some();
}

void Connection::write_some() {
  if (write_pending_ || state_ == State::closed) return;
  while (!out_.empty() && out_.front().bytes.size() == out_sent_) {
    const std::size_t counted = out_.front().counted;
    out_.pop_front();
    out_sent_ = 0;
    if (const auto exchange = exchange_.lock(); exchange && counted > 0) exchange->sent(counted);
  }
  if (out_.empty()) {
    write_deadline_.clear();
    if (state_ == State::flushing) keep_alive_ ? next_request() : say_goodbye();
    return;
  }
  // Small neighbours travel together: a head with its body, a burst of events.
  Outgoing front = std::move(out_.front());
  out_.pop_front();
  while (!out_.empty() && out_sent_ == 0 && front.bytes.size() + out_.front().bytes.size() <= kJoin) {
    front.bytes += out_.front().bytes;
    front.counted += out_.front().counted;
    out_.pop_front();
  }
  out_.push_front(std::move(front));
  write_pending_ = true;
  write_deadline_.set(core_->options.limits.write, [self = shared_from_this()] {
    log::debug("a client does not read its answer", {{"peer", self->peer_.address}});
    self->abort();
  });
  const std::string& bytes = out_.front().bytes;
  wire_->write(asio::const_buffer(bytes.data() + out_sent_, bytes.size() - out_sent_),
               [self = shared_from_this()](error_code ec, std::size_t size) { self->on_written(ec, size); });
}

void Connection::on_written(error_code ec, std::size_t size) {
  write_pending_ = false;
  if (state_ == State::closed) return;
  if (ec) return abort();
  out_sent_ += size;
  write_some();
}

// Closing while unread bytes lie in the socket would reset the connection and could destroy the answer on its way.
void Connection::say_goodbye() {
  state_ = State::closing;
  in_.clear();
  read_deadline_.set(kGoodbye, [self = shared_from_this()] { self->abort(); });
  wire_->shutdown([self = shared_from_this()](error_code ec) {
    if (ec) self->abort();
  });
  read_some();
}

Exchange::Exchange(std::shared_ptr<ServerCore> core, std::weak_ptr<Connection> connection)
    : core_(std::move(core)), connection_(std::move(connection)) {}

Exchange::~Exchange() {
  if (gone_) return;
  if (state_ == State::waiting) {
    post([](Connection& connection) { connection.answer({500, {}, "the request was not answered\n"}); });
  } else if (state_ == State::streaming) {
    post([](Connection& connection) { connection.cut(); });
  }
}

void Exchange::post(std::function<void(Connection&)> fn) const {
  core_->post([connection = connection_, fn = std::move(fn)] {
    if (const auto alive = connection.lock()) fn(*alive);
  });
}

void Exchange::send(ServerResponse response) {
  std::function<void()> forgotten;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::waiting) return;
    state_ = State::complete;
    forgotten.swap(on_gone_);
  }
  post([response = std::make_shared<ServerResponse>(std::move(response))](Connection& connection) {
    connection.answer(std::move(*response));
  });
}

void Exchange::start(int status, HeaderList headers) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::waiting) return;
    state_ = State::streaming;
  }
  post([status, headers = std::move(headers)](Connection& connection) { connection.begin(status, headers); });
}

void Exchange::write(std::string bytes) {
  if (bytes.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::streaming || gone_) return;
    pending_ += bytes.size();
  }
  post([bytes = std::make_shared<std::string>(std::move(bytes))](Connection& connection) {
    connection.chunk(std::move(*bytes));
  });
}

void Exchange::finish() {
  std::function<void()> forgotten;  // destroyed after the lock: they may own what calls back here
  std::shared_ptr<std::function<void()>> drained;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::streaming) return;
    state_ = State::complete;
    forgotten.swap(on_gone_);
    drained = std::move(on_drained_);
  }
  post([](Connection& connection) { connection.end(); });
}

void Exchange::on_gone(std::function<void()> fn) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::complete) return;
    if (!gone_) {
      on_gone_ = std::move(fn);
      return;
    }
  }
  core_->post(std::move(fn));
}

void Exchange::on_drained(std::function<void()> fn) {
  const std::lock_guard lock(mutex_);
  on_drained_ = std::make_shared<std::function<void()>>(std::move(fn));
}

bool Exchange::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

std::size_t Exchange::pending() const {
  const std::lock_guard lock(mutex_);
  return pending_;
}

void Exchange::client_gone() {
  std::function<void()> fn;
  std::shared_ptr<std::function<void()>> drained;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    fn.swap(on_gone_);
    drained = std::move(on_drained_);
  }
  if (fn) fn();
}

void Exchange::sent(std::size_t bytes) {
  std::shared_ptr<std::function<void()>> drained;
  {
    const std::lock_guard lock(mutex_);
    assert(pending_ >= bytes);
    pending_ -= bytes;
    if (pending_ == 0 && state_ == State::streaming) drained = on_drained_;
  }
  if (drained) (*drained)();
}

void Responder::send(ServerResponse response) const { exchange_->send(std::move(response)); }

Stream Responder::start(int status, HeaderList headers) const {
  exchange_->start(status, std::move(headers));
  return Stream(exchange_);
}

void Responder::on_gone(std::function<void()> fn) const { exchange_->on_gone(std::move(fn)); }
bool Responder::gone() const { return exchange_->gone(); }

void Stream::write(std::string bytes) const { exchange_->write(std::move(bytes)); }
void Stream::finish() const { exchange_->finish(); }
std::size_t Stream::pending() const { return exchange_->pending(); }
bool Stream::gone() const { return exchange_->gone(); }
void Stream::on_drained(std::function<void()> fn) const { exchange_->on_drained(std::move(fn)); }

}  // namespace berth::http
