#pragma once

// Brings the replica's row changes into a Model and finds out which named objects they may have altered.

#include <vector>

#include "ovn/model.h"
#include "ovsdb/database.h"

namespace berth::ovn {

struct Touched {
  Strings routers;
  Strings switches;
  Strings ports;
  Strings address_sets;
};

// Tables other than those of kMonitoredTables are ignored.
void feed(Model& model, const std::vector<ovsdb::RowChange>& changes, Touched& touched);

}  // namespace berth::ovn
