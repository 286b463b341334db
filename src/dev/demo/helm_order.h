#pragma once

// The order in which Helm 3 sends the objects of a release: known kinds by a fixed list, all others behind them,
// alphabetically; the same kind in the order of the chart.

#include <vector>

#include <boost/json/value.hpp>

namespace berth::dev {

using Objects = std::vector<boost::json::value>;

[[nodiscard]] Objects install_order(Objects objects);

// Workloads first, Namespaces last of the known kinds; the others come last here as well.
[[nodiscard]] Objects uninstall_order(Objects objects);

}  // namespace berth::dev
