#pragma once

// The simulator's own test: Berth with one safeguard missing. Each must be noticed within 200 seeds.

#include <string>
#include <vector>

#include "binding/safeguards.h"

namespace berth::sim_test {

struct Mutant {
  std::string name;
  bool binding::Safeguards::* safeguard;
};

inline const std::vector<Mutant>& mutants() {
  using S = binding::Safeguards;
  static const std::vector<Mutant> all{
      {"default-at-once", &S::late_binding},
      {"no-confirmation", &S::confirm},
      {"stale-knowledge", &S::fresh_reads},
      {"no-settling-time", &S::settle},
      {"skip-uid-check", &S::check_pod_uid},
      {"free-before-acknowledgement", &S::free_after_acknowledgement},
      {"drop-wake-up", &S::wake_waiting},
      {"no-epoch", &S::write_epoch},
      {"order-of-list", &S::order_by_age},
      {"counters-from-second-source", &S::one_source_of_counters},
      {"finalizer-by-counter", &S::finalizer_by_owners},
      {"forget-on-start", &S::adopt_on_start},
      {"absence-is-proof", &S::prove_absence},
      {"rebind-without-precondition", &S::claim_precondition},
      {"reserve-later", &S::reserve_in_same_turn},
      {"port-after-ip-object", &S::remove_port_first},
      {"newcomer-takes-range", &S::holder_keeps_range},
      {"pools-after-the-first-draw", &S::pools_at_once},
      {"pool-gone-while-in-use", &S::pool_finalizer_by_use},
      {"vip-address-to-whoever-comes", &S::vip_keeps_address},
      {"bind-to-terminating", &S::terminating_is_not_ready},
  };
  return all;
}

}  // namespace berth::sim_test
