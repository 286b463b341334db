#include "dev/api/protobuf.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "base/base64.h"
#include "sim/api/object.h"

namespace berth::dev {
namespace {

namespace json = boost::json;

#include "dev/api/protobuf_schema.inc"

constexpr std::string_view kMagic("k8s\0", 4);
constexpr int kMaxDepth = 64;

struct Field {
  std::string_view name;  // empty: inline
  std::string_view type;  // without the prefixes
  bool pointer = false;
  bool repeated = false;
  bool map = false;
};

using Message = std::map<std::uint32_t, Field>;

struct Schema {
  std::map<std::string, std::string_view, std::less<>> roots;  // "apps/v1 Deployment" -> message
  std::map<std::string_view, Message> messages;
};

std::string_view cut(std::string_view& text, char separator) {
  const auto part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

Field parse_field(std::string_view name, std::string_view type) {
  Field field{name, type};
  const auto strip = [&field](std::string_view prefix) {
    if (!field.type.starts_with(prefix)) return false;
    field.type.remove_prefix(prefix.size());
    return true;
  };
  field.pointer = strip("*");
  field.repeated = strip("[]");
  field.map = strip("{}");
  if (strip("*")) field.pointer = true;
  return field;
}

const Schema& schema() {
  static const Schema kSchema = [] {
    Schema made;
    for (std::string_view rest = kRoots; !rest.empty();) {
      const auto line = cut(rest, '\n');
      const auto space = line.rfind(' ');
      made.roots.emplace(line.substr(0, space), line.substr(space + 1));
    }
    for (std::string_view rest = kMessages; !rest.empty();) {
      std::string_view line = cut(rest, '\n');
      Message& message = made.messages[cut(line, ' ')];
      while (!line.empty()) {
        std::string_view entry = cut(line, ' ');
        const auto number_text = cut(entry, ':');
        std::uint32_t number = 0;
        std::from_chars(number_text.data(), number_text.data() + number_text.size(), number);
        const auto name = cut(entry, ':');
        message.emplace(number, parse_field(name, entry));
      }
    }
    return made;
  }();
  return kSchema;
}

// One field on the wire: a number (varint, fixed) or bytes.
struct Item {
  std::uint32_t number = 0;
  bool is_bytes = false;
  std::uint64_t value = 0;
  std::string_view bytes;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool done() const { return rest_.empty(); }

  // Nothing if the bytes are malformed.
  std::optional<Item> next() {
    const auto tag = varint();
    if (!tag || (*tag >> 3) == 0) return std::nullopt;
    Item item{static_cast<std::uint32_t>(*tag >> 3), false, 0, {}};
    switch (*tag & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return std::nullopt;
        item.value = *value;
        return item;
      }
      case 1:
        return fixed(item, 8);
      case 5:
        return fixed(item, 4);
      case 2: {
        const auto size = varint();
        if (!size || *size > rest_.size()) return std::nullopt;
        item.is_bytes = true;
        item.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return item;
      }
      default:
        return std::nullopt;
    }
  }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return std::nullopt;
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }

 private:
  std::optional<Item> fixed(Item item, std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    for (std::size_t i = 0; i < size; ++i) {
      item.value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << (8 * i);
    }
    rest_.remove_prefix(size);
    return item;
  }

  std::string_view rest_;
};

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::invalid, fmt::format("malformed protobuf: {}", what));
}

// All fields of a small message whose numbers are known, by number. Nothing if malformed.
std::optional<std::map<std::uint32_t, Item>> fields_of(std::string_view bytes) {
  std::map<std::uint32_t, Item> found;
  for (Reader reader(bytes); !reader.done();) {
    const auto item = reader.next();
    if (!item) return std::nullopt;
    found[item->number] = *item;
  }
  return found;
}

Result<json::object> decode_message(std::string_view name, std::string_view bytes, int depth);

// Seconds and nanoseconds. A zero Time is an empty message, and null in JSON.
Result<json::value> decode_time(std::string_view bytes, bool micro) {
  const auto fields = fields_of(bytes);
  if (!fields) return malformed("a time");
  if (fields->empty()) return json::value(nullptr);
  const auto number = [&](std::uint32_t key) {
    const auto found = fields->find(key);
    return found == fields->end() ? 0 : static_cast<std::int64_t>(found->second.value);
  };
  const WallTime time{std::chrono::seconds(number(1)) + std::chrono::microseconds(number(2) / 1000)};
  return json::value(micro ? sim::format_micro_time(time) : sim::format_time(time));
}

Result<json::value> decode_int_or_string(std::string_view bytes) {
  const auto fields = fields_of(bytes);
  if (!fields) return malformed("an int-or-string");
  const auto type = fields->find(1);
  if (type != fields->end() && type->second.value == 1) {
    const auto text = fields->find(3);
    return json::value(text == fields->end() ? std::string_view() : text->second.bytes);
  }
  const auto number = fields->find(2);
  return json::value(number == fields->end()
                         ? std::int64_t{0}
                         : static_cast<std::int64_t>(static_cast<std::int32_t>(number->second.value)));
}

// The bytes in field 1.
Result<std::string_view> first_bytes(std::string_view message) {
  const auto fields = fields_of(message);
  if (!fields) return malformed("a wrapper");
  const auto found = fields->find(1);
  return found == fields->end() ? std::string_view() : found->second.bytes;
}

Result<json::value> decode_list(std::string_view bytes) {
  json::array items;
  for (Reader reader(bytes); !reader.done();) {
    const auto item = reader.next();
    if (!item) return malformed("a list");
    if (item->number == 1) items.push_back(json::value(item->bytes));
  }
  return json::value(std::move(items));
}

