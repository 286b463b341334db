#include "api/condition.h"

#include <algorithm>

#include "api/metadata.h"

namespace berth::api {

std::vector<Condition> parse_conditions(const JsonObject& object) {
  std::vector<Condition> out;
  const JsonArray* array = find_array(object, {"status", "conditions"});
  if (array == nullptr) return out;
  for (const JsonValue& item : *array) {
    if (const JsonObject* c = item.if_object()) {
      out.push_back({string_at(*c, {"type"}), string_at(*c, {"status"}), string_at(*c, {"reason"}),
                     string_at(*c, {"message"}), string_at(*c, {"lastUpdateTime"}),
                     string_at(*c, {"lastTransitionTime"}), int_at(*c, {"observedGeneration"})});
    }
  }
  return out;
}

JsonArray to_json(const std::vector<Condition>& conditions) {
  JsonArray out;
  for (const Condition& c : conditions) {
    JsonObject item{{"type", c.type},
                    {"status", c.status},
                    {"reason", c.reason},
                    {"message", c.message},
                    {"lastUpdateTime", c.last_update},
                    {"lastTransitionTime", c.last_transition}};
    if (c.observed_generation != 0) item["observedGeneration"] = c.observed_generation;
    out.push_back(std::move(item));
  }
  return out;
}

bool same_but_for_words(const std::vector<Condition>& a, const std::vector<Condition>& b) {
  return std::ranges::equal(a, b, [](const Condition& x, const Condition& y) {
    return x.type == y.type && x.status == y.status && x.reason == y.reason &&
           x.observed_generation == y.observed_generation;
  });
}

bool set_condition(std::vector<Condition>& conditions, const std::string& type, bool status, const std::string& reason,
                   const std::string& message, WallTime now, std::int64_t generation) {
  const std::string wanted = status ? "True" : "False";
  auto it = std::ranges::find(conditions, type, &Condition::type);
  if (it == conditions.end()) {
    conditions.push_back({type, wanted, reason, message, format_time(now), format_time(now), generation});
    return true;
  }
  const bool same_generation = generation == 0 || it->observed_generation == generation;
  if (it->status == wanted && it->reason == reason && it->message == message && same_generation) return false;
  if (it->status != wanted) it->last_transition = format_time(now);
  it->last_update = format_time(now);
  it->status = wanted;
  it->reason = reason;
  it->message = message;
  if (generation != 0) it->observed_generation = generation;
  return true;
}

}  // namespace berth::api
