#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/scheduler.h"
#include "binding/decision.h"

namespace berth::world {

// One pod that waits.
struct Waiting {
  TimePoint since{};  // of the whole wait, through changes of what for
  std::set<binding::WaitKey> keys;
  std::optional<TimePoint> until;  // woken then at the latest
  std::string for_what;
};

// Which pods wait, and for what: each is found from every key it waits on, so that an arrival wakes exactly those.
class WaitingIndex {
 public:
  // Starts the wait, or changes what it is for; the start is kept. True if for_what is new.
  bool set(const std::string& pod, const binding::Wait& wait, TimePoint now);
  // Ends it; the record of the wait that ended, if there was one.
  std::optional<Waiting> clear(const std::string& pod);

  [[nodiscard]] const Waiting* find(const std::string& pod) const;
  [[nodiscard]] std::vector<std::string> on(const binding::WaitKey& key) const;
  [[nodiscard]] const std::map<std::string, Waiting>& all() const { return pods_; }

 private:
  void unlink(const std::string& pod, const std::set<binding::WaitKey>& keys);

  std::map<std::string, Waiting> pods_;
  std::map<binding::WaitKey, std::set<std::string>> by_key_;
};

}  // namespace berth::world
