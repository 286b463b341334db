#include "api/ip_check.h"

#include <fmt/core.h>

#include <optional>

#include "net/address.h"
#include "net/mac.h"

namespace berth::api {

Status check_ip(const JsonObject& object) {
  const auto wrong = [&](std::string_view field, std::string_view value, std::string_view why) {
    return fail(ErrorCode::invalid,
                fmt::format("IP {}: spec.{} \"{}\": {}", string_at(object, {"metadata", "name"}), field, value, why));
  };
  if (string_at(object, {"spec", "subnet"}).empty())
    return wrong("subnet", "", "is missing; name the Subnet that the address is taken from");
  struct Field {
    const char* name;
    std::optional<net::Family> family;
  };
  for (const Field& field :
       {Field{"ipAddress", {}}, {"v4IpAddress", net::Family::v4}, {"v6IpAddress", net::Family::v6}}) {
    const std::string text = string_at(object, {"spec", field.name});
    for (const std::string& item : split_list(text)) {
      const auto address = net::Address::parse(item);
      if (!address) return wrong(field.name, text, address.error().message);
      if (field.family && address->family() != *field.family)
        return wrong(field.name, text, "is of the other family; write it into the other field");
    }
  }
  if (const std::string text = string_at(object, {"spec", "macAddress"}); !text.empty()) {
    if (const auto mac = net::Mac::parse(text); !mac) return wrong("macAddress", text, mac.error().message);
  }
  return {};
}

}  // namespace berth::api
