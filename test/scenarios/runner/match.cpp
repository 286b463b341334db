#include "scenarios/runner/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include <boost/json/serialize.hpp>

#include "api/json.h"

namespace berth::scenarios {
namespace {

constexpr std::array<std::string_view, 10> kMatchers{"$in",  "$contains", "$has",     "$set",    "$not",
                                                     "$any", "$matches",  "$atLeast", "$atMost", "$count"};

std::string text_of(const json::value* value) {
  if (value == nullptr) return "nothing";
  std::string text = json::serialize(*value);
  constexpr std::size_t kMost = 1000;
  if (text.size() > kMost) text = text.substr(0, kMost) + "…";
  return text;
}

std::string below(const std::string& place, std::string_view key) {
  return place.empty() ? std::string(key) : fmt::format("{}.{}", place, key);
}

std::optional<std::string> differs(const std::string& place, const std::string& expected, const json::value* saw) {
  return fmt::format("{}: expected {}, saw {}", place.empty() ? "value" : place, expected, text_of(saw));
}

// The one key of a matcher; empty: it is no matcher.
std::string_view matcher_key(const json::value& expected) {
  if (!expected.is_object() || expected.get_object().size() != 1) return {};
  const std::string_view key = expected.get_object().begin()->key();
  return key.starts_with('$') ? key : std::string_view();
}

std::vector<json::value> items_of(const json::value& value) {
  if (value.is_array()) return {value.get_array().begin(), value.get_array().end()};
  return {value};
}

std::optional<double> number_of(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  return std::nullopt;
}

class Matcher {
 public:
  explicit Matcher(const Resolve& resolve) : resolve_(resolve) {}

  std::optional<std::string> compare(const json::value& expected, const json::value* saw,
                                     const std::string& place) const {
    if (const auto key = matcher_key(expected); !key.empty())
      return special(key, expected.get_object().begin()->value(), saw, place);
    if (saw != nullptr && saw->is_null()) saw = nullptr;
    if (expected.is_null()) return saw == nullptr ? std::nullopt : differs(place, "nothing", saw);
    if (saw == nullptr) return differs(place, text_of(&expected), saw);
    if (expected.is_object()) return compare_object(expected.get_object(), *saw, place);
    if (expected.is_array()) return compare_array(expected.get_array(), *saw, place);
    if (expected.is_number() && saw->is_number()) {
      return expected.to_number<double>() == saw->to_number<double>() ? std::nullopt
                                                                      : differs(place, text_of(&expected), saw);
    }
    return expected == *saw ? std::nullopt : differs(place, text_of(&expected), saw);
  }

 private:
  std::optional<std::string> compare_object(const json::object& expected, const json::value& saw,
                                            const std::string& place) const {
    const json::object* object = saw.if_object();
    if (object == nullptr && saw.is_string() && resolve_) object = resolve_(saw.get_string());
    if (object == nullptr) return differs(place, json::serialize(expected), &saw);
    for (const auto& [key, value] : expected) {
      if (auto problem = compare(value, object->if_contains(key), below(place, key))) return problem;
    }
    return std::nullopt;
  }

