#include "api/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace berth::api {

namespace json = boost::json;

namespace {

constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxNodes = 1'000'000;  // aliases of aliases grow exponentially

std::string where(const YAML::Mark& mark) {
  if (mark.is_null()) return "";
  return fmt::format(" (line {}, column {})", mark.line + 1, mark.column + 1);
}

tl::unexpected<Error> bad(const YAML::Mark& mark, std::string_view what) {
  return fail(ErrorCode::invalid, fmt::format("not valid YAML: {}{}", what, where(mark)));
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_float(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (power.starts_with('+') || power.starts_with('-')) power.remove_prefix(1);
    if (!is_digits(power)) return false;
    text = text.substr(0, exponent);
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return is_digits(text);
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = text.substr(point + 1);
  if (whole.empty() && fraction.empty()) return false;
  return (whole.empty() || is_digits(whole)) && (fraction.empty() || is_digits(fraction));
}

// As std::from_chars, but only if all of the text is the number.
template <typename T, typename... Base>
bool parse_whole(std::string_view text, T& number, Base... base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base...);
  return error == std::errc() && end == text.data() + text.size();
}

// What a plain scalar means.
json::value resolve(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits = text.starts_with('+') ? std::string_view(text).substr(1) : std::string_view(text);
  std::uint64_t magnitude = 0;
  if (text.starts_with("0x") && parse_whole(digits.substr(2), magnitude, 16)) return magnitude;
  if (text.starts_with("0o") && parse_whole(digits.substr(2), magnitude, 8)) return magnitude;
  std::int64_t number = 0;
  if (!digits.starts_with('+') && parse_whole(digits, number)) return number;
  if (is_digits(digits) && parse_whole(digits, magnitude)) return magnitude;
  double real = 0;
  if (is_float(text) && parse_whole(digits, real)) return real;
  return json::string(text);
}

class Converter {
 public:
  Result<json::value> convert(const YAML::Node& node, int depth = 0) {
    if (depth > kMaxDepth) return bad(node.Mark(), fmt::format("more than {} levels", kMaxDepth));
    if (++nodes_ > kMaxNodes) return bad(node.Mark(), fmt::format("more than {} nodes", kMaxNodes));
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return json::value(nullptr);
      case YAML::NodeType::Scalar:
        return scalar(node);
      case YAML::NodeType::Sequence:
        return sequence(node, depth);
      case YAML::NodeType::Map:
        return map(node, depth);
    }
    return json::value(nullptr);
  }

 private:
  static Result<json::value> scalar(const YAML::Node& node) {
    const std::string& tag = node.Tag();
    if (tag == "?" || tag.empty()) return resolve(node.Scalar());
    if (tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary") {
      return json::value(json::string(node.Scalar()));
    }
    if (tag.starts_with("tag:yaml.org,2002:")) return resolve(node.Scalar());
    return bad(node.Mark(), fmt::format("unknown tag {}", tag));
  }

  Result<json::value> sequence(const YAML::Node& node, int depth) {
    json::array items;
    for (const YAML::Node& item : node) {
      Result<json::value> value = convert(item, depth + 1);
      if (!value) return value;
      items.push_back(std::move(*value));
    }
    return json::value(std::move(items));
  }

  Result<json::value> map(const YAML::Node& node, int depth) {
    json::object members;
    for (const auto& entry : node) {
      const YAML::Node& key = entry.first;
      if (!key.IsScalar()) return bad(key.Mark(), "a key must be a string");
      const std::string& name = key.Scalar();
      if (name == "<<" && key.Tag() == "?") return bad(key.Mark(), "merge keys (<<) are not supported");
      if (members.contains(name)) return bad(key.Mark(), fmt::format("the key {} stands twice in one map", name));
      Result<json::value> value = convert(entry.second, depth + 1);
      if (!value) return value;
      members.emplace(name, std::move(*value));
    }
    return json::value(std::move(members));
  }

  std::size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<json::value>> parse_yaml(std::string_view text) {
  try {
    std::vector<json::value> documents;
    Converter converter;
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      Result<json::value> document = converter.convert(node);
      if (!document) return fail(std::move(document.error()));
      if (!document->is_null()) documents.push_back(std::move(*document));
    }
    return documents;
  } catch (const YAML::Exception& error) {
    return bad(error.mark, error.msg);
  }
}

}  // namespace berth::api
