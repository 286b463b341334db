#include "kube/client.h"

#include <fmt/core.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <boost/json/serialize.hpp>

#include "kube/rest.h"

namespace berth::kube {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTokenAge{10};
constexpr std::chrono::seconds kWatchGrace{30};  // beyond what the server was asked for
constexpr std::size_t kMaxEvent = std::size_t{64} * 1024 * 1024;
constexpr std::size_t kMaxErrorBody = std::size_t{64} * 1024;

// The token of a file that is rotated under us. On the I/O thread.
std::function<std::string()> token_reader(const Config& config) {
  if (config.token_file.empty() && config.token.empty()) return {};
  if (config.token_file.empty()) return [token = config.token] { return token; };
  return [file = config.token_file, token = std::string(), read_at = Clock::time_point()]() mutable {
    if (const auto now = Clock::now(); token.empty() || now - read_at > kTokenAge) {
      read_at = now;
      std::ifstream in(file);
      std::string text;
      if (in >> text) token = std::move(text);  // unreadable for a moment: the old one
    }
    return token;
  };
}

http::ClientOptions http_options(const Config& config, const Client::Options& options) {
  http::ClientOptions out;
  out.tls = config.tls;
  out.user_agent = options.user_agent;
  out.proxy = config.proxy;
  out.bearer_token = token_reader(config);
  return out;
}

// What the answer holds, or why it is an error.
Result<boost::json::value> read_reply(Result<http::ClientResponse> reply, const std::string& origin) {
  if (!reply) return fail(std::move(reply.error()));
  if (reply->status >= 200 && reply->status < 300) return parse_body(reply->body);
  Error error = error_of_body(reply->status, reply->body);
  if (reply->status == 401) error.message += fmt::format(" (credentials from {})", origin);
  return fail(std::move(error));
}

}  // namespace

// Calls from the I/O thread to the Scheduler's, until the client is destroyed.
class Client::Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  explicit Mailbox(Scheduler& scheduler) : scheduler_(scheduler) {}

  void post(std::function<void()> fn) {
    scheduler_.post([self = shared_from_this(), fn = std::move(fn)] {
      if (self->open_) fn();
    });
  }
  void close() { open_ = false; }

 private:
  Scheduler& scheduler_;
  bool open_ = true;  // the Scheduler's thread only
};

struct Client::List {
  api::Request request;
  Reply done;
  Page page;
  boost::json::value whole;
};

struct Client::Watch {
  WatchId id = 0;
  std::string label;

  // The Scheduler's thread only.
  WatchHandler handler;
  bool stopped = false;

  // The I/O thread only.
  int status = 0;
  std::string buffer;  // the beginning of a line; of an error, its body
  bool ended = false;  // on_end is on its way

  std::atomic<http::Client::Id> http_id{0};
};

Client::Client(Scheduler& scheduler, const Config& config, Options options)
    : options_(std::move(options)),
      server_(config.server),
      origin_(config.origin),
      random_(std::random_device{}()),
      mailbox_(std::make_shared<Mailbox>(scheduler)),
      http_(http_options(config, options_)) {}

Client::~Client() { mailbox_->close(); }

http::ClientRequest Client::http_request(const api::Request& request, std::string target) const {
  http::ClientRequest out;
  out.method = method_of(request.verb);
  out.url = server_ + target;
  out.timeout = options_.timeout;
  out.headers.emplace_back("Accept", "application/json");
  if (!request.body.is_null()) {
    out.body = boost::json::serialize(request.body);
    out.headers.emplace_back("Content-Type", content_type_of(request.verb));
  }
  return out;
}

