#pragma once

// For tests of reconcilers: a World, an API and an OVN that answer at once and never fail. settle() reconciles until
// nothing is dirty. What can go wrong on the way is the simulator's business (test/sim).

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "api/json.h"
#include "reconcile/plan.h"
#include "world/world.h"

namespace berth::reconcile {

class TestCluster {
 public:
  explicit TestCluster(binding::Safeguards safeguards = {}) : world(settings(safeguards)) {
    pass(std::chrono::seconds(1000));
    world.set_epoch(1);
    settle();
  }

  static world::Settings settings(binding::Safeguards safeguards) {
    world::Settings s;
    s.default_cidr = {*net::Cidr::parse("10.16.0.0/16")};
    s.join_cidr = {*net::Cidr::parse("100.64.0.0/16")};
    s.service_cidr = {*net::Cidr::parse("10.96.0.0/12")};
    s.safeguards = safeguards;
    return s;
  }

  // Creates or replaces an object; what the server would set is set.
  void put(api::Kind kind, const std::string& ns, const std::string& name, api::JsonObject object) {
    api::JsonObject& stored = objects[{kind, ns, name}];
    const std::string uid =
        stored.empty() ? "uid-" + std::to_string(++serial_) : api::string_at(stored, {"metadata", "uid"});
    stored = std::move(object);
    stored["kind"] = api::resource_of(kind).name;
    api::JsonObject& metadata =
        stored["metadata"].is_object() ? stored["metadata"].get_object() : stored["metadata"].emplace_object();
    metadata["name"] = name;
    if (!ns.empty()) metadata["namespace"] = ns;
    metadata["uid"] = uid;
    metadata["creationTimestamp"] = api::format_time(world.wall_now());
    saw(kind, stored);
  }
  void subnet(const std::string& name, api::JsonObject spec) {
    put(api::Kind::subnet, "", name, {{"spec", std::move(spec)}});
  }
  void ns(const std::string& name, const std::map<std::string, std::string>& annotations = {}) {
    put(api::Kind::namespace_, "", name, {{"metadata", {{"annotations", strings(annotations)}}}});
  }
  void pod(const std::string& ns, const std::string& name, const std::map<std::string, std::string>& annotations = {}) {
    put(api::Kind::pod, ns, name,
        {{"metadata", {{"annotations", strings(annotations)}}},
         {"spec", {{"nodeName", "node-1"}}},
         {"status", {{"phase", "Pending"}}}});
  }
  // A merge patch as a user or the kubelet sends it.
  void edit(api::Kind kind, const std::string& ns, const std::string& name, const api::JsonObject& body) {
    api::JsonObject& stored = objects.at({kind, ns, name});
    merge(stored, body);
    saw(kind, stored);
  }
  // A deletion, which finalizers delay.
  void remove(api::Kind kind, const std::string& ns, const std::string& name) {
    api::JsonObject& stored = objects.at({kind, ns, name});
    if (finalizers(stored) == 0) return gone(kind, ns, name);
    stored["metadata"].get_object()["deletionTimestamp"] = api::format_time(world.wall_now());
    saw(kind, stored);
  }

