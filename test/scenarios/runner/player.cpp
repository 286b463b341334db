#include "scenarios/runner/player.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <thread>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "scenarios/runner/observer.h"

namespace berth::scenarios {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience = 30s;
constexpr milliseconds kBetweenLooks = 25ms;

// "500ms", "2s".
std::optional<milliseconds> parse_time(const json::value& value) {
  if (!value.is_string()) return std::nullopt;
  const std::string text(value.get_string());
  std::size_t used = 0;
  while (used < text.size() && (std::isdigit(static_cast<unsigned char>(text[used])) != 0)) ++used;
  if (used == 0 || used > 6) return std::nullopt;
  const int number = std::stoi(text.substr(0, used));
  if (text.substr(used) == "ms") return milliseconds(number);
  if (text.substr(used) == "s") return std::chrono::seconds(number);
  return std::nullopt;
}

std::vector<json::value> listed(const json::value& value) {
  if (value.is_array()) return {value.get_array().begin(), value.get_array().end()};
  return {value};
}

json::object& object_below(json::object& object, std::string_view key) {
  json::value& value = object[key];
  return value.is_object() ? value.get_object() : value.emplace_object();
}

// What a scenario may leave out of a manifest: apiVersion, and what every pod must have.
void complete(json::object& manifest) {
  const std::string kind = api::string_at(manifest, {"kind"});
  if (const KindInfo* info = find_kind(kind); info != nullptr && !manifest.contains("apiVersion"))
    manifest["apiVersion"] = info->api_version;
  const auto add_containers = [](json::object& spec) {
    if (!spec.contains("containers")) spec["containers"] = json::array{{{"name", "main"}, {"image", "pause"}}};
  };
  if (kind == "Pod") add_containers(object_below(manifest, "spec"));
  if (kind == "Deployment" || kind == "StatefulSet" || kind == "ReplicaSet" || kind == "Job") {
    // Inserting moves what is beside it, so each part is looked up anew.
    const json::value app = object_below(manifest, "metadata")["name"];
    const auto spec = [&]() -> json::object& { return object_below(manifest, "spec"); };
    const auto pod = [&]() -> json::object& { return object_below(spec(), "template"); };
    add_containers(object_below(pod(), "spec"));
    if (kind == "Job") {
      json::object& pod_spec = object_below(pod(), "spec");
      if (!pod_spec.contains("restartPolicy")) pod_spec["restartPolicy"] = "Never";
    } else if (!spec().contains("selector")) {
      spec()["selector"] = {{"matchLabels", {{"app", app}}}};
      object_below(object_below(pod(), "metadata"), "labels")["app"] = app;
    }
    if (kind == "StatefulSet" && !spec().contains("serviceName")) spec()["serviceName"] = app;
  }
}

class Player {
 public:
  Player(Place& place, const Scenario& scenario, const PlayOptions& options)
      : place_(place),
        observer_(place),
        scenario_(scenario),
        options_(options),
        variables_(variables_of(options.number)) {}

  Outcome run() {
    const auto begun = steady_clock::now();
    for (std::size_t i = 0; i < scenario_.steps.size() && outcome_.kind == Outcome::Kind::passed; ++i) {
      where_ = fmt::format("step {} of {}", i + 1, scenario_.steps.size());
      step(scenario_.steps[i]);
    }
    if (outcome_.kind != Outcome::Kind::passed) add_context();
    if (options_.clean_up) clean_up();
    outcome_.took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
    return std::move(outcome_);
  }

 private:
  void broken(const std::string& what) { end(Outcome::Kind::broken, what); }

  void end(Outcome::Kind kind, const std::string& what) {
    if (outcome_.kind != Outcome::Kind::passed) return;
    outcome_.kind = kind;
    outcome_.what = fmt::format("{} ({}), {}: {}\n  claim: {}", scenario_.name, scenario_.file, where_, what,
                                substitute(scenario_.claim, variables_));
  }

  // Once, or as many times as it says, with <n> counting from 1.
  void step(const json::object& raw) {
    const std::int64_t times = api::int_at(raw, {"times"}, 0);
    if (times == 0) return step_once(raw);
    for (std::int64_t n = 1; n <= times && outcome_.kind == Outcome::Kind::passed; ++n) {
      variables_["n"] = std::to_string(n);
      step_once(raw);
    }
    variables_.erase("n");
  }

  void step_once(const json::object& raw) {
    std::vector<std::string> unknown;
    const json::value replaced = substitute(json::value(raw), variables_, &unknown);
    if (!unknown.empty()) return broken(fmt::format("<{}> is not known (yet)", unknown.front()));
    const json::object& step = replaced.get_object();
    milliseconds patience = kPatience;
    if (const auto* within = step.if_contains("within")) {
      const auto time = parse_time(*within);
      if (!time) return broken("`within` needs a time, such as 10s or 500ms");
      patience = *time;
    }
    if (options_.patience > 0ms) patience = options_.patience;
    for (const auto& [verb, content] : step) {
      if (verb == "apply") each(content, [&](const json::value& item) { apply(item); });
      if (verb == "delete") each(content, [&](const json::value& item) { remove(item); });
      if (verb == "patch") each(content, [&](const json::value& item) { patch(item); });
      if (verb == "rejected") rejected(content, step);
      if (verb == "see") see(content, patience);
      if (verb == "stays") stays(content, step);
      if (verb == "remember") remember(content, patience);
      if (verb == "controller") controller(content.get_string());
    }
  }

