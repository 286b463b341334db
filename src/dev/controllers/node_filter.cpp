#include "dev/controllers/node_filter.h"

#include <algorithm>

#include <boost/json/array.hpp>

#include "sim/api/selectors.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

namespace {

bool is_node_ready(const json::object& node) {
  const json::object* ready = sim::find_condition(node, "Ready");
  return ready && string_at(*ready, {"status"}) == "True";
}

bool tolerates(const json::object& toleration, const json::object& taint) {
  const std::string_view effect = string_at(toleration, {"effect"});
  const std::string_view key = string_at(toleration, {"key"});
  if (!effect.empty() && effect != string_at(taint, {"effect"})) return false;
  if (!key.empty() && key != string_at(taint, {"key"})) return false;
  if (string_at(toleration, {"operator"}) == "Exists") return true;
  return !key.empty() && string_at(toleration, {"value"}) == string_at(taint, {"value"});
}

// Readiness is judged by the condition alone: nobody here takes the node lifecycle's own taints away again.
bool is_lifecycle_taint(std::string_view key) {
  return key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable" ||
         key == "node.kubernetes.io/unschedulable";
}

bool all_taints_tolerated(const json::object& node, const json::object& pod) {
  const json::array* taints = sim::array_at(node, {"spec", "taints"});
  if (!taints) return true;
  const json::array* tolerations = sim::array_at(pod, {"spec", "tolerations"});
  return std::all_of(taints->begin(), taints->end(), [&](const json::value& v) {
    const json::object& taint = v.get_object();
    if (string_at(taint, {"effect"}) == "PreferNoSchedule" || is_lifecycle_taint(string_at(taint, {"key"})))
      return true;
    return tolerations && std::any_of(tolerations->begin(), tolerations->end(), [&](const json::value& t) {
             return t.is_object() && tolerates(t.get_object(), taint);
           });
  });
}

// A node selector term: matchExpressions on labels, matchFields on metadata.name; an empty one matches nothing.
bool term_matches(const json::object& node, const json::object& term) {
  const json::object* labels = sim::object_at(node, {"metadata", "labels"});
  const json::object name{{"metadata.name", sim::name_of(node)}};
  bool any = false;
  for (const auto& [key, subject] : {std::pair("matchExpressions", labels), std::pair("matchFields", &name)}) {
    const json::array* expressions = sim::array_at(term, {key});
    if (!expressions || expressions->empty()) continue;
    any = true;
    const auto selector = sim::LabelSelector::from_object({{"matchExpressions", *expressions}});
    if (!selector || !selector->matches(subject)) return false;
  }
  return any;
}

bool affinity_allows(const json::object& node, const json::object& pod) {
  const json::array* terms = sim::array_at(
      pod, {"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"});
  if (!terms) return true;
  return std::any_of(terms->begin(), terms->end(), [&](const json::value& term) {
    return term.is_object() && term_matches(node, term.get_object());
  });
}

// Where a node lies along a topology key; nodes are their own hostname even without the label.
std::string_view topology_of(const json::object& node, std::string_view key) {
  const std::string_view value = string_at(node, {"metadata", "labels", key});
  return value.empty() && key == "kubernetes.io/hostname" ? sim::name_of(node) : value;
}

bool term_concerns(const json::object& term, const json::object& pod, const json::object& other) {
  const json::array* namespaces = sim::array_at(term, {"namespaces"});
  const std::string_view ns = sim::namespace_of(other);
  const bool in_scope = namespaces && !namespaces->empty()
                            ? std::find(namespaces->begin(), namespaces->end(), json::value(ns)) != namespaces->end()
                            : ns == sim::namespace_of(pod);
  const json::object* selector = sim::object_at(term, {"labelSelector"});
  if (!in_scope || !selector) return false;
  const auto parsed = sim::LabelSelector::from_object(*selector);
  return parsed && parsed->matches_object(other);
}

// True if a term of holder's anti-affinity keeps the two out of one topology domain.
bool repels(const json::object& holder, const json::object& holder_node, const json::object& other,
            const json::object& other_node) {
  const json::array* terms =
      sim::array_at(holder, {"spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  if (!terms) return false;
  return std::any_of(terms->begin(), terms->end(), [&](const json::value& v) {
    if (!v.is_object() || !term_concerns(v.get_object(), holder, other)) return false;
    const std::string_view key = string_at(v.get_object(), {"topologyKey"});
    const std::string_view domain = topology_of(holder_node, key);
    return !domain.empty() && domain == topology_of(other_node, key);
  });
}

}  // namespace

std::string node_refuses(const json::object& node, const json::object& pod) {
  if (!is_node_ready(node)) return "node(s) were not ready";
  if (sim::bool_at(node, {"spec", "unschedulable"})) return "node(s) were unschedulable";
  if (!all_taints_tolerated(node, pod)) return "node(s) had untolerated taint(s)";
  const json::object* wanted = sim::object_at(pod, {"spec", "nodeSelector"});
  const json::object* labels = sim::object_at(node, {"metadata", "labels"});
  const bool selected = !wanted || std::all_of(wanted->begin(), wanted->end(), [&](const auto& label) {
    const json::value* v = labels ? labels->if_contains(label.key()) : nullptr;
    return v && *v == label.value();
  });
  if (!selected || !affinity_allows(node, pod)) return "node(s) didn't match Pod's node affinity/selector";
  return {};
}

bool keeps_apart(const json::object& node, const json::object& pod, const std::vector<Placement>& others) {
  return std::any_of(others.begin(), others.end(), [&](const Placement& other) {
    return repels(pod, node, *other.pod, *other.node) || repels(*other.pod, *other.node, pod, node);
  });
}

}  // namespace berth::dev
