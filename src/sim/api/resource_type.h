#pragma once

// One served resource: what discovery says about it, and how the store treats its objects.

#include <memory>
#include <string>
#include <vector>

namespace berth::sim {

class Schema;

// additionalPrinterColumns of a CRD version.
struct PrinterColumn {
  std::string name;
  std::string type;    // "string", "integer", "number", "boolean", "date"
  std::string format;  // may be empty
  std::string description;
  std::string json_path;  // ".spec.cidrBlock"
  int priority = 0;       // above 0: shown with -o wide only
};

struct ResourceType {
  std::string group;  // "" is the core group
  std::string version;
  std::string plural;
  std::string singular;
  std::string kind;
  std::string list_kind;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool namespaced = true;
  bool has_status = false;           // the status subresource exists: status is written only through it
  bool tracks_generation = false;    // metadata.generation counts changes of the wanted state
  bool orphans_by_default = false;   // delete without a propagationPolicy keeps the dependents (batch/v1 Job)
  bool unconditional_update = true;  // update without metadata.resourceVersion is allowed (not for custom resources)
  std::vector<std::string> subresources;  // "status", "scale", "binding", "eviction", "finalize"

  // Custom resources only.
  bool custom = false;
  std::shared_ptr<const Schema> schema;
  std::vector<PrinterColumn> columns;

  [[nodiscard]] std::string api_version() const { return group.empty() ? version : group + "/" + version; }

  // "pods", "deployments.apps": what all versions of a resource share, and the name of a CRD.
  [[nodiscard]] std::string group_resource() const { return group.empty() ? plural : plural + "." + group; }

  [[nodiscard]] bool has_subresource(std::string_view name) const {
    for (const std::string& s : subresources) {
      if (s == name) return true;
    }
    return false;
  }
};

// Held by pointer: a CRD may be changed or deleted while a request or a watch still uses its type.
using TypePtr = std::shared_ptr<const ResourceType>;

}  // namespace berth::sim
