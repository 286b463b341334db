#include "sim/transport.h"

#include <fmt/core.h>

#include <algorithm>

namespace berth::sim {
namespace {

Error to_error(const ApiError& error) {
  ErrorCode code = ErrorCode::internal;
  switch (error.code) {
    case 400:
    case 405:
    case 415:
    case 422:
      code = ErrorCode::invalid;
      break;
    case 401:
    case 403:
      code = ErrorCode::forbidden;
      break;
    case 404:
      code = ErrorCode::not_found;
      break;
    case 409:
      code = error.reason == "AlreadyExists" ? ErrorCode::already_exists : ErrorCode::conflict;
      break;
    case 410:
      code = ErrorCode::gone;
      break;
    default:
      break;
  }
  return {code, error.message};
}

const ResourceType* type_of(ApiStore& store, api::Kind kind) {
  const api::Resource& r = api::resource_of(kind);
  return store.types().find(r.group, r.version, r.plural).get();
}

Result<boost::json::value> answer(const ApiResult<Object>& result) {
  if (!result) return fail(to_error(result.error()));
  return boost::json::value(**result);
}

Result<boost::json::value> list(ApiStore& store, const ResourceType& type, const api::Request& request) {
  const auto page = store.list(type, request.ns, {request.label_selector, request.field_selector});
  if (!page) return fail(to_error(page.error()));
  boost::json::array items;
  for (const Object& item : page->items) items.emplace_back(*item);
  return boost::json::value{{"metadata", {{"resourceVersion", std::to_string(page->version)}}},
                            {"items", std::move(items)}};
}

std::string describe(const api::Request& request) {
  static constexpr const char* kVerbs[] = {"get", "list", "create", "update", "patch", "delete"};
  return fmt::format("{} {}{}", kVerbs[static_cast<int>(request.verb)], api::resource_of(request.kind).name,
                     request.subresource.empty() ? "" : "/" + request.subresource);
}

bool is_write(const api::Request& request) { return request.verb != api::Verb::get && request.verb != api::Verb::list; }

}  // namespace

Result<boost::json::value> execute(ApiStore& store, const api::Request& request) {
  const ResourceType* type = type_of(store, request.kind);
  if (type == nullptr) return fail(ErrorCode::not_found, "the server serves no such resource");
  switch (request.verb) {
    case api::Verb::get:
      return answer(store.get(*type, request.ns, request.name));
    case api::Verb::list:
      return list(store, *type, request);
    case api::Verb::create:
      return answer(store.create(*type, request.ns, request.body.as_object()));
    case api::Verb::update:
      return answer(store.update(*type, request.ns, request.name, request.body.as_object(), request.subresource));
    case api::Verb::merge_patch:
      return answer(store.patch(*type, request.ns, request.name, PatchType::merge, request.body, request.subresource));
    case api::Verb::remove: {
      DeleteOptions options;
      if (request.body.is_object()) {
        auto parsed = DeleteOptions::from_object(request.body.get_object());
        if (!parsed) return fail(to_error(parsed.error()));
        options = std::move(*parsed);
      }
      const auto deleted = store.remove(*type, request.ns, request.name, options);
      if (!deleted) return fail(to_error(deleted.error()));
      return boost::json::value(deleted->reply(*type));
    }
  }
  return fail(ErrorCode::internal, "no such verb");
}

struct SimTransport::OpenWatch {
  WatchId id = 0;
  kube::WatchRequest request;
  WatchHandler handler;
  std::unique_ptr<Watch> source;
  TimePoint last_delivery{};
  std::uint64_t reached = 0;  // version delivered so far: where a bookmark may stand
  bool ended = false;
};

SimTransport::SimTransport(Scheduler& scheduler, ApiStore& store, Faults& faults, CrashPoint crash)
    : scheduler_(scheduler), store_(store), faults_(faults), crash_(std::move(crash)) {}

SimTransport::~SimTransport() {
  *alive_ = false;
  for (auto& [id, watch] : watches_) watch->source.reset();
}

void SimTransport::send(api::Request request, Reply done) {
  const std::string what = describe(request);
  const bool write = is_write(request);
  if (write && crash_ && crash_("before " + what)) return;
  const auto reply_with = [this, alive = alive_, done = std::move(done)](Result<boost::json::value> result) {
    scheduler_.after(faults_.delay(), [alive, done, result = std::move(result)] {
      if (*alive) done(result);
    });
  };
  if (!reachable_ || faults_.roll("API request lost", faults_.rates().request_lost)) {
    reply_with(fail(ErrorCode::unavailable, what + ": connection refused"));
    return;
  }
  scheduler_.after(
      faults_.delay(), [this, alive = alive_, &store = store_, request = std::move(request), reply_with, what, write] {
        auto result = execute(store, request);
        if (!*alive) return;
        if (result && request.verb == api::Verb::list && request.kind == api::Kind::pod) {
          // One that holds an address: its absence must be proven before that is taken back.
          auto& items = result->as_object()["items"].as_array();
          const auto bound = std::ranges::find_if(items, [](const boost::json::value& item) {
            return object_at(item.as_object(), {"metadata", "annotations"}) != nullptr &&
                   string_at(item.as_object(), {"metadata", "annotations", "ovn.kubernetes.io/allocated"}) == "true" &&
                   !string_at(item.as_object(), {"status", "podIP"}).empty();
          });
          if (bound != items.end() && faults_.roll("list lacked a pod", faults_.rates().list_incomplete))
            items.erase(bound);
        }
        if (!result && result.error().code == ErrorCode::conflict) faults_.count("API conflict");
        if (write && crash_ && crash_("after " + what)) return;
        if (faults_.roll("API reply lost", faults_.rates().reply_lost))
          result = fail(ErrorCode::unavailable, what + ": connection reset");
        reply_with(std::move(result));
      });
}

kube::Transport::WatchId SimTransport::watch(kube::WatchRequest request, WatchHandler handler) {
  const WatchId id = next_watch_++;
  auto watch = std::make_shared<OpenWatch>();
  watch->id = id;
  watch->request = std::move(request);
  watch->handler = std::move(handler);
  watches_.emplace(id, watch);
  scheduler_.after(faults_.delay(), [this, alive = alive_, id] {
    if (*alive) open(id);
  });
  return id;
}

void SimTransport::open(WatchId id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  const auto watch = it->second;
  const ResourceType* type = type_of(store_, watch->request.kind);
  if (!reachable_ || type == nullptr) return end(watch, {ErrorCode::unavailable, "watch: connection refused"});
  WatchOptions options;
  options.label_selector = watch->request.label_selector;
  options.field_selector = watch->request.field_selector;
  options.resource_version = watch->request.resource_version;
  options.wake = [this, alive = alive_, weak = std::weak_ptr(watch)] {
    scheduler_.post([this, alive, weak] {
      const auto again = weak.lock();
      if (*alive && again) pump(again);
    });
  };
  auto source = store_.watch(*type, watch->request.ns, std::move(options));
  if (!source) return end(watch, to_error(source.error()));
  watch->source = std::move(*source);
  pump(watch);
}

void SimTransport::pump(const std::shared_ptr<OpenWatch>& watch) {
  while (!watch->ended && watch->source) {
    auto next = watch->source->next();
    if (!next) return end(watch, to_error(next.error()));
    if (!*next) return;
    if (!reachable_) return end(watch, {ErrorCode::unavailable, "watch: connection reset"});
    const WatchEvent event = **next;
    kube::WatchEvent out;
    out.type = static_cast<kube::WatchEvent::Type>(event.type);
    out.object = *event.object;
    const int copies = faults_.roll("watch event repeated", faults_.rates().event_repeated) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      deliver(watch, [out](OpenWatch& w) { w.handler.on_event(out); });
    }
    if (faults_.roll("watch dropped", faults_.rates().watch_dropped)) {
      if (faults_.roll("watch history forgotten", faults_.rates().history_forgotten))
        return end(watch, {ErrorCode::gone, "too old resource version"});
      return end(watch, {ErrorCode::unavailable, "watch: end of stream"});
    }
  }
}

