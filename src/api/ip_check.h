#pragma once

#include "api/json.h"

namespace berth::api {

// Kube-OVN's rules for the text of an IP object by itself. The error names field, value and remedy.
[[nodiscard]] Status check_ip(const JsonObject& object);

}  // namespace berth::api
