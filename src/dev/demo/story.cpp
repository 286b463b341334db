#include "dev/demo/story.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/json.h"
#include "base/event_loop.h"
#include "dev/demo/outside.h"
#include "dev/demo/table.h"
#include "dev/demo/verdict.h"

namespace berth::dev {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(200);

}  // namespace

Story::Story(Screen& screen, const Objects& chart, std::stop_token stop)
    : screen_(screen), stop_(std::move(stop)), began_(boot_time()) {
  for (const boost::json::value& object : chart) {
    if (!object.is_object()) continue;
    const std::string kind = api::string_at(object.get_object(), {"kind"});
    const std::string name = api::string_at(object.get_object(), {"metadata", "name"});
    if (kind == "Namespace") namespaces_.insert(name);
    if (kind == "Subnet" || kind == "Vpc") networks_.insert(fmt::format("{} {}", kind, name));
  }
}

void Story::follow(Api& api) {
  api.follow(api::Kind::pod, [this](const auto& object, bool deleted) { on_pod(object, deleted); });
  api.follow(api::Kind::event, [this](const auto& object, bool deleted) { on_event(object, deleted); });
  for (const api::Kind kind : {api::Kind::subnet, api::Kind::vpc}) {
    api.follow(kind, [this, kind](const auto& object, bool deleted) { on_network(kind, object, deleted); });
  }
}

void Story::begin() {
  const std::scoped_lock lock(mutex_);
  began_ = boot_time();
  timeline_ = Timeline();
  first_pod_.reset();
  seen_.clear();
  stories_.clear();
}

Duration Story::elapsed() const {
  const std::scoped_lock lock(mutex_);
  return boot_time() - began_;
}

void Story::say(const std::string& text) {
  screen_.line(fmt::format("+{:>6}  {}", format_duration(elapsed()), text), Screen::Tone::title);
}

bool Story::await_first_pod(Duration until) {
  return await([this] { return first_pod_.has_value(); }, until);
}

bool Story::await_all_ready(const Expectation& expectation, Duration until) {
  std::size_t wanted = 0;
  for (const MeantPods& meant : expectation.pods) wanted += meant.count;
  return await(
      [&] {
        const auto ready = std::ranges::count_if(seen_, [&](const auto& entry) {
          return entry.second.ready && !entry.second.leaving && meant_for(expectation, entry.second) != nullptr;
        });
        return static_cast<std::size_t>(ready) >= wanted;
      },
      until);
}

void Story::await_time(Duration until) {
  (void)await([] { return false; }, until);
}

Duration Story::first_pod() const {
  const std::scoped_lock lock(mutex_);
  return first_pod_.value_or(Duration{0});
}

std::map<std::string, PodStory> Story::pods() const {
  const std::scoped_lock lock(mutex_);
  return stories_;
}

bool Story::await(const std::function<bool()>& condition, Duration until) {
  std::unique_lock lock(mutex_);
  bool met = condition();
  while (!met && !stop_.stop_requested() && boot_time() < began_ + until) {
    screen_.live(timeline_.pending(boot_time() - began_));
    const Duration left = began_ + until - boot_time();
    changed_.wait_for(lock, std::min<Duration>(kRedraw, left));
    met = condition();
  }
  screen_.live({});
  return met;
}

void Story::tell(const Lines& lines) {
  for (const std::string& line : lines) screen_.line(line);
  changed_.notify_all();
}

void Story::on_pod(const boost::json::object& object, bool deleted) {
  SeenPod pod = pod_of(object);
  if (!namespaces_.contains(pod.ns)) return;
  const std::scoped_lock lock(mutex_);
  const Duration now = boot_time() - began_;
  const std::string uid = pod.uid;
  if (!first_pod_ && !deleted) first_pod_ = now;
  const Lines lines = timeline_.pod(object, deleted, now);
  if (deleted) {
    seen_.erase(uid);
  } else {
    seen_.insert_or_assign(uid, std::move(pod));
    if (const auto story = timeline_.pods().find(uid); story != timeline_.pods().end()) stories_[uid] = story->second;
  }
  tell(lines);
}

void Story::on_network(api::Kind kind, const boost::json::object& object, bool deleted) {
  const std::string name =
      fmt::format("{} {}", api::resource_of(kind).name, api::string_at(object, {"metadata", "name"}));
  if (!networks_.contains(name)) return;
  const std::scoped_lock lock(mutex_);
  const Duration now = boot_time() - began_;
  tell(kind == api::Kind::vpc ? timeline_.vpc(object, deleted, now) : timeline_.subnet(object, deleted, now));
}

void Story::on_event(const boost::json::object& object, bool deleted) {
  if (deleted || !namespaces_.contains(api::string_at(object, {"metadata", "namespace"}))) return;
  const std::scoped_lock lock(mutex_);
  const std::string version = api::string_at(object, {"metadata", "resourceVersion"});
  if (!told_events_.insert(fmt::format("{}@{}", api::string_at(object, {"metadata", "uid"}), version)).second) return;
  tell(timeline_.event(object, boot_time() - began_));
}

}  // namespace berth::dev