// In order within one watch, each event with a delay of its own.
void SimTransport::deliver(const std::shared_ptr<OpenWatch>& watch, std::function<void(OpenWatch&)> fn) {
  watch->last_delivery = std::max(watch->last_delivery, scheduler_.now() + faults_.delay() + faults_.stall());
  scheduler_.after(watch->last_delivery - scheduler_.now(), [this, alive = alive_, watch, fn = std::move(fn)] {
    if (*alive && watches_.contains(watch->id)) fn(*watch);
  });
}

void SimTransport::end(const std::shared_ptr<OpenWatch>& watch, Error error) {
  watch->ended = true;
  watch->source.reset();
  deliver(watch, [this, error = std::move(error)](OpenWatch& w) {
    const auto keep = watches_.at(w.id);
    watches_.erase(w.id);
    keep->handler.on_end(error);
  });
}

void SimTransport::stop_watch(WatchId id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  it->second->source.reset();
  it->second->ended = true;
  watches_.erase(it);
}

void SimTransport::set_reachable(bool reachable) {
  reachable_ = reachable;
  if (reachable) return;
  faults_.count("API outage");
  for (const auto& [id, watch] : std::map(watches_)) {
    if (!watch->ended) end(watch, {ErrorCode::unavailable, "watch: connection reset"});
  }
}

}  // namespace berth::sim
