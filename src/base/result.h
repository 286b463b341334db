#pragma once

// Expected failures are values. A function that can fail in a way its caller must handle returns Result<T>; asserts are
// for programmer errors, exceptions for nothing.

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace berth {

enum class ErrorCode {
  invalid,         // the input is wrong and stays wrong until somebody edits it
  not_found,       // HTTP 404, a missing row, a missing file
  already_exists,  // HTTP 409 on create
  conflict,        // HTTP 409 on update: a precondition (resourceVersion, UID) no longer holds
  gone,            // HTTP 410: the watch's resourceVersion is too old, list again
  forbidden,       // HTTP 401 and 403, EPERM
  unavailable,     // the other side cannot be reached or asks to try later
  timeout,         // a deadline passed
  exhausted,       // no address, no room
  fenced,          // an older epoch tried to write: another leader has taken over
  internal,        // a reply that breaks the protocol
};

[[nodiscard]] std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // names the object, the field, the value and, where there is one, the remedy

  // The same error seen from one call further out: "<prefix>: <message>".
  [[nodiscard]] Error with_context(std::string_view prefix) const;

  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace berth
