#pragma once

// Names for revisions of a pod template: equal templates, whatever the order of their fields, have equal hashes.

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace berth::dev {

// FNV-1a.
[[nodiscard]] std::uint32_t fnv32(std::string_view bytes);
[[nodiscard]] std::uint64_t fnv64(std::string_view bytes);

// JSON text with the keys of every object in order.
[[nodiscard]] std::string canonical_json(const boost::json::value& value);

// Up to 10 characters that are safe in names ("pod-template-hash"). collisions: how often the name was found taken
// before.
[[nodiscard]] std::string template_hash(const boost::json::value& value, std::int64_t collisions);

}  // namespace berth::dev