void Client::send(api::Request request, Reply done) {
  if (request.verb == api::Verb::list) {
    auto list = std::make_shared<List>();
    list->request = std::move(request);
    list->done = std::move(done);
    list->page.limit = options_.page;
    return next_page(list);
  }
  auto out = http_request(request, target_of(request));
  std::string label = describe(request);
  if (is_write(request.verb) && options_.before_write) {
    out.before_send = [hook = options_.before_write, request = std::move(request)] { return hook(request); };
  }
  http_.send(std::move(out), [mailbox = mailbox_, origin = origin_, label = std::move(label),
                              done = std::move(done)](Result<http::ClientResponse> reply) mutable {
    auto result = read_reply(std::move(reply), origin);
    if (result) slim(*result);
    if (!result) result = fail(result.error().with_context(label));
    mailbox->post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

void Client::next_page(const std::shared_ptr<List>& list) {
  http_.send(http_request(list->request, target_of(list->request, list->page)),
             [this, list](Result<http::ClientResponse> reply) { on_page(list, std::move(reply)); });
}

void Client::on_page(const std::shared_ptr<List>& list, Result<http::ClientResponse> reply) {
  auto next = read_reply(std::move(reply), origin_).and_then([&](boost::json::value value) {
    return append_page(list->whole, std::move(value), list->request.kind);
  });
  if (!next && next.error().code == ErrorCode::gone && !list->page.next.empty()) {
    // The snapshot was compacted away between two pages. In one piece that cannot happen.
    list->whole = nullptr;
    list->page = {};
    return next_page(list);
  }
  if (next && !next->empty()) {
    list->page.next = std::move(*next);
    return next_page(list);
  }
  Result<boost::json::value> result = std::move(list->whole);
  if (!next) result = fail(next.error().with_context(describe(list->request)));
  mailbox_->post([list, result = std::move(result)]() mutable { list->done(std::move(result)); });
}

Transport::WatchId Client::watch(WatchRequest request, WatchHandler handler) {
  auto watch = std::make_shared<Watch>();
  watch->id = next_watch_++;
  watch->label = describe(request);
  watch->handler = std::move(handler);
  watches_.emplace(watch->id, watch);

  const std::chrono::seconds limit(std::uniform_int_distribution<std::chrono::seconds::rep>(
      options_.watch_at_least.count(), options_.watch_at_most.count())(random_));
  http::ClientRequest out;
  out.url = server_ + target_of(request, limit);
  out.timeout = limit + kWatchGrace;
  out.headers.emplace_back("Accept", "application/json");
  watch->http_id = http_.stream(std::move(out),
                                {.on_head = [watch](const http::ClientResponse& head) { watch->status = head.status; },
                                 .on_data = [this, watch](std::string_view bytes) { on_watch_data(watch, bytes); },
                                 .on_end =
                                     [this, watch](Status status) {
                                       if (!status) return end_watch(watch, std::move(status.error()));
                                       if (watch->status == 200)
                                         return end_watch(watch, {ErrorCode::unavailable, "end of stream"});
                                       Error error = error_of_body(watch->status, watch->buffer);
                                       if (watch->status == 401)
                                         error.message += fmt::format(" (credentials from {})", origin_);
                                       end_watch(watch, std::move(error));
                                     }});
  return watch->id;
}

// Splits the stream into lines; what a chunk completes goes to the Scheduler in one post.
void Client::on_watch_data(const std::shared_ptr<Watch>& watch, std::string_view bytes) {
  if (watch->ended) return;
  if (watch->status != 200) {
    if (watch->buffer.size() < kMaxErrorBody) watch->buffer.append(bytes);
    return;
  }
  std::vector<WatchEvent> events;
  std::optional<Error> error;
  while (!error) {
    const auto newline = bytes.find('\n');
    watch->buffer.append(bytes.substr(0, newline));
    if (newline == std::string_view::npos) break;
    bytes.remove_prefix(newline + 1);
    const std::string line = std::exchange(watch->buffer, {});
    if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
    if (auto event = parse_event(line)) {
      events.push_back(std::move(*event));
    } else {
      error = std::move(event.error());
    }
  }
  if (watch->buffer.size() > kMaxEvent) error = Error{ErrorCode::internal, "an event is larger than 64 MB"};
  if (!events.empty()) {
    mailbox_->post([watch, events = std::move(events)]() mutable {
      for (auto& event : events) {
        if (watch->stopped) return;
        watch->handler.on_event(std::move(event));
      }
    });
  }
  if (error) end_watch(watch, std::move(*error));
}

void Client::end_watch(const std::shared_ptr<Watch>& watch, Error error) {
  if (std::exchange(watch->ended, true)) return;
  if (const auto id = watch->http_id.load(); id != 0) http_.cancel(id);
  error = error.with_context(watch->label);
  mailbox_->post([this, watch, error = std::move(error)]() mutable {
    if (std::exchange(watch->stopped, true)) return;
    watches_.erase(watch->id);
    watch->handler.on_end(std::move(error));
  });
}

void Client::stop_watch(WatchId id) {
  const auto node = watches_.extract(id);
  if (!node) return;
  node.mapped()->stopped = true;
  http_.cancel(node.mapped()->http_id);
}

}  // namespace berth::kube
