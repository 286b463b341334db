#include "dev/controllers/pods.h"

#include <algorithm>
#include <tuple>

#include <boost/json/array.hpp>

#include "dev/controllers/ownership.h"
#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

std::string_view phase_of(const json::object& pod) { return string_at(pod, {"status", "phase"}); }

bool is_finished(const json::object& pod) { return phase_of(pod) == "Succeeded" || phase_of(pod) == "Failed"; }

bool is_active(const json::object& pod) { return !is_finished(pod) && !sim::is_terminating(pod); }

bool is_ready(const json::object& pod) {
  const json::object* ready = sim::find_condition(pod, "Ready");
  return ready && string_at(*ready, {"status"}) == "True";
}

bool is_available(const json::object& pod, std::int64_t min_ready_seconds, WallTime now,
                  std::optional<Duration>& left) {
  if (!is_ready(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  const auto since = sim::parse_time(string_at(*sim::find_condition(pod, "Ready"), {"lastTransitionTime"}));
  if (!since) return false;
  const Duration missing = *since + std::chrono::seconds(min_ready_seconds) - now;
  if (missing <= Duration::zero()) return true;
  left = std::min(left.value_or(missing), missing);
  return false;
}

json::object pod_from_template(const json::object& pod_template, const json::object& owner) {
  json::object meta;
  for (const char* key : {"labels", "annotations", "finalizers"}) {
    if (const json::value* v = sim::find_at(pod_template, {"metadata", key})) meta[key] = *v;
  }
  meta["ownerReferences"] = json::array{controller_reference(owner)};
  const json::object* spec = sim::object_at(pod_template, {"spec"});
  return {{"metadata", std::move(meta)}, {"spec", spec ? *spec : json::object()}};
}

bool deleted_before(const json::object& a, const json::object& b) {
  const auto rank = [](const json::object& pod) {
    return std::tuple(!string_at(pod, {"spec", "nodeName"}).empty(), phase_of(pod) == "Running", is_ready(pod));
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  const std::string_view made_a = string_at(a, {"metadata", "creationTimestamp"});
  const std::string_view made_b = string_at(b, {"metadata", "creationTimestamp"});
  if (made_a != made_b) return made_a > made_b;
  return sim::name_of(a) > sim::name_of(b);
}

}  // namespace berth::dev
