#include "api/metadata.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace berth::api {
namespace {

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int out = 0;
  const auto [end, ec] = std::from_chars(text.data() + at, text.data() + at + count, out);
  if (ec != std::errc{} || end != text.data() + at + count) return std::nullopt;
  return out;
}

}  // namespace

ObjectMeta ObjectMeta::parse(const JsonObject& object) {
  ObjectMeta m;
  const JsonObject* meta = find_object(object, {"metadata"});
  if (meta == nullptr) return m;
  m.name = string_at(*meta, {"name"});
  m.ns = string_at(*meta, {"namespace"});
  m.uid = string_at(*meta, {"uid"});
  m.resource_version = string_at(*meta, {"resourceVersion"});
  std::from_chars(m.resource_version.data(), m.resource_version.data() + m.resource_version.size(), m.version);
  m.generation = int_at(*meta, {"generation"});
  m.created = parse_time(string_at(*meta, {"creationTimestamp"})).value_or(WallTime{});
  m.deleting = !string_at(*meta, {"deletionTimestamp"}).empty();
  m.labels = string_map_at(*meta, {"labels"});
  m.annotations = string_map_at(*meta, {"annotations"});
  m.finalizers = strings_at(*meta, {"finalizers"});
  if (const JsonArray* owners = find_array(*meta, {"ownerReferences"})) {
    for (const JsonValue& item : *owners) {
      if (const JsonObject* o = item.if_object()) {
        m.owners.push_back(
            {string_at(*o, {"kind"}), string_at(*o, {"name"}), string_at(*o, {"uid"}), bool_at(*o, {"controller"})});
      }
    }
  }
  return m;
}

bool ObjectMeta::has_finalizer(std::string_view finalizer) const {
  return std::ranges::find(finalizers, finalizer) != finalizers.end();
}

std::optional<std::string> ObjectMeta::annotation(std::string_view key) const {
  const auto it = annotations.find(std::string(key));
  if (it == annotations.end()) return std::nullopt;
  return it->second;
}

const OwnerReference* ObjectMeta::controller() const {
  const auto it = std::ranges::find_if(owners, &OwnerReference::controller);
  return it == owners.end() ? nullptr : &*it;
}

bool ObjectMeta::older_than(const ObjectMeta& other) const {
  return created != other.created ? created < other.created : name < other.name;
}

std::optional<WallTime> parse_time(std::string_view text) {
  using namespace std::chrono;
  const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  const auto h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (!y || !mo || !d || !h || !mi || !s || text.back() != 'Z') return std::nullopt;
  const year_month_day date{year(*y), month(static_cast<unsigned>(*mo)), day(static_cast<unsigned>(*d))};
  if (!date.ok()) return std::nullopt;
  microseconds fraction{0};
  if (text.size() > 21 && text[19] == '.') {
    std::string f(text.substr(20, text.size() - 21));
    f.resize(6, '0');
    fraction = microseconds(digits(f, 0, 6).value_or(0));
  }
  return WallTime(sys_days(date).time_since_epoch() + hours(*h) + minutes(*mi) + seconds(*s) + fraction);
}

std::string format_micro_time(WallTime time) {
  using namespace std::chrono;
  const auto days_part = floor<days>(time);
  const year_month_day date{days_part};
  const hh_mm_ss clock{floor<microseconds>(time - days_part)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string format_time(WallTime time) { return format_micro_time(time).substr(0, 19) + "Z"; }

std::string format_duration(Duration duration) {
  using namespace std::chrono;
  const auto tenths = duration_cast<milliseconds>(duration).count() / 100;
  if (tenths < 600) return fmt::format("{}.{}s", tenths / 10, tenths % 10);
  const auto whole = tenths / 10;
  return whole < 3600 ? fmt::format("{}m{}s", whole / 60, whole % 60)
                      : fmt::format("{}h{}m", whole / 3600, whole % 3600 / 60);
}

bool is_object_name(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty() || text.size() > 253 || !plain(text.front()) || !plain(text.back())) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!plain(text[i]) && text[i] != '-' && text[i] != '.') return false;
    if (text[i] == '.' && (!plain(text[i - 1]) || !plain(text[i + 1]))) return false;
  }
  return true;
}

}  // namespace berth::api
