#pragma once

// Keeps a consumer's copy of one kind up to date: lists once, then watches, and starts over when the server asks for
// it. Does no I/O and reads no clock of its own; the simulator runs this very code over its own Transport.

#include <memory>
#include <set>
#include <string>
#include <variant>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "api/resource.h"
#include "base/random.h"
#include "base/scheduler.h"
#include "kube/backoff.h"
#include "kube/transport.h"

namespace berth::kube {

// The whole set as of resource_version: what the consumer holds and does not find here is deleted; the same name with
// another UID is a deletion and an addition.
struct Replace {
  boost::json::array items;
  std::string resource_version;
};

// An object was added or changed. It may be one that the consumer has already seen, in this version or a newer one.
struct Upsert {
  boost::json::value object;
};

// An object is gone; this is the last the server knew of it. It may be one that the consumer never saw.
struct Delete {
  boost::json::value object;
};

using ReflectorEvent = std::variant<Replace, Upsert, Delete>;

// Passes on exactly what the Transport delivers, in its order: nothing is dropped, merged or sorted here. Goes on for
// ever, whatever fails, until stop() or destruction. All on the Scheduler's thread.
class Reflector {
 public:
  enum class State {
    idle,     // start() was not called, or stop() was.       start -> listing
    listing,  // a list is under way.                         done -> watching (emits Replace); failed -> list_backoff
    list_backoff,  // a list failed, or the list before it proved  due -> listing
                   // useless: waits.
    watching,  // a watch is open behind resource_version().   event -> watching (emits Upsert, Delete, or nothing for a
               //                                              bookmark); ended healthy -> watching, or listing if gone;
               //                                              ended at once -> watch_backoff, or list_backoff if gone
    watch_backoff,  // a watch failed: waits.                       due -> watching, behind the same resource_version()
  };

  struct Options {
    api::Kind kind = api::Kind::pod;
    std::string ns;  // empty: all
    std::string field_selector;
    std::string label_selector;
    Duration backoff_first = std::chrono::milliseconds(800);
    Duration backoff_cap = std::chrono::seconds(30);
    // A watch is healthy once it has delivered anything or has been open this long; that ends an outage. Longer than
    // the Transport's time-out for connecting, shorter than the idle limit of any proxy on the way.
    Duration healthy_after = std::chrono::seconds(15);
  };

  struct Sink {
    std::function<void(ReflectorEvent)> on_event;
    // For the log: once for each distinct message of an outage, and once when it is over. May be empty.
    std::function<void(const Error&)> on_error;
    std::function<void()> on_recovered;
  };

  // The sink's functions may call stop(), but must not destroy the reflector. References must outlive it.
  Reflector(Transport& transport, Scheduler& scheduler, Random& random, Options options, Sink sink);
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void start();

  // No function of the sink is called after this returns. start() begins anew, with a list.
  void stop();

  // A Replace has been emitted since start(); stays true through later lists.
  [[nodiscard]] bool synced() const { return synced_; }

  // Something failed, and no healthy watch has followed yet: the copy may be old.
  [[nodiscard]] bool degraded() const { return !reported_.empty(); }

  [[nodiscard]] State state() const { return state_; }

  // What the consumer has seen so far: of the last list, event or bookmark. Empty before the first list.
  [[nodiscard]] const std::string& resource_version() const { return resource_version_; }

 private:
  void list();
  void on_listed(Result<boost::json::value> reply);
  void watch();
  void on_watch_event(WatchEvent event);
  void on_watch_end(Error error);
  void become_healthy();
  void wait(State state, void (Reflector::*then)(), const Error& why);
  void set_timer(Duration delay, void (Reflector::*fn)());

  // A callback that does nothing once the reflector has moved on (another turn_) or is destroyed.
  template <typename... Args>
  auto guarded(void (Reflector::*fn)(Args...));

  Transport& transport_;
  Scheduler& scheduler_;
  Options options_;
  Sink sink_;
  Backoff backoff_;

  State state_ = State::idle;
  // Counts lists, watches and waits; an answer to an earlier one is void. Shared with callbacks, which outlive *this.
  std::shared_ptr<std::uint64_t> turn_ = std::make_shared<std::uint64_t>(0);
  Transport::WatchId watch_ = 0;
  Scheduler::TimerId timer_ = 0;
  std::string resource_version_;
  bool synced_ = false;
  bool healthy_ = false;            // the present watch is
  std::set<std::string> reported_;  // messages given to on_error in this outage
};

[[nodiscard]] std::string_view to_string(Reflector::State state);

}  // namespace berth::kube
