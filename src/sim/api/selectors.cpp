#include "sim/api/selectors.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "sim/api/object.h"
#include "sim/api/validate.h"

namespace berth::sim {

namespace json = boost::json;

// Recursive descent over the selector grammar of apimachinery/pkg/labels. Words end at white space or at one of ,()=!<>
struct LabelSelector::Parser {
  std::string_view rest;

  void skip_space() {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  }
  bool eat(std::string_view token) {
    skip_space();
    if (!rest.starts_with(token)) return false;
    rest.remove_prefix(token.size());
    return true;
  }
  std::string word() {
    skip_space();
    const std::size_t end = std::min(rest.find_first_of(" \t,()=!<>"), rest.size());
    std::string out(rest.substr(0, end));
    rest.remove_prefix(end);
    return out;
  }
  [[nodiscard]] bool at_end() {
    skip_space();
    return rest.empty();
  }

  std::optional<std::vector<std::string>> value_set() {
    if (!eat("(")) return std::nullopt;
    std::vector<std::string> values;
    do {
      values.push_back(word());
    } while (eat(","));
    if (!eat(")")) return std::nullopt;
    return values;
  }

  std::optional<Term> term() {
    if (eat("!")) {
      std::string key = word();
      if (key.empty()) return std::nullopt;
      return Term{std::move(key), Op::absent, {}};
    }
    std::string key = word();
    if (key.empty()) return std::nullopt;
    if (eat("==") || eat("=")) return Term{std::move(key), Op::in, {word()}};
    if (eat("!=")) return Term{std::move(key), Op::not_in, {word()}};
    skip_space();
    if (rest.empty() || rest.front() == ',') return Term{std::move(key), Op::exists, {}};
    const std::string op = word();
    if (op != "in" && op != "notin") return std::nullopt;
    auto values = value_set();
    if (!values) return std::nullopt;
    return Term{std::move(key), op == "in" ? Op::in : Op::not_in, std::move(*values)};
  }
};

ApiResult<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  Parser parser{text};
  if (parser.at_end()) return selector;
  do {
    auto term = parser.term();
    if (!term)
      return tl::unexpected(
          bad_request(fmt::format("unable to parse requirement: found '{}' in \"{}\"", parser.rest, text)));
    if (!is_qualified_name(term->key) || !std::all_of(term->values.begin(), term->values.end(), is_label_value)) {
      return tl::unexpected(
          bad_request(fmt::format("unable to parse requirement: \"{}\" holds what is no label", text)));
    }
    selector.terms_.push_back(std::move(*term));
  } while (parser.eat(","));
  if (!parser.at_end()) {
    return tl::unexpected(
        bad_request(fmt::format("found '{}', expected: ',' or 'end of string' in \"{}\"", parser.rest, text)));
  }
  return selector;
}

ApiResult<LabelSelector> LabelSelector::from_object(const json::object& object) {
  LabelSelector selector;
  if (const json::object* equal = object_at(object, {"matchLabels"})) {
    for (const auto& [key, value] : *equal) {
      if (!value.is_string()) return tl::unexpected(bad_request("matchLabels: values must be strings"));
      selector.terms_.push_back({std::string(key), Op::in, {std::string(value.get_string())}});
    }
  }
  const json::array* expressions = array_at(object, {"matchExpressions"});
  if (!expressions) return selector;
  for (const json::value& v : *expressions) {
    if (!v.is_object()) return tl::unexpected(bad_request("matchExpressions: items must be objects"));
    const json::object& e = v.get_object();
    Term term{std::string(string_at(e, {"key"})), Op::in, {}};
    const std::string_view op = string_at(e, {"operator"});
    if (const json::array* values = array_at(e, {"values"})) {
      for (const json::value& value : *values) {
        if (value.is_string()) term.values.emplace_back(value.get_string());
      }
    }
    if (op == "In") {
      term.op = Op::in;
    } else if (op == "NotIn") {
      term.op = Op::not_in;
    } else if (op == "Exists") {
      term.op = Op::exists;
    } else if (op == "DoesNotExist") {
      term.op = Op::absent;
    } else {
      return tl::unexpected(bad_request(fmt::format("\"{}\" is not a valid label selector operator", op)));
    }
    selector.terms_.push_back(std::move(term));
  }
  return selector;
}

