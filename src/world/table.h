#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace berth::world {

// The objects of one kind, from three sources that overtake each other: watch events, lists, and replies to our own
// writes. Order is decided by resourceVersion, so that an old event never undoes newer knowledge:
//   list_floor_   a list at this version was applied; events at or below it are part of it already
//   deleted_      an object was seen deleted at this version; anything older about it is void
//   absent_       an object was missing from a list of a part of the collection at this version
template <typename T>
class Table {
 public:
  // before or after absent: added or removed. proven: somebody saw the deletion itself; false: merely absent from a
  // list.
  using Hook = std::function<void(const std::optional<T>& before, const T* after, bool proven)>;

  explicit Table(Hook hook) : hook_(std::move(hook)) {}

  void upsert(T object) {
    const std::string key = object.meta.key();
    const auto it = objects_.find(key);
    if (it == objects_.end()) {
      if (object.meta.version <= list_floor_ || is_buried(key, object.meta.version)) return;
      put(key, std::nullopt, std::move(object));
      return;
    }
    if (object.meta.version <= it->second.meta.version) return;
    if (it->second.meta.uid != object.meta.uid) {
      erase(it, true);  // the same name with another UID: a deletion and an addition
      put(key, std::nullopt, std::move(object));
      return;
    }
    put(key, std::optional<T>(std::move(it->second)), std::move(object));
  }

  // What a GET just said: it overrules the absence from a list, but not a deletion that was seen.
  void affirm(T object) {
    const std::string key = object.meta.key();
    const auto it = deleted_.find(key);
    if (objects_.contains(key) || (it != deleted_.end() && object.meta.version <= it->second))
      return upsert(std::move(object));
    put(key, std::nullopt, std::move(object));
  }

  void remove(const T& object) {
    const std::string key = object.meta.key();
    auto& stone = deleted_[key];
    stone = std::max(stone, object.meta.version);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return;
    const bool same = it->second.meta.uid == object.meta.uid;
    if (!same && it->second.meta.version > object.meta.version) return;
    erase(it, true);
  }

  // The whole of the collection (or, with a filter, the part of it that satisfies the filter) at this version.
  void replace(std::vector<T> items, std::uint64_t version, const std::function<bool(const T&)>& covers = {}) {
    std::map<std::string, bool> listed;
    for (T& item : items) {
      listed.emplace(item.meta.key(), true);
      const auto it = objects_.find(item.meta.key());
      // A list may show what the floor would hide: it is a source of its own.
      if (it == objects_.end() && !is_buried(item.meta.key(), item.meta.version)) {
        std::string key = item.meta.key();
        put(key, std::nullopt, std::move(item));
      } else {
        upsert(std::move(item));
      }
    }
    std::vector<std::string> absent;
    for (const auto& [key, object] : objects_) {
      if (!listed.contains(key) && object.meta.version <= version && (!covers || covers(object))) absent.push_back(key);
    }
    for (const std::string& key : absent) {
      if (covers) absent_[key] = std::max(absent_[key], version);
      erase(objects_.find(key), false);
    }
    if (!covers) {
      list_floor_ = std::max(list_floor_, version);
      std::erase_if(deleted_, [&](const auto& entry) { return entry.second + kMemory <= list_floor_; });
      std::erase_if(absent_, [&](const auto& entry) { return entry.second <= list_floor_; });
    }
  }

  [[nodiscard]] const T* find(const std::string& key) const {
    const auto it = objects_.find(key);
    return it == objects_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const std::map<std::string, T>& all() const { return objects_; }

 private:
  // How many versions a deletion is remembered beyond the next list, for GETs that are still on their way.
  static constexpr std::uint64_t kMemory = 100'000;

  [[nodiscard]] bool is_buried(const std::string& key, std::uint64_t version) const {
    const auto holds = [&](const std::map<std::string, std::uint64_t>& stones) {
      const auto it = stones.find(key);
      return it != stones.end() && version <= it->second;
    };
    return holds(deleted_) || holds(absent_);
  }

  void put(const std::string& key, std::optional<T> before, T after) {
    T& stored = objects_.insert_or_assign(key, std::move(after)).first->second;
    hook_(before, &stored, true);
  }

  void erase(typename std::map<std::string, T>::iterator it, bool proven) {
    const std::optional<T> before(std::move(it->second));
    objects_.erase(it);
    hook_(before, nullptr, proven);
  }

  std::map<std::string, T> objects_;
  std::uint64_t list_floor_ = 0;
  std::map<std::string, std::uint64_t> deleted_;
  std::map<std::string, std::uint64_t> absent_;
  Hook hook_;
};

}  // namespace berth::world