  template <typename Do>
  void each(const json::value& content, Do what) {
    for (const json::value& item : listed(content)) {
      if (outcome_.kind == Outcome::Kind::passed) what(item);
    }
  }

  static std::optional<ObjectName> name_of(const json::object& manifest) {
    const KindInfo* kind = find_kind(api::string_at(manifest, {"kind"}));
    if (kind == nullptr) return std::nullopt;
    return ObjectName{kind->kind, kind->namespaced ? api::string_at(manifest, {"metadata", "namespace"}) : "",
                      api::string_at(manifest, {"metadata", "name"})};
  }

  Status send(json::object manifest) {
    complete(manifest);
    const auto name = name_of(manifest);
    if (!name) return fail(ErrorCode::invalid, "unknown kind: " + json::serialize(manifest));
    auto made = place_.create(manifest);
    if (!made && made.error().code == ErrorCode::already_exists) made = place_.merge_patch(*name, manifest);
    if (!made) return fail(made.error());
    const bool known = std::ranges::any_of(applied_, [&](const ObjectName& is) {
      return is.kind == name->kind && is.ns == name->ns && is.name == name->name;
    });
    if (!known) applied_.push_back(*name);
    return {};
  }

  void apply(const json::value& manifest) {
    if (!manifest.is_object()) return broken("apply needs a manifest, or a list of them");
    if (auto sent = send(manifest.get_object()); !sent) broken("apply: " + sent.error().message);
  }

  void rejected(const json::value& manifest, const json::object& step) {
    if (!manifest.is_object()) return broken("rejected needs a manifest");
    const auto sent = send(manifest.get_object());
    if (sent) return end(Outcome::Kind::not_seen, "the API took what it must reject: " + json::serialize(manifest));
    if (sent.error().code == ErrorCode::unavailable || sent.error().code == ErrorCode::timeout)
      return broken(sent.error().message);
    const auto* message = step.if_contains("message");
    const json::value said(sent.error().message);
    if (message == nullptr) return;
    if (auto problem = mismatch(json::object{{"$contains", *message}}, &said, {}, "message"))
      end(Outcome::Kind::not_seen, *problem);
  }

  void remove(const json::value& text) {
    const auto name = text.is_string() ? parse_object_name(text.get_string())
                                       : fail(ErrorCode::invalid, "delete needs Kind/namespace/name");
    if (!name) return broken(name.error().message);
    if (auto removed = place_.remove(*name); !removed) broken("delete: " + removed.error().message);
  }

  void patch(const json::value& content) {
    const json::object* object = content.if_object();
    if (object == nullptr || !object->contains("object")) return broken("patch needs `object`, and what to change");
    const auto name = parse_object_name(api::string_at(*object, {"object"}));
    if (!name) return broken(name.error().message);
    json::object body = *object;
    body.erase("object");
    body.erase("subresource");
    const auto patched = place_.merge_patch(*name, body, api::string_at(*object, {"subresource"}));
    if (!patched) broken("patch: " + patched.error().message);
  }

