#include "world/waiting.h"

namespace berth::world {

bool WaitingIndex::set(const std::string& pod, const binding::Wait& wait, TimePoint now) {
  auto [it, added] = pods_.try_emplace(pod);
  Waiting& waiting = it->second;
  if (added) waiting.since = now;
  unlink(pod, waiting.keys);
  const bool news = waiting.for_what != wait.for_what;
  waiting.keys = wait.keys;
  waiting.until = wait.until;
  waiting.for_what = wait.for_what;
  for (const binding::WaitKey& key : waiting.keys) by_key_[key].insert(pod);
  return news;
}

std::optional<Waiting> WaitingIndex::clear(const std::string& pod) {
  const auto it = pods_.find(pod);
  if (it == pods_.end()) return std::nullopt;
  unlink(pod, it->second.keys);
  Waiting ended = std::move(it->second);
  pods_.erase(it);
  return ended;
}

void WaitingIndex::unlink(const std::string& pod, const std::set<binding::WaitKey>& keys) {
  for (const binding::WaitKey& key : keys) {
    const auto it = by_key_.find(key);
    if (it == by_key_.end()) continue;
    it->second.erase(pod);
    if (it->second.empty()) by_key_.erase(it);
  }
}

const Waiting* WaitingIndex::find(const std::string& pod) const {
  const auto it = pods_.find(pod);
  return it == pods_.end() ? nullptr : &it->second;
}

std::vector<std::string> WaitingIndex::on(const binding::WaitKey& key) const {
  const auto it = by_key_.find(key);
  if (it == by_key_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

}  // namespace berth::world
