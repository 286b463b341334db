#include "api/ip_pool.h"

#include <fmt/core.h>

#include "net/cidr.h"
#include "net/range_set.h"

namespace berth::api {

IpPool IpPool::parse(const JsonObject& object) {
  IpPool pool;
  pool.meta = ObjectMeta::parse(object);
  pool.subnet = string_at(object, {"spec", "subnet"});
  pool.namespaces = strings_at(object, {"spec", "namespaces"});
  pool.ips = strings_at(object, {"spec", "ips"});
  pool.enable_address_set = bool_at(object, {"spec", "enableAddressSet"});
  pool.conditions = parse_conditions(object);
  if (const JsonObject* status = find_object(object, {"status"})) pool.status = *status;
  return pool;
}

Result<std::vector<net::Range>> plan_ip_pool(const IpPool& pool) {
  const auto wrong = [&](std::string_view field, std::string_view value, std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("IPPool {}: spec.{} \"{}\": {}", pool.meta.name, field, value, why));
  };
  if (pool.subnet.empty()) return wrong("subnet", "", "is missing; name the Subnet that the pool is a part of");
  if (pool.ips.empty())
    return wrong("ips", "", "is empty; list an address, a range such as 10.0.0.5..10.0.0.9, or a CIDR");
  net::RangeSet v4, v6;
  for (const std::string& text : pool.ips) {
    const auto range = net::Range::parse_with_cidr(text);
    if (!range) return wrong("ips", text, range.error().message);
    (range->family() == net::Family::v4 ? v4 : v6).add(*range);
  }
  std::vector<net::Range> out = v4.ranges();
  const auto six = v6.ranges();
  out.insert(out.end(), six.begin(), six.end());
  return out;
}

std::vector<net::Range> parse_ranges(std::string_view text) {
  std::vector<net::Range> out;
  for (const std::string& item : split_list(text)) {
    if (const auto range = net::Range::parse(item)) out.push_back(*range);
  }
  return out;
}

std::string to_string(const std::vector<net::Range>& ranges) {
  std::vector<std::string> items;
  for (const net::Range& r : ranges) items.push_back(r.to_string());
  return join(items, ",");
}

Result<std::string> address_set_name(const IpPool& pool) {
  std::string name = pool.meta.name;
  if (!name.empty() && name.front() >= '0' && name.front() <= '9') {
    return fail(
        ErrorCode::invalid,
        fmt::format("IPPool {}: spec.enableAddressSet: an OVN address set cannot have a name that begins with a "
                    "digit; create the pool under another name",
                    pool.meta.name));
  }
  for (char& c : name) {
    if (c == '-') c = '.';
  }
  return name;
}

std::vector<std::string> address_set_entries(const std::vector<net::Range>& ranges) {
  std::vector<std::string> out;
  for (const net::Range& range : ranges) {
    const int width = range.first.width();
    net::Uint128 at = range.first.bits();
    const net::Uint128 last = range.last.bits();
    for (;;) {
      // The largest block that begins here: aligned, and not beyond the end.
      int host_bits = 0;
      while (host_bits < width - 1) {
        const net::Uint128 mask = (net::Uint128{1} << (host_bits + 1)) - 1;
        if ((at & mask) != 0 || at + mask > last || at + mask < at) break;
        ++host_bits;
      }
      const net::Address first(range.family(), at);
      out.push_back(host_bits == 0 ? first.to_string() : net::Cidr(first, width - host_bits).to_string());
      const net::Uint128 end = at + ((net::Uint128{1} << host_bits) - 1);
      if (end >= last) break;
      at = end + 1;
    }
  }
  return out;
}

}  // namespace berth::api