bool LabelSelector::matches(const json::object* labels) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    const json::value* value = labels ? labels->if_contains(term.key) : nullptr;
    const auto among = [&] {
      return value->is_string() && std::any_of(term.values.begin(), term.values.end(),
                                               [&](const std::string& v) { return value->get_string() == v; });
    };
    switch (term.op) {
      case Op::in:
        return value && among();
      case Op::not_in:
        return !value || !among();
      case Op::exists:
        return value != nullptr;
      case Op::absent:
        return value == nullptr;
    }
    return false;
  });
}

bool LabelSelector::matches_object(const json::object& object) const {
  return terms_.empty() || matches(object_at(object, {"metadata", "labels"}));
}

std::string LabelSelector::to_string() const {
  std::string out;
  for (const Term& term : terms_) {
    if (!out.empty()) out += ",";
    std::string values;
    for (const std::string& v : term.values) values += (values.empty() ? "" : ",") + v;
    switch (term.op) {
      case Op::in:
        out += term.values.size() == 1 ? term.key + "=" + values : term.key + " in (" + values + ")";
        break;
      case Op::not_in:
        out += term.values.size() == 1 ? term.key + "!=" + values : term.key + " notin (" + values + ")";
        break;
      case Op::exists:
        out += term.key;
        break;
      case Op::absent:
        out += "!" + term.key;
        break;
    }
  }
  return out;
}

namespace {

struct Selectable {
  const char* group_resource;
  std::vector<std::string_view> fields;
};

const std::vector<Selectable>& selectable_fields() {
  static const std::vector<Selectable> table = {
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName"}},
      {"namespaces", {"status.phase"}},
      {"nodes", {"spec.unschedulable"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"replicasets.apps", {"status.replicas"}},
      {"jobs.batch", {"status.successful"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
  };
  return table;
}

bool has_own_fields(const ResourceType& type) {
  return type.custom || std::any_of(selectable_fields().begin(), selectable_fields().end(),
                                    [&](const Selectable& s) { return s.group_resource == type.group_resource(); });
}

bool can_select(const ResourceType& type, std::string_view field) {
  if (field == "metadata.name" || (field == "metadata.namespace" && type.namespaced)) return true;
  for (const Selectable& s : selectable_fields()) {
    if (s.group_resource == type.group_resource())
      return std::find(s.fields.begin(), s.fields.end(), field) != s.fields.end();
  }
  return false;
}

std::string text_at(const json::object& object, const std::vector<std::string>& path) {
  const json::object* here = &object;
  const json::value* value = nullptr;
  for (const std::string& key : path) {
    if (!here) return {};
    value = here->if_contains(key);
    if (!value) {
      // Absent booleans read as false, as they do in the typed objects of kube-apiserver.
      return key == "unschedulable" || key == "hostNetwork" ? "false" : "";
    }
    here = value->if_object();
  }
  if (value->is_string()) return std::string(value->get_string());
  if (value->is_bool()) return value->get_bool() ? "true" : "false";
  if (value->is_int64()) return std::to_string(value->get_int64());
  return {};
}

}  // namespace

ApiResult<FieldSelector> FieldSelector::parse(std::string_view text, const ResourceType& type) {
  FieldSelector selector;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view term = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (term.empty()) continue;
    const std::size_t sign = term.find('=');
    if (sign == std::string_view::npos) {
      return tl::unexpected(bad_request(fmt::format("invalid selector: '{}'; can't understand '{}'", term, term)));
    }
    const bool negated = sign > 0 && term[sign - 1] == '!';
    const std::string_view field = term.substr(0, negated ? sign - 1 : sign);
    std::string_view value = term.substr(sign + 1);
    if (!negated && value.starts_with('=')) value.remove_prefix(1);
    if (!can_select(type, field)) {
      return tl::unexpected(bad_request(has_own_fields(type) ? fmt::format("field label not supported: {}", field)
                                                             : fmt::format("\"{}\" is not a known field selector: only "
                                                                           "\"metadata.name\", \"metadata.namespace\"",
                                                                           field)));
    }
    Term parsed{{}, !negated, std::string(value)};
    for (std::string_view left = field; !left.empty();) {
      const std::size_t dot = std::min(left.find('.'), left.size());
      parsed.path.emplace_back(left.substr(0, dot));
      left.remove_prefix(std::min(dot + 1, left.size()));
    }
    selector.terms_.push_back(std::move(parsed));
  }
  return selector;
}

bool FieldSelector::matches(const json::object& object) const {
  return std::all_of(terms_.begin(), terms_.end(),
                     [&](const Term& term) { return (text_at(object, term.path) == term.value) == term.equal; });
}

}  // namespace berth::sim