  // The last thing that was seen instead; nothing if it came true in time.
  static std::optional<std::string> await(const std::function<std::optional<std::string>()>& look,
                                          milliseconds patience) {
    const auto deadline = steady_clock::now() + patience;
    while (true) {
      auto problem = look();
      if (!problem || steady_clock::now() > deadline) return problem;
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }

  void see(const json::value& content, milliseconds patience) {
    each(content, [&](const json::value& item) {
      if (auto problem = await([&] { return observer_.look(item.get_object()); }, patience))
        end(Outcome::Kind::not_seen, fmt::format("not seen within {} ms: {}", patience.count(), *problem));
    });
  }

  void stays(const json::value& content, const json::object& step) {
    const auto* text = step.if_contains("for");
    const auto time = text == nullptr ? std::optional<milliseconds>(1s) : parse_time(*text);
    if (!time) return broken("`for` needs a time, such as 1s");
    const auto deadline = steady_clock::now() + (options_.patience > 0ms ? options_.patience : *time);
    while (outcome_.kind == Outcome::Kind::passed && steady_clock::now() < deadline) {
      each(content, [&](const json::value& item) {
        if (auto problem = observer_.look(item.get_object())) end(Outcome::Kind::not_seen, "did not stay: " + *problem);
      });
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }

  // What a value is remembered from: an object of the API, or the one row of OVN that fits.
  Result<json::object> source(const json::value& from) {
    if (!from.is_object()) return fail(ErrorCode::invalid, "remember needs `of` or `row`, and `at`");
    if (const std::string table = api::string_at(from.get_object(), {"row"}); !table.empty()) {
      const auto* where = from.get_object().if_contains("where");
      return observer_.find_row(table, where == nullptr ? json::value(json::object()) : *where);
    }
    const auto name = parse_object_name(api::string_at(from.get_object(), {"of"}));
    if (!name) return fail(name.error());
    return place_.get(*name);
  }

  // {name: {of: Kind/…, at: [path]}}
  void remember(const json::value& content, milliseconds patience) {
    if (!content.is_object()) return broken("remember needs a map");
    for (const auto& [variable, from] : content.get_object()) {
      const auto look = [&]() -> std::optional<std::string> {
        const auto object = source(from);
        if (!object) return object.error().message;
        const json::value whole(*object);
        const json::value* at = &whole;
        const auto path = api::strings_at(from.get_object(), {"at"});
        for (const std::string& key : path) {
          at = at->is_object() ? at->get_object().if_contains(key) : nullptr;
          if (at == nullptr) return fmt::format("{} has no {}", json::serialize(from), api::join(path, "."));
        }
        variables_[std::string(variable)] = at->is_string() ? std::string(at->get_string()) : json::serialize(*at);
        return std::nullopt;
      };
      if (auto problem = await(look, patience)) return end(Outcome::Kind::not_seen, *problem);
    }
  }

  void controller(std::string_view order) {
    if (!place_.owns_controller()) return broken("the controller of this cluster is not ours");
    if (order == "start") {
      if (auto started = place_.start_controller(); !started) broken(started.error().message);
    } else {
      place_.stop_controller(order == "kill");
    }
  }

  // All at once, in the order of applying, as somebody would who deletes a release.
  void clean_up() {
    where_ = "clean-up";
    for (const ObjectName& name : applied_) {
      const auto removed = place_.remove(name);
      if (!removed && removed.error().code != ErrorCode::not_found) broken("delete: " + removed.error().message);
    }
    const bool was_well = outcome_.kind == Outcome::Kind::passed;
    for (const ObjectName& name : applied_) {
      const std::string text = name.kind + (name.ns.empty() ? "/" : "/" + name.ns + "/") + name.name;
      const json::object gone{{"absent", text}};
      if (auto problem = await([&] { return observer_.look(gone); }, was_well ? kPatience : milliseconds(5s))) {
        end(Outcome::Kind::not_seen, "what was applied does not go: " + *problem);
        if (was_well) add_context();
        return;
      }
    }
  }

  // What the namespaces' events and the controller's log say, for who reads the failure.
  void add_context() {
    if (options_.patience > 0ms) return;
    const std::string id = variables_.at("id");
    std::string& out = outcome_.what;
    out += fmt::format("\n  <id> was {}, <net> {}, <net6> {}", id, variables_.at("net"), variables_.at("net6"));
    for (const ObjectName& name : applied_) {
      if (name.kind != "Namespace") continue;
      const auto events = place_.list("Event", name.name);
      if (!events) continue;
      for (const json::object& event : *events) {
        out += fmt::format("\n  event of {} {}: {} {}: {}", api::string_at(event, {"involvedObject", "kind"}),
                           api::string_at(event, {"involvedObject", "name"}), api::string_at(event, {"type"}),
                           api::string_at(event, {"reason"}), api::string_at(event, {"message"}));
      }
    }
    std::vector<std::string> said;
    std::istringstream log(place_.owns_controller() ? place_.controller_log() : "");
    for (std::string line; std::getline(log, line);) {
      if (line.find(id) != std::string::npos) said.push_back(line);
    }
    constexpr std::size_t kLines = 15;
    for (std::size_t i = said.size() > kLines ? said.size() - kLines : 0; i < said.size(); ++i)
      out += "\n  controller: " + said[i];
  }

  Place& place_;
  Observer observer_;
  const Scenario& scenario_;
  const PlayOptions& options_;
  Variables variables_;
  std::vector<ObjectName> applied_;
  std::string where_;
  Outcome outcome_;
};

}  // namespace

Variables variables_of(int number) {
  // 10.16.0.0/16 and 10.96.0.0/12 are the cluster's own.
  std::vector<int> octets;
  for (int i = 20; i < 256; ++i) {
    if (i < 96 || i > 111) octets.push_back(i);
  }
  const auto n = static_cast<std::size_t>(number);
  return {{"id", fmt::format("s{}", number)},
          {"net", fmt::format("{}.{}", 10 + n / octets.size(), octets[n % octets.size()])},
          {"net6", fmt::format("fd00:{:x}", 0x1000 + number)}};
}

Outcome play(Place& place, const Scenario& scenario, const PlayOptions& options) {
  return Player(place, scenario, options).run();
}

}  // namespace berth::scenarios
