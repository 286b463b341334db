#include "kube/reflector.h"

#include <fmt/core.h>

#include <cassert>
#include <utility>

#include "api/json.h"

namespace berth::kube {
namespace {

constexpr std::size_t kMaxDistinctMessages = 16;

// metadata.resourceVersion, or empty.
std::string resource_version_of(const boost::json::value& object) {
  const auto* top = object.if_object();
  return top == nullptr ? std::string() : api::string_at(*top, {"metadata", "resourceVersion"});
}

// The items of a list reply, moved out of it. Go writes an empty list as null at times.
Result<Replace> replace_of(boost::json::value reply, api::Kind kind) {
  Replace replace;
  replace.resource_version = resource_version_of(reply);
  boost::json::value* items = reply.is_object() ? reply.as_object().if_contains("items") : nullptr;
  if (replace.resource_version.empty() || items == nullptr || !(items->is_array() || items->is_null())) {
    return fail(ErrorCode::internal, fmt::format("list of {}: the reply has no items or no metadata.resourceVersion",
                                                 api::resource_of(kind).plural));
  }
  if (items->is_array()) replace.items = std::move(items->as_array());
  return replace;
}

}  // namespace

std::string_view to_string(Reflector::State state) {
  switch (state) {
    case Reflector::State::idle:
      return "idle";
    case Reflector::State::listing:
      return "listing";
    case Reflector::State::list_backoff:
      return "list_backoff";
    case Reflector::State::watching:
      return "watching";
    case Reflector::State::watch_backoff:
      return "watch_backoff";
  }
  return "unknown";
}

Reflector::Reflector(Transport& transport, Scheduler& scheduler, Random& random, Options options, Sink sink)
    : transport_(transport),
      scheduler_(scheduler),
      options_(std::move(options)),
      sink_(std::move(sink)),
      backoff_(options_.backoff_first, options_.backoff_cap, random) {
  assert(sink_.on_event);
}

Reflector::~Reflector() { stop(); }

template <typename... Args>
auto Reflector::guarded(void (Reflector::*fn)(Args...)) {
  return [this, fn, now = turn_, then = *turn_](auto&&... args) {
    if (*now == then) (this->*fn)(std::forward<decltype(args)>(args)...);
  };
}

void Reflector::start() {
  if (state_ == State::idle) list();
}

void Reflector::stop() {
  ++*turn_;
  state_ = State::idle;
  if (watch_ != 0) transport_.stop_watch(std::exchange(watch_, 0));
  scheduler_.cancel(std::exchange(timer_, 0));
  synced_ = false;
  resource_version_.clear();
  reported_.clear();
  backoff_.reset();
}

void Reflector::list() {
  ++*turn_;
  state_ = State::listing;
  api::Request request;
  request.verb = api::Verb::list;
  request.kind = options_.kind;
  request.ns = options_.ns;
  request.field_selector = options_.field_selector;
  request.label_selector = options_.label_selector;
  transport_.send(std::move(request), guarded(&Reflector::on_listed));
}

void Reflector::on_listed(Result<boost::json::value> reply) {
  auto replace = std::move(reply).and_then(
      [this](boost::json::value value) { return replace_of(std::move(value), options_.kind); });
  if (!replace) return wait(State::list_backoff, &Reflector::list, replace.error());
  resource_version_ = replace->resource_version;
  synced_ = true;
  const auto turn = *turn_;
  sink_.on_event(std::move(*replace));
  if (*turn_ == turn) watch();
}

void Reflector::watch() {
  ++*turn_;
  state_ = State::watching;
  healthy_ = false;
  WatchRequest request;
  request.kind = options_.kind;
  request.ns = options_.ns;
  request.field_selector = options_.field_selector;
  request.label_selector = options_.label_selector;
  request.resource_version = resource_version_;
  watch_ = transport_.watch(std::move(request), {.on_event = guarded(&Reflector::on_watch_event),
                                                 .on_end = guarded(&Reflector::on_watch_end)});
  set_timer(options_.healthy_after, &Reflector::become_healthy);
}

void Reflector::become_healthy() {
  healthy_ = true;
  scheduler_.cancel(std::exchange(timer_, 0));
  backoff_.reset();
  if (!std::exchange(reported_, {}).empty() && sink_.on_recovered) sink_.on_recovered();
}

void Reflector::on_watch_event(WatchEvent event) {
  if (auto version = resource_version_of(event.object); !version.empty()) resource_version_ = std::move(version);
  if (!healthy_) {
    const auto turn = *turn_;
    become_healthy();
    if (*turn_ != turn) return;
  }
  switch (event.type) {
    case WatchEvent::Type::added:
    case WatchEvent::Type::modified:
      sink_.on_event(Upsert{std::move(event.object)});
      break;
    case WatchEvent::Type::deleted:
      sink_.on_event(Delete{std::move(event.object)});
      break;
    case WatchEvent::Type::bookmark:
      break;
  }
}

void Reflector::on_watch_end(Error error) {
  watch_ = 0;
  scheduler_.cancel(std::exchange(timer_, 0));
  // After these the same place in the stream can be asked for again. After anything else it is lost: too old, refused
  // as unknown, or the stream broke off inside an event.
  const bool resumable =
      error.code == ErrorCode::unavailable || error.code == ErrorCode::timeout || error.code == ErrorCode::forbidden;
  if (healthy_) return resumable ? watch() : list();
  if (resumable) {
    wait(State::watch_backoff, &Reflector::watch, error);
  } else {
    wait(State::list_backoff, &Reflector::list, error);
  }
}

void Reflector::wait(State state, void (Reflector::*then)(), const Error& why) {
  ++*turn_;
  state_ = state;
  set_timer(backoff_.next(), then);
  const bool known = reported_.size() >= kMaxDistinctMessages || !reported_.insert(why.message).second;
  if (!known && sink_.on_error) sink_.on_error(why);
}

void Reflector::set_timer(Duration delay, void (Reflector::*fn)()) {
  scheduler_.cancel(timer_);
  timer_ = scheduler_.after(delay, guarded(fn));
}

}  // namespace berth::kube
