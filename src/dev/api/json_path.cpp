#include "dev/api/json_path.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace berth::dev {

namespace json = boost::json;

struct JsonPath::Parser {
  std::string_view rest;
  std::vector<Step> steps{};

  // A key after '.', up to the next '.' or '['; a backslash takes the next character as it is.
  std::optional<std::string> key() {
    std::string out;
    while (!rest.empty() && rest.front() != '.' && rest.front() != '[') {
      if (rest.front() == '\\') rest.remove_prefix(1);
      if (rest.empty()) return std::nullopt;
      out.push_back(rest.front());
      rest.remove_prefix(1);
    }
    return out.empty() ? std::nullopt : std::optional(out);
  }

  static bool quoted(std::string_view text) {
    return text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.front() == text.back();
  }

  // The inside of ?( ): "@.type==\"Ready\"".
  static std::optional<Step> filter(std::string_view text) {
    Step step{Step::Kind::filter, {}, 0, {}, true, nullptr};
    auto at = text.find("==");
    if (at == std::string_view::npos) {
      at = text.find("!=");
      step.equal = false;
    }
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view left = text.substr(0, at);
    std::string_view right = text.substr(at + 2);
    while (left.ends_with(' ')) left.remove_suffix(1);
    while (right.starts_with(' ')) right.remove_prefix(1);
    if (!left.starts_with("@.")) return std::nullopt;
    Parser inner{left.substr(1)};
    if (!inner.run()) return std::nullopt;
    for (const Step& part : inner.steps) {
      if (part.kind != Step::Kind::key) return std::nullopt;
      step.path.push_back(part.key);
    }
    boost::system::error_code ec;
    step.operand = quoted(right) ? json::value(right.substr(1, right.size() - 2)) : json::parse(right, ec);
    if (ec) return std::nullopt;
    return step;
  }

  // The inside of [ ].
  static std::optional<Step> bracket(std::string_view text) {
    if (text == "*") return Step{Step::Kind::all, {}, 0, {}, true, nullptr};
    if (quoted(text)) return Step{Step::Kind::key, std::string(text.substr(1, text.size() - 2)), 0, {}, true, nullptr};
    if (text.starts_with("?(") && text.ends_with(')')) return filter(text.substr(2, text.size() - 3));
    int index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return Step{Step::Kind::index, {}, index, {}, true, nullptr};
  }

  bool run() {
    while (!rest.empty()) {
      if (rest.front() == '[') {
        // A quoted ']' does not close.
        std::size_t close = 1;
        for (char quote = 0; close < rest.size() && (quote != 0 || rest[close] != ']'); ++close) {
          if (quote != 0 && rest[close] == quote) {
            quote = 0;
          } else if (quote == 0 && (rest[close] == '\'' || rest[close] == '"')) {
            quote = rest[close];
          }
        }
        if (close >= rest.size()) return false;
        auto step = bracket(rest.substr(1, close - 1));
        if (!step) return false;
        steps.push_back(std::move(*step));
        rest.remove_prefix(close + 1);
        continue;
      }
      if (rest.front() != '.') return false;
      rest.remove_prefix(1);
      if (rest.starts_with('[')) continue;
      auto name = key();
      if (!name) return false;
      if (*name == "*") {
        steps.push_back({Step::Kind::all, {}, 0, {}, true, nullptr});
      } else {
        steps.push_back({Step::Kind::key, std::move(*name), 0, {}, true, nullptr});
      }
    }
    return true;
  }
};

Result<JsonPath> JsonPath::parse(std::string_view text) {
  std::string_view inner = text;
  if (inner.starts_with('{') && inner.ends_with('}')) inner = inner.substr(1, inner.size() - 2);
  JsonPath path;
  if (inner == ".") return path;  // the whole object
  Parser parser{inner};
  if (inner.empty() || !parser.run())
    return fail(ErrorCode::invalid, fmt::format("JSONPath \"{}\" is not supported", text));
  path.steps_ = std::move(parser.steps);
  return path;
}

namespace {

const json::value* at_path(const json::value& value, const std::vector<std::string>& path) {
  const json::value* found = &value;
  for (const std::string& key : path) {
    const json::object* object = found->if_object();
    if (object == nullptr || (found = object->if_contains(key)) == nullptr) return nullptr;
  }
  return found;
}

template <typename Fn>
void for_each_child(const json::value& value, Fn&& fn) {
  if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) fn(item);
  } else if (const json::object* object = value.if_object()) {
    for (const auto& [key, item] : *object) fn(item);
  }
}

}  // namespace

std::vector<const json::value*> JsonPath::find(const json::value& value) const {
  std::vector<const json::value*> found{&value};
  for (const Step& step : steps_) {
    std::vector<const json::value*> next;
    for (const json::value* from : found) {
      switch (step.kind) {
        case Step::Kind::key:
          if (const json::value* member = at_path(*from, {step.key})) next.push_back(member);
          break;
        case Step::Kind::index:
          if (const json::array* array = from->if_array()) {
            const auto size = static_cast<std::ptrdiff_t>(array->size());
            const std::ptrdiff_t index = step.index < 0 ? size + step.index : step.index;
            if (index >= 0 && index < size) next.push_back(&(*array)[static_cast<std::size_t>(index)]);
          }
          break;
        case Step::Kind::all:
          for_each_child(*from, [&](const json::value& item) { next.push_back(&item); });
          break;
        case Step::Kind::filter:
          for_each_child(*from, [&](const json::value& item) {
            const json::value* left = at_path(item, step.path);
            if (left != nullptr && (*left == step.operand) == step.equal) next.push_back(&item);
          });
          break;
      }
    }
    found = std::move(next);
  }
  return found;
}

}  // namespace berth::dev
