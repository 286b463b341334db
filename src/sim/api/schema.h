#pragma once

// Structural schemas of custom resources (apiextensions v1): pruning, defaulting and validation of objects. CEL rules
// (x-kubernetes-validations) are kept in the CRD and otherwise ignored.

#include <memory>
#include <string>

#include <boost/json/object.hpp>

#include "sim/api/error.h"

namespace berth::sim {

// Immutable once compiled. One node of the schema tree.
class Schema {
 public:
  struct Node;  // schema_node.h

  // An openAPIV3Schema that check_structural() has nothing against. preserve_unknown: spec.preserveUnknownFields of the
  // CRD.
  [[nodiscard]] static std::shared_ptr<const Schema> compile(const boost::json::object& schema, bool preserve_unknown);

  ~Schema();

  // Drops fields that the schema does not name, except below x-kubernetes-preserve-unknown-fields. apiVersion, kind and
  // metadata of the object itself always stay.
  void prune(boost::json::object& object) const;

  // Fills absent fields from `default`; null where it is not allowed counts as absent. Writes 2.0 as 2 where an integer
  // is wanted.
  void apply_defaults(boost::json::object& object) const;

  // Broken rules, each with the field's path. Types, enum, required, nullable, pattern, lengths, bounds, item and
  // property counts, uniqueItems, format (ipv4, ipv6, cidr, date-time), x-kubernetes-int-or-string, list-type map and
  // set keys.
  [[nodiscard]] Causes validate(const boost::json::object& object) const;

 private:
  explicit Schema(std::unique_ptr<const Node> root);
  std::unique_ptr<const Node> root_;
};

// What keeps a schema from being structural, as far as it matters here: a type missing, or one that does not exist.
[[nodiscard]] Causes check_structural(const boost::json::object& schema, const std::string& path);

}  // namespace berth::sim
