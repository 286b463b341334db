#include "kube/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include <boost/json/object.hpp>

#include "api/metadata.h"

namespace berth::kube {
namespace {

constexpr std::size_t kMaxMessage = 1024;
constexpr std::size_t kMaxReason = 128;
constexpr std::size_t kMaxName = 253;
constexpr std::size_t kSuffix = 17;    // ".0123456789abcdef"
constexpr std::size_t kLookBack = 16;  // how many of the oldest are considered when room is needed

// Cut at a limit in bytes, not inside a character of UTF-8.
std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
  return text;
}

std::string namespace_for(const std::string& ns) { return ns.empty() ? "default" : ns; }

}  // namespace

EventRecorder::EventRecorder(Transport& transport, Scheduler& scheduler, Options options)
    : transport_(transport), scheduler_(scheduler), options_(std::move(options)) {
  assert(options_.objects > 0 && options_.messages > 0 && options_.in_flight > 0 && options_.tries > 0);
}

EventRecorder::~EventRecorder() {
  *alive_ = false;
  for (const Gate& gate : gates_) scheduler_.cancel(gate.timer);
}

void EventRecorder::record(EventNote note) {
  note.message = cut(std::move(note.message), kMaxMessage);
  if (note.topic.empty()) note.topic = note.message;
  note.reason = cut(std::move(note.reason), kMaxReason);
  Gate* gate = gate_of({note.kind, note.ns, note.name, note.uid, note.reason});
  if (gate == nullptr) {
    ++dropped_;
    return;
  }
  Series& series = series_of(*gate, note);
  if (series.count > 0 && scheduler_.now() - series.last_at > options_.series && gate->busy != &series) {
    series.event.clear();
    series.stored = false;
    series.count = series.unwritten;
  }
  series.last = scheduler_.wall_now();
  series.last_at = scheduler_.now();
  if (series.count == 0) series.first = series.last;
  ++series.count;
  ++series.unwritten;
  pump(*gate);
}

// Null: every place is taken by notes that are still to be written.
EventRecorder::Gate* EventRecorder::gate_of(const Key& key) {
  if (const auto it = index_.find(key); it != index_.end()) {
    gates_.splice(gates_.end(), gates_, it->second);
    return &*it->second;
  }
  if (gates_.size() >= options_.objects && !make_room()) return nullptr;
  Gate gate;
  gate.key = key;
  gates_.push_back(std::move(gate));
  index_.emplace(key, std::prev(gates_.end()));
  return &gates_.back();
}

bool EventRecorder::make_room() {
  std::size_t looked = 0;
  for (auto it = gates_.begin(); it != gates_.end() && looked < kLookBack; ++it, ++looked) {
    const bool done =
        it->busy == nullptr && std::ranges::all_of(it->series, [](const Series& s) { return s.unwritten == 0; });
    if (!done) continue;
    scheduler_.cancel(it->timer);
    index_.erase(it->key);
    gates_.erase(it);
    return true;
  }
  return false;
}

EventRecorder::Series& EventRecorder::series_of(Gate& gate, const EventNote& note) {
  const auto it = std::ranges::find_if(
      gate.series, [&](const Series& s) { return s.topic == note.topic && s.warning == note.warning; });
  if (it != gate.series.end()) {
    gate.series.splice(gate.series.end(), gate.series, it);
    it->message = note.message;
    return gate.series.back();
  }
  if (gate.series.size() >= options_.messages) {
    // One that is written costs nothing; else the one that has waited longest goes.
    auto victim =
        std::ranges::find_if(gate.series, [&](const Series& s) { return s.unwritten == 0 && &s != gate.busy; });
    if (victim == gate.series.end())
      victim = std::ranges::find_if(gate.series, [&](const Series& s) { return &s != gate.busy; });
    if (victim != gate.series.end()) {
      drop(*victim);
      gate.series.erase(victim);
    }
  }
  Series series;
  series.topic = note.topic;
  series.message = note.message;
  series.warning = note.warning;
  gate.series.push_back(std::move(series));
  return gate.series.back();
}

void EventRecorder::drop(Series& series) {
  dropped_ += static_cast<std::uint64_t>(series.unwritten);
  series.unwritten = 0;
  series.failures = 0;
}

// Starts the gate's next write, or sees to it that it is started later.
void EventRecorder::pump(Gate& gate) {
  if (gate.busy != nullptr || gate.timer != 0 || gate.queued) return;
  const auto it = std::ranges::find_if(gate.series, [](const Series& s) { return s.unwritten > 0; });
  if (it == gate.series.end()) return;
  if (const Duration left = gate.next - scheduler_.now(); left > Duration::zero()) {
    gate.timer = scheduler_.after(left, [this, key = gate.key] {
      Gate& due = *index_.at(key);  // a gate with a timer is not forgotten
      due.timer = 0;
      pump(due);
    });
    return;
  }
  if (in_flight_ >= options_.in_flight) {
    gate.queued = true;
    ready_.push_back(gate.key);
    return;
  }
  write(gate, *it);
}

