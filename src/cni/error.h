#pragma once

// Failures as the Container Network Interface (CNI) specification words them: a code, a short message, and details.
// This folder stands alone (no other layer, Boost.JSON only) because berth-cni is linked statically from it.

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace berth::cni {

// CNI specification 1.1.0, section "Error"; 100 and above are the plugin's own.
enum ErrorCode : int {
  kIncompatibleVersion = 1,
  kUnknownContainer = 3,
  kInvalidEnvironment = 4,
  kIoFailure = 5,
  kDecodingFailure = 6,
  kInvalidConfig = 7,
  kTryAgainLater = 11,
  kNotAvailable = 50,  // STATUS: ADD cannot be served now
  kCheckFailed = 100,  // CHECK: what is there is not what was promised
  kInternal = 101,
};

struct Error {
  int code = kInternal;
  std::string msg;
  std::string details;

  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(int code, std::string msg, std::string details = {}) {
  return tl::unexpected<Error>(Error{code, std::move(msg), std::move(details)});
}

// The error object that a plugin prints, in the shape of every supported version.
[[nodiscard]] std::string print_error(std::string_view cni_version, const Error& error);

}  // namespace berth::cni
