#include "dev/demo/timeline.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/json.h"
#include "dev/demo/table.h"

namespace berth::dev {

namespace {

using api::JsonArray;
using api::JsonObject;
using api::JsonValue;

std::string stamp(Duration now) { return fmt::format("+{:>6}", format_duration(now)); }

std::string say(Duration now, std::string_view text) { return fmt::format("{}  {}", stamp(now), text); }

std::string name_of(const PodStory& story) { return fmt::format("{}/{}", story.ns, story.name); }

bool condition_true(const JsonObject& object, std::string_view type) {
  const JsonArray* conditions = api::find_array(object, {"status", "conditions"});
  if (conditions == nullptr) return false;
  for (const JsonValue& condition : *conditions) {
    if (!condition.is_object() || api::string_at(condition.get_object(), {"type"}) != type) continue;
    return api::string_at(condition.get_object(), {"status"}) == "True";
  }
  return false;
}

// The rule that the binding record names for the pod's own network; empty without a record.
std::string rule_of(const std::string& record) {
  const auto parsed = api::parse_json(record);
  if (!parsed || !parsed->is_object()) return "";
  return api::string_at(parsed->get_object(), {"networks", "ovn", "rule"});
}

// The gist of "waiting for Subnet web, which is not ready: Subnet web: its Vpc is missing; create it; or … (3 s so
// far)": without remedies, alternatives and repetitions. How long is shown by our own clock.
std::string what_for(std::string message) {
  constexpr std::string_view kPrefix = "waiting for ";
  if (message.starts_with(kPrefix)) message.erase(0, kPrefix.size());
  if (const std::size_t open = message.rfind(" ("); open != std::string::npos && message.ends_with(" so far)")) {
    message.erase(open);
  }
  message.erase(std::min(message.find("; "), message.size()));
  const std::string again = ": " + message.substr(0, message.find(',')) + ":";
  if (const std::size_t place = message.find(again); place != std::string::npos)
    message.erase(place + 1, again.size() - 1);
  return message;
}

}  // namespace

Timeline::Lines Timeline::pod(const JsonObject& object, bool deleted, Duration now) {
  Lines lines;
  const std::string uid = api::string_at(object, {"metadata", "uid"});
  const auto [place, is_new] = pods_.try_emplace(uid);
  PodStory& story = place->second;
  if (is_new) {
    story.ns = api::string_at(object, {"metadata", "namespace"});
    story.name = api::string_at(object, {"metadata", "name"});
    story.created = now;
    lines.push_back(say(now, fmt::format("pod {} is there", name_of(story))));
    if (const auto early = early_.find(uid); early != early_.end()) {
      story.state = PodStory::State::waiting;
      story.waits_for = early->second;
      lines.push_back(say(now, fmt::format("pod {} waits for {}", name_of(story), story.waits_for)));
      early_.erase(early);
    }
  }
  if (deleted) {
    pods_.erase(place);
    return lines;
  }
  story.node = api::string_at(object, {"spec", "nodeName"});

  const auto annotations = api::string_map_at(object, {"metadata", "annotations"});
  const auto value = [&](const char* key) {
    const auto found = annotations.find(key);
    return found == annotations.end() ? std::string() : found->second;
  };
  const std::string address = value("ovn.kubernetes.io/ip_address");
  if (value("ovn.kubernetes.io/allocated") == "true" && !address.empty() && address != story.address) {
    const bool again = story.bound.has_value();
    story.address = address;
    story.subnet = value("ovn.kubernetes.io/logical_switch");
    story.rule = rule_of(value("berth.io/binding"));
    const std::string woken = woken_by(story, now);
    story.bound = now;
    story.state = PodStory::State::bound;
    lines.push_back(
        say(now, fmt::format("pod {} {} {} of Subnet {}{} after {}{}", name_of(story), again ? "now has" : "gets",
                             story.address, story.subnet, story.rule.empty() ? "" : " (" + story.rule + ")",
                             format_duration(story.waited(now)), woken)));
  }
  const bool leaving = api::find(object, {"metadata", "deletionTimestamp"}) != nullptr;
  if (leaving) {
    story.state = PodStory::State::leaving;
  } else if (story.state != PodStory::State::running && api::string_at(object, {"status", "phase"}) == "Running" &&
             condition_true(object, "Ready")) {
    story.state = PodStory::State::running;
    lines.push_back(say(now, fmt::format("pod {} runs on {}", name_of(story), story.node)));
  }
  return lines;
}

Timeline::Lines Timeline::subnet(const JsonObject& object, bool deleted, Duration now) {
  return network("Subnet", object, condition_true(object, "Ready"), deleted, now);
}

Timeline::Lines Timeline::vpc(const JsonObject& object, bool deleted, Duration now) {
  return network("Vpc", object, api::bool_at(object, {"status", "standby"}), deleted, now);
}

Timeline::Lines Timeline::network(std::string_view kind, const JsonObject& object, bool ready, bool deleted,
                                  Duration now) {
  const std::string name = fmt::format("{} {}", kind, api::string_at(object, {"metadata", "name"}));
  if (deleted) {
    if (networks_.erase(name) == 0) return {};
    return {say(now, name + " is gone")};
  }
  const auto [place, is_new] = networks_.try_emplace(name);
  Readiness& known = place->second;
  if (!is_new && known.ready == ready) return {};
  known.ready = ready;
  known.since = now;
  return {say(now, name + (ready ? " is ready" : is_new ? " is there, not ready yet" : " is not ready any more"))};
}

Timeline::Lines Timeline::event(const JsonObject& object, Duration now) {
  const std::string reason = api::string_at(object, {"reason"});
  const std::string message = api::string_at(object, {"message"});
  if (api::string_at(object, {"involvedObject", "kind"}) != "Pod") return {};
  const std::string uid = api::string_at(object, {"involvedObject", "uid"});
  const auto found = pods_.find(uid);

  if (reason == "WaitingForSubnet") {
    const std::string waits_for = what_for(message);
    if (found == pods_.end()) {
      early_[uid] = waits_for;
      return {};
    }
    PodStory& story = found->second;
    if (story.bound || story.waits_for == waits_for) return {};
    story.state = PodStory::State::waiting;
    story.waits_for = waits_for;
    return {say(now, fmt::format("pod {} waits for {}", name_of(story), waits_for))};
  }
  if (api::string_at(object, {"type"}) != "Warning") return {};
  return {say(now, fmt::format("pod {}/{}: {}: {}", api::string_at(object, {"involvedObject", "namespace"}),
                               api::string_at(object, {"involvedObject", "name"}), reason, message))};
}

std::string Timeline::woken_by(const PodStory& story, Duration now) const {
  if (story.state != PodStory::State::waiting) return "";
  const auto found = networks_.find("Subnet " + story.subnet);
  if (found == networks_.end() || !found->second.ready) return ", woken by Subnet " + story.subnet;
  return fmt::format(", woken by Subnet {}, ready {} ago", story.subnet, format_duration(now - found->second.since));
}

Timeline::Lines Timeline::pending(Duration now) const {
  Lines lines;
  for (const auto& [uid, story] : pods_) {
    switch (story.state) {
      case PodStory::State::created:
        lines.push_back(fmt::format("{}  has no address yet, {}", name_of(story), format_duration(story.waited(now))));
        break;
      case PodStory::State::waiting:
        lines.push_back(
            fmt::format("{}  waits {} for {}", name_of(story), format_duration(story.waited(now)), story.waits_for));
        break;
      case PodStory::State::bound:
        lines.push_back(fmt::format("{}  has {} and starts on {}", name_of(story), story.address, story.node));
        break;
      case PodStory::State::leaving:
        lines.push_back(fmt::format("{}  is being deleted", name_of(story)));
        break;
      case PodStory::State::running:
        break;
    }
  }
  return lines;
}

}  // namespace berth::dev
