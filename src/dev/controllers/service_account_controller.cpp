#include "dev/controllers/service_account_controller.h"

#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;

namespace {

constexpr std::string_view kAccount = "default";
constexpr std::string_view kRootCa = "kube-root-ca.crt";

}  // namespace

void ServiceAccountController::on_change(const sim::ResourceType& type, const sim::Change& change,
                                         std::vector<Key>& dirty) {
  const std::string resource = type.group_resource();
  const bool deleted = change.type == sim::Change::Type::deleted;
  if (resource == "namespaces" && change.type == sim::Change::Type::added) {
    dirty.push_back(key_of(type, *change.object));
  } else if ((resource == "serviceaccounts" && deleted && sim::name_of(*change.object) == kAccount) ||
             (resource == "configmaps" && sim::name_of(*change.object) == kRootCa)) {
    dirty.push_back({"namespaces", "", std::string(sim::namespace_of(*change.object))});
  }
}

std::optional<Duration> ServiceAccountController::reconcile(const Key& key) {
  const sim::Object ns = cluster_.get(key);
  if (!ns || sim::is_terminating(*ns)) return std::nullopt;
  const sim::TypePtr accounts = cluster_.type_of("serviceaccounts");
  if (!cluster_.get(*accounts, key.name, kAccount)) {
    (void)cluster_.create(*accounts, key.name, {{"metadata", {{"name", kAccount}}}});
  }
  if (root_ca_.empty()) return std::nullopt;
  const sim::TypePtr maps = cluster_.type_of("configmaps");
  const json::object data{{"ca.crt", root_ca_}};
  const sim::Object map = cluster_.get(*maps, key.name, kRootCa);
  if (!map) {
    (void)cluster_.create(*maps, key.name, {{"metadata", {{"name", kRootCa}}}, {"data", data}});
  } else if (sim::string_at(*map, {"data", "ca.crt"}) != root_ca_) {
    cluster_.patch(*maps, *map, {{"data", data}});
  }
  return std::nullopt;
}

}  // namespace berth::dev
