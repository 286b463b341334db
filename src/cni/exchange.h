#pragma once

// The plugin's side of the agent's unix socket.

#include <chrono>
#include <string>

#include "cni/error.h"

namespace berth::cni {

// POSTs message to kCallPath (protocol.h) and returns the body of the answer. Blocks, at most until the deadline.
// Errors (code kIoFailure): nobody listens, the connection broke, the answer is not a 200 with a Content-Length, too
// long or too late; details say which, and name the socket.
[[nodiscard]] Result<std::string> exchange_message(const std::string& socket_path, const std::string& message,
                                                   std::chrono::milliseconds deadline);

}  // namespace berth::cni
