#pragma once

// Kubernetes Events: what `kubectl describe` and `kubectl events` tell people about an object.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "api/resource.h"
#include "base/scheduler.h"
#include "kube/transport.h"

namespace berth::kube {

// One thing that happened to an object.
struct EventNote {
  api::Kind kind = api::Kind::pod;
  std::string ns;  // empty: cluster-scoped; the Event then lies in "default"
  std::string name;
  std::string uid;
  bool warning = false;
  std::string reason;   // "WaitingForSubnet"
  std::string message;  // cut at 1024 bytes
  std::string topic{};  // notes of one topic are one Event, which shows the last message; empty: the message
};

// Writes core/v1 Events through a Transport. Equal notes (object, reason, topic) are one Event whose count rises. The
// API server sees at most one write a second per object and reason; what happens meanwhile goes into the next.
//
// Best effort: a write that fails because the server is away is tried again a few times, then dropped; so is anything
// beyond the limits below, the notes that have waited longest first. All on the Scheduler's thread.
class EventRecorder {
 public:
  struct Options {
    std::string component = "berth-controller";  // source.component and reportingComponent
    std::string instance;                        // reportingInstance and source.host: the pod's or the node's name
    Duration interval = std::chrono::seconds(1);
    Duration series = std::chrono::minutes(10);  // an equal note after a pause longer than this is an Event of its own
    int tries = 4;                               // of one write, 2 s, 4 s and 8 s apart
    std::size_t objects = 4096;                  // object and reason pairs remembered
    std::size_t messages = 8;                    // of each
    std::size_t in_flight = 32;
  };

  // References must outlive it.
  EventRecorder(Transport& transport, Scheduler& scheduler, Options options);
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  void record(EventNote note);

  [[nodiscard]] std::uint64_t written() const { return written_; }  // writes that succeeded
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }  // notes that no Event tells of

 private:
  using Key = std::tuple<api::Kind, std::string, std::string, std::string, std::string>;  // kind, ns, name, uid, reason

  // Notes of one object and reason with one topic.
  struct Series {
    std::string topic;
    std::string message;  // the last one
    bool warning = false;
    std::string event;  // the Event's name once it is chosen; a create with it may have been tried
    bool stored = false;
    std::int64_t count = 0;
    std::int64_t unwritten = 0;  // of count
    WallTime first{};
    WallTime last{};
    TimePoint last_at{};
    int failures = 0;  // in a row
  };

  struct Gate {
    Key key;
    std::list<Series> series;  // least recently noted first
    Series* busy = nullptr;    // whose write is in flight
    TimePoint next{};          // no write before
    Scheduler::TimerId timer = 0;
    bool queued = false;  // in ready_
  };
  using Gates = std::list<Gate>;  // least recently noted first

  [[nodiscard]] Gate* gate_of(const Key& key);
  [[nodiscard]] bool make_room();
  [[nodiscard]] Series& series_of(Gate& gate, const EventNote& note);
  void pump(Gate& gate);
  void write(Gate& gate, Series& series);
  void on_written(const Key& key, std::int64_t covered, const Status& status);
  void settle(Gate& gate, Series& series, std::int64_t covered, const Status& status);
  void drop(Series& series);
  [[nodiscard]] api::Request create_of(const Gate& gate, const Series& series) const;
  [[nodiscard]] static api::Request patch_of(const Gate& gate, const Series& series);
  [[nodiscard]] std::string new_name(const std::string& object);

  Transport& transport_;
  Scheduler& scheduler_;
  Options options_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Gates gates_;
  std::map<Key, Gates::iterator> index_;
  std::deque<Key> ready_;  // gates that wait for a place in flight
  std::size_t in_flight_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace berth::kube
