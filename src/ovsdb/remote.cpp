#include "ovsdb/remote.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

namespace berth::ovsdb {

namespace {

auto bad(std::string_view remote, std::string_view why) {
  return fail(ErrorCode::invalid,
              fmt::format("OVSDB remote \"{}\": {}; expected unix:PATH or tcp:IP:PORT", remote, why));
}

Result<Remote> parse_unix(std::string_view text, std::string_view path) {
  Remote out{std::string(text)};
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.empty()) return bad(text, "no path");
  if (path.size() >= sizeof(un.sun_path))
    return bad(text, fmt::format("the path is longer than {} bytes", sizeof(un.sun_path) - 1));
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&out.address, &un, sizeof(un));
  out.length = sizeof(un);
  return out;
}

Result<Remote> parse_tcp(std::string_view text, std::string_view rest) {
  Remote out{std::string(text)};
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad(text, "no port");
  std::string ip(rest.substr(0, colon));
  const std::string_view digits = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size() || port == 0)
    return bad(text, "the port is not a number from 1 to 65535");
  if (ip.size() > 2 && ip.front() == '[' && ip.back() == ']') {
    ip = ip.substr(1, ip.size() - 2);
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, ip.c_str(), &in6.sin6_addr) != 1) return bad(text, "not an IPv6 address");
    std::memcpy(&out.address, &in6, sizeof(in6));
    out.length = sizeof(in6);
    return out;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  if (::inet_pton(AF_INET, ip.c_str(), &in.sin_addr) != 1) return bad(text, "not an IP address");
  std::memcpy(&out.address, &in, sizeof(in));
  out.length = sizeof(in);
  return out;
}

}  // namespace

Result<Remote> Remote::parse(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
  if (text.starts_with("tcp:")) return parse_tcp(text, text.substr(4));
  if (text.starts_with("ssl:")) return bad(text, "ssl is not supported");
  return bad(text, "unknown kind");
}

Result<std::vector<Remote>> Remote::parse_list(std::string_view text) {
  std::vector<Remote> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    auto remote = parse(text.substr(begin, end - begin));
    if (!remote) return fail(remote.error());
    out.push_back(std::move(*remote));
    begin = end + 1;
  }
  return out;
}

}  // namespace berth::ovsdb
