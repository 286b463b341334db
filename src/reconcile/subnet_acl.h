#pragma once

#include <set>
#include <vector>

#include "api/subnet.h"
#include "world/logical_network.h"

namespace berth::reconcile {

// The access rules on a Subnet's switch; `cidrs`: all ranges that pods of it use. A private one lets in its own pods,
// the nodes (`join`: their CIDRs) and allowSubnets. spec.acls come on top; with allowEWTraffic, traffic within the
// subnet passes them.
[[nodiscard]] std::set<world::Acl> wanted_acls(const api::Subnet& subnet, const std::vector<net::Cidr>& cidrs,
                                               const std::vector<net::Cidr>& join);

}  // namespace berth::reconcile
