#pragma once

// Percent-encoding (RFC 3986), and a request target taken apart.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace berth::http {

// Everything but unreserved characters is encoded, '/' included.
[[nodiscard]] std::string percent_encode(std::string_view text);

// Error invalid: '%' without two hexadecimal digits. '+' is left alone.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);

struct Target {
  std::string path;                                        // decoded; begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // decoded, '+' means space
};

// "/api/v1/pods?labelSelector=a%3Db"; also the absolute form "http://host/path". Error invalid.
[[nodiscard]] Result<Target> parse_target(std::string_view target);

}  // namespace berth::http
