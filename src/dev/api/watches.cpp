#include "dev/api/watches.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>

#include <boost/json/serialize.hpp>

namespace berth::dev {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::size_t kBatch = 256;                    // events pulled in one go
constexpr std::size_t kUnsent = 256 * 1024;            // bytes with the kernel before a session pauses
constexpr std::chrono::seconds kLongestWatch = 30min;  // when the client names no time
constexpr std::chrono::milliseconds kBookmarkEvery = 30s;

std::string error_event(const sim::ApiError& error) {
  return fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n", json::serialize(error.to_status()));
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

}  // namespace

struct Watches::Shared {
  sim::ApiStore& store;
  Workers& workers;
  std::function<WallTime()> now;
  std::mutex mutex;
  bool stopped = false;                                // guarded by mutex
  std::unordered_set<std::shared_ptr<Session>> alive;  // guarded by mutex; owns the sessions
};

// Events go out in runs of pump(), at most one at a time: kick() may be called from anywhere, under the store's mutex
// too.
class Watches::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Shared> shared, http::Stream stream, Renderer renderer, bool bookmarks)
      : shared_(std::move(shared)), stream_(std::move(stream)), renderer_(std::move(renderer)), bookmarks_(bookmarks) {}

  ~Session() {
    const std::lock_guard lock(shared_->store.mutex());
    watch_.reset();
  }

  // Posts, and touches nothing that a destructor could hang on: it runs inside the store's writes.
  static void kick(const std::weak_ptr<Session>& weak, Workers& workers, std::atomic<int>& kicks) {
    if (kicks.fetch_add(1) == 0) post_run(weak, workers);
  }
  void kick() { kick(weak_from_this(), shared_->workers, *kicks_); }
  [[nodiscard]] std::shared_ptr<std::atomic<int>> kicks() const { return kicks_; }

  // Until then kick() only counts: there is no watch_ to pull from.
  void start(std::unique_ptr<sim::Watch> watch, std::chrono::milliseconds timeout) {
    watch_ = std::move(watch);
    // Weak: the exchange keeps these functions, and the session the exchange.
    stream_.on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->kick();
    });
    shared_->workers.post_after(timeout, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->expired_ = true;
        self->kick();
      }
    });
    if (bookmarks_) schedule_bookmark();
    post_run(weak_from_this(), shared_->workers);
  }

  // From any thread; the session goes when the last reference does.
  void end() {
    const std::shared_ptr<Session> keep = shared_from_this();
    const std::lock_guard lock(shared_->mutex);
    shared_->alive.erase(keep);
  }

 private:
  static void post_run(const std::weak_ptr<Session>& weak, Workers& workers) {
    workers.post([weak] {
      if (const auto self = weak.lock()) self->run();
    });
  }

  void schedule_bookmark() {
    shared_->workers.post_after(kBookmarkEvery, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->bookmark_due_ = true;
        self->kick();
        self->schedule_bookmark();
      }
    });
  }

  void run() {
    for (int seen = kicks_->load();;) {
      if (!pump()) return end();  // kicks_ stays above 0: nothing runs any more
      if (const int now = kicks_->fetch_sub(seen) - seen; now == 0) return;
      seen = kicks_->load();
    }
  }

  // False when the watch is over.
  bool pump() {
    while (true) {
      if (stream_.gone()) return false;
      if (stream_.pending() > kUnsent) return true;  // on_drained goes on
      std::vector<sim::WatchEvent> events;
      std::optional<sim::ApiError> failure;
      const bool more = pull(events, failure);
      std::string text;
      const WallTime now = shared_->now();
      for (const sim::WatchEvent& event : events) text += renderer_.event(event, now);
      if (failure && failure->code == 410) text += error_event(*failure);
      stream_.write(std::move(text));
      if (failure || (expired_ && !more)) {
        stream_.finish();
        return false;
      }
      if (!more) return true;
    }
  }

  // Takes what there is, up to a batch; true if there may be more. A bookmark tells a position only behind all events.
  bool pull(std::vector<sim::WatchEvent>& events, std::optional<sim::ApiError>& failure) {
    const std::lock_guard lock(shared_->store.mutex());
    while (events.size() < kBatch) {
      auto next = watch_->next();
      if (!next) {
        failure = next.error();
        return false;
      }
      if (!*next) {
        if (bookmarks_ && (expired_ || bookmark_due_.exchange(false))) events.push_back(watch_->bookmark());
        return false;
      }
      events.push_back(std::move(**next));
    }
    return true;
  }

  std::shared_ptr<Shared> shared_;
  http::Stream stream_;
  Renderer renderer_;                  // inside run() only
  std::unique_ptr<sim::Watch> watch_;  // under the store's mutex
  // Unanswered; above 0: run() is posted or runs. The first is start()'s.
  std::shared_ptr<std::atomic<int>> kicks_ = std::make_shared<std::atomic<int>>(1);
  const bool bookmarks_;
  std::atomic<bool> bookmark_due_ = false;
  std::atomic<bool> expired_ = false;
};

