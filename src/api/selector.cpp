#include "api/selector.h"

#include <algorithm>

namespace berth::api {

LabelSelector LabelSelector::parse(const JsonObject& object) {
  LabelSelector out;
  for (const auto& [key, value] : string_map_at(object, {"matchLabels"}))
    out.requirements_.push_back({key, Operator::in, {value}});
  if (const JsonArray* expressions = find_array(object, {"matchExpressions"})) {
    for (const JsonValue& item : *expressions) {
      const JsonObject* e = item.if_object();
      if (e == nullptr) continue;
      const std::string op = string_at(*e, {"operator"});
      const Operator parsed = op == "In"             ? Operator::in
                              : op == "NotIn"        ? Operator::not_in
                              : op == "Exists"       ? Operator::exists
                              : op == "DoesNotExist" ? Operator::does_not_exist
                                                     : Operator::never;
      // What it says instead of an operator is kept for the message.
      out.requirements_.push_back(
          {string_at(*e, {"key"}), parsed, parsed == Operator::never ? std::vector{op} : strings_at(*e, {"values"})});
    }
  }
  return out;
}

bool LabelSelector::matches(const std::map<std::string, std::string>& labels) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& r) {
    const auto it = labels.find(r.key);
    const bool present = it != labels.end();
    const bool listed = present && std::ranges::find(r.values, it->second) != r.values.end();
    switch (r.op) {
      case Operator::in:
        return listed;
      case Operator::not_in:
        return !listed;
      case Operator::exists:
        return present;
      case Operator::does_not_exist:
        return !present;
      case Operator::never:
        return false;
    }
    return false;
  });
}

std::optional<std::string> LabelSelector::problem() const {
  for (const Requirement& r : requirements_) {
    if (r.key.empty()) return "an expression has no key; name a label";
    if (r.op == Operator::never) {
      return "label " + r.key + ": operator \"" + r.values.front() + "\": must be In, NotIn, Exists or DoesNotExist";
    }
    const bool lists = r.op == Operator::in || r.op == Operator::not_in;
    if (lists && r.values.empty()) return "label " + r.key + ": In and NotIn need values";
    if (!lists && !r.values.empty()) return "label " + r.key + ": Exists and DoesNotExist take no values";
  }
  return std::nullopt;
}

}  // namespace berth::api
