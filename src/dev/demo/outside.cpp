#include "dev/demo/outside.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "dev/demo/inet.h"

namespace berth::dev {

namespace {

using api::JsonArray;
using api::JsonObject;
using api::JsonValue;

bool is_tagged(const JsonValue& value, std::string_view tag) {
  return value.is_array() && value.get_array().size() == 2 && value.get_array()[0].is_string() &&
         value.get_array()[0].get_string() == tag;
}

// The members of a set that may be printed bare.
JsonArray members(const JsonValue& value) {
  if (is_tagged(value, "set") && value.get_array()[1].is_array()) return value.get_array()[1].get_array();
  return JsonArray{value};
}

bool is_reference(const JsonValue& value) {
  const JsonArray items = members(value);
  return !items.empty() && std::ranges::all_of(items, [](const JsonValue& item) { return is_tagged(item, "uuid"); });
}

std::string uuid_of(const JsonValue& value) {
  return is_tagged(value, "uuid") && value.get_array()[1].is_string() ? std::string(value.get_array()[1].get_string())
                                                                      : "";
}

const JsonValue* column(const std::map<std::string, JsonValue>& row, const std::string& name) {
  const auto found = row.find(name);
  return found == row.end() ? nullptr : &found->second;
}

std::string text_of(const std::map<std::string, JsonValue>& row, const std::string& name) {
  const JsonValue* value = column(row, name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

Result<PrintedTable> parse_table(const std::string& line, const std::string& name) {
  const auto broken = [&] {
    return fail(ErrorCode::internal, fmt::format("table {}: not what was expected: {}", name, line));
  };
  const Result<JsonValue> parsed = api::parse_json(line);
  if (!parsed || !parsed->is_object()) return broken();
  const auto headings = api::strings_at(parsed->get_object(), {"headings"});
  const JsonArray* data = api::find_array(parsed->get_object(), {"data"});
  if (headings.empty() || data == nullptr) return broken();

  PrintedTable table{name, {}};
  for (const JsonValue& printed : *data) {
    if (!printed.is_array() || printed.get_array().size() != headings.size()) return broken();
    auto& row = table.rows.emplace_back();
    for (std::size_t index = 0; index < headings.size(); ++index) row[headings[index]] = printed.get_array()[index];
  }
  return table;
}

bool ready(const JsonObject& pod) {
  const JsonArray* conditions = api::find_array(pod, {"status", "conditions"});
  return conditions != nullptr && std::ranges::any_of(*conditions, [](const JsonValue& condition) {
           return condition.is_object() && api::string_at(condition.get_object(), {"type"}) == "Ready" &&
                  api::string_at(condition.get_object(), {"status"}) == "True";
         });
}

}  // namespace

Result<std::vector<PrintedTable>> parse_tables(std::string_view text, const std::vector<std::string>& tables) {
  std::vector<PrintedTable> parsed;
  std::istringstream lines{std::string(text)};
  for (const std::string& name : tables) {
    std::string line;
    std::getline(lines, line);
    Result<PrintedTable> table = parse_table(line, name);
    if (!table) return fail(std::move(table.error()));
    parsed.push_back(std::move(*table));
  }
  return parsed;
}

std::vector<SeenPort> ports_of(const PrintedTable& switches, const PrintedTable& ports) {
  std::map<std::string, std::string> switch_of;  // by port UUID
  for (const auto& row : switches.rows) {
    const JsonValue* references = column(row, "ports");
    if (references == nullptr) continue;
    for (const JsonValue& reference : members(*references)) switch_of[uuid_of(reference)] = text_of(row, "name");
  }
  std::vector<SeenPort> seen;
  for (const auto& row : ports.rows) {
    SeenPort& port = seen.emplace_back();
    port.name = text_of(row, "name");
    if (const JsonValue* uuid = column(row, "_uuid")) port.logical_switch = switch_of[uuid_of(*uuid)];
    const JsonValue* addresses = column(row, "addresses");
    if (addresses == nullptr) continue;
    for (const JsonValue& item : members(*addresses)) {
      if (!item.is_string()) continue;
      std::istringstream words{std::string(item.get_string())};
      for (std::string word; words >> word;) {
        if (Inet::parse(word)) port.addresses.push_back(word);
      }
    }
  }
  return seen;
}

std::string describe_row(const std::string& table, const std::map<std::string, JsonValue>& row) {
  if (const std::string name = text_of(row, "name"); !name.empty()) return fmt::format("{} {}", table, name);
  JsonObject rest;
  for (const auto& [name, value] : row) {
    if (!is_reference(value)) rest[name] = value;
  }
  return fmt::format("{} {}", table, boost::json::serialize(rest));
}

Result<SeenNamespace> parse_ip(std::string_view addresses, const std::vector<std::string>& routes) {
  SeenNamespace seen;
  const Result<JsonValue> links = api::parse_json(addresses);
  if (!links || !links->is_array()) return fail(ErrorCode::internal, fmt::format("ip addr printed: {}", addresses));
  for (const JsonValue& link : links->get_array()) {
    if (!link.is_object()) continue;
    const JsonArray* infos = api::find_array(link.get_object(), {"addr_info"});
    if (infos == nullptr) continue;
    for (const JsonValue& info : *infos) {
      if (!info.is_object() || api::string_at(info.get_object(), {"scope"}) != "global") continue;
      seen.addresses.push_back(api::string_at(info.get_object(), {"local"}));
    }
  }
  for (const std::string& text : routes) {
    const Result<JsonValue> list = api::parse_json(text.empty() ? "[]" : text);
    if (!list || !list->is_array()) return fail(ErrorCode::internal, fmt::format("ip route printed: {}", text));
    for (const JsonValue& route : list->get_array()) {
      if (!route.is_object()) continue;
      seen.routes.push_back(
          {api::string_at(route.get_object(), {"dst"}), api::string_at(route.get_object(), {"gateway"})});
    }
  }
  return seen;
}

SeenPod pod_of(const JsonObject& object) {
  SeenPod pod;
  pod.ns = api::string_at(object, {"metadata", "namespace"});
  pod.name = api::string_at(object, {"metadata", "name"});
  pod.uid = api::string_at(object, {"metadata", "uid"});
  pod.node = api::string_at(object, {"spec", "nodeName"});
  pod.phase = api::string_at(object, {"status", "phase"});
  pod.ready = ready(object);
  pod.leaving = api::find(object, {"metadata", "deletionTimestamp"}) != nullptr;
  pod.labels = api::string_map_at(object, {"metadata", "labels"});
  if (const JsonArray* addresses = api::find_array(object, {"status", "podIPs"})) {
    for (const JsonValue& address : *addresses) {
      if (address.is_object()) pod.addresses.push_back(api::string_at(address.get_object(), {"ip"}));
    }
  }
  if (const JsonArray* containers = api::find_array(object, {"status", "containerStatuses"})) {
    for (const JsonValue& container : *containers) {
      if (!container.is_object()) continue;
      pod.restarts += static_cast<std::size_t>(api::int_at(container.get_object(), {"restartCount"}));
    }
  }
  return pod;
}

}  // namespace berth::dev
