#pragma once

// The JSONPath of CRD printer columns (client-go's subset that apiextensions admits).

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace berth::dev {

// ".spec.cidrBlock", ".metadata.annotations.example\.com/a", ".status['ready']", ".items[0].name", ".items[*].name",
// ".status.conditions[?(@.type==\"Ready\")].status". An outer pair of braces is allowed.
class JsonPath {
 public:
  // Error invalid for anything else.
  [[nodiscard]] static Result<JsonPath> parse(std::string_view text);

  // What it selects, in order; what is missing selects nothing. The pointers are into value.
  [[nodiscard]] std::vector<const boost::json::value*> find(const boost::json::value& value) const;

 private:
  struct Step {
    enum class Kind { key, index, all, filter };
    Kind kind;
    std::string key;                // key
    int index = 0;                  // index; negative counts from the end
    std::vector<std::string> path;  // filter: the keys below each item
    bool equal = true;              // filter: ==, or !=
    boost::json::value operand;     // filter
  };
  struct Parser;
  std::vector<Step> steps_;
};

}  // namespace berth::dev
