#include "dev/demo/inet.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "api/json.h"

namespace berth::dev {

namespace {

constexpr int kMaxScan = 4096;

struct Span {
  Inet first;
  Inet last;
};

std::optional<Span> parse_span(const std::string& text) {
  const std::size_t dots = text.find("..");
  const auto first = Inet::parse(text.substr(0, dots));
  const auto last = dots == std::string::npos ? first : Inet::parse(text.substr(dots + 2));
  if (!first || !last) return std::nullopt;
  return Span{*first, *last};
}

// The address with all bits behind `bits` set to `bit`.
Inet fill(Inet address, int bits, bool bit) {
  const int width = address.v6 ? 128 : 32;
  for (int position = bits; position < width; ++position) {
    const auto mask = static_cast<std::uint8_t>(0x80 >> (position % 8));
    std::uint8_t& byte = address.bytes[static_cast<std::size_t>(position / 8)];
    byte = static_cast<std::uint8_t>(bit ? byte | mask : byte & ~mask);
  }
  return address;
}

}  // namespace

std::optional<Inet> Inet::parse(const std::string& text) {
  Inet address;
  address.v6 = text.find(':') != std::string::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

std::string Inet::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
  return text.data();
}

Inet Inet::next() const {
  Inet address = *this;
  for (int position = v6 ? 15 : 3; position >= 0; --position) {
    if (++address.bytes[static_cast<std::size_t>(position)] != 0) break;
  }
  return address;
}

std::optional<Prefix> Prefix::parse(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto base = Inet::parse(text.substr(0, slash));
  int bits = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
  if (!base || error != std::errc() || stop != end || bits < 0 || bits > (base->v6 ? 128 : 32)) return std::nullopt;
  return Prefix{fill(*base, bits, false), bits};
}

bool Prefix::contains(const Inet& address) const { return address.v6 == base.v6 && fill(address, bits, false) == base; }

std::vector<Prefix> parse_prefixes(std::string_view list) {
  std::vector<Prefix> prefixes;
  for (const std::string& item : api::split_list(list)) {
    if (const auto prefix = Prefix::parse(item)) prefixes.push_back(*prefix);
  }
  return prefixes;
}

bool inside(const std::string& text, const std::vector<Prefix>& prefixes) {
  const auto address = Inet::parse(text);
  return address && std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.contains(*address); });
}

bool has_room(const Prefix& prefix, const std::vector<std::string>& excluded) {
  std::vector<Span> spans;
  for (const std::string& item : excluded) {
    if (const auto span = parse_span(item)) spans.push_back(*span);
  }
  const Inet last = fill(prefix.base, prefix.bits, true);
  Inet address = prefix.base;
  for (int seen = 0; seen < kMaxScan && address != last; ++seen) {
    address = address.next();
    if (address == last) return false;
    const auto covers = [&](const Span& span) { return span.first <= address && address <= span.last; };
    if (std::ranges::none_of(spans, covers)) return true;
  }
  return false;
}

}  // namespace berth::dev
