#include "sim/api/object.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdio>

namespace berth::sim {

namespace json = boost::json;

const json::value* find_at(const json::object& object, Path path) {
  const json::object* here = &object;
  const json::value* found = nullptr;
  for (std::string_view key : path) {
    if (!here) return nullptr;
    found = here->if_contains(key);
    if (!found) return nullptr;
    here = found->if_object();
  }
  return found;
}

std::string_view string_at(const json::object& object, Path path) {
  const json::value* v = find_at(object, path);
  if (!v || !v->is_string()) return {};
  return {v->get_string().data(), v->get_string().size()};
}

std::int64_t int_at(const json::object& object, Path path, std::int64_t otherwise) {
  const json::value* v = find_at(object, path);
  if (!v) return otherwise;
  if (v->is_int64()) return v->get_int64();
  if (v->is_uint64()) return static_cast<std::int64_t>(v->get_uint64());
  if (v->is_double()) return static_cast<std::int64_t>(v->get_double());
  return otherwise;
}

bool bool_at(const json::object& object, Path path) {
  const json::value* v = find_at(object, path);
  return v && v->is_bool() && v->get_bool();
}

const json::object* object_at(const json::object& object, Path path) {
  const json::value* v = find_at(object, path);
  return v ? v->if_object() : nullptr;
}

const json::array* array_at(const json::object& object, Path path) {
  const json::value* v = find_at(object, path);
  return v ? v->if_array() : nullptr;
}

json::object& ensure_object(json::object& parent, std::string_view key) {
  json::value& v = parent[key];
  if (!v.is_object()) v.emplace_object();
  return v.get_object();
}

json::array& ensure_array(json::object& parent, std::string_view key) {
  json::value& v = parent[key];
  if (!v.is_array()) v.emplace_array();
  return v.get_array();
}

void drop_nulls(json::object& object) {
  for (auto at = object.begin(); at != object.end();) {
    json::value& value = at->value();
    if (value.is_null()) {
      at = object.erase(at);
      continue;
    }
    if (json::object* child = value.if_object()) drop_nulls(*child);
    if (json::array* list = value.if_array()) {
      for (json::value& item : *list) {
        if (item.is_object()) drop_nulls(item.get_object());
      }
    }
    ++at;
  }
}

bool is_terminating(const json::object& object) {
  return !string_at(object, {"metadata", "deletionTimestamp"}).empty();
}

std::uint64_t version_of(const json::object& object) {
  const std::string_view text = string_at(object, {"metadata", "resourceVersion"});
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  return error == std::errc() && end == text.data() + text.size() ? version : 0;
}

bool has_finalizer(const json::object& object, std::string_view finalizer) {
  const json::array* list = array_at(object, {"metadata", "finalizers"});
  if (!list) return false;
  for (const json::value& v : *list) {
    if (v.is_string() && v.get_string() == finalizer) return true;
  }
  return false;
}

void add_finalizer(json::object& object, std::string_view finalizer) {
  if (has_finalizer(object, finalizer)) return;
  ensure_array(metadata_of(object), "finalizers").emplace_back(finalizer);
}

void remove_finalizer(json::object& object, std::string_view finalizer) {
  json::object& meta = metadata_of(object);
  json::value* list = meta.if_contains("finalizers");
  if (!list || !list->is_array()) return;
  json::array kept;
  for (const json::value& v : list->get_array()) {
    if (!(v.is_string() && v.get_string() == finalizer)) kept.push_back(v);
  }
  if (kept.empty()) {
    meta.erase("finalizers");
  } else {
    *list = std::move(kept);
  }
}

bool has_finalizers(const json::object& object) {
  const json::array* list = array_at(object, {"metadata", "finalizers"});
  return list && !list->empty();
}

namespace {

std::string format_date(WallTime time, std::string_view fraction_and_zone) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), fraction_and_zone);
}

}  // namespace

std::string format_time(WallTime time) { return format_date(time, "Z"); }

std::string format_micro_time(WallTime time) {
  const auto micros = time.time_since_epoch().count() % 1'000'000;
  return format_date(time, fmt::format(".{:06}Z", micros < 0 ? micros + 1'000'000 : micros));
}

std::optional<WallTime> parse_time(std::string_view text) {
  int year, month, day, hour, minute, second, used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) !=
      6) {
    return std::nullopt;
  }
  std::int64_t micros = 0;
  std::size_t at = static_cast<std::size_t>(used);
  if (at < copy.size() && copy[at] == '.') {
    std::int64_t scale = 100'000;
    for (++at; at < copy.size() && copy[at] >= '0' && copy[at] <= '9'; ++at, scale /= 10)
      micros += (copy[at] - '0') * scale;
  }
  if (copy.substr(at) != "Z") return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::microseconds(micros);
}

void set_condition(json::array& conditions, const Condition& condition, WallTime now) {
  json::object* found = nullptr;
  for (json::value& v : conditions) {
    if (v.is_object() && string_at(v.get_object(), {"type"}) == condition.type) found = &v.get_object();
  }
  if (!found) {
    conditions.emplace_back(json::object{{"type", condition.type}});
    found = &conditions.back().get_object();
  }
  const std::string_view status = condition.status ? "True" : "False";
  if (string_at(*found, {"status"}) != status) {
    (*found)["status"] = status;
    (*found)["lastTransitionTime"] = format_time(now);
  }
  const auto put = [&](std::string_view key, const std::string& text) {
    if (text.empty()) {
      found->erase(key);
    } else {
      (*found)[key] = text;
    }
  };
  put("reason", condition.reason);
  put("message", condition.message);
}

const json::object* find_condition(const json::object& object, std::string_view type) {
  const json::array* conditions = array_at(object, {"status", "conditions"});
  if (!conditions) return nullptr;
  for (const json::value& v : *conditions) {
    if (v.is_object() && string_at(v.get_object(), {"type"}) == type) return &v.get_object();
  }
  return nullptr;
}

}  // namespace berth::sim