Watches::Watches(sim::ApiStore& store, Workers& workers, std::function<WallTime()> now)
    : shared_(std::make_shared<Shared>(store, workers, std::move(now))) {}

Watches::~Watches() { stop(); }

void Watches::begin(const ResourceRequest& request, const http::Responder& responder) {
  const http::ServerRequest& http = request.http;
  const auto form = negotiate(http.header("Accept"), {Form::table, Form::partial});
  if (!form) return responder.send(error_response(form.error()));
  if (const auto fits = check_version_match(http, true); !fits) return responder.send(error_response(fits.error()));

  std::chrono::milliseconds timeout = kLongestWatch;
  if (const auto text = http.parameter("timeoutSeconds"); !text.empty()) {
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size()) {
      return responder.send(error_response(sim::bad_request(fmt::format("timeoutSeconds: \"{}\" is no number", text))));
    }
    if (seconds > 0) timeout = std::chrono::seconds(seconds);
  }

  sim::WatchOptions options;
  options.label_selector = http.parameter("labelSelector");
  options.field_selector = http.parameter("fieldSelector");
  options.resource_version = http.parameter("resourceVersion");
  options.send_initial = is_true(http.parameter("sendInitialEvents"));
  // The session can be made only when the watch is known to be good, and the watch wants to know whom to wake.
  const auto woken = std::make_shared<std::weak_ptr<Session>>();
  const auto kicks = std::make_shared<std::shared_ptr<std::atomic<int>>>();
  options.wake = [woken, kicks, &workers = shared_->workers] {
    if (*kicks) Session::kick(*woken, workers, **kicks);
  };

  std::unique_lock store_lock(shared_->store.mutex());
  auto watch = shared_->store.watch(*request.type, request.path.ns, std::move(options));
  if (!watch) {
    store_lock.unlock();
    if (watch.error().code != 410) return responder.send(error_response(watch.error()));
    // As kube-apiserver does: a watch that begins too far back is a stream that holds just the error.
    const http::Stream stream = responder.start(200, {{"Content-Type", "application/json"}});
    stream.write(error_event(watch.error()));
    return stream.finish();
  }
  const auto session = std::make_shared<Session>(
      shared_, responder.start(200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}}),
      Renderer(*form, request.type, std::string(http.parameter("includeObject"))),
      is_true(http.parameter("allowWatchBookmarks")));
  *woken = session;
  *kicks = session->kicks();
  store_lock.unlock();  // from now on writes may wake it; it runs once it is started

  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->stopped) shared_->alive.insert(session);
  }
  responder.on_gone([weak = std::weak_ptr<Session>(session)] {
    if (const auto self = weak.lock()) self->end();
  });
  session->start(std::move(*watch), timeout);
}

void Watches::stop() {
  std::unordered_set<std::shared_ptr<Session>> ended;
  const std::lock_guard lock(shared_->mutex);
  shared_->stopped = true;
  ended.swap(shared_->alive);
}

}  // namespace berth::dev
