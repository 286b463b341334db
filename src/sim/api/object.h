#pragma once

// Small reading and writing helpers for Kubernetes objects held as Boost.JSON. A path is a list of keys; reading
// through something absent, or of another type, gives the empty value, never an error.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/scheduler.h"

namespace berth::sim {

// A stored object: immutable, so copies share it.
using Object = std::shared_ptr<const boost::json::object>;

using Path = std::initializer_list<std::string_view>;

[[nodiscard]] const boost::json::value* find_at(const boost::json::object& object, Path path);
[[nodiscard]] std::string_view string_at(const boost::json::object& object, Path path);
[[nodiscard]] std::int64_t int_at(const boost::json::object& object, Path path, std::int64_t otherwise = 0);
[[nodiscard]] bool bool_at(const boost::json::object& object, Path path);
[[nodiscard]] const boost::json::object* object_at(const boost::json::object& object, Path path);
[[nodiscard]] const boost::json::array* array_at(const boost::json::object& object, Path path);

// The object under key, made (or made anew, if something else is there) when absent.
boost::json::object& ensure_object(boost::json::object& parent, std::string_view key);
boost::json::array& ensure_array(boost::json::object& parent, std::string_view key);

// Sets key only if it is absent or null; true if it did.
template <typename T>
bool set_default(boost::json::object& parent, std::string_view key, T&& value) {
  boost::json::value& v = parent[key];
  if (!v.is_null()) return false;
  v = std::forward<T>(value);
  return true;
}

// Takes out every field that is null, at any depth: to the typed objects of kube-apiserver null and absent are one.
// List items stay.
void drop_nulls(boost::json::object& object);

[[nodiscard]] inline boost::json::object& metadata_of(boost::json::object& object) {
  return ensure_object(object, "metadata");
}
[[nodiscard]] inline std::string_view name_of(const boost::json::object& o) {
  return string_at(o, {"metadata", "name"});
}
[[nodiscard]] inline std::string_view namespace_of(const boost::json::object& o) {
  return string_at(o, {"metadata", "namespace"});
}
[[nodiscard]] inline std::string_view uid_of(const boost::json::object& o) { return string_at(o, {"metadata", "uid"}); }
[[nodiscard]] bool is_terminating(const boost::json::object& object);  // metadata.deletionTimestamp is set

// metadata.resourceVersion as a number; 0 when absent or not a decimal number.
[[nodiscard]] std::uint64_t version_of(const boost::json::object& object);

[[nodiscard]] bool has_finalizer(const boost::json::object& object, std::string_view finalizer);
void add_finalizer(boost::json::object& object, std::string_view finalizer);
void remove_finalizer(boost::json::object& object, std::string_view finalizer);  // drops an empty list

// True if metadata.finalizers holds anything.
[[nodiscard]] bool has_finalizers(const boost::json::object& object);

// metav1.Time ("2026-01-02T03:04:05Z") and metav1.MicroTime.
[[nodiscard]] std::string format_time(WallTime time);
[[nodiscard]] std::string format_micro_time(WallTime time);
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);

// Sets the condition of that type; keeps lastTransitionTime when the status stays. Absent reason and message are left
// out.
struct Condition {
  std::string type;
  bool status = false;
  std::string reason;
  std::string message;
};
void set_condition(boost::json::array& conditions, const Condition& condition, WallTime now);
[[nodiscard]] const boost::json::object* find_condition(const boost::json::object& object, std::string_view type);

}  // namespace berth::sim
