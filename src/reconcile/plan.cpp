#include "reconcile/plan.h"

namespace berth::reconcile {

Plan reconcile(world::World& world, const world::Key& key, Random& random) {
  switch (key.kind) {
    case world::KeyKind::system:
      return reconcile_system(world);
    case world::KeyKind::vpc:
      return reconcile_vpc(world, key.name);
    case world::KeyKind::subnet:
      return reconcile_subnet(world, key.name);
    case world::KeyKind::ip_pool:
      return reconcile_ip_pool(world, key.name);
    case world::KeyKind::vip:
      return reconcile_vip(world, key.name, random);
    case world::KeyKind::namespace_:
      return reconcile_namespace(world, key.name);
    case world::KeyKind::node:
      return reconcile_node(world, key.name, random);
    case world::KeyKind::pod:
      return reconcile_pod(world, key.name, random);
  }
  return {};
}

}  // namespace berth::reconcile
