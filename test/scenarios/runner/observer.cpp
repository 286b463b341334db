#include "scenarios/runner/observer.h"

#include <fmt/format.h>

#include <set>

#include <boost/json/serialize.hpp>

#include "api/annotations.h"
#include "api/ip.h"
#include "api/json.h"
#include "scenarios/runner/match.h"

namespace berth::scenarios {
namespace {

const json::value* member(const json::object& object, std::string_view key) { return object.if_contains(key); }

json::object without(json::object object, std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) object.erase(key);
  return object;
}

// The conditions of an object as a map by type, so that a scenario can name them.
json::object conditions_of(const json::object& object) {
  json::object out;
  const json::array* list = api::find_array(object, {"status", "conditions"});
  if (list == nullptr) return out;
  for (const json::value& item : *list) {
    if (item.is_object()) out[api::string_at(item.get_object(), {"type"})] = item;
  }
  return out;
}

// `Ready: True` and `Ready: {status: True, …}`: YAML reads the word as a truth value, Kubernetes has a text.
json::value expected_condition(const json::value& expected) {
  const auto text = [](const json::value& value) {
    return value.is_bool() ? json::value(value.get_bool() ? "True" : "False") : value;
  };
  if (!expected.is_object()) return expected.is_null() ? expected : json::object{{"status", text(expected)}};
  json::object out = expected.get_object();
  if (const auto* status = out.if_contains("status")) out["status"] = text(*status);
  return out;
}

// Of the network that the expectation is about.
std::string provider_of(const json::object& expectation) {
  const std::string network = api::string_at(expectation, {"network"});
  return network.empty() ? std::string(api::kDefaultProvider) : network;
}

std::string annotation(const json::object& pod, std::string_view provider, std::string_view suffix) {
  return api::string_at(pod, {"metadata", "annotations", api::annotation_key(provider, suffix)});
}

std::optional<std::string> check_parts(const json::object& expectation, const json::object& is) {
  static constexpr std::string_view kParts[] = {"metadata", "spec", "status", "data"};
  for (const auto part : kParts) {
    if (const auto* expected = member(expectation, part)) {
      if (auto problem = mismatch(*expected, is.if_contains(part), {}, std::string(part))) return problem;
    }
  }
  static constexpr std::string_view kMaps[] = {"annotations", "labels"};
  for (const auto part : kMaps) {
    const auto* expected = member(expectation, part);
    if (expected == nullptr) continue;
    const json::object* map = api::find_object(is, {"metadata", part});
    const json::value there = map == nullptr ? json::value(json::object()) : json::value(*map);
    if (auto problem = mismatch(*expected, &there, {}, std::string(part))) return problem;
  }
  if (const auto* expected = member(expectation, "conditions"); expected != nullptr && expected->is_object()) {
    const json::object there = conditions_of(is);
    for (const auto& [type, wanted] : expected->get_object()) {
      const auto place = fmt::format("conditions.{}", std::string_view(type));
      if (auto problem = mismatch(expected_condition(wanted), there.if_contains(type), {}, place)) return problem;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> Observer::look(const json::object& expectation) {
  const auto text = [&](std::string_view key) { return api::string_at(expectation, {key}); };
  if (expectation.contains("object")) return object(expectation);
  if (expectation.contains("absent")) return absent(text("absent"));
  if (expectation.contains("bound")) return bound(expectation);
  if (expectation.contains("event")) return event(expectation, text("event"), true);
  if (expectation.contains("no-event")) return event(expectation, text("no-event"), false);
  if (expectation.contains("row")) return row(expectation);
  if (expectation.contains("no-row")) return no_row(expectation);
  if (expectation.contains("metric")) return metric(expectation);
  if (const json::array* values = api::find_array(expectation, {"differ"})) {
    std::set<std::string> seen;
    for (const json::value& value : *values) {
      if (!seen.insert(json::serialize(value)).second) return fmt::format("{} is there twice", json::serialize(value));
    }
    return std::nullopt;
  }
  return "unknown expectation";
}

Observer::Problem Observer::object(const json::object& expectation) {
  const std::string text = api::string_at(expectation, {"object"});
  const auto name = parse_object_name(text);
  if (!name) return name.error().message;
  const auto is = place_.get(*name);
  if (!is) return fmt::format("{}: {}", text, is.error().message);
  auto problem = check_parts(expectation, *is);
  if (problem) return fmt::format("{}: {}", text, *problem);
  return std::nullopt;
}

Observer::Problem Observer::absent(const std::string& text) {
  const auto name = parse_object_name(text);
  if (!name) return name.error().message;
  const auto is = place_.get(*name);
  if (!is && is.error().code == ErrorCode::not_found) return std::nullopt;
  if (!is) return fmt::format("{}: {}", text, is.error().message);
  return fmt::format("{} is there{}: {}", text,
                     is->at("metadata").as_object().contains("deletionTimestamp") ? ", being deleted" : "",
                     json::serialize(*is).substr(0, 600));
}

// Bound means: announced on the pod, and pod, IP object and OVN port say the same.
Observer::Problem Observer::bound_pod(const json::object& pod, const json::object& expectation) {
  const std::string ns = api::string_at(pod, {"metadata", "namespace"});
  const std::string name = api::string_at(pod, {"metadata", "name"});
  const auto problem = [&](const std::string& what) { return fmt::format("Pod/{}/{}: {}", ns, name, what); };
  const std::string provider = provider_of(expectation);
  const auto said = [&](std::string_view suffix) { return annotation(pod, provider, suffix); };
  const std::string ip = said(api::suffix::kIpAddress);
  const std::string mac = said(api::suffix::kMacAddress);
  if (said(api::suffix::kAllocated) != "true" || said(api::suffix::kRouted) != "true" || ip.empty())
    return problem("is not bound: it has no address yet");
  if (const auto* ranges = member(expectation, "in")) {
    const json::value seen(ip);
    if (auto differs = mismatch(json::object{{"$in", *ranges}}, &seen, {}, "address")) return problem(*differs);
  }
  const std::string port = api::port_name(name, ns, provider);
  const auto object = place_.get({"IP", "", port});
  if (!object) return problem(object.error().message);
  const bool switched = !mac.empty();  // else it is a network of which Berth only gives the addresses
  const std::string on = switched ? said(api::suffix::kLogicalSwitch) : api::string_at(*object, {"spec", "subnet"});
  if (const std::string wanted = api::string_at(expectation, {"subnet"}); !wanted.empty() && wanted != on)
    return problem(fmt::format("is bound to Subnet {}, expected {}", on, wanted));
  if (api::string_at(*object, {"spec", "ipAddress"}) != ip || api::string_at(*object, {"spec", "macAddress"}) != mac ||
      api::string_at(*object, {"spec", "subnet"}) != on) {
    return problem(
        fmt::format("has {} {} of {}, but its IP object says {}", mac, ip, on, json::serialize(object->at("spec"))));
  }
  const auto nb = place_.northbound();
  if (!nb) return problem(nb.error().message);
  std::string addresses = mac + " " + api::join(api::split_list(ip), " ");
  for (const json::object& row : (*nb)->tables.at("Logical_Switch_Port")) {
    if (api::string_at(row, {"name"}) != port) continue;
    if (!switched) return problem("has a port " + port + " in a network without MAC addresses");
    const json::value expected(addresses);
    const auto& is = row.at("addresses");
    if (is == expected || (is.is_array() && is.get_array().size() == 1 && is.get_array()[0] == expected))
      return std::nullopt;
    return problem(fmt::format("its port has the addresses {}, expected {}", json::serialize(is), addresses));
  }
  return switched ? Problem(problem("there is no port " + port)) : std::nullopt;
}

Observer::Problem Observer::bound(const json::object& expectation) {
  const auto name = parse_object_name(api::string_at(expectation, {"bound"}));
  if (!name) return name.error().message;
  if (!name->name.ends_with('*')) {
    const auto pod = place_.get(*name);
    return pod ? bound_pod(*pod, expectation) : fmt::format("Pod/{}/{}: {}", name->ns, name->name, pod.error().message);
  }
  const auto pods = place_.list("Pod", name->ns);
  if (!pods) return pods.error().message;
  const std::string beginning = name->name.substr(0, name->name.size() - 1);
  std::set<std::string> addresses;
  std::int64_t count = 0;
  for (const json::object& pod : *pods) {
    if (!api::string_at(pod, {"metadata", "name"}).starts_with(beginning)) continue;
    if (pod.at("metadata").as_object().contains("deletionTimestamp")) continue;
    if (auto problem = bound_pod(pod, expectation)) return problem;
    for (const std::string& address :
         api::split_list(annotation(pod, provider_of(expectation), api::suffix::kIpAddress))) {
      if (!addresses.insert(address).second) return fmt::format("address {} is given twice", address);
    }
    ++count;
  }
  const std::int64_t wanted = api::int_at(expectation, {"count"}, -1);
  if (wanted >= 0 ? count != wanted : count == 0)
    return fmt::format("{} pods {}/{}*, expected {}", count, name->ns, beginning, wanted);
  return std::nullopt;
}

Observer::Problem Observer::event(const json::object& expectation, const std::string& on, bool wanted) {
  const auto name = parse_object_name(on);
  if (!name) return name.error().message;
  const auto events = place_.list("Event", name->ns.empty() ? "default" : name->ns);
  if (!events) return events.error().message;
  const json::object expected = without(expectation, {"event", "no-event"});
  std::string seen;
  const bool many = name->name.ends_with('*');
  const std::string beginning = name->name.substr(0, name->name.size() - (many ? 1 : 0));
  for (const json::object& event : *events) {
    const std::string about = api::string_at(event, {"involvedObject", "name"});
    if (api::string_at(event, {"involvedObject", "kind"}) != name->kind ||
        (many ? !about.starts_with(beginning) : about != beginning))
      continue;
    const json::value is(event);
    if (!mismatch(expected, &is))
      return wanted ? Problem() : fmt::format("{} has the event {}", on, json::serialize(event));
    seen += fmt::format("\n    {} {}: {}", api::string_at(event, {"type"}), api::string_at(event, {"reason"}),
                        api::string_at(event, {"message"}));
  }
  if (!wanted) return std::nullopt;
  return fmt::format("{}: expected the event {}, saw {}", on, json::serialize(expected),
                     seen.empty() ? "no event" : seen);
}

Observer::Problem Observer::row(const json::object& expectation) {
  const std::string table = api::string_at(expectation, {"row"});
  const auto nb = place_.northbound();
  if (!nb) return nb.error().message;
  const auto rows = (*nb)->tables.find(table);
  if (rows == (*nb)->tables.end()) return fmt::format("there is no table {}", table);
  const Resolve resolve = [&](std::string_view uuid) -> const json::object* {
    const auto it = (*nb)->by_uuid.find(uuid);
    return it == (*nb)->by_uuid.end() ? nullptr : it->second;
  };
  const json::value where = expectation.contains("where") ? expectation.at("where") : json::value(json::object());
  std::int64_t count = 0;
  for (const json::object& row : rows->second) {
    const json::value is(row);
    if (mismatch(where, &is, resolve)) continue;
    ++count;
    if (const auto* has = member(expectation, "has")) {
      if (auto problem = mismatch(*has, &is, resolve))
        return fmt::format("{} where {}: {}", table, json::serialize(where), *problem);
    }
  }
  const std::int64_t wanted = api::int_at(expectation, {"count"}, -1);
  if (wanted >= 0 ? count != wanted : count == 0) {
    return fmt::format("{} where {}: {} rows, expected {}", table, json::serialize(where), count,
                       wanted < 0 ? "some" : std::to_string(wanted));
  }
  return std::nullopt;
}

Result<json::object> Observer::find_row(const std::string& table, const json::value& where) {
  const auto nb = place_.northbound();
  if (!nb) return fail(nb.error());
  const auto rows = (*nb)->tables.find(table);
  const json::object* found = nullptr;
  if (rows != (*nb)->tables.end()) {
    for (const json::object& row : rows->second) {
      const json::value is(row);
      if (mismatch(where, &is)) continue;
      if (found != nullptr)
        return fail(ErrorCode::invalid, fmt::format("{} where {}: several rows", table, json::serialize(where)));
      found = &row;
    }
  }
  if (found == nullptr)
    return fail(ErrorCode::not_found, fmt::format("{} where {}: no row", table, json::serialize(where)));
  return *found;
}

Observer::Problem Observer::no_row(const json::object& expectation) {
  json::object other{{"row", expectation.at("no-row")}, {"count", 0}};
  if (const auto* where = member(expectation, "where")) other["where"] = *where;
  return row(other);
}

Observer::Problem Observer::metric(const json::object& expectation) {
  const std::string name = api::string_at(expectation, {"metric"});
  const auto all = place_.metrics(name);
  if (!all) return fmt::format("metric {}: {}", name, all.error().message);
  const auto it = all->find(name);
  const json::value is = it == all->end() ? json::value(nullptr) : json::value(it->second);
  const auto* value = member(expectation, "value");
  return mismatch(value == nullptr ? json::value(json::object{{"$not", nullptr}}) : *value, &is, {}, "metric " + name);
}

}  // namespace berth::scenarios
