#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/scheduler.h"

namespace berth::api {

struct OwnerReference {
  std::string kind;
  std::string name;
  std::string uid;
  bool controller = false;
  bool operator==(const OwnerReference&) const = default;
};

// metadata of any object. Of what Berth does not use, nothing is kept: writes are merge patches.
struct ObjectMeta {
  std::string name;
  std::string ns;  // empty: cluster-scoped
  std::string uid;
  std::string resource_version;  // as the server wrote it: for preconditions
  std::uint64_t version = 0;     // the same as a number: for "newer than"
  std::int64_t generation = 0;
  WallTime created{};
  bool deleting = false;  // deletionTimestamp is set
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> finalizers;
  std::vector<OwnerReference> owners;

  [[nodiscard]] static ObjectMeta parse(const JsonObject& object);

  [[nodiscard]] std::string key() const { return ns.empty() ? name : ns + "/" + name; }
  [[nodiscard]] bool has_finalizer(std::string_view finalizer) const;
  [[nodiscard]] std::optional<std::string> annotation(std::string_view key) const;
  [[nodiscard]] const OwnerReference* controller() const;  // null: none

  // Order of age, then name: who came first wins (Kubernetes stores creation times in whole seconds).
  [[nodiscard]] bool older_than(const ObjectMeta& other) const;
};

// RFC 3339, UTC, whole seconds ("2026-01-02T03:04:05Z"), as Kubernetes writes creationTimestamp; fractions are
// accepted.
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);
[[nodiscard]] std::string format_time(WallTime time);

// Whether a text can be the name of an object: a DNS-1123 subdomain.
[[nodiscard]] bool is_object_name(std::string_view text);
[[nodiscard]] std::string format_micro_time(WallTime time);  // MicroTime of Leases and Events

// "12.3s", "2m5s": how long something waits, for people.
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace berth::api
