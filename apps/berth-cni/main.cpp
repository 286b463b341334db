// berth-cni: the CNI plugin that a container runtime executes. It reads one call, hands it to berth-agent, and prints
// what the agent answers in the version of the specification that the caller speaks.

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "cni/exchange.h"
#include "cni/plugin.h"

namespace {

using berth::cni::Call;
using berth::cni::Command;

// Longer than the agent takes to give its own, better worded answer; shorter than runtimes give a sandbox.
constexpr std::chrono::seconds kAttachDeadline{110};
constexpr std::chrono::seconds kQuestionDeadline{15};

// Reads at most one byte more than is allowed, so that the parser sees that there was too much.
std::string read_standard_input() {
  std::string text;
  char buffer[16384];
  while (text.size() <= berth::cni::kMaxConfigBytes) {
    const auto n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

bool write_standard_output(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto n = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

int main() {
  const auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const auto exchange = [](const Call& call, const std::string& message) {
    const bool question = call.command == Command::status || call.command == Command::check;
    return berth::cni::exchange_message(call.socket, message, question ? kQuestionDeadline : kAttachDeadline);
  };
  const auto output = berth::cni::run(environment, read_standard_input(), exchange);
  if (!output.text.empty() && !write_standard_output(output.text + "\n")) return 1;
  return output.exit_status;
}
