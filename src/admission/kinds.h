#pragma once

// One function for each kind, in a file of its own. They are asked only for what may be wrong: not for an object that
// is being deleted, nor for an update that leaves spec as it was. world: null, or all that is known.

#include <optional>
#include <string>
#include <vector>

#include "admission/review.h"
#include "api/annotations.h"
#include "net/address.h"

namespace berth::admission {

[[nodiscard]] Verdict review_subnet(const Review& review, const world::World* world);
[[nodiscard]] Verdict review_ip_pool(const Review& review, const world::World* world);
[[nodiscard]] Verdict review_ip(const Review& review, const world::World* world);
[[nodiscard]] Verdict review_vip(const Review& review, const world::World* world);
[[nodiscard]] Verdict review_vpc(const Review& review, const world::World* world);
[[nodiscard]] Verdict review_pod(const Review& review, const world::World* world);

// Objects of one Helm release: an upgrade sends the new one before it deletes the old, so their conflict may pass.
[[nodiscard]] bool same_release(const api::ObjectMeta& a, const api::ObjectMeta& b);

// "7 IP objects (first: web-0.web)"; empty: none.
[[nodiscard]] std::string listed(std::size_t count, std::string_view what, const std::string& first);

// A wish for an address that somebody else holds. `lasting`: the holder lives, and will not go by itself.
struct Taken {
  std::string by;  // "IP web-0.web", "Vip front"
  bool lasting = false;
};

// Who holds an address of a subnet, apart from `except` (a port, or vip_lease()); none: nobody that is known.
[[nodiscard]] std::optional<Taken> holder(const world::World& world, const std::string& subnet,
                                          const net::Address& address, const std::string& except,
                                          const api::ObjectMeta& asking);

}  // namespace berth::admission
