#pragma once

// Which resources are served: the built-in ones and those that CRDs add while the store runs.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

class Registry {
 public:
  // Starts with the built-in types.
  Registry();

  [[nodiscard]] TypePtr find(std::string_view group, std::string_view version,
                             std::string_view plural) const;                                   // may be null
  [[nodiscard]] TypePtr find_kind(std::string_view api_version, std::string_view kind) const;  // may be null

  // The type by its group and plural, in the version it is stored in; null if absent.
  [[nodiscard]] TypePtr find_stored(std::string_view group, std::string_view plural) const;

  // All types, in a stable order: built-in first, then by CRD name and version. For discovery.
  [[nodiscard]] std::vector<TypePtr> all() const;

  // Puts the types of a CRD (already defaulted and validated) in the place of those that it had before.
  void put_crd(const boost::json::object& crd);
  void remove_crd(std::string_view crd_name);

 private:
  std::vector<TypePtr> builtin_;
  std::map<std::string, std::vector<TypePtr>, std::less<>> custom_;  // by CRD name; the stored version comes first
};

}  // namespace berth::sim