  void pass(Duration time) {
    now_ += time;
    world.set_time(now_, WallTime(std::chrono::duration_cast<WallTime::duration>(now_.time_since_epoch())) +
                             std::chrono::hours(480'000));
  }

  // Until nothing is left to do at this time.
  void settle() {
    world.mark_all_dirty();
    follow();
  }
  // Only what changes have marked: what nobody is told of stays as it is.
  void follow() {
    for (int steps = 0; step();) ASSERT_LT(++steps, 20'000) << "does not come to rest";
  }
  // One key; false: there is none.
  bool step() {
    const auto key = world.take_dirty();
    if (key) carry_out(*key, reconcile(world, *key, random_));
    return key.has_value();
  }

  [[nodiscard]] const api::JsonObject* find(api::Kind kind, const std::string& ns, const std::string& name) const {
    const auto it = objects.find({kind, ns, name});
    return it == objects.end() ? nullptr : &it->second;
  }
  [[nodiscard]] std::string text(api::Kind kind, const std::string& ns, const std::string& name,
                                 std::initializer_list<std::string_view> path) const {
    const api::JsonObject* object = find(kind, ns, name);
    return object == nullptr ? "" : api::string_at(*object, path);
  }
  [[nodiscard]] std::string address(const std::string& ns, const std::string& pod) const {
    return text(api::Kind::pod, ns, pod, {"metadata", "annotations", "ovn.kubernetes.io/ip_address"});
  }
  // "status reason: message" of a condition; empty: there is none.
  [[nodiscard]] std::string condition(api::Kind kind, const std::string& ns, const std::string& name,
                                      const std::string& type) const {
    const api::JsonObject* object = find(kind, ns, name);
    const api::JsonArray* all = object == nullptr ? nullptr : api::find_array(*object, {"status", "conditions"});
    if (all == nullptr) return {};
    for (const api::JsonValue& item : *all) {
      const api::JsonObject& c = item.get_object();
      if (api::string_at(c, {"type"}) == type)
        return api::string_at(c, {"status"}) + " " + api::string_at(c, {"reason"}) + ": " +
               api::string_at(c, {"message"});
    }
    return {};
  }
  // Messages of the events of that reason about that object, in order.
  [[nodiscard]] std::vector<std::string> events_of(const std::string& name, const std::string& reason) const {
    std::vector<std::string> out;
    for (const EventNote& note : events) {
      if (note.name == name && note.reason == reason) out.push_back(note.message);
    }
    return out;
  }

  world::World world;
  std::map<std::tuple<api::Kind, std::string, std::string>, api::JsonObject> objects;
  std::vector<EventNote> events;
  std::size_t writes = 0;
  std::size_t proofs = 0;  // reads that asked whether a pod is gone

 private:
  static api::JsonObject strings(const std::map<std::string, std::string>& map) {
    api::JsonObject out;
    for (const auto& [key, value] : map) out[key] = value;
    return out;
  }

  static void merge(api::JsonObject& is, const api::JsonObject& patch) {
    for (const auto& [key, value] : patch) {
      if (value.is_null()) {
        is.erase(key);
      } else if (value.is_object()) {
        if (!is[key].is_object()) is[key].emplace_object();
        merge(is[key].get_object(), value.get_object());
      } else {
        is[key] = value;
      }
    }
  }

  static std::size_t finalizers(const api::JsonObject& object) {
    const api::JsonArray* all = api::find_array(object, {"metadata", "finalizers"});
    return all == nullptr ? 0 : all->size();
  }

  void saw(api::Kind kind, api::JsonObject& stored) {
    stored["metadata"].get_object()["resourceVersion"] = std::to_string(++serial_);
    world.upsert(kind, stored);
  }

  void gone(api::Kind kind, const std::string& ns, const std::string& name) {
    api::JsonObject last = std::move(objects.at({kind, ns, name}));
    objects.erase({kind, ns, name});
    last["metadata"].get_object()["resourceVersion"] = std::to_string(++serial_);
    world.remove(kind, last);
  }

  void carry_out(const world::Key& key, const Plan& plan) {
    events.insert(events.end(), plan.events.begin(), plan.events.end());
    for (const world::OvnChange& change : plan.ovn) std::visit([this](const auto& c) { apply(c); }, change);
    for (const api::Request& request : plan.writes) write(request);
    if (plan.prove_pod) {
      ++proofs;
      const auto slash = plan.prove_pod->find('/');
      const std::string uid = text(api::Kind::pod, plan.prove_pod->substr(0, slash), plan.prove_pod->substr(slash + 1),
                                   {"metadata", "uid"});
      if (uid.empty() || uid != plan.prove_uid) world.prove_gone(*plan.prove_pod, plan.prove_uid);
    }
    if (plan.fresh_read) world.end_read(world.begin_read(), {*plan.fresh_read});
    if (plan.acts()) world.mark_dirty(key);
  }

  void write(const api::Request& request) {
    ++writes;
    const std::string name =
        request.name.empty() ? api::string_at(request.body.get_object(), {"metadata", "name"}) : request.name;
    switch (request.verb) {
      case api::Verb::create:
        return put(request.kind, request.ns, name, request.body.get_object());
      case api::Verb::merge_patch: {
        api::JsonObject body = request.body.get_object();
        if (body.contains("metadata")) {
          body["metadata"].get_object().erase("uid");
          body["metadata"].get_object().erase("resourceVersion");
        }
        const api::JsonObject* is = find(request.kind, request.ns, name);
        ASSERT_NE(is, nullptr) << name;
        edit(request.kind, request.ns, name, body);
        if (!text(request.kind, request.ns, name, {"metadata", "deletionTimestamp"}).empty() && finalizers(*is) == 0)
          gone(request.kind, request.ns, name);
        return;
      }
      case api::Verb::remove:
        return remove(request.kind, request.ns, name);
      default:
        FAIL() << "a reconciler does not " << static_cast<int>(request.verb);
    }
  }

  void apply(const world::PutRouter& c) { world.observe_router(c.router.name, c.router); }
  void apply(const world::RemoveRouter& c) { world.observe_router(c.name, std::nullopt); }
  void apply(const world::PutSwitch& c) { world.observe_switch(c.logical_switch.name, c.logical_switch); }
  void apply(const world::RemoveSwitch& c) { world.observe_switch(c.name, std::nullopt); }
  void apply(const world::PutPort& c) { world.observe_port(c.port.name, c.port); }
  void apply(const world::RemovePort& c) { world.observe_port(c.name, std::nullopt); }
  void apply(const world::PutAddressSet& c) { world.observe_address_set(c.address_set.name, c.address_set); }
  void apply(const world::RemoveAddressSet& c) { world.observe_address_set(c.name, std::nullopt); }

  TimePoint now_{};
  std::uint64_t serial_ = 0;
  Random random_{7};
};

}  // namespace berth::reconcile
