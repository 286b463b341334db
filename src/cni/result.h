#pragma once

// The result of ADD in the shapes of the specification's versions. Pure.

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "cni/error.h"

namespace berth::cni {

// What ADD prints: result (in the shape of 1.1.0, as the agent sends it) as that version knows it. 1.0.0 lacks mtu,
// socketPath and pciID of interfaces, and mtu, advmss, priority, table and scope of routes; before 1.0.0 every address
// carries "version": "4" or "6" as well. Error: kDecodingFailure if result is not of the 1.1.0 shape.
[[nodiscard]] Result<std::string> print_result(std::string_view cni_version, const boost::json::object& result);

}  // namespace berth::cni
