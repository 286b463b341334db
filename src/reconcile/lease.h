#pragma once

// Giving and taking back one port's address, step by step:
//   give       reserve in memory -> IP object written -> OVN port committed (-> the caller announces it)
//   keep       IP object owned by nobody, its address held -> OVN port gone
//   take back  IP object marked for deletion -> OVN port gone -> IP object gone -> address free
// Each function adds the next step to the Plan, or finds that none is left. Steps may be repeated after a crash.

#include <map>
#include <string>

#include "api/ip.h"
#include "reconcile/plan.h"

namespace berth::reconcile {

// What the IP object and the port of a bound network should say.
struct Grant {
  api::Ip ip;                                       // meta.name is the port's name
  std::map<std::string, std::string> external_ids;  // of the port
};

// Adds what is missing of a grant whose lease is reserved. True: IP object and port are both there and right.
[[nodiscard]] bool give(world::World& world, const Grant& grant, Plan& plan);

// Adds what is missing until a reserved IP object says this and no port has its address. True: nothing is. It exists.
[[nodiscard]] bool keep_reserved(world::World& world, const api::Ip& wanted, Plan& plan);

// Writes what an IP object of Kube-OVN lacks to be one of Berth's; its port stays.
void sign(const world::World& world, const api::Ip& wanted, Plan& plan);

// Adds the next step of taking back whatever there is of a port. True: nothing is left.
// unclaimed_only: the object may be claimed by an agent at any moment; deleting it then needs its resourceVersion.
[[nodiscard]] bool take_back(world::World& world, const std::string& port, bool unclaimed_only, Plan& plan);

// The lease as the IP object says it.
[[nodiscard]] ipam::Lease lease_of(const api::Ip& ip);

}  // namespace berth::reconcile
