#pragma once

// The whole of berth-cni but its input and output.

#include <functional>
#include <string>
#include <string_view>

#include "cni/call.h"
#include "cni/error.h"

namespace berth::cni {

// Sends one message to the agent at call.socket and returns what it answers. An error says why there is no answer.
using Exchange = std::function<Result<std::string>(const Call& call, const std::string& message)>;

struct Output {
  int exit_status = 0;
  std::string text;  // for standard output; may be empty
};

// Runs one command. An agent that cannot be reached is kNotAvailable for STATUS and kTryAgainLater otherwise.
[[nodiscard]] Output run(const Environment& environment, std::string_view standard_input, const Exchange& exchange);

}  // namespace berth::cni
