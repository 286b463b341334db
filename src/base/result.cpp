#include "base/result.h"

#include <fmt/core.h>

namespace berth {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return "invalid";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::already_exists:
      return "already exists";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::gone:
      return "gone";
    case ErrorCode::forbidden:
      return "forbidden";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::exhausted:
      return "exhausted";
    case ErrorCode::fenced:
      return "fenced";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";
}

Error Error::with_context(std::string_view prefix) const { return Error{code, fmt::format("{}: {}", prefix, message)}; }

}  // namespace berth
