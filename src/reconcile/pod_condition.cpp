#include "reconcile/pod_condition.h"

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

api::JsonValue* find(api::JsonArray& conditions) {
  const auto it = std::ranges::find_if(conditions, [](const api::JsonValue& item) {
    return item.is_object() && api::string_at(item.get_object(), {"type"}) == api::kAddressedCondition;
  });
  return it == conditions.end() ? nullptr : &*it;
}

}  // namespace

bool has_addressed_condition(const api::Pod& pod) {
  api::JsonArray conditions = pod.conditions;
  return find(conditions) != nullptr;
}

std::optional<api::Request> addressed_condition(const api::Pod& pod, bool status, const std::string& reason,
                                                const std::string& message, WallTime now) {
  const std::string text = status ? "True" : "False";
  api::JsonArray conditions = pod.conditions;
  api::JsonValue* is = find(conditions);
  std::string since = api::format_time(now);
  if (is != nullptr) {
    const api::JsonObject& before = is->get_object();
    if (api::string_at(before, {"status"}) == text) {
      if (api::string_at(before, {"reason"}) == reason && api::string_at(before, {"message"}) == message)
        return std::nullopt;
      since = api::string_at(before, {"lastTransitionTime"});
    }
  }
  api::JsonObject wanted{{"type", api::kAddressedCondition},
                         {"status", text},
                         {"reason", reason},
                         {"message", message},
                         {"lastProbeTime", nullptr},
                         {"lastTransitionTime", since}};
  if (is != nullptr) {
    *is = std::move(wanted);
  } else {
    conditions.emplace_back(std::move(wanted));
  }
  // A merge patch replaces the whole list, so it insists on the version that it was made from.
  api::Request request =
      patch(api::Kind::pod, pod.meta,
            api::JsonObject{{"status", api::JsonObject{{"conditions", std::move(conditions)}}}}, true);
  request.subresource = "status";
  return request;
}

}  // namespace berth::reconcile