Result<json::value> decode_value(const Field& field, const Item& item, int depth) {
  const bool scalar = field.type == "t" || field.type == "i" || field.type == "d";
  if (scalar == item.is_bytes) return malformed(fmt::format("{} has the wrong wire type", field.name));
  if (field.type == "s") return json::value(item.bytes);
  if (field.type == "b") return json::value(base64_encode(item.bytes));
  if (field.type == "t") return json::value(item.value != 0);
  if (field.type == "i") return json::value(static_cast<std::int64_t>(item.value));
  if (field.type == "T" || field.type == "U") return decode_time(item.bytes, field.type == "U");
  if (field.type == "I") return decode_int_or_string(item.bytes);
  if (field.type == "L") return decode_list(item.bytes);
  if (field.type == "d") {
    double number = 0;
    std::memcpy(&number, &item.value, sizeof number);
    return json::value(number);
  }
  if (field.type == "Q" || field.type == "R") {
    const auto text = first_bytes(item.bytes);
    if (!text) return fail(text.error());
    if (field.type == "Q") return json::value(*text);
    boost::system::error_code ec;
    json::value raw = text->empty() ? json::value(nullptr) : json::parse(*text, ec);
    if (ec) return malformed(fmt::format("{} holds no JSON", field.name));
    return raw;
  }
  auto object = decode_message(field.type, item.bytes, depth + 1);
  if (!object) return fail(object.error());
  return json::value(std::move(*object));
}

// What Go's omitempty leaves out.
bool is_zero(const json::value& value) {
  return value.is_null() || (value.is_string() && value.get_string().empty()) ||
         (value.is_bool() && !value.get_bool()) || (value.is_int64() && value.get_int64() == 0) ||
         (value.is_double() && value.get_double() == 0);
}

Status add_entry(json::object& map, const Field& field, const Item& item, int depth) {
  std::string_view key;
  json::value value = field.type == "s" || field.type == "b" ? json::value("") : json::value(nullptr);
  for (Reader reader(item.bytes); !reader.done();) {
    const auto part = reader.next();
    if (!part) return malformed(fmt::format("{} has a broken entry", field.name));
    if (part->number == 1) key = part->bytes;
    if (part->number != 2) continue;
    auto decoded = decode_value(field, *part, depth);
    if (!decoded) return fail(decoded.error());
    value = std::move(*decoded);
  }
  map[key] = std::move(value);
  return {};
}

Status add_repeated(json::array& array, const Field& field, const Item& item, int depth) {
  if (field.type == "i" && item.is_bytes) {  // packed
    for (Reader reader(item.bytes); !reader.done();) {
      const auto value = reader.varint();
      if (!value) return malformed(fmt::format("{} is cut off", field.name));
      array.push_back(static_cast<std::int64_t>(*value));
    }
    return {};
  }
  auto value = decode_value(field, item, depth);
  if (!value) return fail(value.error());
  array.push_back(std::move(*value));
  return {};
}

Status add_field(json::object& object, const Field& field, const Item& item, int depth) {
  if ((field.map || field.type.empty()) && !item.is_bytes)
    return malformed(fmt::format("{} is no message", field.name));
  if (field.map) return add_entry(sim::ensure_object(object, field.name), field, item, depth);
  if (field.repeated) return add_repeated(sim::ensure_array(object, field.name), field, item, depth);
  auto value = decode_value(field, item, depth);
  if (!value) return fail(value.error());
  if (field.name.empty()) {
    if (value->is_object()) {
      for (auto& [key, member] : value->get_object()) object[key] = std::move(member);
    }
    return {};
  }
  if (field.pointer || !is_zero(*value)) object[field.name] = std::move(*value);
  return {};
}

Result<json::object> decode_message(std::string_view name, std::string_view bytes, int depth) {
  if (depth > kMaxDepth) return malformed("nested too deeply");
  const auto message = schema().messages.find(name);
  if (message == schema().messages.end()) return malformed(fmt::format("unknown message {}", name));
  json::object object;
  for (Reader reader(bytes); !reader.done();) {
    const auto item = reader.next();
    if (!item) return malformed(fmt::format("{} is cut off", name));
    const auto field = message->second.find(item->number);
    if (field == message->second.end()) continue;
    if (auto added = add_field(object, field->second, *item, depth); !added) return fail(added.error());
  }
  return object;
}

}  // namespace

Result<json::object> decode_protobuf(std::string_view body) {
  if (!body.starts_with(kMagic)) return malformed("it does not begin with k8s\\0");
  const auto envelope = fields_of(body.substr(kMagic.size()));
  if (!envelope) return malformed("the envelope is cut off");
  const auto bytes_at = [](const std::map<std::uint32_t, Item>& fields, std::uint32_t number) {
    const auto found = fields.find(number);
    return found == fields.end() ? std::string_view() : found->second.bytes;
  };
  const auto type = fields_of(bytes_at(*envelope, 1));
  if (!type) return malformed("the type is cut off");
  const auto api_version = bytes_at(*type, 1);
  const auto kind = bytes_at(*type, 2);
  auto root = schema().roots.find(fmt::format("{} {}", api_version, kind));
  if (root == schema().roots.end()) root = schema().roots.find(fmt::format("* {}", kind));
  if (root == schema().roots.end()) {
    return fail(ErrorCode::invalid, fmt::format("{} {} is not served in protobuf: send JSON", api_version, kind));
  }
  auto object = decode_message(root->second, bytes_at(*envelope, 2), 0);
  if (!object) return object;
  json::object whole{{"apiVersion", api_version}, {"kind", kind}};
  for (auto& [key, member] : *object) whole[key] = std::move(member);
  return whole;
}

}  // namespace berth::dev
