#include "dev/controllers/template_hash.h"

#include <algorithm>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace berth::dev {

namespace json = boost::json;

std::uint32_t fnv32(std::string_view bytes) {
  std::uint32_t hash = 2166136261U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

std::uint64_t fnv64(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

std::string canonical_json(const json::value& value) {
  if (const json::object* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& [key, v] : *object) keys.emplace_back(key);
    std::sort(keys.begin(), keys.end());
    std::string out = "{";
    for (const std::string_view key : keys) {
      if (out.size() > 1) out += ',';
      out += json::serialize(json::string(key));
      out += ':';
      out += canonical_json(object->at(key));
    }
    return out + "}";
  }
  if (const json::array* list = value.if_array()) {
    std::string out = "[";
    for (const json::value& v : *list) {
      if (out.size() > 1) out += ',';
      out += canonical_json(v);
    }
    return out + "]";
  }
  return json::serialize(value);
}

std::string template_hash(const json::value& value, std::int64_t collisions) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text = canonical_json(value);
  if (collisions > 0) text += "#" + std::to_string(collisions);
  std::string hash = std::to_string(fnv32(text));
  for (char& c : hash) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return hash;
}

}  // namespace berth::dev
