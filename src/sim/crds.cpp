#include "sim/crds.h"

#include <cassert>

#include "api/yaml.h"

namespace berth::sim {

extern const char* const kEmbeddedFiles[];

const std::vector<boost::json::object>& builtin_crds() {
  static const std::vector<boost::json::object> crds = [] {
    std::vector<boost::json::object> out;
    for (const char* const* text = kEmbeddedFiles; *text != nullptr; ++text) {
      const auto documents = api::parse_yaml(*text);
      assert(documents && "a built-in CRD is not YAML");
      for (const boost::json::value& document : *documents) out.push_back(document.as_object());
    }
    return out;
  }();
  return crds;
}

void install_crds(ApiStore& store) {
  const TypePtr type = store.types().find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  for (const boost::json::object& crd : builtin_crds()) {
    if (store.get(*type, "", name_of(crd))) continue;
    const auto created = store.create(*type, "", crd);
    assert(created && "a built-in CRD is not valid");
    (void)created;
  }
}

}  // namespace berth::sim
