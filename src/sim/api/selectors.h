#pragma once

// Label selectors (equality and set based) and field selectors, parsed from their query-string form.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

class LabelSelector {
 public:
  // "a=b,c!=d,e in (f,g),h notin (i),j,!k"; empty matches all. 400 on a syntax error.
  [[nodiscard]] static ApiResult<LabelSelector> parse(std::string_view text);

  // From a LabelSelector object (matchLabels, matchExpressions). An empty or absent one matches all.
  [[nodiscard]] static ApiResult<LabelSelector> from_object(const boost::json::object& selector);

  [[nodiscard]] bool matches(const boost::json::object* labels) const;  // null: no labels
  [[nodiscard]] bool matches_object(const boost::json::object& object) const;
  [[nodiscard]] bool empty() const { return terms_.empty(); }
  [[nodiscard]] std::string to_string() const;

 private:
  enum class Op { in, not_in, exists, absent };
  struct Term {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };
  struct Parser;
  std::vector<Term> terms_;
};

class FieldSelector {
 public:
  // "metadata.name=x,spec.nodeName!=y". 400 on a syntax error, or on a field that this type cannot be selected by.
  [[nodiscard]] static ApiResult<FieldSelector> parse(std::string_view text, const ResourceType& type);

  [[nodiscard]] bool matches(const boost::json::object& object) const;
  [[nodiscard]] bool empty() const { return terms_.empty(); }

 private:
  struct Term {
    std::vector<std::string> path;
    bool equal;
    std::string value;
  };
  std::vector<Term> terms_;
};

}  // namespace berth::sim
