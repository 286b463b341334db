#pragma once

namespace berth::ovn {

// The part of OVN's northbound schema (ovn-nb.ovsschema 7.0.0) that Berth uses, without the columns that refer to other
// tables: for ovsdb::MemoryStore.
extern const char kSimulatedSchema[];

}  // namespace berth::ovn
