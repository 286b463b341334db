#pragma once

namespace berth::binding {

// What keeps Berth's promise, one by one. All true in production. The simulator switches them off singly, to prove that
// it would notice their absence; `berth-dev demo --sabotage` switches off the first three, to prove that the demo
// would.
struct Safeguards {
  bool late_binding = true;   // rules 3 to 6: wait for what is claimed or expected instead of taking the default
  bool confirm = true;        // decide anew before each step of delivery
  bool fresh_reads = true;    // rules 7 and 8 only after a consistent read begun after the pod was seen
  bool settle = true;         // rule 6
  bool check_pod_uid = true;  // an IP object of another incarnation of the pod is not the pod's
  bool free_after_acknowledgement = true;  // an address is free only when port and IP object are known to be gone
  bool wake_waiting = true;                // an arrival wakes the pods that wait for it
  bool write_epoch = true;                 // northbound writes are fenced by the leader's epoch
  bool order_by_age = true;                // ties are broken by age and name, never by the order of a list
  bool one_source_of_counters = true;      // status counters come from the allocator's one snapshot
  bool finalizer_by_owners = true;         // a Subnet's finalizer looks at leases, not at status counters
  bool adopt_on_start = true;              // a new leader rebuilds the allocators before it draws
  bool prove_absence = true;               // a pod missing from a list is gone only after a GET says so
  bool claim_precondition = true;          // rebinding an IP object needs its resourceVersion
  bool reserve_in_same_turn = true;        // a drawn address is taken before anything is written
  bool remove_port_first = true;           // the port goes before the IP object
  bool holder_keeps_range = true;          // an accepted CIDR is not displaced by a newcomer
  bool pools_at_once = true;               // a new allocator knows the pools before anything is drawn from it
  bool pool_finalizer_by_use = true;       // a deleted IPPool keeps its addresses while somebody holds one
  bool vip_keeps_address = true;           // what a pod had of a Vip returns to the Vip, not to the subnet
  bool terminating_is_not_ready = true;    // a terminating Subnet takes no new pod
};

}  // namespace berth::binding
