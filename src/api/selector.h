#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"

namespace berth::api {

// A Kubernetes LabelSelector: matchLabels and matchExpressions, all of which must hold. An empty selector matches
// everything.
class LabelSelector {
 public:
  [[nodiscard]] static LabelSelector parse(const JsonObject& object);
  [[nodiscard]] bool matches(const std::map<std::string, std::string>& labels) const;
  // What is wrong with it, and so never matches; none: nothing.
  [[nodiscard]] std::optional<std::string> problem() const;
  bool operator==(const LabelSelector&) const = default;

 private:
  enum class Operator { in, not_in, exists, does_not_exist, never };  // never: an operator that does not exist
  struct Requirement {
    std::string key;
    Operator op = Operator::exists;
    std::vector<std::string> values;
    bool operator==(const Requirement&) const = default;
  };
  std::vector<Requirement> requirements_;
};

}  // namespace berth::api
