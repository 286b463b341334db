#include "api/annotations.h"
#include "reconcile/plan.h"

namespace berth::reconcile {
namespace {

api::Request create(api::Kind kind, std::string_view name, api::JsonObject spec) {
  api::Request request{api::Verb::create, kind, "", "", "", {}, "", ""};
  request.body = {{"apiVersion", api::api_version_of(kind)},
                  {"kind", api::resource_of(kind).name},
                  {"metadata", {{"name", name}}},
                  {"spec", std::move(spec)}};
  return request;
}

}  // namespace

// What a cluster always has: the default Vpc, its default subnet, and the nodes' join subnet.
Plan reconcile_system(world::World& world) {
  Plan plan;
  const world::Settings& settings = world.settings();
  if (world.vpcs().find(std::string(api::kDefaultVpc)) == nullptr)
    plan.writes.push_back(create(api::Kind::vpc, api::kDefaultVpc, {}));
  if (world.subnets().find(std::string(api::kDefaultSubnet)) == nullptr) {
    plan.writes.push_back(create(api::Kind::subnet, api::kDefaultSubnet,
                                 {{"default", true},
                                  {"vpc", api::kDefaultVpc},
                                  {"provider", api::kDefaultProvider},
                                  {"cidrBlock", api::to_string(settings.default_cidr)},
                                  {"gatewayType", "distributed"},
                                  {"natOutgoing", true},
                                  {"disableGatewayCheck", false}}));
  }
  if (world.subnets().find(std::string(api::kJoinSubnet)) == nullptr) {
    plan.writes.push_back(create(api::Kind::subnet, api::kJoinSubnet,
                                 {{"default", false},
                                  {"vpc", api::kDefaultVpc},
                                  {"provider", api::kDefaultProvider},
                                  {"cidrBlock", api::to_string(settings.join_cidr)},
                                  {"disableInterConnection", true}}));
  }
  return plan;
}

}  // namespace berth::reconcile
