#include "api/vpc.h"

namespace berth::api {

Vpc Vpc::parse(const JsonObject& object) {
  Vpc vpc;
  vpc.meta = ObjectMeta::parse(object);
  vpc.default_subnet = string_at(object, {"spec", "defaultSubnet"});
  vpc.namespaces = strings_at(object, {"spec", "namespaces"});
  if (const JsonArray* routes = find_array(object, {"spec", "staticRoutes"})) {
    for (const JsonValue& item : *routes) {
      if (const JsonObject* r = item.if_object()) {
        vpc.static_routes.push_back({string_at(*r, {"policy"}), string_at(*r, {"cidr"}), string_at(*r, {"nextHopIP"})});
      }
    }
  }
  vpc.conditions = parse_conditions(object);
  if (const JsonObject* status = find_object(object, {"status"})) vpc.status = *status;
  return vpc;
}

}  // namespace berth::api