void EventRecorder::write(Gate& gate, Series& series) {
  const bool create = !series.stored;
  if (create && series.event.empty()) series.event = new_name(std::get<2>(gate.key));
  gate.busy = &series;
  gate.next = scheduler_.now() + options_.interval;
  ++in_flight_;
  transport_.send(
      create ? create_of(gate, series) : patch_of(gate, series),
      [this, alive = alive_, key = gate.key, covered = series.unwritten](const Result<boost::json::value>& reply) {
        if (!*alive) return;
        on_written(key, covered, reply ? Status() : fail(reply.error()));
      });
}

void EventRecorder::on_written(const Key& key, std::int64_t covered, const Status& status) {
  --in_flight_;
  Gate& gate = *index_.at(key);  // a busy gate is not forgotten
  settle(gate, *std::exchange(gate.busy, nullptr), covered, status);
  pump(gate);
  while (!ready_.empty() && in_flight_ < options_.in_flight) {
    Gate& next = *index_.at(ready_.front());
    ready_.pop_front();
    next.queued = false;
    pump(next);
  }
}

void EventRecorder::settle(Gate& gate, Series& series, std::int64_t covered, const Status& status) {
  if (status) {
    series.stored = true;
    series.unwritten -= covered;
    series.failures = 0;
    ++written_;
    return;
  }
  const bool creating = !series.stored;
  const bool again = ++series.failures < options_.tries;
  switch (status.error().code) {
    case ErrorCode::already_exists:
      // An earlier try of ours whose answer was lost, with the count of that time; or, if this was the first, somebody
      // else's.
      if (series.failures > 1) {
        series.stored = true;
      } else {
        series.event.clear();
      }
      break;
    case ErrorCode::not_found:  // a patch: the Event has expired. A create: the Namespace is gone.
      if (creating) return drop(series);
      series.stored = false;
      series.event.clear();
      series.count = series.unwritten;
      series.first = series.last;
      break;
    case ErrorCode::unavailable:
    case ErrorCode::timeout:
      gate.next = scheduler_.now() + std::chrono::seconds(1 << series.failures);
      break;
    default:
      return drop(series);
  }
  if (!again) drop(series);
}

std::string EventRecorder::new_name(const std::string& object) {
  const auto stamp =
      static_cast<std::uint64_t>(scheduler_.wall_now().time_since_epoch().count()) * 256 + sequence_++ % 256;
  return fmt::format("{}.{:016x}", cut(object, kMaxName - kSuffix), stamp);
}

api::Request EventRecorder::create_of(const Gate& gate, const Series& series) const {
  const auto& [kind, ns, name, uid, reason] = gate.key;
  boost::json::object involved{
      {"apiVersion", api::api_version_of(kind)}, {"kind", api::resource_of(kind).name}, {"name", name}};
  if (!ns.empty()) involved["namespace"] = ns;
  if (!uid.empty()) involved["uid"] = uid;
  boost::json::object source{{"component", options_.component}};
  if (!options_.instance.empty()) source["host"] = options_.instance;
  api::Request request;
  request.verb = api::Verb::create;
  request.kind = api::Kind::event;
  request.ns = namespace_for(ns);
  request.body = {{"apiVersion", "v1"},
                  {"kind", "Event"},
                  {"metadata", {{"name", series.event}, {"namespace", request.ns}}},
                  {"involvedObject", std::move(involved)},
                  {"reason", reason},
                  {"message", series.message},
                  {"type", series.warning ? "Warning" : "Normal"},
                  {"source", std::move(source)},
                  {"reportingComponent", options_.component},
                  {"reportingInstance", options_.instance},
                  {"firstTimestamp", api::format_time(series.first)},
                  {"lastTimestamp", api::format_time(series.last)},
                  {"count", series.count}};
  return request;
}

api::Request EventRecorder::patch_of(const Gate& gate, const Series& series) {
  api::Request request;
  request.verb = api::Verb::merge_patch;
  request.kind = api::Kind::event;
  request.ns = namespace_for(std::get<1>(gate.key));
  request.name = series.event;
  request.body = {
      {"count", series.count}, {"lastTimestamp", api::format_time(series.last)}, {"message", series.message}};
  return request;
}

}  // namespace berth::kube
