#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::ovsdb {

// Where a server listens: "unix:PATH", "tcp:IP:PORT", "tcp:[IPv6]:PORT".
struct Remote {
  std::string text;  // as it was written
  sockaddr_storage address{};
  socklen_t length = 0;

  [[nodiscard]] static Result<Remote> parse(std::string_view text);
  // With commas between; at least one.
  [[nodiscard]] static Result<std::vector<Remote>> parse_list(std::string_view text);
};

}  // namespace berth::ovsdb
