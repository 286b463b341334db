#include "net/range.h"

#include <fmt/format.h>

#include <ostream>

#include "net/quoted.h"

namespace berth::net {
namespace {

tl::unexpected<Error> not_a_range(std::string_view text, std::string_view why) {
  return fail(ErrorCode::invalid,
              fmt::format("{} is not an address range: {}; expected one address or first..last, such as "
                          "10.16.0.10..10.16.0.20",
                          quoted(text), why));
}

}  // namespace

Result<Range> Range::parse(std::string_view text) {
  const auto context = [&] { return fmt::format("{} is not an address range", quoted(text)); };
  const auto dots = text.find("..");
  const auto first = Address::parse(text.substr(0, dots));
  if (!first) return fail(first.error().with_context(context()));
  if (dots == std::string_view::npos) return Range{*first, *first};
  const auto last = Address::parse(text.substr(dots + 2));
  if (!last) return fail(last.error().with_context(context()));
  if (first->family() != last->family()) return not_a_range(text, "it mixes IPv4 and IPv6");
  if (*last < *first) return not_a_range(text, "it is reversed, the first address is above the last");
  return Range{*first, *last};
}

Result<Range> Range::parse_with_cidr(std::string_view text) {
  if (text.find('/') == std::string_view::npos) return parse(text);
  const auto cidr = Cidr::parse(text);
  if (!cidr) return fail(cidr.error());
  return of(*cidr);
}

std::string Range::to_string() const {
  return first == last ? first.to_string() : fmt::format("{}..{}", first.to_string(), last.to_string());
}

std::ostream& operator<<(std::ostream& out, const Range& value) { return out << value.to_string(); }

}  // namespace berth::net