  std::optional<std::string> compare_array(const json::array& expected, const json::value& saw,
                                           const std::string& place) const {
    if (!saw.is_array() && !resolve_) return differs(place, json::serialize(expected), &saw);
    const auto items = items_of(saw);
    if (items.size() != expected.size())
      return differs(place, fmt::format("{} items: {}", expected.size(), json::serialize(expected)), &saw);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (auto problem = compare(expected[i], &items[i], fmt::format("{}[{}]", place, i))) return problem;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool same(const json::value& expected, const json::value& saw) const {
    return !compare(expected, &saw, {});
  }

  // Each expected item has one of its own among what is there.
  std::optional<std::string> among(const json::value& wanted, const json::value* saw, bool all,
                                   const std::string& place) const {
    auto items = saw == nullptr || saw->is_null() ? std::vector<json::value>{} : items_of(*saw);
    const auto expected = items_of(wanted);
    for (const json::value& item : expected) {
      const auto it = std::ranges::find_if(items, [&](const json::value& is) { return same(item, is); });
      if (it == items.end()) return differs(place, "among the items " + text_of(&item), saw);
      items.erase(it);
    }
    if (all && !items.empty()) return differs(place, "nothing but " + text_of(&wanted), saw);
    return std::nullopt;
  }

  static std::optional<std::string> text_matches(std::string_view key, const json::value& wanted,
                                                 const json::value* saw, const std::string& place) {
    const std::string text = saw != nullptr && saw->is_string() ? std::string(saw->get_string()) : std::string();
    const bool is_text = saw != nullptr && saw->is_string();
    for (const json::value& item : items_of(wanted)) {
      const std::string part(item.get_string());
      if (key == "$in") {
        if (is_text && lies_in(text, part)) return std::nullopt;  // one of them is enough
        continue;
      }
      const bool found =
          key == "$contains" ? text.find(part) != std::string::npos : std::regex_match(text, std::regex(part));
      if (!is_text || !found) return differs(place, fmt::format("{} {}", key.substr(1), text_of(&item)), saw);
    }
    return key == "$in" ? differs(place, fmt::format("an address in {}", text_of(&wanted)), saw) : std::nullopt;
  }

  std::optional<std::string> special(std::string_view key, const json::value& wanted, const json::value* saw,
                                     const std::string& place) const {
    if (saw != nullptr && saw->is_null()) saw = nullptr;
    if (key == "$has" || key == "$set") return among(wanted, saw, key == "$set", place);
    if (key == "$not") {
      if (compare(wanted, saw, place)) return std::nullopt;
      return differs(place, "anything but " + text_of(&wanted), saw);
    }
    if (key == "$any") {
      for (const json::value& item : items_of(wanted)) {
        if (!compare(item, saw, place)) return std::nullopt;
      }
      return differs(place, "one of " + text_of(&wanted), saw);
    }
    if (key == "$count") {
      const std::size_t count = saw == nullptr     ? 0
                                : saw->is_array()  ? saw->get_array().size()
                                : saw->is_object() ? saw->get_object().size()
                                                   : 1;
      const json::value number(count);
      return compare(wanted, &number, below(place, "(count)"));
    }
    if (key == "$atLeast" || key == "$atMost") {
      const auto is = number_of(saw);
      const double limit = wanted.to_number<double>();
      if (is && (key == "$atLeast" ? *is >= limit : *is <= limit)) return std::nullopt;
      return differs(place, fmt::format("{} {}", key == "$atLeast" ? "at least" : "at most", limit), saw);
    }
    return text_matches(key, wanted, saw, place);
  }

  const Resolve& resolve_;
};

}  // namespace

std::optional<std::string> mismatch(const json::value& expected, const json::value* saw, const Resolve& resolve,
                                    const std::string& place) {
  return Matcher(resolve).compare(expected, saw, place);
}

std::optional<std::string> malformed(const json::value& expected) {
  if (const json::array* list = expected.if_array()) {
    for (const json::value& item : *list) {
      if (auto problem = malformed(item)) return problem;
    }
    return std::nullopt;
  }
  const json::object* object = expected.if_object();
  if (object == nullptr) return std::nullopt;
  for (const auto& [key, value] : *object) {
    if (!key.starts_with('$')) {
      if (auto problem = malformed(value)) return problem;
      continue;
    }
    if (std::ranges::find(kMatchers, std::string_view(key)) == kMatchers.end() || object->size() != 1)
      return fmt::format("{}: no such matcher, or not alone in its map", std::string_view(key));
    const auto items = items_of(value);
    const bool textual = key == "$contains" || key == "$matches" || key == "$in";
    if (textual && !std::ranges::all_of(items, [](const json::value& item) { return item.is_string(); }))
      return fmt::format("{}: needs text, or a list of texts", std::string_view(key));
    if ((key == "$atLeast" || key == "$atMost") && !value.is_number())
      return fmt::format("{}: needs a number", std::string_view(key));
    if (!textual) {
      if (auto problem = malformed(value)) return problem;
    }
  }
  return std::nullopt;
}

Result<net::Range> parse_range(std::string_view text) { return net::Range::parse_with_cidr(text); }

bool lies_in(std::string_view addresses, std::string_view ranges) {
  std::vector<net::Range> open;
  for (const std::string& text : api::split_list(ranges)) {
    const auto range = parse_range(text);
    if (!range) return false;
    open.push_back(*range);
  }
  const auto given = api::split_list(addresses);
  if (given.empty() || given.size() != open.size()) return false;
  return std::ranges::all_of(given, [&](const std::string& text) {
    const auto address = net::Address::parse(text);
    const auto it = std::ranges::find_if(open, [&](const net::Range& r) { return address && r.contains(*address); });
    if (it == open.end()) return false;
    open.erase(it);
    return true;
  });
}

std::string substitute(std::string_view text, const Variables& variables, std::vector<std::string>* unknown) {
  std::string out;
  while (!text.empty()) {
    const auto begin = text.find('<');
    const auto end = begin == std::string_view::npos ? begin : text.find('>', begin);
    if (end == std::string_view::npos) break;
    const std::string name(text.substr(begin + 1, end - begin - 1));
    const bool is_name = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
      return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
    });
    const auto it = variables.find(name);
    out += text.substr(0, begin);
    if (it != variables.end()) {
      out += it->second;
    } else {
      out += text.substr(begin, end - begin + 1);
      if (is_name && unknown != nullptr) unknown->push_back(name);
    }
    text.remove_prefix(end + 1);
  }
  return out + std::string(text);
}

json::value substitute(const json::value& value, const Variables& variables, std::vector<std::string>* unknown) {
  if (const json::string* text = value.if_string())
    return json::value(substitute(std::string_view(*text), variables, unknown));
  if (const json::array* list = value.if_array()) {
    json::array out;
    for (const json::value& item : *list) out.push_back(substitute(item, variables, unknown));
    return out;
  }
  if (const json::object* object = value.if_object()) {
    json::object out;
    for (const auto& [key, item] : *object)
      out[substitute(std::string_view(key), variables, unknown)] = substitute(item, variables, unknown);
    return out;
  }
  return value;
}

}  // namespace berth::scenarios
