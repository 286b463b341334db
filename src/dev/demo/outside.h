#pragma once

// Reads what outside programs print: ovn-nbctl, ovs-vsctl and ip, all asked for JSON; and pods as the API shows them.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"
#include "dev/demo/observation.h"

namespace berth::dev {

// A table as `ovn-nbctl --format=json list TABLE` prints it: by column, a set of one bare, references as ["uuid", …].
struct PrintedTable {
  std::string name;
  std::vector<std::map<std::string, boost::json::value>> rows;
};

// One line of `text` for each of `tables`, in that order. Error internal: anything else.
[[nodiscard]] Result<std::vector<PrintedTable>> parse_tables(std::string_view text,
                                                             const std::vector<std::string>& tables);

// The port rows with the switch that each is on, and their IP addresses; router ports have none of their own.
[[nodiscard]] std::vector<SeenPort> ports_of(const PrintedTable& switches, const PrintedTable& ports);

// "Logical_Switch s1"; a row without a name is told by what it holds, references left out.
[[nodiscard]] std::string describe_row(const std::string& table, const std::map<std::string, boost::json::value>& row);

// Of `ip -j addr show dev eth0` and `ip -j route` (any number of lists, for both families).
[[nodiscard]] Result<SeenNamespace> parse_ip(std::string_view addresses, const std::vector<std::string>& routes);

[[nodiscard]] SeenPod pod_of(const boost::json::object& object);

}  // namespace berth::dev
