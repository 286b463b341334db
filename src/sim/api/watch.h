#pragma once

// Change history of one resource, and watches reading from it.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/api/error.h"
#include "sim/api/object.h"
#include "sim/api/resource_type.h"
#include "sim/api/selectors.h"

namespace berth::sim {

// One committed write.
struct Change {
  enum class Type { added, modified, deleted };
  Type type = Type::added;
  std::uint64_t version = 0;
  Object object;    // deleted: the last state, with the resourceVersion of the deletion
  Object previous;  // null if added
};

struct WatchEvent {
  enum class Type { added, modified, deleted, bookmark };
  Type type = Type::added;
  Object object;
};

// "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
[[nodiscard]] std::string_view to_string(WatchEvent::Type type);

struct Selection {
  std::string ns;  // empty: all namespaces
  LabelSelector labels;
  FieldSelector fields;

  [[nodiscard]] bool matches(const boost::json::object& object) const;
};

class Watch;

// The last changes of one resource, oldest first, in order of version; older ones are forgotten.
class History {
 public:
  // latest: the store's version counter, which must outlive the history's use.
  History(std::size_t limit, const std::uint64_t& latest) : limit_(limit), latest_(latest) {}

  void append(Change change);  // wakes the watches that will see it
  void forget();               // drops all changes there are: watches that have not read them end with 410
  void close();                // the resource is no longer served: every watch ends

  // A watch from this version on would miss something.
  [[nodiscard]] bool too_old(std::uint64_t version) const { return version < forgotten_; }

 private:
  friend class Watch;
  std::size_t limit_;
  const std::uint64_t& latest_;
  std::deque<Change> changes_;
  std::uint64_t forgotten_ = 0;  // highest version that was dropped
  bool closed_ = false;
  std::vector<Watch*> watches_;
};

// A subscription, from one position on. Pull: the owner calls next() until it says nothing more, then waits for `wake`.
//
// wake is called inside the write that made something available (at least once after next() returned nothing; it may be
// called again before next() is). It must not call into the store: it posts to a loop or notifies a condition variable.
// Destroying the watch ends it; it may outlive neither the store nor be used without the store's serialisation.
class Watch {
 public:
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // The next event that the selection sees: an object that begins to match is ADDED, one that ceases to is DELETED.
  // Nothing if there is none now. An error (410 Expired) ends the watch for good: list again.
  [[nodiscard]] ApiResult<std::optional<WatchEvent>> next();

  // A bookmark at this watch's position. Only when next() returned nothing does it cover all that has happened.
  [[nodiscard]] WatchEvent bookmark() const;

 private:
  friend class ApiStore;
  friend class History;
  Watch(TypePtr type, std::shared_ptr<History> history, Selection selection, std::uint64_t position,
        std::function<void()> wake);

  [[nodiscard]] std::optional<WatchEvent> seen(const Change& change) const;

  TypePtr type_;
  std::shared_ptr<History> history_;
  Selection selection_;
  std::uint64_t position_;  // everything up to this version was delivered or is not selected
  std::deque<WatchEvent> initial_;
  std::function<void()> wake_;
};

// The same object as this served version shows it (only apiVersion differs between versions).
[[nodiscard]] Object present(const ResourceType& type, const Object& object);

}  // namespace berth::sim
