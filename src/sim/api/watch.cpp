#include "sim/api/watch.h"

#include <fmt/core.h>

#include <algorithm>

namespace berth::sim {

namespace json = boost::json;

std::string_view to_string(WatchEvent::Type type) {
  switch (type) {
    case WatchEvent::Type::added:
      return "ADDED";
    case WatchEvent::Type::modified:
      return "MODIFIED";
    case WatchEvent::Type::deleted:
      return "DELETED";
    case WatchEvent::Type::bookmark:
      return "BOOKMARK";
  }
  return "ERROR";
}

bool Selection::matches(const json::object& object) const {
  return (ns.empty() || namespace_of(object) == ns) && labels.matches_object(object) && fields.matches(object);
}

Object present(const ResourceType& type, const Object& object) {
  const std::string api_version = type.api_version();
  if (!object || string_at(*object, {"apiVersion"}) == api_version) return object;
  json::object copy = *object;
  copy["apiVersion"] = api_version;
  return std::make_shared<const json::object>(std::move(copy));
}

void History::append(Change change) {
  changes_.push_back(std::move(change));
  while (changes_.size() > limit_) {
    forgotten_ = changes_.front().version;
    changes_.pop_front();
  }
  const Change& last = changes_.back();
  for (Watch* watch : watches_) {
    if (watch->wake_ && watch->seen(last)) watch->wake_();
  }
}

void History::forget() {
  for (Watch* watch : watches_) {
    if (changes_.empty() || changes_.back().version <= watch->position_) {
      watch->position_ = latest_;
    } else if (watch->wake_) {
      watch->wake_();
    }
  }
  changes_.clear();
  forgotten_ = latest_;
}

void History::close() {
  closed_ = true;
  for (Watch* watch : watches_) {
    if (watch->wake_) watch->wake_();
  }
}

Watch::Watch(TypePtr type, std::shared_ptr<History> history, Selection selection, std::uint64_t position,
             std::function<void()> wake)
    : type_(std::move(type)),
      history_(std::move(history)),
      selection_(std::move(selection)),
      position_(position),
      wake_(std::move(wake)) {
  history_->watches_.push_back(this);
}

Watch::~Watch() { std::erase(history_->watches_, this); }

std::optional<WatchEvent> Watch::seen(const Change& change) const {
  const bool before = change.previous && selection_.matches(*change.previous);
  const bool after = change.type != Change::Type::deleted && selection_.matches(*change.object);
  if (!before && !after) return std::nullopt;
  if (after)
    return WatchEvent{before ? WatchEvent::Type::modified : WatchEvent::Type::added, present(*type_, change.object)};
  if (change.type == Change::Type::deleted)
    return WatchEvent{WatchEvent::Type::deleted, present(*type_, change.object)};
  // It no longer matches: kube-apiserver shows the state that last did, at the version of the change.
  json::object last = *change.previous;
  metadata_of(last)["resourceVersion"] = std::to_string(change.version);
  return WatchEvent{WatchEvent::Type::deleted, present(*type_, std::make_shared<const json::object>(std::move(last)))};
}

ApiResult<std::optional<WatchEvent>> Watch::next() {
  if (!initial_.empty()) {
    std::optional<WatchEvent> event = std::move(initial_.front());
    initial_.pop_front();
    return event;
  }
  if (history_->too_old(position_)) {
    return tl::unexpected(expired(fmt::format("too old resource version: {} ({})", position_, history_->forgotten_)));
  }
  auto change = std::upper_bound(history_->changes_.begin(), history_->changes_.end(), position_,
                                 [](std::uint64_t version, const Change& c) { return version < c.version; });
  for (; change != history_->changes_.end(); ++change) {
    position_ = change->version;
    if (std::optional<WatchEvent> event = seen(*change)) return event;
  }
  if (history_->closed_) return tl::unexpected(no_such_resource());
  position_ = history_->latest_;
  return std::optional<WatchEvent>();
}

WatchEvent Watch::bookmark() const {
  json::object object{{"kind", type_->kind},
                      {"apiVersion", type_->api_version()},
                      {"metadata", {{"resourceVersion", std::to_string(position_)}, {"creationTimestamp", nullptr}}}};
  return {WatchEvent::Type::bookmark, std::make_shared<const json::object>(std::move(object))};
}

}  // namespace berth::sim
