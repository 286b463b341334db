#pragma once

namespace berth::bench {

// Each measures one group of works, in the order of the peer's own test, and prints their lines.
void alloc_free();  // allocate; free in order and shuffled: IPv4, IPv6, dual; 1,000 to 50,000
void churn();       // free a random one, allocate, with 1,000 to 50,000 live
void statics();     // by address: in order, dense shuffled, sparse
void subnets();     // add, delete; release by owner among many subnets
void rebuild();     // adopt 100,000 owners in order and shuffled
void memory();      // heap per address
void flatness();    // allocate by size of the subnet, and by how full and torn it is
void snapshots();   // status of a torn /16; pools

}  // namespace berth::bench
